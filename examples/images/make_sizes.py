"""Make sizes.jpg, the sheet of one pair at 512 and at 2048 px with the same settings.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_sizes.py

Both pictures are drawn by pictures.py, which shows the same at any size.
"""

import time
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from pictures import lake, mosaic

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZES = (512, 2048)
PART = (0.35, 0.55, 0.3, 0.2)
"""Of the picture: left, top, width and height of what is shown large, in its widths."""


def part(image: np.ndarray) -> np.ndarray:
    """What is shown large of a picture."""
    left, top, width, height = (round(share * image.shape[1]) for share in PART)
    return image[top : top + height, left : left + width]


def main() -> None:
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(
        2, 2, height_ratios=[0.75, 0.67], figsize=(14, 10.6), layout="constrained"
    )
    for column, size in zip(axes.T, SIZES, strict=True):
        content, style = (draw(3 * size // 4, size).astype(np.float32) for draw in (lake, mosaic))
        began = time.monotonic()
        image = np.asarray(jnst.stylize(model, content, style).image)
        print(f"{size} px: {time.monotonic() - began:.0f} s", flush=True)
        for axis, shown, of in zip(column, (image, part(image)), ("", ", a part"), strict=True):
            axis.imshow(shown, interpolation="lanczos")
            axis.set_title(f"{size} px{of}")
            axis.axis("off")
    figure.savefig(FOLDER / "sizes.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
