"""The fields of `jnst.Settings` as keywords."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import optax


class SettingsDict(TypedDict, total=False):
    """The fields of `Settings` as keywords, so that editors complete them."""

    alpha: float
    beta: float
    gamma: float
    weighing: str
    content_layers: Mapping[str, float] | Sequence[str]
    style_layers: Mapping[str, float] | Sequence[str]
    style_loss: str
    style_weights: Sequence[float] | None
    style_scale: float
    sizes: int | Sequence[int] | None
    steps: int | Sequence[int]
    optimizer: str | optax.GradientTransformation
    learning_rate: float | None
    schedule: str | None
    clip: bool
    averaging: float
    tolerance: float
    colors: str
    photorealism: float
    details: float
    finish: float
