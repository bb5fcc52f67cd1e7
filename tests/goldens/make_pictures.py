"""Makes pictures.npz: the final pictures of eleven small runs, for later versions to be held to.

    python -m pip install -e ".[demo]"
    python tests/goldens/make_pictures.py --out pictures.npz
    python tests/goldens/make_pictures.py --compare pictures.npz

It uses public names alone, so that it runs unchanged with any version; which version the file in
this folder is from, tests/pictures says. Every input is made here, and every key is fixed.

The network is loaded with `precision="highest"`. Its convolutions follow the definition;
Winograd's, which `"auto"` takes on a processor, round otherwise, and what is compared would then
be the rounding of convolutions too. Made twice by the same code on the same machine, the pictures
have the same bits.

What rounds otherwise is amplified from step to step, as a max pooling's choice or a line search's
turns over; that is why the content has grain, without which flat parts are full of ties, and why
the losses of every step are kept: those of the first steps tell a change of the numbers, which is
there from the beginning, from rounding, which grows. Pictures are kept as uint16, whose rounding is
a hundredth of the tightest bound.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jnst

HEIGHT, WIDTH, STEPS = 48, 64, 20
LEVELS = 65535
GRAM, WASSERSTEIN, STEEP = 1e-2, 1e-2, 1e-1
"""Bounds on ‖Δ‖/‖reference‖, so that another processor's rounding passes: with a content changed by
6e-8, one unit in the last place, runs by Gram matrices and by Wasserstein's distance ended up to
4e-3 away, and those of L-BFGS 5e-2. On the processor that they were made on, the pictures are the
same."""


class Picture(NamedTuple):
    """Where a run ended, (H, W, 3) or (A, B, H, W, 3), and its total losses, (…, steps)."""

    image: np.ndarray
    losses: np.ndarray


class Run(NamedTuple):
    """A run to make: given what loads a network, its picture; and how near others must come."""

    make: Callable[[Callable[..., Any]], Picture]
    bound: float


def content() -> np.ndarray:
    """Slopes, slow waves, a disc with an edge, and some grain, (HEIGHT, WIDTH, 3)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    image = np.stack([rows, columns, 0.5 + np.sin(9 * rows * columns) / 2], -1)
    image[np.hypot(rows - 0.35, columns - 0.6) < 0.18] = (0.85, 0.6, 0.2)
    grain = np.random.default_rng(2).uniform(-0.08, 0.08, image.shape)
    return (0.1 + 0.8 * image + grain).clip(0, 1).astype(np.float32)


def style(seed: int, color: tuple[float, float, float]) -> np.ndarray:
    """Noise with stripes of one colour, (72, 60, 3): of another shape than the content."""
    texture = np.random.default_rng(seed).uniform(size=(72, 60, 3))
    texture[:, ::4] = color
    texture[::9] = (0.1, 0.1, 0.2)
    return texture.astype(np.float32)


def halves() -> tuple[np.ndarray, np.ndarray]:
    """The left and the right of the content, the left with a soft edge."""
    left = np.tile(np.clip(np.linspace(4, -4, WIDTH), 0, 1), (HEIGHT, 1))
    right = np.zeros((HEIGHT, WIDTH))
    right[:, WIDTH // 2 :] = 1
    return left.astype(np.float32), right.astype(np.float32)


GOLD, BLUE = style(3, (0.9, 0.7, 0.1)), style(4, (0.1, 0.3, 0.8))


def stylized(
    styles: np.ndarray | list[np.ndarray] = GOLD,
    network: dict[str, Any] | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], Picture]:
    """A run of `jnst.stylize`."""

    def make(load: Callable[..., Any]) -> Picture:
        chosen = {"steps": STEPS, "key": jax.random.key(5), **options}
        result = jnst.stylize(load(**(network or {})), content(), styles, **chosen)
        return Picture(np.asarray(result.image), np.asarray(result.losses["total"]))

    return make


def preset(name: str, **options: Any) -> Callable[[Callable[..., Any]], Picture]:
    """A run of a preset, at a size and for a number of steps that are small."""
    chosen = jnst.preset(name)
    return stylized(network=dict(chosen.network), **{**chosen.run, **options})


