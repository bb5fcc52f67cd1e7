"""Optical flow between frames, and where it can be trusted.

The only importer of OpenCV, an optional library, when a flow is asked for. Another flow can be put
in its place: any function of the type `Flow`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

Frame = UInt8[np.ndarray, "H W 3"]
Flow = Callable[[Frame, Frame], Float[np.ndarray, "H W 2"]]
"""`flow(first, second)`: how far right and down, in pixels, what is seen at each place of the first
frame has moved in the second."""

RELATIVE_TOLERANCE, TOLERANCE = 0.01, 0.5
"""Of the squared disagreement of both flows, in px²: to their squares, and beside that."""
RELATIVE_STEEPNESS, STEEPNESS = 0.01, 0.002
"""Of the squared gradient of the flow at a motion boundary: to its square, and beside that."""
ERODED = 5
"""Pixels: the edge of the square by which the trusted area is eroded."""
BLUR = 1.5
"""Pixels: the deviation of the Gaussian that softens its edge."""


class Motion(NamedTuple):
    """How a frame came out of an earlier one.

    Attributes:
      flow: from each pixel of the frame to where it was in the earlier one.
      reliable: where that can be trusted.
    """

    flow: Float[np.ndarray, "H W 2"]
    reliable: Bool[np.ndarray, "H W"]

    def soft(self) -> Float[np.ndarray, "H W"]:
        """How far the flow is trusted, in [0, 1]: away from the edges, and softly."""
        import cv2

        # What lies beyond the frame must not wear off its border.
        square = np.ones((ERODED, ERODED), np.uint8)
        kept = cv2.erode(self.reliable.astype(np.float32), square)
        return np.asarray(cv2.GaussianBlur(kept, (0, 0), BLUR), np.float32)


def check_opencv() -> None:
    """Raise ValueError unless OpenCV is installed."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise ValueError(
            'the motion in a video is found with OpenCV; python -m pip install "jnst[video]"'
        ) from error


def dis_flow(first: Frame, second: Frame) -> Float[np.ndarray, "H W 2"]:
    """Dense inverse search, as OpenCV has it, with its medium preset.

    Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", 2016,
    https://arxiv.org/abs/1603.03590. Frames that are too small for it count as still.
    """
    import cv2

    if min(first.shape[:2]) < 16:
        return np.zeros((*first.shape[:2], 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    return np.asarray(search.calc(grey[0], grey[1], None), np.float32)  # type: ignore[call-overload]


def check_flow(found: Any, shape: Sequence[int]) -> Float[np.ndarray, "H W 2"]:
    """Return the flow found for frames of a shape, as float32; raise ValueError if it is none."""
    flow, wanted = np.asarray(found, np.float32), (*shape[:2], 2)
    if flow.shape != wanted or not np.isfinite(flow).all():
        what = f"shape {flow.shape}" if flow.shape != wanted else "values that are not finite"
        raise ValueError(f"flow must return finite displacements of shape {wanted}, got {what}")
    return flow


def motion_between(earlier: Frame, frame: Frame, flow: Flow = dis_flow) -> Motion:
    """The motion from an earlier frame to a later one."""
    if np.array_equal(earlier, frame):  # as in a still: no search finds a motion of exactly 0
        height, width, _ = frame.shape
        return Motion(np.zeros((height, width, 2), np.float32), np.ones((height, width), bool))
    backward, forward = (
        check_flow(flow(*pair), frame.shape) for pair in ((frame, earlier), (earlier, frame))
    )
    return Motion(backward, reliability(backward, forward))


def motions_from(
    before: Sequence[Frame], frame: Frame, distances: Sequence[int], flow: Flow = dis_flow
) -> dict[int, Motion]:
    """{distance: the motion from the frame so many before}, of those that there are.

    Args:
      before: the frames before it, the last one at the end.
      frame: the frame.
      distances: how many frames back.
      flow: finds the motion.
    """
    return {
        distance: motion_between(before[-distance], frame, flow)
        for distance in distances
        if distance <= len(before)
    }


def reliability(
    backward: Float[np.ndarray, "H W 2"], forward: Float[np.ndarray, "H W 2"]
) -> Bool[np.ndarray, "H W"]:
    """Where a flow can be trusted: c of Ruder, Dosovitskiy and Brox.

    It is not where both flows disagree, since what is seen there was hidden or out of the picture,

        |f(p + b(p)) + b(p)|² > 0.01 (|f|² + |b|²) + 0.5,

    nor at motion boundaries, |∇b_x|² + |∇b_y|² > 0.01 |b|² + 0.002. "Artistic style transfer for
    videos", 2016, https://arxiv.org/abs/1604.08610, equations 5 and 6.

    Args:
      backward: b, from the frame to the earlier one.
      forward: f, from the earlier one to the frame.
    """
    import cv2

    height, width, _ = backward.shape
    x = np.arange(width, dtype=np.float32) + backward[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + backward[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    there = cv2.remap(forward, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    sizes = _square(there) + _square(backward)
    hidden = _square(there + backward) > RELATIVE_TOLERANCE * sizes + TOLERANCE
    steep = sum(_square(slope) for slope in np.gradient(backward, axis=(0, 1)))
    boundary = steep > RELATIVE_STEEPNESS * _square(backward) + STEEPNESS
    return np.asarray(inside & ~hidden & ~boundary)


def _square(vectors: Float[np.ndarray, "H W 2"]) -> Float[np.ndarray, "H W"]:
    return np.asarray(np.square(vectors).sum(axis=-1))
