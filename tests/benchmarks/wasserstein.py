"""How long a step takes at 128 px on a processor, by Gram matrices and by Wasserstein's distance.

python tests/benchmarks/wasserstein.py                            # OpenBLAS as it is
OPENBLAS_NUM_THREADS=1 python tests/benchmarks/wasserstein.py     # as the commands have it
"""

import time

import jax
import numpy as np

import jnst

SIZE, STEPS, WARM = 128, 30, 5


def main() -> None:
    model = jnst.load_vgg19()
    content = np.random.default_rng(0).uniform(size=(SIZE, SIZE, 3)).astype(np.float32)
    for style_loss in ("gram", "wasserstein"):
        times: list[float] = []

        def callback(progress: jnst.Progress, times: list[float] = times) -> None:
            jax.block_until_ready(progress.losses["total"])
            times.append(time.perf_counter())

        style = content[::-1].copy()
        settings = {"steps": STEPS, "sizes": SIZE, "style_loss": style_loss}
        jnst.stylize(model, content, style, callback=callback, **settings)
        print(f"{style_loss}: {1e3 * np.median(np.diff(times)[WARM:]):.0f} ms")


if __name__ == "__main__":
    main()
