"""The details of the content, handed over to a picture that is enlarged.

An enlarged picture has none of the finest details, and the few steps at a fine size do not find all
of them again: eyes, windows, lettering. So it is given those of the content, as Kolkin, Salavon and
Shakhnarovich do ("Style transfer by relaxed optimal transport and self-similarity", 2019,
https://arxiv.org/abs/1904.12785); but in part only, and in luminance alone, since details of colour
end as coloured specks.
"""

import numpy as np
from jaxtyping import Float

from jnst.image.color import YIQ
from jnst.image.resampling import resize_on_host
from jnst.transfer.canvas import Canvas
from jnst.transfer.settings import Settings


def details_beyond(
    content: Float[np.ndarray, "_H _W 3"], before: Canvas, canvas: Canvas
) -> Float[np.ndarray, "h w 1"]:
    """The luminance of a content that a canvas holds, less what a coarser one held of it.

    Args:
      content: of any size.
      before: the coarser canvas.
      canvas: the finer one.

    >>> from jnst.transfer.canvas import exact_canvas
    >>> stripes = np.float32([0.0, 1.0] * 32)[:, None, None].repeat(64, 1).repeat(3, 2)
    >>> details = details_beyond(stripes, exact_canvas((32, 32)), exact_canvas((64, 64)))
    >>> details[32:34, 0, 0].round(1)
    array([-0.5,  0.5], dtype=float32)
    """
    luminance = np.asarray(content, np.float32) @ np.float32(YIQ[:1].T)
    return canvas.put(luminance) - canvas.put(resize_on_host(luminance, before.extent))


def share_of_details(settings: Settings) -> np.float32:
    """How much of the content's details an enlarged picture is given."""
    return np.float32(settings.details if settings.alpha else 0)
