"""What is dreamed of, how strongly, and at which sizes."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np

from jnst._checks import check_choice, check_integer, check_number
from jnst.image.fitting import fit
from jnst.nn.geometry import Geometry

RATE = 1.5 / 255
"""How far a pixel moves in a step, on average, at a strength of 1."""
SMALLEST_OCTAVE = 64
"""Pixels: the short edge of the smallest octave; coarser ones are left out."""
DEFAULT_LAYERS = ("relu5_1",)
FRAME_STEPS = 4
"""Steps at each octave of every frame but the first: what was dreamed before is still there."""


class Sought(NamedTuple):
    """What a dream makes stronger.

    Attributes:
      layers: {layer: weight}.
      channels: numbers of channels of the one layer; empty: all channels of all layers.
    """

    layers: Mapping[str, float]
    channels: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What it is called on a sheet and in the names of files.

        >>> Sought({"relu4_4": 1.0, "relu5_1": 1.0}).label, Sought({"relu5_1": 1.0}, (3, 17)).label
        ('relu4_4+relu5_1', 'relu5_1 #3+17')
        """
        channels = [f"#{'+'.join(map(str, self.channels))}"] if self.channels else []
        return " ".join(["+".join(self.layers), *channels])


class DreamSettingsDict(TypedDict, total=False):
    """The fields of `DreamSettings`, for keyword arguments."""

    octaves: int
    ratio: float
    steps: int
    strength: float
    jitter: int
    smoothing: float
    bands: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DreamSettings:
    """How a dream is dreamed; checked where it is made.

    Attributes:
      octaves: sizes that it is dreamed at, coarse to fine; those whose short edge would be less
        than `SMALLEST_OCTAVE` are left out.
      ratio: of the edges of one octave to those of the one before, above 1.
      steps: at every octave.
      strength: 1 moves a pixel by 1.5 of 256 levels in a step, on average.
      jitter: the most pixels that the network's view is shifted by at a step; 0: none.
      smoothing: standard deviation, in pixels, of a Gaussian that every step is smoothed with.
      bands: frequencies of a step that are made equally strong; 1: it is left as it is.

    Raises:
      ValueError, TypeError: name what was wanted and what came.
    """

    octaves: int = 4
    ratio: float = 1.4
    steps: int = 10
    strength: float = 1.0
    jitter: int = 32
    smoothing: float = 0.5
    bands: int = 4

    def __post_init__(self) -> None:
        check_integer("octaves", self.octaves, least=1, most=32)
        check_number("ratio", self.ratio, least=1.01, most=16)
        check_integer("steps", self.steps, least=1, most=10**5)
        check_number("strength", self.strength, least=0, most=100)
        check_integer("jitter", self.jitter, least=0, most=4096)
        check_number("smoothing", self.smoothing, least=0, most=16)
        check_integer("bands", self.bands, least=1, most=12)

    def plan(self, height: int, width: int) -> list[tuple[tuple[int, int], int]]:
        """[((height, width), steps), …] of the octaves, coarse to fine.

        >>> DreamSettings(octaves=3, ratio=2.0).plan(192, 256)
        [((96, 128), 10), ((192, 256), 10)]
        """
        edges = [max(height, width) / self.ratio**n for n in reversed(range(self.octaves))]
        shapes = [fit(height, width, max(1, round(edge))) for edge in edges]
        kept = [shape for shape in shapes[:-1] if min(shape) >= SMALLEST_OCTAVE]
        return [(shape, self.steps) for shape in [*kept, (height, width)]]


class DreamPreset(NamedTuple):
    """A look.

    Attributes:
      layers: {layer: weight}.
      settings: those that differ from the defaults.
    """

    layers: Mapping[str, float]
    settings: Mapping[str, Any]


DREAM_PRESETS: dict[str, DreamPreset] = {
    "animals": DreamPreset({"relu5_1": 1.0}, {}),
    "eyes": DreamPreset({"relu4_4": 1.0}, {"strength": 0.7}),
    "patterns": DreamPreset({"relu3_3": 1.0}, {"strength": 0.5}),
    "creatures": DreamPreset({"relu5_4": 1.0}, {}),
}
"""Looks by name; the first is the default."""


def check_sought(
    geometry: Geometry,
    layers: Mapping[str, float] | Iterable[str],
    channels: Sequence[int] | None = None,
    name: str = "layers",
) -> Sought:
    """Return what is to be made stronger, once its layers are known to be the network's.

    Args:
      geometry: of the network.
      layers: names, or {name: weight}.
      channels: numbers, of a single layer; whether there are as many is checked where features are.
      name: what messages call the layers.

    Raises:
      ValueError, TypeError: name what was wanted and what came.
    """
    names = geometry.check_layers(name, layers)
    weights = {layer: 1.0 for layer in names}
    if isinstance(layers, Mapping):
        weights = {layer: layers[layer] for layer in names}
    for layer, weight in weights.items():
        check_number(f"{name}: the weight of {layer}", weight, least=0)
    if not any(weights.values()):
        raise ValueError(f"{name}: at least one layer must have a weight above 0")
    if channels is None:
        return Sought({layer: float(w) for layer, w in weights.items()})
    if len(weights) > 1:
        raise ValueError(f"channels are those of one layer, and {name} names {len(weights)}")
    if isinstance(channels, str) or not isinstance(channels, Sequence | np.ndarray):
        raise TypeError(f"channels must be a sequence of numbers, got {channels!r}")
    if len(channels) == 0:
        raise ValueError("channels must name at least one channel")
    for channel in channels:
        check_integer("channels", channel, least=0)
    return Sought(
        {layer: float(w) for layer, w in weights.items()}, tuple(sorted({*map(int, channels)}))
    )


def check_channels(sought: Sought, channels: Mapping[str, int]) -> None:
    """Raise ValueError for the number of a channel that its layer does not have.

    Args:
      sought: what is to be made stronger.
      channels: {layer: how many it has}.
    """
    (layer, *_) = sought.layers
    if sought.channels and (most := max(sought.channels)) >= channels[layer]:
        raise ValueError(
            f"channels of {layer} are numbered from 0 to {channels[layer] - 1}, got {most}"
        )


def preset_named(name: str, said: str = "preset") -> DreamPreset:
    """The preset of this name; raises ValueError where there is none."""
    check_choice(said, name, DREAM_PRESETS)
    return DREAM_PRESETS[name]
