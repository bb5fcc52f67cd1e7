"""What a picture is made of, and the same at one size."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int

from jnst.image.masks import Masks
from jnst.image.resizing import resize, resize_styles
from jnst.nn.backbone import Backbone
from jnst.transfer.canvas import Canvas


class Inputs(NamedTuple):
    """What a picture is made of.

    Attributes:
      model: the network.
      content: the content image, (H, W, 3), on the host or on devices.
      styles: the style images, likewise.
      masks: the regions, of any size; None: there are none.
      extent: (height, width) of the picture at the upper left of the content, which its mirror
        continues; None: the content is the picture.
    """

    model: Backbone
    content: Any
    styles: tuple[Any, ...]
    masks: Masks | None = None
    extent: tuple[int, int] | None = None

    def at(self, canvas: Canvas, shape: tuple[int, int], scale: float) -> "Inputs":
        """The same for a picture that is worked at on a canvas.

        Args:
          canvas: where the picture lies.
          shape: of the picture, by which the styles are sized.
          scale: of the strokes.
        """
        return self._replace(
            content=on_canvas(self.content, canvas),
            styles=resize_styles(self.styles, shape, scale),
            extent=None if canvas.exact else canvas.extent,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return tuple(self.content.shape[:2]) if self.extent is None else self.extent

    @property
    def traced_extent(self) -> Int[Array, "2"] | None:
        """The extent as an array, so that another one compiles nothing."""
        return None if self.extent is None else jax.device_put(np.asarray(self.extent, np.int32))


def on_canvas(image: Any, canvas: Canvas) -> Any:
    """An image on a canvas; one that lies on devices is only resized."""
    if isinstance(image, np.ndarray):
        return canvas.put(image)
    return resize(image, canvas.shape)
