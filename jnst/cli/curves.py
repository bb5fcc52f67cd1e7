"""The curves of the losses that the preview shows."""

import io

import numpy as np

WARP_ERROR = "warp error"
CURVES = {
    "total": "#d1495b",
    "style": "#2a9d8f",
    "content": "#3d82c4",
    "response": "#e9a23b",
    WARP_ERROR: "#7b5ea7",
}
"""Colours of what is drawn where a run has it: losses; `"response"` is a dream's, the warp error a
video's."""


def draw_curves(
    values: list[tuple[int, dict[str, float]]], sizes: list[int], ink: str, unit: str = "step"
) -> bytes:
    """Draw the losses as SVG with a transparent background.

    Args:
      values: [(step, {term: loss}), …].
      sizes: steps at which a new size begins, each marked by a line.
      ink: colour of axes and text.
      unit: what a step is called; those of others than steps have no losses for a title.

    Returns:
      The SVG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yscale("log")
    axes.set_xlabel(unit, color=ink)
    axes.set_title("losses" if unit == "step" else "", color=ink, fontsize="medium")
    axes.grid(color=ink, alpha=0.15)
    axes.tick_params(which="both", colors=ink)
    for side in axes.spines.values():
        side.set_visible(False)
    steps = [step for step, _ in values]
    for term, colour in CURVES.items():
        losses = np.array([losses.get(term, np.nan) for _, losses in values])
        shown = np.isfinite(losses) & (losses > 0)  # content has none where it starts from itself
        if shown.any():
            marker = "o" if shown.sum() == 1 else ""
            losses = np.where(shown, losses, np.nan)
            axes.plot(steps, losses, color=colour, label=term, marker=marker)
    for step in sizes:
        axes.axvline(step, color=ink, alpha=0.4, linestyle=":", linewidth=1)
    if axes.lines:
        axes.legend(frameon=False, labelcolor=ink)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True)
    return buffer.getvalue()
