"""When a descent has come so near to its end that more steps are not worth their time."""

from collections.abc import Sequence

WINDOW = 20
"""Steps over which the improvement is taken: single losses rise and fall."""


def converged(totals: Sequence[float], tolerance: float) -> bool:
    """Whether the loss has improved by less than `tolerance` over the last `WINDOW` steps.

    The improvement is relative and one of the best losses, so that a single high one ends nothing:

        1 − min(the last WINDOW losses) / min(all losses before them)

    Args:
      totals: the total loss of every step so far, none negative.
      tolerance: in [0, 1]; 0 is never reached.

    Returns:
      The answer; True where the best loss before was 0, which nothing improves.

    >>> converged([8.0] + WINDOW * [4.0], 0.01), converged([8.0] + WINDOW * [7.99], 0.01)
    (False, True)
    """
    if not tolerance or len(totals) <= WINDOW:
        return False
    best, before = min(totals[-WINDOW:]), min(totals[:-WINDOW])
    return before == 0 or best > (1 - tolerance) * before
