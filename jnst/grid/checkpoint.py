"""Where a grid stands, on disk: the batch that is being worked at, and what is finished."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnst.grid.axes import Grid, Index
from jnst.nn.backbone import Backbone
from jnst.optim import checkpoint as checkpoints
from jnst.optim.checkpoint import Checkpoint, Losses, Saved, fingerprint
from jnst.optim.descent import Execution, Run
from jnst.optim.step import State, init_state
from jnst.optim.stored_state import key_data, storable
from jnst.transfer.identity import run_identity
from jnst.transfer.job import Result, state_shape
from jnst.transfer.levels import Keeper, Level
from jnst.transfer.settings import Settings

CELLS, FINISHED = "cells", "finished"
"""Entries of the file's identity that do not say what the grid is made of."""


class GridCheckpoint:
    """The file of a grid.

    Args:
      file: where it is.
      identity: what the grid is made of.
      keep_results: whether it also holds the results of finished cells.

    Attributes:
      finished: {index: result} of the cells that are.
    """

    def __init__(self, file: Checkpoint, identity: Mapping[str, Any], keep_results: bool):
        self.file, self.identity, self.keep_results = file, identity, keep_results
        self.finished: dict[Index, Result] = {}
        self._saved: tuple[list[Index], Saved] | None = None

    def read(self, levels: Sequence[Level], settings: Settings) -> None:
        """Read what is there.

        Args:
          levels: of every cell.
          settings: of any cell.

        Raises:
          ValueError: if the file is corrupt, or of another grid.
        """
        path = self.file.path
        found, arrays = checkpoints.read_arrays(path)
        cells, finished = found.pop(CELLS, None), found.pop(FINISHED, None)
        if not isinstance(cells, list) or not isinstance(finished, list):
            raise ValueError(f"checkpoint {path} is not that of a grid or of several contents")
        checkpoints.check_identity(path, found, self.identity)
        count = np.size(arrays.get("state.steps", 0))
        batched = np.ndim(arrays.get("state.steps", 0)) > 0
        shapes = [
            batch_shape(count, level.canvas.shape, settings)
            if batched
            else state_shape(level.canvas.shape, settings)
            for level in levels
        ]
        saved = checkpoints.saved_of(path, arrays, [level.steps for level in levels], shapes)
        self._saved = [tuple(index) for index in cells], saved
        for number, (index, steps, reason, plan) in enumerate(finished):
            start = f"{FINISHED}.{number}."
            losses = {
                name.removeprefix(start + "losses."): values
                for name, values in arrays.items()
                if name.startswith(start + "losses.")
            }
            self.finished[tuple(index)] = Result(
                image=jnp.asarray(arrays[start + "image"]),
                losses=losses,
                steps=steps,
                reason=reason,
                plan=tuple((tuple(shape), made) for shape, made in plan),
            )

    def begun(self, todo: Sequence[Index]) -> list[Index]:
        """The cells that were being worked at, if they are still to do."""
        if self._saved is None or not set(self._saved[0]) <= set(todo):
            return []
        return list(self._saved[0])

    def keeper(self, cells: Sequence[Index]) -> Keeper:
        """What keeps the run of these cells."""
        saved, self._saved = self._saved, None
        goes_on = saved is not None and list(cells) == saved[0]

        def save(execution: Execution, run: Run, losses: Losses) -> None:
            state = execution.fetch(storable(run.state))
            kept = list(self.finished.items()) if self.keep_results else []
            entries = [(index, result.steps, result.reason, result.plan) for index, result in kept]
            more: dict[str, np.ndarray] = {}
            for number, (_, result) in enumerate(kept):
                more[f"{FINISHED}.{number}.image"] = np.asarray(result.image)
                for term, values in result.losses.items():
                    more[f"{FINISHED}.{number}.losses.{term}"] = values
            identity = {**self.identity, CELLS: list(cells), FINISHED: entries}
            checkpoints.write_checkpoint(self.file.path, identity, state, losses, more)

        return Keeper(
            saved=saved[1] if saved and goes_on else None, save=save, every=self.file.every
        )


def batch_shape(count: int, shape: tuple[int, int], settings: Settings) -> State:
    """The shapes of the state of a batch of pictures of this (height, width)."""
    begin = functools.partial(init_state, optimizer=settings.transformation())
    return jax.eval_shape(jax.vmap(begin), jax.ShapeDtypeStruct((count, *shape, 3), jnp.float32))


def belongs_to(path: Path, identity: Mapping[str, Any]) -> bool:
    """Say whether a file is the checkpoint of a grid of this identity, or of other contents.

    Raises:
      ValueError: if it is corrupt or not a jnst checkpoint, or was made with other settings.
    """
    found, _ = checkpoints.read_arrays(path)
    found = {name: value for name, value in found.items() if name not in (CELLS, FINISHED)}
    wanted_axes, found_axes = identity["axes"], found.get("axes", {})
    axes = {name: found_axes[name] for name in found_axes if name != "content"}
    axes |= {name: wanted_axes[name] for name in wanted_axes if name == "content"}
    same_contents = {"axes": axes, "content": identity["content"]}
    checkpoints.check_identity(path, found | same_contents, identity)
    return found == dict(identity)


def grid_identity(model: Backbone, grid: Grid, init: Any) -> dict[str, Any]:
    """What a grid is made of, as JSON holds it.

    Args:
      model: the network.
      grid: all cells.
      init: what every cell is begun from, as for `jnst.stylize`.
    """
    cell = next(iter(grid.cells.values()))
    images = [image for blend in grid.styles for image in blend]
    images += [] if grid.palette is None else [grid.palette]
    keys = [cell.key for cell in grid.cells.values() if cell.key is not None]
    identity = run_identity(
        cell.settings,
        model,
        np.zeros(0),
        images,
        np.zeros(0) if isinstance(init, str) else init,
        grid.masks,
        grid.own,
    )
    identity = {name: value for name, value in identity.items() if name not in grid.axes}
    return checkpoints.as_json(
        identity
        | {
            "axes": grid.axes,
            "content": fingerprint(grid.contents),
            "initial image": init if isinstance(init, str) else "",
            "seeds": fingerprint(map(key_data, keys)),
        }
    )
