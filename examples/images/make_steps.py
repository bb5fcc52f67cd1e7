"""Make steps.jpg, the sheet of how many steps a picture needs: `--quality` and what lies between.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_steps.py

The portrait is matplotlib's sample picture, the bay is painted by make_style.py, the lake and the
mosaic are drawn by pictures.py.
"""

import time
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from panels import show_panels
from pictures import lake, mosaic

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 512
STEPS = (60, 100, 150, 250, 400)
NAMES = {jnst.QUALITIES[name].get("steps", jnst.Settings.steps): name for name in jnst.QUALITIES}


def main() -> None:
    portrait = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    bay = jnst.load_image(FOLDER / "style.jpg", SIZE)
    drawn = (picture(384, SIZE).astype(np.float32) for picture in (lake, mosaic))
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(
        2, len(STEPS), height_ratios=[1.2, 0.75], figsize=(25, 10.4), layout="constrained"
    )
    for row, (content, style) in zip(axes, [(portrait, bay), tuple(drawn)], strict=True):
        panels: dict[str, Any] = {}
        for steps in STEPS:
            began = time.monotonic()
            title = f"{steps} steps" + (f", {NAMES[steps]}" if steps in NAMES else "")
            panels[title] = jnst.stylize(model, content, style, steps=steps).image
            print(f"{title}: {time.monotonic() - began:.0f} s", flush=True)
        show_panels(row, panels)
    figure.savefig(FOLDER / "steps.jpg", dpi=80, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
