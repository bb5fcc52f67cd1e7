"""AdaIN and optimal transport for video: any painting, coherent in time.

Three things differ from `jnst.fast`, frame by frame, whose pictures flicker:

- the map from the content's features to the style's goes with an average over the frames of a
  scene, and glides, instead of following every frame;
- the mapped features h are mixed with those of the last frame, moved along, before they are
  decoded: h_t = M(f_t) + v · m · (ω(h_{t−1}) − M(f_t));
- and so are the pictures; see `jnst.video.mixing`.

Of these the second costs no sharpness, as strokes are made by the decoder after it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.feedforward.adain import STRIDE, AdaIN, at_positions
from jnst.feedforward.matching import MATCHINGS, Map, Spread, blended, map_between, spread_of
from jnst.image.color_setting import prepare_content
from jnst.video.mixing import SMOOTH, mixed, with_colors
from jnst.video.painters import DISTANCE, Prepared
from jnst.video.warping import warp

Look = Callable[[Float[np.ndarray, "H W 3"]], tuple[Spread, ...]]
"""`look(content)`: the spreads of the styles' features, at its size and, where need be, with its
colours."""
BYTES = 2300
"""That a frame takes for each pixel."""
FEATURE_POWER = 3.0
"""The features' weight is 1 − (1 − smooth)^so much: more than the pictures'."""
AVERAGED = 0.9
"""Share of the frames before in the average of the content's spread."""
GLIDE = 0.1
"""Share of the way to the newest map that a frame goes."""
RENEWED = 10
"""Frames between two maps, of which each takes a decomposition of the features' covariance."""


class Glided(NamedTuple):
    """The state after a frame.

    Attributes:
      picture: of the frame.
      features: mapped and mixed, at relu4_1.
      seen: the spread of the content's features, averaged over the frames so far.
      maps: to each style, as used.
      goals: what they glide to.
      frames: of the scene so far.
    """

    picture: Float[Array, "H W 3"]
    features: Float[Array, "h w C"]
    seen: Spread
    maps: tuple[Map, ...]
    goals: tuple[Map, ...]
    frames: int


class ArbitraryPainter:
    """Paints with AdaIN or optimal transport.

    Args:
      model: from `jnst.load_adain`.
      look: finds the spreads of the styles' features, for a content.
      shares: of the styles; of sum 1.
      matching: one of `MATCHINGS`.
      strength: 0 leaves the frames as they are, 1 paints all the way.
      colors: whose colours, as for `jnst.fast`.
      smooth: the weight of the last picture, in [0, 0.95].
    """

    distances: tuple[int, ...] = (DISTANCE,)
    passes: int = 1

    def __init__(
        self,
        model: AdaIN,
        look: Look,
        shares: Float[np.ndarray, " S"],
        *,
        matching: str = MATCHINGS[0],
        strength: float = 1.0,
        colors: str = "style",
        smooth: float = SMOOTH,
    ):
        self.model, self.look, self.shares = model, look, shares
        self.matching, self.colors = matching, colors
        self.strength, self.smooth = np.float32(strength), np.float32(smooth)
        self.looks: tuple[Spread, ...] | None = None

    def prepare(self, frame: Prepared) -> None:
        """Look at the styles, at the size and with the colours of the clip's first frame."""
        self._looks(frame)

    def begin(self, frame: Prepared) -> Glided:
        """Paint the first frame of a scene."""
        picture, features, seen, maps = self._alone(frame)
        return Glided(picture, features, seen, maps, maps, 1)

    def alone(self, frame: Prepared) -> Array:
        """Paint a frame as if there were no others, as `jnst.fast` does."""
        return self._alone(frame)[0]

    def advance(self, state: Glided, frame: Prepared) -> Glided:
        """Paint the next frame of a scene."""
        motion = frame.motions[DISTANCE]
        moved = motion.flow, motion.soft()
        goals = state.goals
        if state.frames % RENEWED == 0:
            goals = _goals(state.seen, self._looks(frame), matching=self.matching)
        picture, features, seen, maps = _next(
            self.model,
            frame.image,
            state._replace(goals=goals),
            moved,
            (self.shares, self.strength, self.smooth),
            colors=self.colors,
        )
        return Glided(picture, features, seen, maps, goals, state.frames + 1)

    def restore(self, leaves: list[np.ndarray]) -> Glided:
        """The state of these arrays."""
        one = Map(matrix=0, before=0, after=0)  # type: ignore[arg-type]
        maps = (one,) * len(self.shares)
        empty = Glided(0, 0, Spread(0, 0), maps, maps, 0)  # type: ignore[arg-type]
        *arrays, frames = leaves
        structure = jax.tree.structure(empty)
        state: Glided = jax.tree.unflatten(structure, [*map(jnp.asarray, arrays), int(frames)])
        return state

    def _alone(self, frame: Prepared) -> Any:
        return _first(
            self.model,
            frame.image,
            self._looks(frame),
            (self.shares, self.strength),
            colors=self.colors,
            matching=self.matching,
        )

    def _looks(self, frame: Prepared) -> tuple[Spread, ...]:
        """The styles' spreads: for the clip, by the size and colours of its first frame."""
        if self.looks is None:
            self.looks = self.look(frame.image)
        return self.looks


@program(static_argnames=("colors", "matching"))
def _first(
    model: AdaIN,
    frame: Float[Array, "H W 3"],
    looks: tuple[Spread, ...],
    numbers: Any,
    *,
    colors: str,
    matching: str,
) -> Any:
    shares, strength = numbers
    features = model.features(prepare_content(colors, frame))
    seen = spread_of(features)
    maps = tuple(map_between(seen, look, matching) for look in looks)
    moved = blended(features, maps, shares, strength)
    return _decoded(model, moved, frame, colors), moved, seen, maps


@program(static_argnames=("matching",))
def _goals(seen: Spread, looks: tuple[Spread, ...], *, matching: str) -> tuple[Map, ...]:
    return tuple(map_between(seen, look, matching) for look in looks)


@program(static_argnames=("colors",))
def _next(
    model: AdaIN,
    frame: Float[Array, "H W 3"],
    state: Glided,
    moved: tuple[Float[Array, "H W 2"], Float[Array, "H W"]],
    numbers: Any,
    *,
    colors: str,
) -> Any:
    (flow, trusted), (shares, strength, smooth) = moved, numbers
    features = model.features(prepare_content(colors, frame))
    seen = jax.tree.map(
        lambda old, new: new + AVERAGED * (old - new), state.seen, spread_of(features)
    )
    maps = jax.tree.map(lambda old, new: old + GLIDE * (new - old), state.maps, state.goals)
    mapped = blended(features, maps, shares, strength)
    weight = (1 - (1 - smooth) ** FEATURE_POWER) * at_positions(trusted)[..., None]
    before = warp(state.features, at_positions(flow) / STRIDE)
    mapped = mapped + weight * (before - mapped)
    picture = _decoded(model, mapped, frame, colors)
    picture = mixed(picture, state.picture, (flow, smooth * trusted))
    return picture, mapped, seen, maps


def _decoded(model: AdaIN, features: Array, frame: Array, colors: str) -> Array:
    height, width, _ = frame.shape
    picture = jnp.clip(model.picture(features, (height, width)), 0, 1)
    return with_colors(colors, frame, picture)
