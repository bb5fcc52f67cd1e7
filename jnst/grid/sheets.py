"""Sheets to choose from a grid by: its pictures side by side, and content loss against style loss.

The only importer of matplotlib, an optional library, and only when something is drawn.
"""

import contextlib
import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnst.image.pictures import check_image_output, fit, resize_picture, save_image

Axes = Mapping[str, Sequence[Any]]
"""{name: values}, as in `jnst.GridResult`."""

EDGE = 4096
"""Pixels along a sheet's longer side, roughly, if the pictures are large enough."""
THUMB = (24, 512)
"""Pixels along a picture's longer side on a sheet: at least and at most."""
GAP = 8
DPI = 72
"""At which a point is a pixel."""
CHARACTER = 0.62
"""The width of one, in units of the size of its font."""
FEW = 24
"""Rows that a plot names at most, and half of the cells that it labels."""
LONGEST = 24
"""Characters of a label."""


def check_drawing() -> None:
    """Raise ValueError unless matplotlib is there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ValueError(
            'the sheet of a grid is drawn with matplotlib; python -m pip install "jnst[plot]"'
        ) from error


def label(name: str, value: Any) -> str:
    """What a value of an axis is called on a sheet, with the axis.

    >>> label("beta", 1e5), label("style_layers", {"relu1_1": 1.0, "relu2_1": 0.0})
    ('beta 1e5', 'style layers relu1_1:1')
    """
    return f"{name.replace('_', ' ')} {value_label(value)}"


def value_label(value: Any) -> str:
    """A value of an axis in few characters."""
    text = value_text(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def value_text(value: Any) -> str:
    """A value of an axis: a number, a name, or the layers that weigh something."""
    if isinstance(value, Mapping):
        return " ".join(f"{layer}:{short(weight)}" for layer, weight in value.items() if weight)
    return short(value) if isinstance(value, float) else str(value)


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
    return "beta" if len(axes.get("beta", ())) > 1 else max(axes, key=lambda name: len(axes[name]))


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
    """What all cells have in common: the axes of one value."""
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


def save_sheet(path: str | os.PathLike[str], images: ArrayLike, axes: Axes) -> None:
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
    table = arranged(_checked(images, axes, 3), axes)
    rows, columns, height, width, _ = table.shape
    thumb = min(thumb_size(axes), max(height, width))
    height, width = fit(height, width, thumb)
    down, across = row_labels(axes), columns_axis(axes)
    names = [value_label(value) for value in axes[across]]
    points = max(9, thumb // 18)
    wide = points * CHARACTER
    # Where names are wider than pictures, the columns stand further apart.
    pitch = max(width, int(wide * max(map(len, names)))) + GAP
    mosaic = np.ones((rows * (height + GAP) - GAP, columns * pitch - GAP, 3), np.float32)
    for row, column in np.ndindex(rows, columns):
        y, x = row * (height + GAP), column * pitch + (pitch - GAP - width) // 2
        picture = np.nan_to_num(table[row, column], nan=1.0)
        mosaic[y : y + height, x : x + width] = resize_picture(picture, None, thumb).pixels

    widest = max(len(line) for words in down for line in words.split("\n"))
    heading = ", ".join(filter(None, [title(axes), f"{across.replace('_', ' ')} across"]))
    left, top = int(wide * widest) + 3 * GAP, int(points * 3.6) + GAP
    least = int(wide * len(heading)) + left + GAP
    size = np.array([max(left + mosaic.shape[1] + GAP, least), top + mosaic.shape[0] + GAP])
    with _drawing():
        figure = _figure(figsize=size / DPI)
        box = np.array([left, GAP, mosaic.shape[1], mosaic.shape[0]]) / np.tile(size, 2)
        plot = figure.add_axes(tuple(box))
        plot.imshow(mosaic, interpolation="none", aspect="auto")
        plot.set_xticks(np.arange(columns) * pitch + (pitch - GAP) / 2, names)
        plot.set_yticks(np.arange(rows) * (height + GAP) + height / 2, down)
        plot.tick_params(length=0, labelsize=points, top=True, labeltop=True, labelbottom=False)
        plot.spines[:].set_visible(False)
        figure.text(box[0], 1 - GAP / size[1], heading, fontsize=points, va="top")
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
    content, style = (
        arranged(last(_checked(losses.get(term, ()), axes, 1)), axes)
        for term in ("content", "style")
    )
    across, down = columns_axis(axes), row_labels(axes)
    with _drawing() as matplotlib:
        figure = _figure(figsize=(12, 8), layout="constrained")
        plot = figure.add_subplot()
        colours = matplotlib.colormaps["tab10" if len(down) <= 10 else "viridis"]
        for row, name in enumerate(down):
            colour = colours(row if len(down) <= 10 else row / len(down))
            text = name.replace("\n", ", ")
            plot.plot(content[row], style[row], "o-", label=text, color=colour, alpha=0.8)
            # Neighbouring rows on either side of their cells.
            offset, towards = ((7, 4), "left") if row % 2 == 0 else ((-7, -12), "right")
            for x, y, value in zip(content[row], style[row], axes[across], strict=True):
                if content.size <= 2 * FEW and np.isfinite(x + y):
                    words = {"xytext": offset, "textcoords": "offset points", "ha": towards}
                    plot.annotate(value_label(value), (x, y), color=colour, **words)
        shown = np.isfinite(content + style)
        for axis, values in (("x", content[shown]), ("y", style[shown])):
            if values.size and values.min() > 0 and values.max() > 2 * values.min():
                plot.set(**{f"{axis}scale": "log"})
        for side in (plot.xaxis, plot.yaxis):
            side.set_major_formatter("{x:.3g}")
            side.set_minor_formatter("{x:.2g}")
        plot.set(xlabel="content loss of the last step", ylabel="style loss of the last step")
        numbers = f"numbers: {across.replace('_', ' ')}"
        plot.set_title(", ".join(filter(None, [title(axes), numbers])))
        if 1 < len(down) <= FEW:
            plot.legend()
        plot.margins(x=0.12)
        plot.grid(alpha=0.3)
        _save(path, figure)


def _checked(values: ArrayLike, axes: Axes, further: int) -> np.ndarray:
    """`values` as an array; raises ValueError unless it has the grid's axes and some further."""
    table, shape = np.asarray(values), tuple(map(len, axes.values()))
    if not axes or table.ndim != len(shape) + further or table.shape[: len(shape)] != shape:
        raise ValueError(
            f"axes of the lengths {shape} do not go with an array of the shape {table.shape}"
        )
    if not table.size:
        raise ValueError(f"there is nothing to draw in an array of the shape {table.shape}")
    return table


def last(values: np.ndarray) -> np.ndarray:
    """The last value along the last axis that is no NaN; NaN where all are."""
    position = values.shape[-1] - 1 - np.argmax(np.isfinite(values[..., ::-1]), axis=-1)
    return np.take_along_axis(values, position[..., None], axis=-1)[..., 0]


@contextlib.contextmanager
def _drawing() -> Iterator[Any]:
    """matplotlib, told to leave a $ in a name alone, and not to warn of letters it cannot draw."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        yield matplotlib


def _figure(**options: Any) -> Any:
    """An empty figure that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(dpi=DPI, **options)


def _save(path: str | os.PathLike[str], figure: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_image(path, np.asarray(canvas.buffer_rgba())[..., :3] / np.float32(255))
