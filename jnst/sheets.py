"""Sheets to choose from a grid by: its pictures side by side, and content loss against style loss.

The only importer of matplotlib, an optional library, and only when something is drawn.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jnst.images import check_image_output, fit, resized, save_image

Axes = Mapping[str, Sequence[Any]]
"""{name: values}, as in `jnst.GridResult`."""

EDGE = 4096
"""Pixels along a sheet's longer side, roughly, if the pictures are large enough."""
THUMB = (64, 512)
"""Pixels along a picture's longer side on a sheet: at least and at most."""
GAP = 8
DPI = 100
FEW = 10
"""Rows up to which a plot names them, and cells up to four times of which it labels them."""


def check_drawing() -> None:
    """Raise ValueError unless matplotlib is there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ValueError(
            'the sheet of a grid is drawn with matplotlib; python -m pip install "jnst[plot]"'
        ) from error


def label(name: str, value: Any) -> str:
    """What a value of an axis is called on a sheet.

    >>> label("beta", 1e5), label("style_layers", {"relu1_1": 1.0, "relu2_1": 0.0})
    ('beta 1e5', 'style layers relu1_1:1')
    """
    if isinstance(value, Mapping):
        value = " ".join(f"{layer}:{short(weight)}" for layer, weight in value.items() if weight)
    elif isinstance(value, float):
        value = short(value)
    return f"{name.replace('_', ' ')} {value}"


def short(number: float) -> str:
    """A number in as few characters as tell it from others.

    >>> short(10.0), short(1e5), short(2.5e-7)
    ('10', '1e5', '2.5e-7')
    """
    mantissa, e, exponent = f"{number:.12g}".partition("e")
    if not e and len(digits := mantissa.rstrip("0")) < len(mantissa) - 4 and "." not in mantissa:
        return f"{digits}e{len(mantissa) - len(digits)}"
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def columns_axis(axes: Axes) -> str:
    """The axis that runs across a sheet: beta if there are several, else the longest."""
    return "beta" if len(axes["beta"]) > 1 else max(axes, key=lambda name: len(axes[name]))


def arranged(table: np.ndarray, axes: Axes) -> np.ndarray:
    """A table over all axes, (A, B, …, *rest), as (rows, columns, *rest)."""
    across = list(axes).index(columns_axis(axes))
    table = np.moveaxis(table, across, len(axes) - 1)
    return table.reshape(-1, *table.shape[len(axes) - 1 :])


def row_labels(axes: Axes) -> list[str]:
    """What the rows of a sheet are called: the values of all axes that vary but the columns'."""
    across = columns_axis(axes)
    named = [
        [label(name, value) if len(values) > 1 else "" for value in values]
        for name, values in axes.items()
        if name != across
    ]
    return ["\n".join(filter(None, parts)) for parts in itertools.product(*named)]


def title(axes: Axes) -> str:
    """What all cells have in common of alpha and beta."""
    return ", ".join(
        label(name, values[0])
        for name, values in axes.items()
        if len(values) == 1 and name != columns_axis(axes)
    )