def grid(**options: Any) -> Callable[[Callable[..., Any]], Picture]:
    """A run of `jnst.stylize_grid`."""

    def make(load: Callable[..., Any]) -> Picture:
        result = jnst.stylize_grid(load(), content(), GOLD, steps=STEPS, **options)
        return Picture(np.asarray(result.images), np.asarray(result.losses["total"]))

    return make


RUNS: dict[str, Run] = {
    "default": Run(stylized(), WASSERSTEIN),
    "sizes": Run(stylized(sizes=(48, WIDTH), steps=(12, 8)), WASSERSTEIN),
    "paper": Run(preset("paper", sizes=WIDTH, steps=STEPS), STEEP),
    "gatys-notebook": Run(preset("gatys-notebook", sizes=(48, WIDTH), steps=(12, 8)), STEEP),
    "grid": Run(grid(alpha=[0.5, 2.0], beta=[3.0, 30.0], style_loss="gram"), GRAM),
    "regions": Run(stylized([GOLD, BLUE], regions=list(halves())), WASSERSTEIN),
    "styles": Run(stylized([GOLD, BLUE], style_weights=[1, 3], style_loss="gram"), GRAM),
    # The halo of these layers is small, so that a small picture has several windows.
    "tiles": Run(
        stylized(
            tile=40,
            content_layers=("relu2_2",),
            style_layers=("relu1_1", "relu2_1", "relu3_1"),
            style_loss="gram",
        ),
        GRAM,
    ),
    "lbfgs": Run(stylized(optimizer="lbfgs", style_loss="gram"), STEEP),
    "photorealism": Run(stylized(photorealism=1000.0, beta=10.0, style_loss="gram"), GRAM),
    "luminance": Run(stylized(colors="luminance", style_loss="gram"), GRAM),
}
"""{name: run}; those with the same network, optimiser and terms share a compiled step."""


def distance(image: np.ndarray, reference: np.ndarray) -> float:
    """‖image − reference‖ / ‖reference‖."""
    return float(np.linalg.norm(image - reference) / np.linalg.norm(reference))


def read(path: str | os.PathLike[str]) -> dict[str, Picture]:
    """{name: picture} of a file that `write` made."""
    with np.load(path) as file:
        return {
            name: Picture(file[name].astype(np.float32) / LEVELS, file[f"{name}: losses"])
            for name in file.files
            if not name.endswith(": losses")
        }


def write(path: str | os.PathLike[str], pictures: dict[str, Picture]) -> None:
    """Write pictures whose values are in [0, 1], as uint16, and their losses."""
    arrays = {name: np.round(p.image * LEVELS).astype(np.uint16) for name, p in pictures.items()}
    losses = {f"{name}: losses": p.losses for name, p in pictures.items()}
    np.savez_compressed(path, **arrays, **losses)


def main() -> None:
    """Make the pictures, and write them or say how far they are from those of a file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, help="file to write")
    parser.add_argument("--compare", type=Path, help="file whose pictures are the references")
    parser.add_argument("--precision", default="highest", help="of the network")
    options = parser.parse_args()
    references = read(options.compare) if options.compare else {}
    pictures = {}
    with tempfile.TemporaryDirectory() as folder:
        # The extra's weights and no others, whatever else is installed here.
        os.environ.update(JNST_CACHE=folder, TORCH_HOME=folder)
        os.environ.pop("JNST_WEIGHTS", None)
        for name, run in RUNS.items():
            picture = run.make(
                lambda **network: jnst.load_vgg19(precision=options.precision, **network)
            )
            pictures[name] = picture
            moved = distance(picture.image, np.broadcast_to(content(), picture.image.shape))
            line = f"{name:15} moved {moved:.3f}  last loss {np.ravel(picture.losses[..., -1])}"
            if name in references:
                image, losses = references[name]
                apart = np.abs(picture.losses / losses - 1).reshape(-1, STEPS).max(0)
                line += f"\n  image {distance(picture.image, image):.1e}  losses, step by step"
                line += " ".join(["", *(f"{x:.0e}" for x in apart)])
            print(line, flush=True)
    if options.out:
        write(options.out, pictures)


if __name__ == "__main__":
    main()
