"""Make relative.jpg: twelve styles as unlike as can be with one alpha and beta.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_relative.py

The unit of a style's loss is the pair's own, so that alpha : beta means the same for all of them.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from pictures import clouds, lake, mosaic, pen

import jnst

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 192
EDGES = 144, 192

STEPS = 60


def texture(mean: float, contrast: float) -> np.ndarray:
    """Grey noise of many grains, like a wall."""
    grain = clouds(EDGES, 12, seed=5)
    return np.repeat(np.clip(mean + contrast * grain, 0, 1)[..., None], 3, axis=-1)


def plain(*color: float) -> np.ndarray:
    """A picture of one colour."""
    return np.full((*EDGES, 3), color)


def styles(content: np.ndarray) -> dict[str, np.ndarray]:
    """Twelve of them, each with what it is."""
    ramp = np.linspace(0, 1, EDGES[1])[None, :, None]
    return {
        "a bright painting": jnst.load_image(FOLDER / "style.jpg", SIZE),
        "a mosaic": mosaic(*EDGES),
        "a drawing": pen(*EDGES),
        "concrete": texture(0.5, 0.05),
        "plaster": texture(0.85, 0.05),
        "nearly black": texture(0.03, 0.01),
        "nearly white": texture(0.97, 0.01),
        "one colour, the network's mean": plain(0.485, 0.456, 0.406),
        "one colour, red": plain(0.8, 0.12, 0.08),
        "a ramp of grey": ramp * plain(1, 1, 1),
        "strong noise": np.random.default_rng(7).uniform(size=(*EDGES, 3)),
        "the content itself": content,
    }


def main() -> None:
    content = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    landscape = lake(*EDGES).astype(np.float32)
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(4, 9, figsize=(16, 8.2), layout="constrained")
    for number, (name, style) in enumerate(styles(content).items()):
        row, column = number % 4, 3 * (number // 4)
        panels = [(name, style)]
        for picture in (content, landscape):
            seen = picture if name == "the content itself" else np.float32(style)
            result = jnst.stylize(model, picture, seen, sizes=SIZE, steps=STEPS)
            first, last = (result.losses["style"][step] for step in (0, -1))
            panels.append((f"style {first:.2f} to {last:.2f}", np.asarray(result.image)))
        for axis, (title, image) in zip(axes[row, column : column + 3], panels, strict=True):
            axis.imshow(image)
            axis.set_title(title, fontsize=9)
            axis.axis("off")
        print(name, *(title for title, _ in panels[1:]), flush=True)
    figure.savefig(FOLDER / "relative.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
