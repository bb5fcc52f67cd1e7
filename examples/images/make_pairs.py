"""Make pairs.jpg, the sheet of three pairs: the default beside Gram matrices.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_pairs.py

The portrait is matplotlib's sample picture, the moonlit bay is painted by make_style.py, and the
others are drawn by pictures.py.
"""

from collections.abc import Callable, Mapping
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
Paint = Callable[[np.ndarray, np.ndarray], Any]


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


def make_sheet(file: str, ways: Mapping[str, Paint]) -> None:
    """Write a sheet of the pairs, each painted in several ways that have titles."""
    figure, axes = plt.subplots(
        3, 4, height_ratios=[1.2, 0.75, 0.75], figsize=(16, 11.4), layout="constrained"
    )
    for row, (content, style) in zip(axes, pairs(), strict=True):
        painted = {title: paint(content, style) for title, paint in ways.items()}
        show_panels(row, {"content": content, "style": style, **painted})
        print("a pair is done", flush=True)
    figure.savefig(FOLDER / file, dpi=100, pil_kwargs={"quality": 88})


def main() -> None:
    model = jnst.load_vgg19()

    def default(content: np.ndarray, style: np.ndarray) -> Any:
        return jnst.stylize(model, content, style).image

    def gram(content: np.ndarray, style: np.ndarray) -> Any:
        return jnst.stylize(model, content, style, style_loss="gram").image

    make_sheet("pairs.jpg", {"jnst": default, "jnst, Gram matrices": gram})


if __name__ == "__main__":
    main()
