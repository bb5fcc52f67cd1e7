"""Make fast.jpg, the strip of `jnst fast`: content, style, and the three matchings.

    python -m pip install -e ".[demo]"
    python examples/images/make_fast.py

The portrait is matplotlib's sample picture; the moonlit bay is painted by make_style.py.
"""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.cbook import get_sample_data
from panels import show_panels

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 512


def main() -> None:
    portrait = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    bay = jnst.load_image(FOLDER / "style.jpg", SIZE)
    model = jnst.load_adain()
    panels: dict[str, Any] = {
        "content": portrait,
        "style": bay,
        "statistics": jnst.fast(model, portrait, bay, matching="statistics"),
        "mixed (the default)": jnst.fast(model, portrait, bay),
        "wasserstein": jnst.fast(model, portrait, bay, matching="wasserstein"),
    }
    figure, axes = plt.subplots(
        1, 5, width_ratios=[image.shape[1] / image.shape[0] for image in panels.values()],
        figsize=(15, 4), layout="constrained",
    )  # fmt: skip
    show_panels(axes, panels)
    figure.savefig(FOLDER / "fast.jpg", dpi=90, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
