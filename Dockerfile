# jnst for NVIDIA's GPUs.
#
#     docker build -t jnst .
#     docker run --gpus all -v "$PWD:/work" jnst stylize photo.jpg painting.jpg -o out.png
#
# CUDA comes from JAX's own wheels, so that the host needs only its driver and the container toolkit.
FROM python:3.12-slim

COPY pyproject.toml README.md LICENSE /opt/jnst/
COPY jnst /opt/jnst/jnst
COPY convert /opt/jnst/convert
RUN pip install --no-cache-dir "jax[cuda13]" \
    && pip install --no-cache-dir "/opt/jnst[demo,safetensors,preview,video]"

# Compiled programs are kept where the container may write, whoever runs it.
ENV JNST_CACHE=/cache
RUN mkdir /cache && chmod 777 /cache
VOLUME /cache
WORKDIR /work
ENTRYPOINT ["jnst"]
