"""The encoders of videos, and how they are told to encode."""

ENCODERS = {
    "h264": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
}
"""Encoders of codecs that are named as such; others are named by FFmpeg's name of the encoder."""
SUFFIXES = {
    ".mp4": "libx264",
    ".m4v": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
"""The usual encoder for each suffix of a video."""
QUALITIES = {"libx264": 18, "libx265": 20, "libvpx-vp9": 26, "libsvtav1": 28}
"""Constant quality by default: lower is better, and larger; of hardly any visible loss."""
WORST = {"libx264": 51, "libx265": 51, "libvpx-vp9": 63, "libsvtav1": 63}
"""The highest number of each, its CRF."""
OPTIONS = {
    "libx265": {"x265-params": "log-level=error"},  # it would tell its settings
    "libvpx-vp9": {"b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "3"},
}
"""FFmpeg's options beside the quality."""
