"""The folder that `jnst features` fills: a sheet for each layer, a summary, a table and a page."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jnst._files import atomic_write
from jnst.image.pictures import save_image
from jnst.image.resampling import resize_on_host
from jnst.nn.backbone import Backbone
from jnst.visualize.feature_page import PagePicture, PageSection, write_page
from jnst.visualize.features import LayerMaps, components_of, default_layers, feature_maps
from jnst.visualize.folders import check_own_folder
from jnst.visualize.layer_sheets import (
    channel_sheet,
    component_colors,
    enlarged_to,
    gram_colors,
    heat_overlay,
)
from jnst.visualize.tables import Row, table_of

RECORD, TABLE, SUMMARY, PAGE = "features.json", "features.csv", "summary.png", "index.html"
SHOWN_EDGE = 384
"""Pixels: the long edge of a picture on the summary."""


class FeatureOptions(NamedTuple):
    """How the features of a picture are shown.

    Attributes:
      layers: whose; None: the first ReLU of every block.
      top: channels of a sheet; None: all.
      order: `"number"` or `"variance"`.
      by_channel: scale each channel by itself.
    """

    layers: Sequence[str] | None = None
    top: int | None = None
    order: str = "number"
    by_channel: bool = False


DEFAULTS = FeatureOptions()


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder to fill; raises as `check_own_folder`."""
    return check_own_folder(path, RECORD, "features")


def write_features(
    path: str | os.PathLike[str],
    model: Backbone,
    photo: Float[np.ndarray, "H W 3"],
    *,
    other: Float[np.ndarray, "_h _w 3"] | None = None,
    options: FeatureOptions = DEFAULTS,
    record: Mapping[str, Any] | None = None,
    callback: Callable[[str, int, int], bool | None] | None = None,
) -> bool:
    """Write what the network sees of a picture into a folder, all of it or nothing.

    Args:
      path: of the folder, from `check_folder`; what it has of an earlier run is replaced.
      model: the network.
      photo: sRGB in [0, 1].
      other: a picture to be shown beside it in the same scales, such as what was painted of it.
      options: see `FeatureOptions`.
      record: what the pictures carry.
      callback: told the layer, its number from 1 on, and how many there are, before each is
        computed; True ends the run, and nothing is written.

    Returns:
      Whether it was not stopped.
    """
    folder = check_folder(path)
    seen = [photo]
    if other is not None:
        seen.append(resize_on_host(np.asarray(other, np.float32), photo.shape[:2]))
    each = [feature_maps(model, picture, options.layers) for picture in seen]
    total = len(options.layers or default_layers(model.geometry))
    # NumPy and Pillow leave Python's lock alone while they work, so that two threads help; more
    # would hold the features of more layers at a time.
    with _filled(folder) as work, ThreadPoolExecutor(2) as pool:
        tasks: list[Future[LayerFiles]] = []
        for number, maps in enumerate(zip(*each, strict=True), start=1):
            if callback and callback(maps[0].layer, number, total):
                return False
            tasks.append(pool.submit(_write_layer, work, seen, maps, options, record))
            if number > 1:
                tasks[-2].result()
        layers = [task.result() for task in tasks]
        _write_table(work / TABLE, layers)
        rows = [Row(title_of(of.numbers[0]), of.pictures, of.labels) for of in layers]
        save_image(work / SUMMARY, table_of(rows, edge=SHOWN_EDGE), settings=record)
        write_page(work / PAGE, [of.section for of in layers], dict(record or {}), SUMMARY)
        written = sorted(file.name for file in work.iterdir())
        told = {"features": [of.layer for of in layers], "files": written, **(record or {})}
        text = json.dumps(told, indent=1)
        (work / RECORD).write_text(text, encoding="utf-8")
    return True


class LayerFiles(NamedTuple):
    """What was written of a layer."""

    layer: str
    pictures: list[Float[np.ndarray, "_h _w 3"]]
    labels: list[str]
    numbers: list[dict[str, Any]]
    section: PageSection


