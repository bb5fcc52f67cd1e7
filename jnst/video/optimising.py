"""Frames optimised one after another, coherent in time.

Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos", 2016,
https://arxiv.org/abs/1604.08610: every frame starts from the last picture, moved along, and the
objective has a temporal term beside content and style, for the frame before and for older ones
(the long term). Departures: what the flow does not know starts from the frame; the style's targets
and the units of relative weighing are those of the first frame of the clip, so that nothing but the
frame changes, and one compiled step serves all frames; an older frame counts for as much as nearer
ones leave, min(c_j, 1 − Σ c_long_k), as trust is soft here; the first frame of a scene is painted
coarse to fine, as every picture of jnst's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import jnst
from jnst._checks import check_integer, check_number
from jnst._programs import program
from jnst.execution import memory
from jnst.image.color_setting import OF_STYLE, prepare_content, prepare_style
from jnst.image.inputs import check_images
from jnst.image.resizing import resize_styles
from jnst.losses.objectives import evaluate
from jnst.losses.temporal import temporal_term
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.descent import Schedule, descend
from jnst.optim.step import picture
from jnst.optim.whole import Whole
from jnst.transfer.inputs import Inputs
from jnst.transfer.job import axes_of, controls_of, shown
from jnst.transfer.problem import build_objective
from jnst.transfer.settings import SETTINGS, Settings
from jnst.video.flow import Motion
from jnst.video.painters import Prepared
from jnst.video.warping import warp

TEMPORAL = 250.0
"""Weight of the temporal term with relative weighing."""
BYTES_TO_OPTIMISE = 4500
"""That a frame takes for each pixel, the network's features and gradients included."""
STEPS = 40
"""Steps of a frame that starts from the one before it."""
SHARE_OF_RATE = 0.4
"""Of the learning rate of a picture that starts from its content."""
DISTANCES = (1, 2, 4)
"""Frames back that the temporal term looks."""
NEIGHBOUR = np.float32(0.5)
"""Weight of the frame before, moved along, in what a later pass starts from; δ of the paper."""


class Optimised(NamedTuple):
    """The state after a frame.

    Attributes:
      picture: of the frame, as it is shown.
      before: the pictures so far as optimised, the newest first; those that are needed.
    """

    picture: Float[Array, "H W 3"]
    before: tuple[Float[Array, "H W 3"], ...]


