"""The style losses by name: one line each, and the loss works everywhere."""

from jnst._checks import check_choice
from jnst.losses.channel_statistics import ChannelStatistics, GramStatistics
from jnst.losses.gram import Gram
from jnst.losses.sliced_wasserstein import SlicedWasserstein
from jnst.losses.style import StyleTerm
from jnst.losses.wasserstein import Wasserstein

REGISTRY: dict[str, type[StyleTerm]] = {
    "gram": Gram,
    "wasserstein": Wasserstein,
    "statistics": ChannelStatistics,
    "gram+statistics": GramStatistics,
    "sliced-wasserstein": SlicedWasserstein,
}
STYLE_LOSSES = tuple(REGISTRY)
"""Their names."""


def style_loss_named(name: str) -> type[StyleTerm]:
    """The style loss of this name; raises ValueError where there is none."""
    check_choice("style_loss", name, STYLE_LOSSES)
    return REGISTRY[name]
