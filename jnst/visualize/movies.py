"""Frames written as a video; the only importer of PyAV, an optional library, when one is asked."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jnst._checks import check_choice, check_number
from jnst._files import atomic_write, check_output

CODECS = {
    ".mp4": ("libx264", {"crf": "16", "preset": "medium"}),
    ".mkv": ("libx264", {"crf": "16", "preset": "medium"}),
    ".webm": ("libvpx-vp9", {"crf": "24", "b": "0"}),
}
"""By suffix: the encoder and its options, of hardly any visible loss."""
FPS = 24.0


def is_movie(path: str | os.PathLike[str]) -> bool:
    """Say whether a name is that of a video."""
    return Path(path).suffix.lower() in CODECS


def check_movie(path: str | os.PathLike[str], fps: float = FPS) -> Path:
    """Return `path` as a `Path`.

    Raises:
      ValueError: if no video can be written there, for a rate out of [1, 240], or without PyAV.
    """
    path = check_output(path)
    check_choice(f"the suffix of output {path}", path.suffix.lower(), CODECS)
    check_number("fps", fps, least=1, most=240)
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ValueError(
            'a video is written with PyAV; python -m pip install "jnst[video]", or give the '
            "name of a folder, for a picture of each frame"
        ) from error
    return path


def write_movie(
    path: str | os.PathLike[str],
    frames: Iterable[Float[np.ndarray, "H W 3"]],
    *,
    fps: float = FPS,
    comment: str = "",
) -> int:
    """Write frames as a video, whole or not at all.

    Args:
      path: its suffix, one of `CODECS`, determines the format.
      frames: sRGB in [0, 1], all of one size; where an edge is odd, the last row or column is
        repeated, since video needs even ones.
      fps: frames a second.
      comment: is stored with the video.

    Returns:
      How many frames there were.

    Raises:
      ValueError: as `check_movie`, or for no frames.
    """
    path = check_movie(path, fps)
    import av

    codec, options = CODECS[path.suffix.lower()]
    count = 0
    with atomic_write(path) as temporary:
        with av.open(temporary, "w") as container:
            container.metadata["comment"] = comment
            stream: Any = container.add_stream(
                codec, rate=Fraction(fps).limit_denominator(1001), options=options
            )
            stream.pix_fmt = "yuv420p"
            for frame in frames:
                height, width, _ = frame.shape
                even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
                levels = np.rint(np.clip(even, 0, 1) * 255).astype(np.uint8)
                if not count:
                    stream.height, stream.width = levels.shape[:2]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
                count += 1
            if count:
                container.mux(stream.encode())
        if not count:
            raise ValueError(f"there are no frames to write to {path}")
    return count
