"""A loss of your own beside jnst's: keep the light of the photograph.

    python -m pip install -e ".[demo]"
    python examples/own_objective.py

Paints three pictures with different weights of it, without compiling anything anew, and writes
the sheet own-objective.png.
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
from jax import Array
from matplotlib.cbook import get_sample_data

import jnst

SIZE, STEPS, BLOCK = 128, 80, 8
LUMINANCE = jnp.array([0.2126, 0.7152, 0.0722])


def brightness(image: Array) -> Array:
    """The luminance of an image (H, W, 3), averaged over blocks."""
    height, width = (edge // BLOCK for edge in image.shape[:2])
    image = image[: height * BLOCK, : width * BLOCK] @ LUMINANCE
    return image.reshape(height, BLOCK, width, BLOCK).mean(axis=(1, 3))


def objective(image: Array, args: Any) -> dict[str, Array]:
    """jnst's terms and ours."""
    style_transfer, goal, weight = args
    losses = jnst.loss_terms(image, style_transfer)
    light = jnp.mean((brightness(image) - goal) ** 2)
    return losses | {"light": light, "total": losses["total"] + weight * light}


def main() -> None:
    content = jnp.asarray(
        jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), SIZE)
    )
    style = jnst.load_image(Path(__file__).parent / "images" / "style.jpg", SIZE)
    model = jnst.load_vgg19()
    targets = jnst.make_targets(model, content, style)
    weights = jnst.LossWeights(
        alpha=1.0,
        beta=30.0,
        gamma=0.0,
        content={"relu4_2": 1.0},
        style={f"relu{block}_1": 0.2 for block in range(1, 6)},
    )
    axis, images = (0.0, 100.0, 1000.0), []
    for weight in axis:
        args = (model, targets, weights), brightness(content), weight
        result = jnst.minimize(objective, content, args, steps=STEPS)
        print(f"weight {weight:g}: {result.reason}, light {result.losses['light'][-1]:.3g}")
        images.append(result.image)
    axes = {"alpha": (1.0,), "beta": (30.0,), "weight of light": axis}
    jnst.save_sheet("own-objective.png", jnp.stack(images)[None, None], axes)
    print("wrote own-objective.png")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # no weights, say, told in one sentence
        raise SystemExit(f"error: {error}") from None
