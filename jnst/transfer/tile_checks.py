"""Whether a picture can be worked at in tiles."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from jnst.losses.registry import style_loss_named
from jnst.nn.geometry import Geometry
from jnst.transfer.settings import Settings

AUTO = "auto"
NO_EDGE = "{name} must be a whole number, 'auto' or None, got {tile!r}"


def check_tile(
    tile: Any, settings: Settings, geometry: Geometry, mesh: Any = None, *, name: str = "tile"
) -> None:
    """Raise unless `tile` is None, `"auto"` or an edge that windows may have."""
    check_window(tile, geometry, (*settings.content_layers, *settings.style_layers), name)
    if tile is None or tile == AUTO:
        return
    if mesh is not None:
        raise ValueError(f"{name} and mesh are mutually exclusive")
    check_additive([style_loss_named(settings.style_loss)], name)


def check_window(tile: Any, geometry: Geometry, layers: Sequence[str], name: str = "tile") -> None:
    """Raise unless `tile` is None, `"auto"` or an edge that windows may have for these layers."""
    if isinstance(tile, str) and tile != AUTO:
        raise ValueError(NO_EDGE.format(name=name, tile=tile))
    check_at_least(geometry.least_window(layers), tile, name, where=" for these layers")


def check_at_least(least: int, tile: Any, name: str = "tile", *, where: str = "") -> None:
    """Raise unless `tile` is None, `"auto"` or an edge of so many pixels at least."""
    if tile is None or (isinstance(tile, str) and tile == AUTO):
        return
    if isinstance(tile, bool) or not isinstance(tile, Integral):
        raise TypeError(NO_EDGE.format(name=name, tile=tile))
    if tile < least:
        raise ValueError(f"{name} must be at least {least} px{where}, got {tile}")


def check_additive(terms: Sequence[Any], said: str = "tile") -> None:
    """Raise ValueError for terms, or classes of terms, that see pictures as a whole only."""
    for term in terms:
        if not term.additive:
            raise ValueError(
                f"{said}: the loss {type_name(term)} sees a picture as a whole and cannot be "
                "computed in tiles; choose another loss, or a size that needs no tiles"
            )


def type_name(term: Any) -> str:
    """What messages call a term."""
    return (term if isinstance(term, type) else type(term)).__name__
