"""The shapes of pictures at other sizes."""

SMALLEST_EDGE = 32
"""Pixels: at less, the deepest layers have next to nothing left to look at."""


def fit(height: int, width: int, long_edge: int, least: int = 1) -> tuple[int, int]:
    """(height, width) in proportion with this long edge, or a longer one for a short of `least`."""
    scale = max(long_edge / max(height, width), least / min(height, width) if least > 1 else 0)
    return max(1, round(height * scale)), max(1, round(width * scale))
