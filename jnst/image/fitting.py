"""The shapes of pictures at other sizes."""

STRIDE = 16
"""Pixels: what the edges of coarse sizes, and of styles, are rounded to, so that there are few."""
SMALLEST_EDGE = 32
"""Pixels: at less, the deepest layers have next to nothing left to look at."""


def fit(height: int, width: int, long_edge: int, least: int = 1) -> tuple[int, int]:
    """Return (height, width) scaled to a long edge.

    Args:
      height: in pixels.
      width: in pixels.
      long_edge: of the result.
      least: of the result's short edge; the long edge is longer where this needs it.
    """
    scale = max(long_edge / max(height, width), least / min(height, width) if least > 1 else 0)
    return max(1, round(height * scale)), max(1, round(width * scale))


def rounded(edge: float) -> int:
    """The nearest whole multiple of `STRIDE`, but for edges below it.

    >>> rounded(65), rounded(300), rounded(7)
    (64, 304, 16)
    """
    return max(1, round(edge / STRIDE)) * STRIDE
