"""Pictures side by side, with their titles, as the sheets show them."""

from collections.abc import Iterable, Mapping
from typing import Any


def show_panels(axes: Iterable[Any], panels: Mapping[str, Any]) -> None:
    """Show {title: picture} on axes of matplotlib's, one each."""
    for axis, (title, image) in zip(axes, panels.items(), strict=True):
        axis.imshow(image)
        axis.set_title(title)
        axis.axis("off")
