"""From a clip and paintings to a painted clip."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float

from jnst._checks import check_choice, check_number
from jnst._files import check_not_overwriting
from jnst.execution import memory
from jnst.feedforward.adain import AdaIN
from jnst.feedforward.matching import MATCHINGS, Spread
from jnst.feedforward.painting import shares_of
from jnst.feedforward.transfer import check_manner, look_at_styles
from jnst.image.color_setting import check_palette
from jnst.image.inputs import check_images
from jnst.losses.blending import blend_shares
from jnst.nn.backbone import Backbone, check_backbone
from jnst.nn.painter import Painter
from jnst.version import __version__
from jnst.video.arbitrary import BYTES, ArbitraryPainter
from jnst.video.clip import Window
from jnst.video.flow import Flow, check_opencv, dis_flow
from jnst.video.measuring import Row, mean_of
from jnst.video.mixing import MOST_SMOOTH, SMOOTH
from jnst.video.network import NETWORK_BYTES, NETWORK_COLORS, NetworkPainter
from jnst.video.optimising import (
    check_room_to_optimise,
    optimising_painter,
)
from jnst.video.painted import Measured
from jnst.video.painters import VideoPainter
from jnst.video.painting import Callback, paint_clip
from jnst.video.reading import open_clip
from jnst.video.writing import Encoding, check_video_output, open_writer

DEFAULTS: dict[str, Any] = {
    "smooth": SMOOTH,
    "strength": 1.0,
    "colors": "style",
    "matching": MATCHINGS[0],
    "style_weights": None,
    "style_scale": 1.0,
}
"""Of what a painter can be told in one pass; a network has the first three only."""
OF_NETWORKS = ("smooth", "strength", "colors")

Model = TypeVar("Model")


class VideoResult(NamedTuple):
    """What `stylize_video` comes back with.

    Attributes:
      rows: the measures of every frame.
      stopped: the callback ended the clip; what was painted until then was written.
      problem: why the source ended early; empty: it did not.
    """

    rows: list[Row]
    stopped: bool
    problem: str

    def mean(self, name: str) -> float:
        """The mean of a measure, one of the fields of `Row`, over all frames that have it."""
        return mean_of(self.rows, name)


def stylize_video(
    model: AdaIN | Painter | Backbone,
    source: str | os.PathLike[str],
    style: Any,
    output: str | os.PathLike[str],
    *,
    window: Window = Window(),  # noqa: B008
    encoding: Encoding = Encoding(),  # noqa: B008
    palette: Float[np.ndarray, "_h _w 3"] | None = None,
    flow: Flow = dis_flow,
    measured: Measured = Measured(),  # noqa: B008
    callback: Callback | None = None,
    devices: Sequence[jax.Device] | None = None,
    **settings: Any,
) -> VideoResult:
    """Paint a video in the style of paintings, coherent in time.

    Frames are read, painted and written one after another: no more than a few are in memory,
    however long the clip. A cut begins afresh. With several devices each paints a scene, and what
    is painted before its turn waits in memory. Frames are painted in threads of their own, where
    contexts of JAX that count for one thread, as `jax.default_device`, do not apply;
    `jax.config.update` does.

    Args:
      model: from `jnst.load_adain`, for any painting in one pass; a network of
        `jnst.feedforward.load_painter`, likewise; or from `jnst.load_vgg19`: then every frame is
        optimised.
      source: a video, or a folder of numbered pictures.
      style: the style image, sRGB in [0, 1], or a list of several; of a network {name: weight} of
        its styles, None: all alike.
      output: a video, whose suffix says of what format, or a folder for a PNG of each frame.
      window: which part of the source, at which size and rate.
      encoding: how the video is written.
      palette: an image whose colours the styles are given first.
      flow: finds the motion between two frames.
      measured: what is measured beside the warp error to the frame before and the sharpness.
      callback: called with every `PaintedFrame`; True ends the clip there, or with several devices
        where the frames end that have been painted.
      devices: that take scenes; None: all that JAX has in this process.
      **settings: `smooth`, in [0, 0.95]: the weight of the last picture, moved along, where the
        motion is known: 0 paints every frame by itself; `strength`, `colors`, and for AdaIN
        `matching`, `style_weights` and `style_scale`, as for `jnst.fast`. Where frames are
        optimised: the fields of `jnst.Settings` but for `finish`, for the first frame of a scene;
        `frame_steps`, of every other frame; `temporal`, the weight of the temporal term; and
        `passes` over every scene, forward and backward by turns, for which a scene is held in
        memory.

    Returns:
      The measures, and how the clip ended.

    Raises:
      ValueError, TypeError: for a source, an output or a setting that will not do.
      ValueError: for frames that the device has not the memory for.
    """
    check_opencv()
    path = check_video_output(output, encoding)
    check_not_overwriting("source", source, [path])
    clip = open_clip(source, window)
    painters: list[VideoPainter]
    if isinstance(model, AdaIN | Painter):
        models = on_devices(model, devices)
        painters = [one_pass_painter(each, style, palette=palette, **settings) for each in models]
        check_room(model, clip.shape)
    else:
        if palette is not None:
            raise ValueError("palette has no effect where frames are optimised")
        networks = on_devices(check_backbone(model), devices)
        painters = [optimising_painter(each, style, **settings) for each in networks]
        check_room_to_optimise(model, clip.shape)
    # As JSON holds them: NumPy's and JAX's numbers as plain ones.
    record = json.loads(json.dumps({"jnst": __version__, **settings}, default=plain))
    writer = open_writer(path, clip, encoding, record)
    outcome = paint_clip(clip, painters, writer, flow=flow, measured=measured, callback=callback)
    return VideoResult(outcome.rows, outcome.stopped, clip.problem)


def on_devices(model: Model, devices: Sequence[jax.Device] | None = None) -> list[Model]:
    """A network on each of these devices; None: on all of its kind in this process.

    Raises:
      TypeError: for what are no devices.
    """
    if devices is None:
        devices = jax.local_devices(backend=memory.device_of(model).platform)
    given = [] if isinstance(devices, jax.Device) else list(devices)
    if not given or not all(isinstance(device, jax.Device) for device in given):
        raise TypeError(f"devices must be devices of JAX, as jax.devices() has them, got {devices}")
    return [jax.device_put(model, device) for device in given]


def plain(value: Any) -> Any:
    """A setting that JSON cannot hold, as what it can: numbers of arrays, else in words."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def check_settings(settings: Mapping[str, Any], network: bool) -> dict[str, Any]:
    """Return all settings of a painter, checked.

    Args:
      settings: some of `DEFAULTS`.
      network: for a trained network.
    """
    allowed = OF_NETWORKS if network else tuple(DEFAULTS)
    for name in settings:
        check_choice("the name of a setting", name, allowed)
    chosen = {name: DEFAULTS[name] for name in allowed} | dict(settings)
    check_number("smooth", chosen["smooth"], least=0, most=MOST_SMOOTH)
    check_number("strength", chosen["strength"], least=0, most=1)
    if network:
        check_choice("colors", chosen["colors"], NETWORK_COLORS)
    return chosen


