"""What the setting `colors` makes of the pictures that a transfer starts from."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.image.color import METHODS, luminance, match_colors, match_luminance
from jnst.image.palette import adopt_colors
from jnst.image.transport import color_transport

COLORS = ("style", "free", "luminance", "cholesky", "pca")
"""Values of the setting; the last two are methods of `jnst.match_colors`."""
OF_STYLE = ("style", "free")
"""Those that leave the style's colours as they are."""


def prepare_content(
    colors: str,
    content: Any,
    styles: Sequence[Any] = (),
    shares: Sequence[float] | None = None,
    *,
    transported: bool = True,
) -> Any:
    """Return the content as the transfer uses it.

    Args:
      colors: one of `COLORS`: with `"style"` the content gets the colours of the styles, by
        `adopt_colors` and then, in chroma, by `color_transport`; with `"luminance"` it becomes
        grey.
      content: sRGB in [0, 1].
      styles: as `prepare_style` returns them.
      shares: how much each style counts; None: all the same.
      transported: whether chroma is transported, and not moved by one linear map alone.
    """
    if colors == "luminance":
        return _grey_content(content)
    if colors != "style" or not styles:
        return content
    adopted = adopt_colors(content, styles, shares)
    if not transported:
        return adopted
    # Lightness too would leave a face in a pen drawing's two tones.
    return color_transport(adopted, styles, shares).of_chroma()(adopted)


def prepare_style(colors: str, content: Any, style: Any, palette: Any = None) -> Any:
    """Return the style as the transfer uses it, with the colours that the result should have.

    Args:
      colors: one of `COLORS`.
      content: sRGB in [0, 1].
      style: sRGB in [0, 1].
      palette: an image whose colours the style gets instead of the content's, by PCA if `colors` is
        `"style"` or `"free"`.

    Returns:
      sRGB in [0, 1], clipped.
    """
    if colors == "luminance":
        return _grey_style(style, content)
    if palette is None and colors in OF_STYLE:
        return style
    reference = content if palette is None else palette
    method = "pca" if colors in OF_STYLE else colors
    return _recolored(style, reference, method=method)


@program()
def _grey_content(content: Float[ArrayLike, "H W 3"]) -> Float[Array, "H W 3"]:
    return _grey(luminance(content))


@program()
def _grey_style(
    style: Float[ArrayLike, "h w 3"], content: Float[ArrayLike, "H W 3"]
) -> Float[Array, "h w 3"]:
    return _grey(match_luminance(style, content))


@program(static_argnames=("method",))
def _recolored(
    style: Float[ArrayLike, "h w 3"], reference: Float[ArrayLike, "_h _w 3"], *, method: str
) -> Float[Array, "h w 3"]:
    return jnp.clip(match_colors(style, reference, method=method), 0, 1)


def _grey(values: Float[Array, "H W 1"]) -> Float[Array, "H W 3"]:
    """Make a grey picture of a luminance."""
    return jnp.clip(values.repeat(3, axis=-1), 0, 1)


def depends_on_content(colors: str, palette: object | None) -> bool:
    """Say whether the prepared style depends on the content."""
    return colors == "luminance" or (colors not in OF_STYLE and palette is None)


def check_palette(colors: str, palette: object | None, name: str = "palette") -> None:
    """Raise ValueError for a palette if `colors` does not use the style's colours."""
    if palette is not None and colors == "luminance":
        raise ValueError(
            f"{name} has no effect with colors 'luminance'; use colors 'style' or "
            f"{' or '.join(map(repr, METHODS))}, or leave out the palette"
        )
