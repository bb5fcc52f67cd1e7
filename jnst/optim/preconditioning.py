"""Descent in other coordinates: the bands of a pyramid, and the axes of a style's colours.

Adam treats all its numbers alike. In pixels, red, green and blue of each, that means that fine
coloured speckle is as near to it as a change of tint over half of the sky. With x = S p, where S
sums up bands of a picture from coarse to fine, each with colours along the axes that the style has
much of, a step in p moves the large and the likely first; and since S is linear, nothing but the
update need know of p:

    p ← p − η u(Sᵀ g)   is   x ← x − η S u(Sᵀ g)

So objective, tiles, batches, masks and bounds stay as they are, and what Adam remembers is by band.

Pyramids for that are from Kolkin, Salavon and Shakhnarovich, "Style transfer by relaxed optimal
transport and self-similarity", 2019, https://arxiv.org/abs/1904.12785, and decorrelated colours
from Olah, Mordvintsev and Schubert, "Feature visualization", 2017,
https://doi.org/10.23915/distill.00007.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

BANDS = 5
"""Of the pyramid, each half as large as the one before it."""
SMALLEST_BAND = 2
"""Pixels: a band with an edge below it is left out."""
LEAST_COLOR = 0.1
"""Least of how far a step of 1 goes along any axis of the colours; the furthest is 1."""

MIN_DEVIATION = 0.5 / 255
"""Standard deviation of colours below which they are all one, but for the rounding of 8 bits."""


def shrink(image: Float[Array, "*batch H W C"]) -> Float[Array, "*batch _h _w C"]:
    """Half of the size: the transpose of `enlarge`, whatever the shape."""
    for axis in (-3, -2):
        image = _shrink_along(image, axis)
    return image


def enlarge(
    image: Float[Array, "*batch _h _w C"], shape: tuple[int, int]
) -> Float[Array, "*batch H W C"]:
    """Twice the size, by linear interpolation between the middles of pixels.

    The last row and column are left out where `shape` (height, width) is odd.
    """
    for axis, size in zip((-2, -3), reversed(shape), strict=True):
        image = _enlarge_along(image, axis, size)
    return image


def _enlarge_along(image: Array, axis: int, size: int) -> Array:
    """x_2k = (3 y_k + y_(k−1)) / 4, x_2k+1 = (3 y_k + y_(k+1)) / 4, the ends repeated."""
    image = jnp.moveaxis(image, axis, -1)
    before = jnp.concatenate([image[..., :1], image[..., :-1]], axis=-1)
    after = jnp.concatenate([image[..., 1:], image[..., -1:]], axis=-1)
    pairs = jnp.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis=-1)
    wide = pairs.reshape(*image.shape[:-1], 2 * image.shape[-1])[..., :size]
    return jnp.moveaxis(wide, -1, axis)


def _shrink_along(image: Array, axis: int) -> Array:
    """The transpose: y_k = (3 x_2k + 3 x_2k+1 + x_2k+2 + x_2k−1) / 4, with what the ends got."""
    image = jnp.moveaxis(image, axis, -1)
    if image.shape[-1] % 2:
        image = jnp.concatenate([image, jnp.zeros_like(image[..., :1])], axis=-1)
    even, odd = image[..., ::2], image[..., 1::2]
    # Even pixels had a quarter of the one before, the first of itself; odd ones of the one after.
    to_before = jnp.concatenate([even[..., 1:], jnp.zeros_like(even[..., :1])], axis=-1)
    to_after = jnp.concatenate([jnp.zeros_like(odd[..., :1]), odd[..., :-1]], axis=-1)
    half = 0.75 * (even + odd) + 0.25 * (to_before + to_after)
    half = half.at[..., 0].add(0.25 * even[..., 0]).at[..., -1].add(0.25 * odd[..., -1])
    return jnp.moveaxis(half, -1, axis)


def band_shapes(height: int, width: int, bands: int = BANDS) -> list[tuple[int, int]]:
    """(height, width) of every band, from the finest on.

    >>> band_shapes(48, 33)
    [(48, 33), (24, 17), (12, 9), (6, 5), (3, 3)]
    """
    shapes = [(height, width)]
    while len(shapes) < bands:
        half = (-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2))
        if min(half) < SMALLEST_BAND or half == shapes[-1]:
            break
        shapes.append(half)
    return shapes


def to_bands(
    gradient: Float[Array, "*batch H W C"],
    colors: Float[Array, "3 3"] | None = None,
    bands: int = BANDS,
) -> tuple[Float[Array, "*batch _h _w C"], ...]:
    """Sᵀ g: the gradient by the bands, from the finest on."""
    if colors is not None:
        gradient = _recolored(gradient, colors.T)
    parts = [gradient]
    height, width = gradient.shape[-3:-1]
    for _ in band_shapes(height, width, bands)[1:]:
        parts.append(shrink(parts[-1]))
    return tuple(parts)


def from_bands(
    parts: tuple[Float[Array, "*batch _h _w C"], ...], colors: Float[Array, "3 3"] | None = None
) -> Float[Array, "*batch H W C"]:
    """S p: the bands enlarged and summed up, their colours mixed."""
    image = parts[-1]
    for part in reversed(parts[:-1]):
        height, width = part.shape[-3:-1]
        image = part + enlarge(image, (height, width))
    return image if colors is None else _recolored(image, colors)


def _recolored(image: Array, colors: Array) -> Array:
    """Every colour x as C x: written out, since a matrix product of three is slow."""
    red, green, blue = (image[..., n] for n in range(3))
    mixed = [c[0] * red + c[1] * green + c[2] * blue for c in colors]
    return jnp.stack(mixed, axis=-1)


def color_axes(
    covariance: Float[Array | np.ndarray, "3 3"], least: float = LEAST_COLOR
) -> Float[Array, "3 3"]:
    """C: how colours are mixed, of the covariance Σ of a style's colours.

        C = Σ^½ / |Σ^½|, symmetric, its eigenvalues at least `least`

    A grey style leaves grey as good as all there is to move; one of a single colour has no axes, so
    that C is the identity.

    >>> print(color_axes(np.diag([4.0, 1.0, 0.0])))
    [[1.  0.  0. ]
     [0.  0.5 0. ]
     [0.  0.  0.1]]
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    deviations = np.sqrt(np.maximum(values, 0))
    if deviations[-1] < MIN_DEVIATION:
        return jnp.eye(3)
    deviations = np.maximum(deviations / deviations[-1], least)
    return jnp.asarray(vectors * deviations @ vectors.T, jnp.float32)


