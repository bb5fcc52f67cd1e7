"""A loss term of your own beside jnst's, compiled, and vmapped over its weight.

    python -m pip install -e ".[demo]"
    python examples/own_objective.py                    # the bundled pair

The term keeps the brightness of the content: the mean squared difference of luminance, blurred over
8×8 pixels. Three pictures are painted at once, with different weights of it; the sheet
own-objective.png shows how the portrait's light comes back.
"""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
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


def objective(image: Array, args: Any) -> Array:
    """jnst's total loss and ours."""
    style_transfer, goal, weight = args
    difference = brightness(image) - goal
    return jnst.objective(image, style_transfer) + weight * jnp.mean(difference**2)


@functools.partial(jax.jit, static_argnames="optimizer")
@functools.partial(jax.vmap, in_axes=(0, 0, (None, None, 0), None))  # images, states and weights
def step(
    image: Array, state: Any, args: Any, optimizer: optax.GradientTransformation
) -> tuple[Array, Any]:
    """One update of the pixels."""
    gradient = jax.grad(objective)(image, args)
    gradient = gradient / jnp.sqrt(jnp.mean(gradient**2))  # the loss's scale does not matter
    updates, state = optimizer.update(gradient, state)
    return jnp.clip(image + updates, 0, 1), state


def main() -> None:
    portrait = get_sample_data("grace_hopper.jpg", asfileobj=False)
    content = jnp.asarray(jnst.load_image(portrait, SIZE))
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
    of_brightness = jnp.array([0.0, 100.0, 1000.0])
    args = (model, targets, weights), brightness(content), of_brightness

    optimizer = optax.adam(optax.cosine_decay_schedule(0.04, STEPS), b2=0.99, eps=1.0)
    images = jnp.stack([content] * len(of_brightness))
    state = jax.vmap(optimizer.init)(images)
    for count in range(1, STEPS + 1):
        images, state = step(images, state, args, optimizer)
        if count % 20 == 0:
            print(f"step {count}/{STEPS}", flush=True)
            images.block_until_ready()
    for weight, image in zip(of_brightness, images, strict=True):
        off = jnp.abs(brightness(image) - brightness(content)).mean()
        print(f"weight {weight:g}: brightness off by {off:.3f} on average")
    axes = {"alpha": (1.0,), "beta": (30.0,), "weight of brightness": of_brightness.tolist()}
    jnst.save_sheet("own-objective.png", images[None, None], axes)
    print("wrote own-objective.png")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # no weights, say, told in one sentence
        raise SystemExit(f"error: {error}") from None
