"""The folder that `jnst grid` fills: a picture a cell, and what is drawn from them.

A cell's picture carries its settings and final losses, so that the pictures alone are what a
stopped grid continues from. `grid.json` says which grid the folder belongs to.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jnst._files import atomic_write, check_output
from jnst.grid.axes import Index
from jnst.grid.sheets import save_sheet, save_trade_off, short, thumb_size, value_text
from jnst.image.pictures import fit, image_size, load_image, read_settings, save_image
from jnst.transfer.job import Result

RECORD, TABLE, SHEET, TRADE_OFF = "grid.json", "grid.csv", "sheet.png", "trade-off.png"
"""What lies in the folder beside the cells' pictures."""
ENDED = {"losses", "steps", "reason"}
"""What the record of a finished cell says beside its settings."""
AT_TIMES = {"added styles", "init", "masks", "palette"}
"""What the identity of a grid says only where it has these."""
LONGEST = 40
"""Characters of a picture's name within that of a cell."""
TERMS = ("content", "style", "variation", "photorealism", "total")


class GridFolder(NamedTuple):
    """A grid on disk.

    Attributes:
      path: the folder.
      axes: {name: values} as they are shown: pictures by name, noise by its seed.
      records: {index: what the cell's picture carries, but for its losses}.
      identity: what tells this grid from others, for JSON.
    """

    path: Path
    axes: dict[str, Sequence[Any]]
    records: dict[Index, dict[str, Any]]
    identity: dict[str, Any]

    def file(self, index: Index) -> Path:
        """The picture of a cell.

        >>> axes = {"alpha": (1.0,), "beta": (10.0, 1e5), "style": ("the scream", "waves")}
        >>> GridFolder(Path("out"), axes, {}, {}).file((0, 1, 0)).name
        'alpha1_beta1e5_style-the-scream.png'
        """
        parts = []
        for (name, values), i in zip(self.axes.items(), index, strict=True):
            value = values[i]
            if isinstance(value, Mapping):
                value = i + 1
            text = f"-{in_name(value)}" if isinstance(value, str) else short(float(value))
            parts.append(f"{name}{text}".replace("_", "-"))
        return self.path / ("_".join(parts) + ".png")

    def finished(self) -> dict[Index, dict[str, Any]]:
        """The records of the cells whose pictures are there.

        Raises:
          ValueError: if the folder cannot be written to, holds another grid, or has a file of
            another origin where this grid would write one.
        """
        if not self.path.exists():
            check_output(self.path)  # as a folder can be made where a file can
            return {}
        if not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; give the name of a folder")
        check_output(self.path / RECORD)
        files = {index: self.file(index) for index in self.records}
        if not (self.path / RECORD).exists():
            for path in (*files.values(), *map(self.path.joinpath, (TABLE, SHEET, TRADE_OFF))):
                if path.exists():
                    raise ValueError(f"{path} is not of this grid; choose another folder")
            return {}
        self._check_identity()
        done = {}
        for index, path in files.items():
            if path.exists():
                done[index] = self._record_of(index, path)
        return done

    def _record_of(self, index: Index, path: Path) -> dict[str, Any]:
        """What a finished cell's picture carries; raises ValueError if it is not this cell's."""
        try:
            record = read_settings(path) or {}
        except ValueError as error:
            raise ValueError(f"{path} is damaged; delete it, and it will be made anew") from error
        wanted = {k: v for k, v in plain(self.records[index]).items() if k != "jnst"}
        if any(record.get(k) != v for k, v in wanted.items()) or ENDED - record.keys():
            raise ValueError(f"{path} is not of this grid; move it away")
        return record

    def _check_identity(self) -> None:
        try:
            found = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
            if not found.keys() >= self.identity.keys() - AT_TIMES:
                raise ValueError("not a grid's")
            differing = [*differences(plain(self.identity), found)]
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{self.path / RECORD} is damaged; choose another folder") from error
        if differing:
            raise ValueError(
                f"{self.path} holds another grid (it differs in {', '.join(differing)}); choose "
                "another folder"
            )

    def begin(self) -> None:
        """Make the folder this grid's."""
        self.path.mkdir(exist_ok=True)
        with atomic_write(self.path / RECORD) as temporary:
            temporary.write_text(json.dumps(self.identity, indent=1), encoding="utf-8")

    def save(self, index: Index, result: Result, alpha: ArrayLike | None) -> dict[str, Any]:
        """Write a cell's picture; returns its record."""
        final = {
            term: float(of_steps[-1]) for term, of_steps in result.losses.items() if result.steps
        }
        record = self.records[index] | {
            "losses": final,
            "steps": result.steps,
            "reason": result.reason,
        }
        save_image(self.file(index), result.image, alpha=alpha, settings=record)
        return record

    def write_table(self, done: Mapping[Index, Mapping[str, Any]]) -> None:
        """Write the final losses of the finished cells as CSV, a line a cell."""
        path = self.path / TABLE
        with (
            atomic_write(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            terms = terms_of(done)
            losses = [f"{term}_loss" for term in terms]
            writer.writerow(["file", *self.axes, *losses, "steps", "reason"])
            for index in sorted(done):
                values = [values[i] for values, i in zip(self.axes.values(), index, strict=True)]
                final = [done[index]["losses"].get(term, "") for term in terms]
                ended = done[index]["steps"], done[index]["reason"]
                writer.writerow([self.file(index).name, *map(value_text, values), *final, *ended])

    def draw(self, done: Mapping[Index, Mapping[str, Any]]) -> None:
        """Draw the sheet and the trade-off of the finished cells."""
        shape = tuple(map(len, self.axes.values()))
        width, height = image_size(self.file(next(iter(done))))
        size = min(thumb_size(self.axes), max(width, height))
        images = np.full((*shape, *fit(height, width, size), 3), np.nan, np.float32)
        losses = {term: np.full((*shape, 1), np.nan) for term in terms_of(done)}
        for index, record in done.items():
            images[index] = load_image(self.file(index), size)
            for term, value in record["losses"].items():
                losses[term][index] = value
        save_sheet(self.path / SHEET, images, self.axes)
        save_trade_off(self.path / TRADE_OFF, losses, self.axes)


def terms_of(done: Mapping[Index, Mapping[str, Any]]) -> list[str]:
    """The terms of these cells, that of photorealism only where a cell has it."""
    found = any("photorealism" in record["losses"] for record in done.values())
    return [term for term in TERMS if found or term != "photorealism"]


def in_name(text: str) -> str:
    """`text` as a part of a file's name: letters, digits and dashes, and not many."""
    return re.sub(r"[^\w.]+", "-", text)[:LONGEST].replace("_", "-")


def names_of(files: Sequence[str]) -> list[str]:
    """Return the file names without folder and suffix, numbered if some are the same.

    >>> names_of(["a/waves.jpg", "b/scream.png"]), names_of(["a/waves.jpg", "b/waves.jpg"])
    (['waves', 'scream'], ['1-waves', '2-waves'])
    """
    stems = [Path(file).stem for file in files]
    if len({in_name(stem).casefold() for stem in stems}) == len(stems):
        return stems
    return [f"{number}-{stem}" for number, stem in enumerate(stems, start=1)]


def plain(value: Any) -> Any:
    """`value` as it comes back from JSON."""
    return json.loads(json.dumps(value))


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """The names of what two records disagree in; of what lies in both as a record, its names."""
    for name in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(name), other.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from differences(mine, theirs)
        elif mine != theirs:
            yield name.replace("_", " ")
