"""Make defaults.jpg, the sheet of one pair with one setting changed a panel.

python -m pip install -e ".[demo]"
OPENBLAS_NUM_THREADS=1 python examples/images/make_sheet.py
"""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import optax
from matplotlib.cbook import get_sample_data

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 256
PANELS: dict[str, dict[str, Any]] = {
    f"the default, beta {jnst.Settings.beta:g}": {},
    "beta 0.5": {"beta": 0.5},
    "beta 8": {"beta": 8.0},
    "gamma 0": {"gamma": 0.0},
    "colors free": {"colors": "free"},
    "Gram matrices, beta 5": {"style_loss": "gram", "beta": 5.0},
    "one size only": {"sizes": (SIZE,), "steps": 250},
    "layer weights 256:64:16:4:1": {
        "style_layers": {f"relu{block}_1": 4.0 ** (5 - block) / 341 for block in range(1, 6)}
    },
    "Adam in the pixels": {"optimizer": "adam"},
    "Optax's Adam as it is": {"optimizer": optax.adam(0.02, b2=0.99)},
    "L-BFGS": {"optimizer": "lbfgs"},
    "from noise": {"init": "noise"},
}


def main() -> None:
    content = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    style = jnst.load_image(FOLDER / "style.jpg", SIZE)
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(2, 6, figsize=(19.6, 8.6), layout="constrained")
    for axis, (title, settings) in zip(axes.flat, PANELS.items(), strict=True):
        result = jnst.stylize(model, content, style, **settings)
        content_loss, style_loss = (result.losses[term][-1] for term in ("content", "style"))
        print(f"{title}: content {content_loss:.3f}, style {style_loss:.4f}", flush=True)
        axis.imshow(result.image)
        axis.set_title(f"{title}\ncontent {content_loss:.2f}, style {style_loss:.3f}", fontsize=11)
        axis.axis("off")
    figure.savefig(FOLDER / "defaults.jpg", dpi=100, pil_kwargs={"quality": 90})


if __name__ == "__main__":
    main()
