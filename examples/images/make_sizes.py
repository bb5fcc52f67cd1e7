"""Make sizes.jpg: the same settings at 512 and at 2048 px.

    python -m pip install -e ".[demo]"
    python examples/images/make_sizes.py          # about half an hour on two CPU cores

The content is drawn by pictures.py, the same at both sizes; the style is painted by make_style.py.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from pictures import lake

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZES = 512, 2048


def main() -> None:
    style = jnst.load_image(FOLDER / "style.jpg")
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(2, 2, figsize=(14, 10.8), layout="constrained")
    for column, size in zip(axes.T, SIZES, strict=True):
        height, width = size * 3 // 4, size
        image = jnst.stylize(model, lake(height, width).astype(np.float32), style).image
        part = image[height // 4 : height // 2, width // 4 : width // 2]
        for axis, shown, title in zip(column, (image, part), (f"{size} px", "a part"), strict=True):
            axis.imshow(shown, interpolation="lanczos")
            axis.set_title(title)
            axis.axis("off")
        print(f"{size} px is done", flush=True)
    figure.savefig(FOLDER / "sizes.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
