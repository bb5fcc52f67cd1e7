"""When a descent has come so near to its end that more steps are not worth their time."""

from collections.abc import Sequence

WINDOW = 20
"""Steps over which the improvement is taken: single losses rise and fall."""


def converged(totals: Sequence[float], tolerance: float) -> bool:
    """Whether the loss has improved by less than `tolerance` over the last `WINDOW` steps.

    The improvement is relative and one of the best losses, so that a single high one ends nothing:

        1 − min(the last WINDOW losses) / min(all losses before them)

    An optimiser's first steps may raise the loss of a start that was good already. So two things
    are asked besides: the loss is no higher than the start's, and neither has the second half of
    the window improved on its first, as it does where the loss is falling back.

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
    if totals[-1] > totals[0]:
        return False
    half = WINDOW // 2
    before, early, late = min(totals[:-WINDOW]), min(totals[-WINDOW:-half]), min(totals[-half:])
    return before == 0 or (
        min(early, late) > (1 - tolerance) * before and (late > (1 - tolerance) * early)
    )