class PreconditionedState(NamedTuple):
    """What the preconditioned optimiser remembers.

    Attributes:
      inner: one state of the inner optimiser, over all bands.
    """

    inner: optax.OptState


def precondition(
    inner: optax.GradientTransformation, bands: int = BANDS
) -> optax.GradientTransformationExtraArgs:
    """Let an optimiser work in the bands of a pyramid and along axes of colour.

        x ← x + S u(Sᵀ g)

    Args:
      inner: u; it is given a tuple of the bands' gradients. For L-BFGS, whose memory is of the
        pixels, there is nothing to be gained.
      bands: of the pyramid, at most; see `band_shapes`.

    Returns:
      An Optax transformation of one image, (H, W, 3). Its update takes `colors=`, a (3, 3) array
      as of `color_axes`, which is traced; None: red, green and blue as they are.

    >>> optimizer = precondition(optax.sgd(0.1))
    >>> x = jnp.zeros((8, 8, 3))
    >>> updates, _ = optimizer.update(jnp.ones_like(x), optimizer.init(x), x)
    >>> bool((updates < -0.1).all())
    True
    """
    inner = optax.with_extra_args_support(inner)

    def init(params: Array) -> PreconditionedState:
        return PreconditionedState(inner=inner.init(to_bands(jnp.zeros_like(params), None, bands)))

    def update(updates, state, params=None, *, colors=None, **extra):
        parts = to_bands(updates, colors, bands)
        # Line searches need a function of the bands, which there is none of.
        extra = {name: extra[name] for name in ("learning_rate",) if name in extra}
        moved, within = inner.update(parts, state.inner, **extra)
        return from_bands(moved, colors), PreconditionedState(inner=within)

    return optax.GradientTransformationExtraArgs(init, update)


def unit_bands() -> optax.GradientTransformation:
    """Divides the gradient of every band by its own root mean square, over what is not 0."""

    def update(updates, state, params=None):
        def unit(part: Array) -> Array:
            count = jnp.maximum(jnp.count_nonzero(part), 1).astype(part.dtype)
            rms = jnp.sqrt(jnp.sum(jnp.square(part)) / count)
            return part / jnp.where(rms > 0, rms, 1)

        return jax.tree.map(unit, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