class OptimisingPainter:
    """Paints by optimisation.

    Args:
      model: the network.
      styles: the style images.
      settings: of the first frame of a scene, and of the objective.
      steps: of the other frames.
      temporal: weight of the temporal term; 0: none.
      distances: how many frames back it looks; the first must be 1.
      passes: over every scene, forward and backward by turns.
      key: for noise.
    """

    def __init__(
        self,
        model: Backbone,
        styles: Sequence[Float[np.ndarray, "_h _w 3"]],
        settings: Settings,
        *,
        steps: int = STEPS,
        temporal: float = TEMPORAL,
        distances: tuple[int, ...] = DISTANCES,
        passes: int = 1,
        key: Array | None = None,
    ):
        self.model, self.styles, self.settings = model, styles, settings
        self.steps, self.temporal = steps, np.float32(temporal)
        self.distances: tuple[int, ...] = distances
        self.passes = passes
        self.key = jax.random.key(0) if key is None else key
        self.prepared: tuple[np.ndarray, ...] | None = None
        self.parts: dict[str, Any] = {}

    def prepare(self, frame: Prepared) -> None:
        """Make the styles' targets and the units, as the clip's first frame decides them."""
        build_objective(self._inputs(frame), self.settings, remember=self._remember)

    def alone(self, frame: Prepared) -> Array:
        """Paint a frame as if there were no others, as `jnst.stylize` does but for the finish."""
        return shown(self.settings.colors, frame.image, self._first(frame))  # type: ignore[no-any-return]

    def begin(self, frame: Prepared) -> Optimised:
        """Paint the first frame of a scene."""
        return self.settled(frame, self._first(frame))

    def advance(self, state: Optimised, frame: Prepared) -> Optimised:
        """Paint the next frame of a scene."""
        known = self._known(state, frame)
        start = _start(jnp.asarray(self._content(frame, self._styles(frame))), *known)
        image, _ = self.optimised(frame, start, known)
        return self._after(state.before, frame, image)

    def revise(
        self, state: Optimised | None, frame: Prepared, image: Float[np.ndarray, "H W 3"]
    ) -> Optimised:
        """Paint a frame again; see `jnst.video.passes.RevisingPainter`."""
        before = () if state is None else state.before
        warped, trusted = known = self._known(Optimised(jnp.asarray(image), before), frame)
        start = _start(jnp.asarray(image), warped, NEIGHBOUR * trusted)
        again, _ = self.optimised(frame, start, known)
        return self._after(before, frame, again)

    def image(self, state: Optimised) -> Array:
        """The picture as optimised."""
        return state.before[0]

    def settled(self, frame: Prepared, image: Float[Array | np.ndarray, "H W 3"]) -> Optimised:
        """The state after a frame that was painted so, without those before it."""
        return self._after((), frame, jnp.asarray(image))

    def _after(self, before: tuple[Array, ...], frame: Prepared, image: Array) -> Optimised:
        before = (image, *before)[: max(self.distances)]
        return Optimised(shown(self.settings.colors, frame.image, image), before)

    def restore(self, leaves: list[np.ndarray]) -> Optimised:
        """The state of these arrays."""
        picture, *before = map(jnp.asarray, leaves)
        return Optimised(picture, tuple(before))

    def optimised(
        self,
        frame: Prepared,
        start: Float[Array, "H W 3"],
        known: tuple[Float[Array, "H W 3"], Float[Array, "H W"]],
        steps: int | None = None,
    ) -> tuple[Array, dict[str, np.ndarray]]:
        """Optimise a frame; return the picture and the losses.

        Args:
          frame: to paint.
          start: what it starts from.
          known: what is known of it, and how well, in [0, 1].
          steps: updates; None: `self.steps`.
        """
        warped, trusted = known
        inputs = self._inputs(frame)
        term = temporal_term(warped, trusted, self.temporal)
        objective = build_objective(inputs, self.settings, own=(term,), remember=self._remember)
        execution = Whole(evaluate, objective, self.settings.transformation())
        colors = axes_of(self.settings, inputs.styles)
        count = self.steps if steps is None else steps
        controls = controls_of(self.settings, colors, (), self.key, count)
        controls = execution.controls(
            controls._replace(
                learning_rate=SHARE_OF_RATE * controls.learning_rate,
                final_learning_rate=SHARE_OF_RATE * controls.final_learning_rate,
            )
        )
        run = descend(execution, execution.begin(start), controls, Schedule(steps=count))
        return jnp.clip(picture(run.state, controls), 0, 1), run.losses

    def _known(self, state: Optimised, frame: Prepared) -> tuple[Array, Array]:
        """What is known of a frame from earlier ones: the newest that shows a pixel counts.

        c_long of distance j is min(c_j, 1 − Σ_{k < j} c_long_k): what nearer frames leave. Equation
        9 of the paper has max(c_j − Σ_{k < j} c_k, 0), where the c are 0 or 1 mostly; here they are
        soft, and what a nearer frame knows by half leaves the other half.
        """
        pairs = [
            (state.before[distance - 1], frame.motions[distance])
            for distance in self.distances
            if distance in frame.motions and distance <= len(state.before)
        ]
        left = np.ones(frame.image.shape[:2], np.float32)
        each: list[tuple[Array, Motion, np.ndarray]] = []
        for before, motion in pairs:
            trusted = np.minimum(motion.soft(), left)
            left = left - trusted
            each.append((before, motion, trusted))
        total = 1 - left
        warped = jnp.zeros(frame.image.shape, jnp.float32)
        for before, motion, trusted in each:
            share = trusted / np.maximum(total, np.float32(1e-6))
            warped = _added(warped, before, motion.flow, share)
        return jnp.clip(warped, 0, 1), jnp.asarray(total)

    def _first(self, frame: Prepared) -> Array:
        """A frame painted from coarse to fine, without its colours where they come later."""
        own = self.settings.colors in OF_STYLE
        styles = self.styles if own else self._styles(frame)
        fields = {name: getattr(self.settings, name) for name in SETTINGS}
        fields["colors"] = "free"  # whatever else is asked for, content and styles have by now
        content = self._content(frame, styles)
        return jnst.stylize(self.model, content, list(styles), key=self.key, **fields).image

    def _inputs(self, frame: Prepared) -> Inputs:
        styles = self._styles(frame)
        return Inputs(model=self.model, content=self._content(frame, styles), styles=styles)

    def _content(self, frame: Prepared, styles: Sequence[Any]) -> np.ndarray:
        """A frame as the transfer sees it; a linear map hardly changes from one to the next."""
        colors, weights = self.settings.colors, self.settings.style_weights
        seen = prepare_content(colors, frame.image, styles, weights, transported=False)
        return np.asarray(seen)

    def _styles(self, frame: Prepared) -> tuple[np.ndarray, ...]:
        """The styles with the colours that the first frame decides, at the frames' size."""
        if self.prepared is None:
            colors = self.settings.colors
            seen = [np.asarray(prepare_style(colors, frame.image, style)) for style in self.styles]
            scale, shape = self.settings.style_scale, frame.image.shape[:2]
            self.prepared = tuple(np.asarray(x) for x in resize_styles(seen, shape, scale))
        return self.prepared

    def _remember(self, part: str, make: Any) -> Any:
        """A part of the objective: those of the styles, and the units, are made once."""
        if part not in ("style", "roughness", "units"):
            return make()
        if part not in self.parts:
            self.parts[part] = make()
        return self.parts[part]


