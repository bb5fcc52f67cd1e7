"""Make neighbours.jpg: three pairs by the default and by matching nearest neighbours.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_neighbours.py

It tries what Kolkin et al. (2022, https://arxiv.org/abs/2203.13215) do when they optimise, written
here from the paper's description as an objective of one's own for `jnst.minimize`:

1. At 64, 128, 256 and 512 px every column of features of the picture so far, in which a share of
   the photograph is mixed, has its nearest one of the painting's for its target.
2. At 512 px the layers then look for their nearest anew at each step, each by itself.
3. Lightness is kept, and chroma is that of the photograph in the painting's colours.

The parameters are the bands of a Laplacian pyramid, by Adam; similarity is the cosine.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from make_pairs import Paint, make_sheet

import jnst
from jnst.image.palette import from_oklab, to_oklab

LAYERS = (
    "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1",
    "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3",
)  # fmt: skip
SIZES = 64, 128, 256, 512
STEPS = 200
RATE = 2e-3
KEPT = 0.75
"""Share of the photograph in what is matched, from the second size on."""
BANDS = 8
GRID = 64
"""Positions along an edge that the second phase looks at."""
ROWS = 1024
"""Columns whose neighbours are looked for at a time."""

Shape = tuple[int, ...]


def resized(image: jax.Array, shape: Shape) -> jax.Array:
    return jax.image.resize(image, (*shape, image.shape[-1]), "linear")


def scaled(image: np.ndarray, size: int) -> jax.Array:
    """The image with a long edge of so many pixels."""
    height, width = image.shape[:2]
    factor = size / max(height, width)
    return resized(jnp.asarray(image), (round(height * factor), round(width * factor)))


def halves(shape: Shape) -> list[Shape]:
    """The shapes of a pyramid's bands, from fine to coarse."""
    shapes = [shape]
    while len(shapes) <= BANDS and min(shapes[-1]) >= 4:
        shapes.append(tuple(-(-edge // 2) for edge in shapes[-1]))
    return shapes


def finest(image: jax.Array) -> jax.Array:
    """What an image loses at half its size."""
    return image - resized(resized(image, halves(image.shape[:2])[1]), image.shape[:2])


def split(image: jax.Array) -> jax.Array:
    """An image's bands one after another, as one vector."""
    bands = []
    for shape in halves(image.shape[:2])[1:]:
        bands.append(finest(image).ravel())
        image = resized(image, shape)
    return jnp.concatenate([*bands, image.ravel()])


def joined(bands: jax.Array, shape: Shape) -> jax.Array:
    """The image of these bands."""
    shapes = halves(shape)
    ends = np.cumsum([3 * height * width for height, width in shapes])
    parts = zip(jnp.split(bands, ends[:-1]), shapes, strict=True)
    *fine, image = (part.reshape(*size, 3) for part, size in parts)
    for band in reversed(fine):
        image = band + resized(image, band.shape[:2])
    return image


def unit(columns: jax.Array) -> jax.Array:
    return columns / jnp.maximum(jnp.linalg.norm(columns, axis=-1, keepdims=True), 1e-12)


def centred(columns: jax.Array) -> jax.Array:
    return columns - columns.mean(0)


@jax.jit
def columns_of(model: Any, image: jax.Array) -> jax.Array:
    """All layers' features at a quarter of the image's size, (positions, channels)."""
    features = model(image, LAYERS)
    shape = tuple(max(edge // 4, 1) for edge in image.shape[:2])
    maps = [resized(features[name] / features[name].shape[-1], shape) for name in LAYERS]
    whole = jnp.concatenate(maps, -1)
    return whole.reshape(-1, whole.shape[-1])


@jax.jit
def nearest(columns: jax.Array, others: jax.Array) -> jax.Array:
    """For each column the nearest of the others, once both are centred."""
    known = unit(centred(others)).T
    find = lambda column: jnp.argmax(column @ known)  # noqa: E731
    return others[jax.lax.map(find, unit(centred(columns)), batch_size=ROWS)]


def matched(bands: jax.Array, args: tuple[Any, jax.Array], shape: Shape) -> jax.Array:
    """The first phase's loss: how far the columns point from their targets."""
    model, target = args
    return 1 - jnp.mean(jnp.sum(unit(target) * unit(columns_of(model, joined(bands, shape))), -1))


def sampled(features: jax.Array, first: jax.Array, stride: int) -> jax.Array:
    """Every so-manieth column of a layer along both axes, centred and of length 1."""
    chosen = jnp.roll(features, first, (0, 1))[::stride, ::stride]
    return unit(centred(chosen.reshape(-1, features.shape[-1])))


def rematched(bands: jax.Array, args: tuple[Any, Any], key: jax.Array, shape: Shape) -> jax.Array:
    """The second phase's loss: the mean distance of each layer's columns to their nearest."""
    model, styles = args
    features = model(joined(bands, shape), LAYERS)
    losses: list[jax.Array] = []
    for name, place in zip(LAYERS, jax.random.split(key, len(LAYERS)), strict=True):
        stride = max(1, -(-max(features[name].shape[:2]) // GRID))
        first = -jax.random.randint(place, (2,), 0, stride)
        ours, theirs = (sampled(seen[name], first, stride) for seen in (features, styles))
        best = jnp.argmax(jax.lax.stop_gradient(ours) @ theirs.T, -1)
        losses.append(1 - jnp.mean(jnp.sum(ours * theirs[best], -1)))
    return jnp.mean(jnp.stack(losses))


def descended(loss: Any, image: jax.Array, args: Any, key: jax.Array | None = None) -> jax.Array:
    """The image after an objective's steps."""
    shape = image.shape[:2]
    result = jnst.minimize(
        partial(loss, shape=shape),
        split(image),
        args,
        steps=STEPS,
        optimizer=optax.adam(RATE),
        bounds=None,
        averaging=0.0,
        key=key,
    )
    print(f"{loss.__name__} at {max(shape)} px: {result.losses['total'][[0, -1]]}", flush=True)
    return joined(result.image, shape)


def recoloured(image: np.ndarray, content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Lightness of the image; chroma of the photograph in the style's colours."""
    painted, palette = to_oklab(np.clip(image, 0, 1)), to_oklab(style)
    chroma = to_oklab(jnst.transport_colors(content, style))
    lightness = np.clip(painted[..., :1], palette[..., 0].min(), palette[..., 0].max())
    return np.clip(from_oklab(np.concatenate([lightness, chroma[..., 1:]], -1)), 0, 1)


def neighbours(model: Any, content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The content, made of the style's nearest features."""
    image = scaled(content, SIZES[0])
    for size in SIZES:
        photograph, painting = scaled(content, size), scaled(style, size)
        start = seen = photograph
        if size > SIZES[0]:
            start = finest(photograph) + resized(image, photograph.shape[:2])
            seen = KEPT * photograph + (1 - KEPT) * start
        target = nearest(columns_of(model, seen), columns_of(model, painting))
        image = descended(matched, start, (model, target))
    styles = jax.jit(lambda model, image: model(image, LAYERS))(model, painting)
    image = descended(rematched, image, (model, styles), jax.random.key(0))
    return recoloured(np.asarray(image), content, style)


def main() -> None:
    model = jnst.load_vgg19()

    def default(content: np.ndarray, style: np.ndarray) -> Any:
        return jnst.stylize(model, content, style).image

    ways: dict[str, Paint] = {"jnst": default, "nearest neighbours": partial(neighbours, model)}
    make_sheet("neighbours.jpg", ways)


if __name__ == "__main__":
    main()