def _write_layer(
    folder: Path,
    seen: Sequence[Float[np.ndarray, "H W 3"]],
    maps: Sequence[LayerMaps],
    options: FeatureOptions,
    record: Mapping[str, Any] | None,
) -> LayerFiles:
    layer, (photo, *_) = maps[0].layer, seen
    sheet = channel_sheet(maps, top=options.top, order=options.order, by_channel=options.by_channel)
    heats = [of_picture.heat() for of_picture in maps]
    most = max(float(np.percentile(heat, 99.9)) for heat in heats)
    said = ["of the photograph", "of the other picture"] if len(maps) > 1 else [""]
    pictures = {
        f"mean {words}".strip(): heat_overlay(heat, picture, most)
        for words, heat, picture in zip(said, heats, seen, strict=True)
    }
    if len(heats) > 1:
        pictures["difference"] = heat_overlay(np.abs(heats[0] - heats[1]), photo, most)
    for words, colors in zip(said, component_colors(components_of(maps)), strict=True):
        pictures[f"components {words}".strip()] = enlarged_to(colors, photo.shape[:2])
    grams = gram_colors([of_picture.gram() for of_picture in maps])
    for words, colors in zip(said, grams, strict=True):
        pictures[f"Gram matrix {words}".strip()] = colors
    numbers = [numbers_of(of_picture) for of_picture in maps]
    height, width, channels = maps[0].values.shape
    facts = (
        f"{channels} channels of {width}×{height}, {numbers[0]['silent']} silent, "
        f"energy {numbers[0]['energy']:.3g}, {numbers[0]['zeros']:.0%} zeros"
    )
    name = f"channels-{layer}.png"
    save_image(folder / name, sheet, settings=record, fast=True)
    shown = [PagePicture(name, "channels", sheet)]
    for label, picture in pictures.items():
        file = f"{label.lower().replace(' ', '-')}-{layer}.png"
        save_image(folder / file, picture, settings=record, fast=True)
        shown.append(PagePicture(file, label, picture))
    return LayerFiles(
        layer=layer,
        pictures=list(pictures.values()),
        labels=list(pictures),
        numbers=numbers,
        section=PageSection(layer, facts, shown),
    )


def numbers_of(maps: LayerMaps) -> dict[str, Any]:
    """What the table says of a layer."""
    height, width, channels = maps.values.shape
    return {
        "layer": maps.layer,
        "channels": channels,
        "height": height,
        "width": width,
        "silent": int(maps.silent.sum()),
        "energy": maps.energy,
        "zeros": maps.zeros,
        "scale": maps.scale,
    }


def title_of(numbers: Mapping[str, Any]) -> str:
    """What stands beside a layer's pictures on the summary."""
    return (
        f"{numbers['layer']}\n{numbers['channels']} channels\n{numbers['silent']} silent\n"
        f"energy {numbers['energy']:.3g}\n{numbers['zeros']:.0%} zeros"
    )


def _write_table(path: Path, layers: Sequence[LayerFiles]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = list(layers[0].numbers[0])
        writer.writerow(["picture", *names])
        for of_layer in layers:
            for picture, numbers in zip(("photo", "other"), of_layer.numbers, strict=False):
                writer.writerow([picture, *(numbers[name] for name in names)])


@contextmanager
def _filled(folder: Path) -> Iterator[Path]:
    """Yield a folder to write to, whose files come into `folder` together at the end.

    An error, Ctrl-C, or a block that is left without a record leaves `folder` as it was.
    """
    beside = folder if folder.exists() else folder.parent
    work = Path(tempfile.mkdtemp(prefix=".jnst-", dir=beside))
    try:
        yield work
        if not (work / RECORD).exists():
            return
        folder.mkdir(exist_ok=True)
        kept = {file.name for file in work.iterdir()}
        old = _written_before(folder) - kept
        for file in sorted(work.iterdir(), key=lambda file: file.name == RECORD):
            with atomic_write(folder / file.name) as temporary:
                shutil.move(file, temporary)
        for name in old:
            (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _written_before(folder: Path) -> set[str]:
    """The names of the files of an earlier run, as its record has them."""
    try:
        names = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {name for name in names if Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