@program()
def _start(
    start: Float[Array, "H W 3"], warped: Float[Array, "H W 3"], trusted: Float[Array, "H W"]
) -> Float[Array, "H W 3"]:
    return start + trusted[..., None] * (warped - start)


@program()
def _added(
    warped: Float[Array, "H W 3"],
    before: Float[Array, "H W 3"],
    flow: Float[Array, "H W 2"],
    share: Float[Array, "H W"],
) -> Float[Array, "H W 3"]:
    return warped + share[..., None] * warp(before, flow)


def check_optimising(frame_steps: int, temporal: float, passes: int) -> None:
    """Raise ValueError or TypeError for what frames cannot be optimised with."""
    check_integer("passes", passes, least=1)
    check_integer("frame_steps", frame_steps, least=1)
    check_number("temporal", temporal, least=0)


def optimising_painter(
    model: Backbone,
    style: Any,
    *,
    frame_steps: int = STEPS,
    temporal: float = TEMPORAL,
    passes: int = 1,
    **settings: Any,
) -> OptimisingPainter:
    """The painter of a model, style and settings; see `jnst.video.stylize_video`."""
    model = check_backbone(model)
    check_optimising(frame_steps, temporal, passes)
    if settings.get("finish"):
        raise ValueError("finish is not for videos, whose frames would have different ones")
    options = Settings.of(model.geometry, **settings)
    return OptimisingPainter(
        model,
        check_images("style", style),
        options,
        steps=frame_steps,
        temporal=temporal,
        passes=passes,
    )


def check_room_to_optimise(model: Backbone, shape: tuple[int, int]) -> None:
    """Raise ValueError where the device has not the memory for frames of this (height, width)."""
    memory.require(BYTES_TO_OPTIMISE * shape[0] * shape[1], shape, memory.device_of(model))
