"""Make pairs.jpg, the sheet of three pairs: the default beside Gram matrices.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_pairs.py

The portrait is matplotlib's sample picture, the moonlit bay is painted by make_style.py, and the
others are drawn by pictures.py.
"""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from panels import show_panels
from pictures import lake, mosaic, pen

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 512


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """A portrait in the bay's style, and a lake in those of a mosaic and a drawing."""
    portrait = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    bay = jnst.load_image(FOLDER / "style.jpg", SIZE)
    water = lake(384, 512).astype(np.float32)
    return [
        (portrait, bay),
        (water, mosaic(384, 512).astype(np.float32)),
        (water, pen(384, 512).astype(np.float32)),
    ]


def main() -> None:
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(
        3, 4, height_ratios=[1.2, 0.75, 0.75], figsize=(16, 11.4), layout="constrained"
    )
    for row, (content, style) in zip(axes, pairs(), strict=True):
        default = jnst.stylize(model, content, style).image
        gram = jnst.stylize(model, content, style, style_loss="gram").image
        panels: dict[str, Any] = {
            "content": content,
            "style": style,
            "jnst": default,
            "jnst, Gram matrices": gram,
        }
        show_panels(row, panels)
        print("a pair is done", flush=True)
    figure.savefig(FOLDER / "pairs.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
