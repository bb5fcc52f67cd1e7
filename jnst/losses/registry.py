"""The style losses by name: one line each, and the loss works everywhere."""

import importlib
from typing import TYPE_CHECKING

from jnst._checks import check_choice

if TYPE_CHECKING:
    from jnst.losses.style import StyleTerm

REGISTRY = {
    "gram": "gram.Gram",
    "wasserstein": "wasserstein.Wasserstein",
    "statistics": "channel_statistics.ChannelStatistics",
    "gram+statistics": "channel_statistics.GramStatistics",
    "sliced-wasserstein": "sliced_wasserstein.SlicedWasserstein",
}
"""{name: module and class within `jnst.losses`}; a module is imported where its loss is used."""
STYLE_LOSSES = tuple(REGISTRY)
"""Their names."""


def style_loss_named(name: str) -> "type[StyleTerm]":
    """The style loss of this name; raises ValueError where there is none."""
    check_choice("style_loss", name, STYLE_LOSSES)
    module, _, kind = REGISTRY[name].partition(".")
    loss: type[StyleTerm] = getattr(importlib.import_module(f"jnst.losses.{module}"), kind)
    return loss
