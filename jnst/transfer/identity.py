"""What a run of style transfer is made of, so that a checkpoint goes on with nothing else."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jnst.image.masks import Masks
from jnst.losses.terms import Term
from jnst.nn.backbone import Backbone
from jnst.optim.checkpoint import as_json, fingerprint
from jnst.optim.stored_state import key_data
from jnst.transfer.settings import Settings
from jnst.version import __version__

OF_MODEL = ("pooling", "padding", "precision", "lineage", "blocks")
"""Attributes of a network that are told by name where they differ."""


def run_identity(
    settings: Settings,
    model: Backbone,
    content: ArrayLike,
    styles: Sequence[ArrayLike],
    start: ArrayLike,
    masks: Masks | None = None,
    own: Sequence[Any] = (),
) -> dict[str, Any]:
    """What a run is made of, as JSON holds it: two runs of the same identity make the same steps.

    Args:
      settings: an optimiser of one's own among them counts by the leaves of its state only.
      model: the network.
      content: the content image.
      styles: the style images.
      start: the image that the first step is made from.
      masks: where there are regions.
      own: terms of one's own; those that are made for each size count by their names only.
    """
    identity = {
        "jnst": __version__,
        **settings_identity(settings),
        **{name: getattr(model, name) for name in OF_MODEL if hasattr(model, name)},
        "weights": fingerprint(kernels_of(model)),
        "content": fingerprint([content]),
        "style": fingerprint(styles),
        "init": fingerprint([start]),
    }
    if masks is not None:
        listed = (masks.keep, *masks.styles, *(masks.regions or ()))
        identity["masks"] = fingerprint(np.zeros(0) if mask is None else mask for mask in listed)
    if own:
        identity["terms"] = [_term_identity(term) for term in own]
    return as_json(identity)


def settings_identity(settings: Settings) -> dict[str, Any]:
    """The settings, as JSON holds them."""
    chosen = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return chosen | {"optimizer": settings.descent().name}


def kernels_of(model: Backbone) -> list[Any]:
    """The arrays of a network; without those that follow from others, as Winograd's kernels do."""
    leaves, _ = jax.tree.flatten_with_path(model)
    return [leaf for path, leaf in leaves if "transformed" not in jax.tree_util.keystr(path)]


def _term_identity(term: Any) -> str:
    if isinstance(term, Term):
        return f"{type(term).__qualname__} {fingerprint(map(key_data, jax.tree.leaves(term)))}"
    return getattr(term, "__qualname__", type(term).__qualname__)