def thumb_size(axes: Axes) -> int:
    """The long edge of a picture on the sheet, if it is that large."""
    rows, columns = len(row_labels(axes)), len(axes[columns_axis(axes)])
    least, most = THUMB
    return min(max(EDGE // max(rows, columns), least), most)


def save_sheet(
    path: str | os.PathLike[str], images: Float[ArrayLike, "*axes H W 3"], axes: Axes
) -> None:
    """Write a grid's pictures side by side, the values of its axes beside them.

    Beta runs across if there are several (else the longest axis), all others down.

    Args:
      path: a file as for `jnst.save_image`.
      images: (A, B, …, H, W, 3) as in `jnst.GridResult`; one of NaN stays white.
      axes: the values of every axis before H, likewise.

    Raises:
      ValueError: for a path that cannot be written, or without matplotlib.
    """
    check_image_output(path)
    check_drawing()
    table = arranged(np.asarray(images), axes)
    rows, columns, height, width, _ = table.shape
    thumb = min(thumb_size(axes), max(height, width))
    height, width = fit(height, width, thumb)
    mosaic = np.ones((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3))
    for row, column in np.ndindex(rows, columns):
        y, x = row * (height + GAP), column * (width + GAP)
        picture = np.nan_to_num(table[row, column], nan=1.0)
        mosaic[y : y + height, x : x + width] = resized(picture, None, thumb).pixels

    down, across = row_labels(axes), columns_axis(axes)
    points = max(8, thumb // 25)
    widest = max(len(line) for words in down for line in words.split("\n"))
    left, top = int(points * (widest * 0.85 + 1.5)), int(points * (5 if title(axes) else 3))
    size = np.array([left + mosaic.shape[1] + GAP, top + mosaic.shape[0] + GAP])
    figure = _figure(figsize=size / DPI)
    box = np.array([left, GAP, mosaic.shape[1], mosaic.shape[0]]) / np.tile(size, 2)
    plot = figure.add_axes(tuple(box))
    plot.imshow(mosaic, interpolation="none", aspect="auto")
    names = [label(across, value) for value in axes[across]]
    plot.set_xticks(np.arange(columns) * (width + GAP) + width / 2, names)
    plot.set_yticks(np.arange(rows) * (height + GAP) + height / 2, down)
    plot.tick_params(length=0, labelsize=points, top=True, labeltop=True, labelbottom=False)
    plot.spines[:].set_visible(False)
    figure.text(box[0], 1 - points / size[1], title(axes), fontsize=points, va="top")
    _save(path, figure)


def save_trade_off(
    path: str | os.PathLike[str], losses: Mapping[str, np.ndarray], axes: Axes
) -> None:
    """Write a plot of every cell's final content loss against its final style loss.

    A line joins the cells that differ in nothing but beta (or the sheet's other columns): the
    trade-off between the two. A cell without any loss is not on it.

    Args:
      path: a file as for `jnst.save_image`.
      losses: {term: (A, B, …, steps)} as in `jnst.GridResult`; the last that is no NaN counts.
      axes: the values of every axis before the steps, likewise.

    Raises:
      ValueError: for a path that cannot be written, or without matplotlib.
    """
    check_image_output(path)
    check_drawing()
    content, style = (arranged(last(losses[term]), axes) for term in ("content", "style"))
    across, down = columns_axis(axes), row_labels(axes)
    figure = _figure(figsize=(9, 6), layout="constrained")
    plot = figure.add_subplot()
    for row, name in enumerate(down):
        plot.plot(content[row], style[row], "o-", label=name.replace("\n", ", "), alpha=0.8)
        for x, y, value in zip(content[row], style[row], axes[across], strict=True):
            if content.size <= 4 * FEW and np.isfinite(x + y):
                place = {"xytext": (6, 4), "textcoords": "offset points"}
                plot.annotate(label(across, value), (x, y), **place)
    shown = np.isfinite(content + style)
    if shown.any() and np.minimum(content, style)[shown].min() > 0:
        plot.loglog()
    plot.set(xlabel="content loss at the end", ylabel="style loss at the end", title=title(axes))
    if 1 < len(down) <= FEW:
        plot.legend()
    plot.margins(x=0.12)
    plot.grid(alpha=0.3)
    _save(path, figure)


def last(values: np.ndarray) -> np.ndarray:
    """The last value along the last axis that is no NaN; NaN where all are."""
    position = values.shape[-1] - 1 - np.argmax(np.isfinite(values[..., ::-1]), axis=-1)
    return np.take_along_axis(values, position[..., None], axis=-1)[..., 0]


def _figure(**options: Any) -> Any:
    """An empty figure that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(dpi=DPI, **options)


def _save(path: str | os.PathLike[str], figure: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_image(path, np.asarray(canvas.buffer_rgba())[..., :3] / np.float32(255))
