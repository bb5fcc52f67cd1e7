"""What a painted picture is given at the end: calm chroma, and the colours of its styles.

What is left of coloured speckle is chroma that changes where lightness does not. So chroma is made
a linear function of lightness within every small window, by the guided filter: K. He, J. Sun and
X. Tang, "Guided image filtering", 2010, https://doi.org/10.1007/978-3-642-15549-9_1. The filter
leaves lightness as it is. Before it colours go towards those of the styles, each as often as it is
there, by `jnst.image.transport`; and then both once more, since calming mixes colours anew.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jnst._threads import each
from jnst.image.palette import from_oklab, to_oklab
from jnst.image.transport import Transport, color_transport

ROUNDS = 2
"""How often both are done."""
REACH = 3
"""Pixels from the middle of a window to its sides."""
FLAT = 1e-3
"""Variance of lightness, in Oklab, below which a window counts as flat."""
PIXELS = 2**16
"""Of a picture that are finished at a time: not more than the processor's cache holds."""
ROWS = 32
"""That a strip has at least: it needs some beyond its border."""


def finish(
    image: Float[np.ndarray, "H W 3"],
    styles: Sequence[Float[np.ndarray, "_h _w 3"]],
    style_weights: Sequence[float] | None,
    share: float,
) -> Float[np.ndarray, "H W 3"]:
    """Move a picture's colours towards those of its styles, and calm its chroma.

    Args:
      image: sRGB in [0, 1].
      styles: likewise.
      style_weights: how much each style counts; None: all the same.
      share: how far both go in each of the rounds, in [0, 1].

    Returns:
      The picture, float32 in [0, 1].
    """
    for _ in range(ROUNDS):
        image = _round(image, color_transport(image, styles, style_weights), share)
    return image


def _round(
    image: Float[np.ndarray, "H W 3"], transport: Transport, share: float
) -> Float[np.ndarray, "H W 3"]:
    """The colours moved, then calmed, a strip of rows at a time."""
    done = np.empty(image.shape, np.float32)
    beyond = 2 * REACH  # as far as the mean of means of windows reaches
    rows = max(PIXELS // image.shape[1], ROWS)

    def strip(top: int) -> None:
        first, last = max(top - beyond, 0), top + rows + beyond
        lab = to_oklab(image[first:last])
        lab += share * transport.of(lab.reshape(-1, 3)).reshape(lab.shape)
        lab[..., 1:] += share * (calm(lab) - lab[..., 1:])
        done[top : top + rows] = from_oklab(lab[top - first :][:rows]).clip(0, 1)

    each(strip, range(0, len(image), rows))
    return done


def calm(lab: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 2"]:
    """Chroma that changes where lightness does.

        c = ā l + b̄,   a = cov(l, c) / (var(l) + ε),   b = mean(c) − a mean(l)

    of every window, and ā and b̄ the means over the windows that a pixel is in.

    Args:
      lab: lightness and chroma, as of `to_oklab`.

    Returns:
      The chroma.
    """
    light, chroma = lab[..., :1], lab[..., 1:]
    products = np.concatenate([lab, light * light, light * chroma], axis=-1)
    means = _windows(products)
    mean, of_chroma = means[..., :1], means[..., 1:3]
    slope = means[..., 4:] - mean * of_chroma
    slope /= means[..., 3:4] - mean * mean + FLAT
    slope, offset = np.split(
        _windows(np.concatenate([slope, of_chroma - slope * mean], axis=-1)), 2, axis=-1
    )
    return slope * light + offset


def _windows(values: Float[np.ndarray, "H W n"]) -> Float[np.ndarray, "H W n"]:
    """The mean over the window around each pixel; the border is repeated beyond it."""
    for axis in (0, 1):
        size = values.shape[axis]
        sides = [(REACH, REACH) if n == axis else (0, 0) for n in range(3)]
        wide = np.moveaxis(np.pad(values, sides, mode="edge"), axis, 0)
        total = wide[:size].copy()
        for n in range(1, 2 * REACH + 1):
            total += wide[n : n + size]
        values = np.moveaxis(total, 0, axis) / (2 * REACH + 1)
    return values
