"""Stylise one picture with another, and draw what happened.

    python -m pip install -e ".[demo]"
    python examples/stylize.py                          # the bundled pair
    python examples/stylize.py photo.jpg painting.jpg --size 512 --steps 300

Writes stylized.png, stylized-strip.png (content, style, result) and stylized-loss.png.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

import jnst

matplotlib.use("Agg")  # files only, no window


def main() -> None:
    parser = argparse.ArgumentParser(description="Stylise one picture with another.")
    parser.add_argument("content", nargs="?", help="the picture to paint (a bundled portrait)")
    parser.add_argument("style", nargs="?", help="the style to paint it in (our own painting)")
    parser.add_argument("--size", type=int, default=384, help="long edge in pixels (384)")
    parser.add_argument("--steps", type=int, default=90, help="updates in all (90)")
    parser.add_argument("--beta", type=float, default=2.5, help="weight of the style (2.5)")
    args = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # or its threads are in the way of JAX's
    portrait = get_sample_data("grace_hopper.jpg", asfileobj=False)
    painting = Path(__file__).parent / "images" / "style.jpg"

    content = jnst.load_image(args.content or portrait, args.size)
    style = jnst.load_image(args.style or painting, args.size)
    model = jnst.load_vgg19()  # the weights of the extra, unless you have put others in place

    print(f"stylising at {content.shape[1]}×{content.shape[0]} px on {jax.devices()[0]}")
    began = time.monotonic()
    # Small pictures do well with two sizes, which are compiled sooner than the default's three.
    sizes = (args.size * 2 // 5, args.size) if 128 <= args.size <= 512 else None
    result = jnst.stylize(
        model,
        content,
        style,
        beta=args.beta,
        sizes=sizes,
        steps=args.steps,
        callback=show_progress,
    )
    print(f"{result.steps} steps in {time.monotonic() - began:.0f} s")

    jnst.save_image("stylized.png", result.image)
    draw_strip("stylized-strip.png", content, style, result.image)
    draw_losses("stylized-loss.png", result.losses)
    print("wrote stylized.png, stylized-strip.png and stylized-loss.png")


def show_progress(progress: jnst.Progress) -> None:
    """A line now and then; reading the loss of the step before does not hold the device up."""
    if progress.step % 20 == 0 or progress.step == progress.steps:
        loss = float(progress.losses["total"])
        print(f"step {progress.step}/{progress.steps}, {max(progress.shape)} px, loss {loss:.3f}")


def draw_strip(path: str, *images: Any) -> None:
    """Content, style and result side by side, at the same height."""
    widths = [image.shape[1] / image.shape[0] for image in images]
    figure, axes = plt.subplots(
        1, len(images), width_ratios=widths, figsize=(4 * sum(widths), 4.3), layout="constrained"
    )
    for axis, image, title in zip(axes, images, ("content", "style", "result"), strict=True):
        axis.imshow(image)
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(path, dpi=100)


def draw_losses(path: str, losses: dict[str, np.ndarray]) -> None:
    """The content and the style loss over the steps; a jump is the next larger size."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for term in ("content", "style"):
        axis.semilogy(range(1, len(losses[term]) + 1), losses[term], label=term)
    axis.set_xlabel("step")
    axis.set_ylabel("loss, in its own unit")
    axis.legend()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # a file or a setting that will not do, told in one sentence
        raise SystemExit(f"error: {error}") from None
