"""Paint a picture for every combination of a few alphas and betas, and a sheet to choose from.

    python -m pip install -e ".[demo]"
    python examples/grid.py                             # the bundled pair
    python examples/grid.py photo.jpg painting.jpg --size 512

Writes grid-sheet.png and grid-trade-off.png. On the command line, `jnst grid` does the same and
keeps every picture.
"""

import argparse
import os
from pathlib import Path

from matplotlib.cbook import get_sample_data

import jnst


def main() -> None:
    parser = argparse.ArgumentParser(description="Paint a grid of alphas and betas.")
    parser.add_argument("content", nargs="?", help="the picture to paint (a bundled portrait)")
    parser.add_argument("style", nargs="?", help="the style to paint it in (our own painting)")
    parser.add_argument("--size", type=int, default=128, help="long edge in pixels (128)")
    parser.add_argument("--steps", type=int, default=60, help="updates of each picture (60)")
    args = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # or its threads are in the way of JAX's
    portrait = get_sample_data("grace_hopper.jpg", asfileobj=False)
    painting = Path(__file__).parent / "images" / "style.jpg"

    result = jnst.stylize_grid(
        jnst.load_vgg19(),
        jnst.load_image(args.content or portrait, args.size),
        jnst.load_image(args.style or painting, args.size),
        alpha=[1, 2],
        beta=[0.5, 2, 8],
        steps=args.steps,
        callback=show_progress,
    )
    for row, alpha in enumerate(result.axes["alpha"]):
        for column, beta in enumerate(result.axes["beta"]):
            content, style = (result.losses[t][row, column, -1] for t in ("content", "style"))
            print(f"alpha {alpha}, beta {beta}: content loss {content:.3f}, style {style:.3f}")
    jnst.save_sheet("grid-sheet.png", result.images, result.axes)
    jnst.save_trade_off("grid-trade-off.png", result.losses, result.axes)
    print("wrote grid-sheet.png and grid-trade-off.png")


def show_progress(progress: jnst.GridProgress) -> None:
    """A line now and then: the cells of this chunk, and their step."""
    if progress.step % 20 == 0:
        last = progress.done + len(progress.cells)
        print(f"cells {progress.done + 1} to {last} of {progress.total}, step {progress.step}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # a file or a setting that will not do, told in one sentence
        raise SystemExit(f"error: {error}") from None
