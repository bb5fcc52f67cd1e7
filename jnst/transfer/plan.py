"""The sizes that a picture is painted at, coarse to fine, and the steps at each."""

import math

from jnst.image.fitting import SMALLEST_EDGE

COARSEST = 128
"""Pixels: the long edge at which a picture is begun. It decides the layout, and so is the same for
all."""
COARSER_STEPS = 1.5
"""How many times more steps each coarser size gets: steps are cheap there and decide the layout."""
Plan = list[tuple[tuple[int, int], int]]
"""[((height, width), steps), …], coarse to fine."""


def coarse_to_fine(long: int, short: int) -> list[int]:
    """Long edges from `COARSEST` to `long` in equal ratios, as near to 2 as can be.

    They begin with a larger one where the short edge would be less than `SMALLEST_EDGE` otherwise.

    >>> coarse_to_fine(512, 384), coarse_to_fine(700, 500), coarse_to_fine(1024, 100)
    ([128, 256, 512], [128, 299, 700], [328, 580, 1024])
    """
    coarsest = max(COARSEST, math.ceil(SMALLEST_EDGE * long / short))
    doublings = max(0, round(math.log2(long / coarsest)))
    ratio = (long / coarsest) ** (1 / max(1, doublings))
    return [*(round(coarsest * ratio**n) for n in range(doublings)), long]


def share(steps: int, sizes: int) -> list[int]:
    """`steps` in all, shared over a number of sizes, each getting fewer than the coarser one.

    >>> share(100, 2), share(1, 3)
    ([60, 40], [0, 0, 1])
    """
    shares = [COARSER_STEPS**-level for level in range(sizes)]
    # From the finest on, since rounding must not leave the size that is asked for without steps.
    counts: list[int] = []
    for level in reversed(range(sizes)):
        rest, total = steps - sum(counts), sum(shares[: level + 1])
        counts.insert(0, max(min(rest, 1), round(rest * shares[level] / total)))
    return counts