def one_pass_painter(
    model: AdaIN | Painter,
    style: Any,
    *,
    palette: Float[np.ndarray, "_h _w 3"] | None = None,
    **settings: Any,
) -> VideoPainter:
    """The painter of a model, style and settings; see `jnst.video.stylize_video`."""
    if isinstance(model, Painter):
        chosen = check_settings(settings, network=True)
        if palette is not None:
            raise ValueError("palette has no effect with a trained network")
        return NetworkPainter(model, shares_of(model, style), **chosen)
    chosen = check_settings(settings, network=False)
    smooth = chosen.pop("smooth")
    manner = check_manner(**chosen)._replace(tile=None)
    check_palette(manner.colors, palette)
    styles: Sequence[Any] = check_images("style", style)
    shares = [float(share) for share in blend_shares(manner.style_weights, len(styles))]

    def look(content: Float[np.ndarray, "H W 3"]) -> tuple[Spread, ...]:
        return look_at_styles(model, content, styles, manner, palette)

    return ArbitraryPainter(
        model,
        look,
        np.array(shares, np.float32) / np.float32(sum(shares)),
        matching=manner.matching,
        strength=manner.strength,
        colors=manner.colors,
        smooth=smooth,
    )


def check_room(model: AdaIN | Painter, shape: tuple[int, int]) -> None:
    """Raise ValueError where the device has not the memory for frames of this (height, width)."""
    a_pixel = BYTES
    if isinstance(model, Painter):
        a_pixel = NETWORK_BYTES * model.architecture.channels[0]
    memory.require(a_pixel * shape[0] * shape[1], shape, memory.device_of(model))
