"""Convolutions that see the picture mirrored beyond its border, as networks that paint have them.

Zeros there would show as a frame around what is painted. These are plain pytrees of arrays, where
VGG is a Flax module: they are trained and stored by jnst itself.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.nn import winograd
from jnst.nn.winograd import WINOGRAD_CHANNELS


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution of odd size; the border is mirrored, its outermost line not repeated.

    Attributes:
      kernel: (size, size, in, out).
      bias: of each channel out.
      transformed: the kernel for Winograd's method; None: it is convolved by the definition.
    """

    kernel: Float[Array, "k k I O"]
    bias: Float[Array, " O"]
    transformed: Float[Array, "36 I O"] | None = None

    def __call__(self, x: Float[Array, "*batch h w I"]) -> Float[Array, "*batch h w O"]:
        """Convolve."""
        return convolve(x, self.kernel, self.transformed) + self.bias


def convolve(
    x: Float[Array, "*batch h w I"],
    kernel: Float[Array, "k k I O"],
    transformed: Float[Array, "36 I O"] | None = None,
    *,
    stride: int = 1,
) -> Float[Array, "*batch _h _w O"]:
    """Convolve, the border mirrored; at a stride of 2 the edges are halved, rounded up.

    Args:
      x: of any leading axes.
      kernel: of odd size.
      transformed: the kernel for Winograd's method; None: by the definition.
      stride: 1 with Winograd's method.
    """
    edge = kernel.shape[0] // 2
    border = [(0, 0)] * (x.ndim - 3) + [(edge, edge), (edge, edge), (0, 0)]
    x = jnp.pad(x, border, mode="reflect")
    if transformed is not None:
        return winograd.convolve(x, kernel, transformed)
    layout = ("NHWC", "HWIO", "NHWC")
    flat = x.reshape(-1, *x.shape[-3:])
    y = jax.lax.conv_general_dilated(
        flat, kernel, (stride, stride), "VALID", dimension_numbers=layout
    )
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def make_convolution(
    kernel: Float[np.ndarray | Array, "k k I O"],
    bias: Float[np.ndarray | Array, " O"],
    *,
    fast: bool = False,
) -> Convolution:
    """Make a convolution of these weights.

    Args:
      kernel: (size, size, in, out).
      bias: of each channel out.
      fast: use Winograd's method where that is faster on a processor.
    """
    on_device: tuple[Array, Array] = jax.device_put((kernel, bias))
    use = fast and kernel.shape[0] == 3 and kernel.shape[2] >= WINOGRAD_CHANNELS
    transformed = winograd.transform_kernel(kernel) if use else None
    return Convolution(kernel=on_device[0], bias=on_device[1], transformed=transformed)


def doubled(x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch _h _w C"]:
    """Twice the height and width, every value four times.

    >>> doubled(jnp.array([[[1.0], [2.0]]]))[..., 0]
    Array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]], dtype=float32)
    """
    return jnp.repeat(jnp.repeat(x, 2, axis=-3), 2, axis=-2)


def mirrored_to(
    image: Float[Array | np.ndarray, "*batch h w C"], cells: Sequence[int]
) -> Float[Array, "*batch H W C"]:
    """The image continued to the right and below, mirrored, to whole multiples of (rows, columns).

    >>> mirrored_to(jnp.arange(3.0).reshape(1, 3, 1), (1, 4))[..., 0]
    Array([[0., 1., 2., 1.]], dtype=float32)
    """
    edges = zip(image.shape[-3:-1], cells, strict=True)
    beyond = [(0, -edge % cell) for edge, cell in edges]
    return jnp.pad(image, [(0, 0)] * (image.ndim - 3) + [*beyond, (0, 0)], mode="reflect")
