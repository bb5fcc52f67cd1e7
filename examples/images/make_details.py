"""Make details.jpg, the sheet of what an enlarged picture is given of the content's details.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_details.py

The portrait is matplotlib's sample picture, the bay is painted by make_style.py, the mosaic drawn
by pictures.py.
"""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from panels import show_panels
from pictures import mosaic

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 256
SHARES = (0.0, 0.5, 1.0)


def main() -> None:
    portrait = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    bay = jnst.load_image(FOLDER / "style.jpg", SIZE)
    styles = [bay, mosaic(3 * SIZE // 4, SIZE).astype(np.float32)]
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(2, 4, figsize=(14.4, 8.6), layout="constrained")
    for row, style in zip(axes, styles, strict=True):
        panels: dict[str, Any] = {"content": portrait}
        for share in SHARES:
            panels[f"details {share:g}"] = jnst.stylize(model, portrait, style, details=share).image
        show_panels(row, panels)
    figure.savefig(FOLDER / "details.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
