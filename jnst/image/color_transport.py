"""A picture whose colours are distributed as those of another."""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jnst._checks import check_number
from jnst.image.inputs import check_image
from jnst.image.transport import color_transport


def transport_colors(
    image: Float[ArrayLike, "H W 3"],
    reference: Float[ArrayLike, "h w 3"],
    *,
    share: float = 1.0,
) -> Float[np.ndarray, "H W 3"]:
    """Give the image the reference's colours, each as often as it is there.

    Where `jnst.match_colors` moves all colours by one linear map, this reaches the palette of a
    painting of few colours. `jnst.stylize` does it to the content before, and to the picture at the
    end, by its settings `colors` and `finish`.

    Args:
      image: sRGB in [0, 1].
      reference: sRGB in [0, 1], of any size.
      share: of the way to the reference's colours, in [0, 1].

    Returns:
      The recoloured image, float32 in [0, 1].

    Raises:
      ValueError, TypeError: for what is no image, or a share that is out of range.

    >>> random = np.random.default_rng(0)
    >>> image, reference = random.uniform(size=(2, 40, 40, 3)) * [[[[1]]], [[[0.5]]]]
    >>> transport_colors(image, reference).max(axis=(0, 1)).round(1)
    array([0.5, 0.5, 0.5], dtype=float32)
    """
    pixels, aim = check_image("image", image, least=1), check_image("reference", reference, least=1)
    check_number("share", share, least=0, most=1)
    return color_transport(pixels, [aim])(pixels, share)
