"""A file from which an interrupted run goes on, to the very bits that it would have come to.

It is an archive of NumPy's (.npz) without pickles: the leaves of the optimiser's state by their
names, the losses so far, the steps made at each size, and, as JSON, what the run is made of.
"""

import hashlib
import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from jnst._checks import check_integer
from jnst._files import atomic_write, check_output
from jnst.optim.stored_state import as_bits, named_leaves, put_together

FORMAT = "jnst-checkpoint"
IDENTITY, MADE = "identity", "steps_made"
LOSSES = "losses."
"""What the names of the losses begin with."""
HASH_DIGITS = 16
EVERY = 50
"""Steps between two checkpoints, unless another number is asked for."""

Losses = list[dict[str, np.ndarray]]
"""{term: (steps,)} for each size that was begun; of a batch (steps, n)."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the run goes on."""


class Saved(NamedTuple):
    """Where a run stood.

    Attributes:
      state: a pytree of NumPy arrays with its `steps`, at the last of the sizes in `losses`.
      losses: those of each size begun so far.
    """

    state: Any
    losses: Losses


class Checkpoint(NamedTuple):
    """The file of a run.

    Attributes:
      path: of the file.
      every: steps between two writings.
      resume: whether the file is there, to go on from.
    """

    path: Path
    every: int
    resume: bool


def check_checkpoint(path: Any, every: Any, resume: Any) -> Checkpoint | None:
    """Return the file of a run, or None for none.

    Raises:
      ValueError, TypeError: if the file could not be written, if there is one already that the run
        is not to go on from, or if there is nothing to resume from.
    """
    check_integer("checkpoint_every", every, least=1)
    if not isinstance(resume, bool):
        raise TypeError(f"resume must be True or False, got {resume!r}")
    if path is None:
        if resume:
            raise ValueError("resume needs a checkpoint; name its file")
        return None
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"checkpoint must be the name of a file, got {path!r}")
    path = check_output(path, "checkpoint")
    if path.exists() and not resume:
        raise ValueError(f"checkpoint {path} exists already; resume it or give another name")
    return Checkpoint(path=path, every=int(every), resume=path.exists())


def fingerprint(arrays: Iterable[ArrayLike]) -> str:
    """Hash shapes and bytes of arrays, in hex."""
    total = hashlib.sha256()
    for array in map(np.asarray, arrays):
        total.update(str(array.shape).encode())
        total.update(array.tobytes())
    return total.hexdigest()[:HASH_DIGITS]


def as_json(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is made of, as JSON gives it back."""
    return json.loads(json.dumps(identity, default=float))


def write_checkpoint(
    path: Path,
    identity: Mapping[str, Any],
    state: Any,
    losses: Losses,
    more: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write the file, whole or not at all; where there are several processes, the first one does.

    What cannot be written, as on a full disk, costs a `CheckpointWarning` and not the run.

    Args:
      path: of the file; one that is there is replaced.
      identity: what the run is made of, for JSON.
      state: after the last step, on the host.
      losses: of each size begun so far.
      more: further arrays by name, for `read_more`.
    """
    if jax.process_index() != 0:
        return
    arrays: dict[str, Any] = {
        IDENTITY: np.array(json.dumps({"format": FORMAT} | as_json(identity))),
        MADE: np.array([len(part["total"]) for part in losses]),
        **{name: as_bits(leaf) for name, leaf in named_leaves(state).items()},
        **{LOSSES + term: np.concatenate([part[term] for part in losses]) for term in losses[0]},
        **(more or {}),
    }
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
    except OSError as error:
        why = error.strerror or error
        warnings.warn(
            f"checkpoint {path} could not be written ({why})", CheckpointWarning, stacklevel=2
        )


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the identity and the arrays of a file.

    Raises:
      ValueError: if the file is corrupt or not a jnst checkpoint.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        found = json.loads(str(arrays.pop(IDENTITY)))
        if found.pop("format") != FORMAT:
            raise ValueError("another format")
    except (
        *(ValueError, TypeError, KeyError, AttributeError, EOFError, NotImplementedError),
        *(MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error),
    ) as error:
        raise ValueError(f"checkpoint {path} is corrupt or not a jnst checkpoint") from error
    return found, arrays


def read_checkpoint(
    path: Path, identity: Mapping[str, Any], steps: Sequence[int], shapes: Sequence[Any]
) -> Saved:
    """Read the file and compare it with the run that is to go on.

    That run may make other numbers of steps from the size on at which the file was written, if at
    that size it makes at least those that have been made.

    Args:
      path: of the file.
      identity: what the run is made of.
      steps: of each size of the run.
      shapes: the state at each size, as `jax.eval_shape` tells it.

    Raises:
      ValueError: if the file is corrupt or not a jnst checkpoint, or belongs to another run; says
        in what they differ.
    """
    found, arrays = read_arrays(path)
    wanted = as_json(identity)
    if not _has_only_other_steps(found, wanted, arrays, steps):
        check_identity(path, found, wanted)
    return saved_of(path, arrays, steps, shapes)


def _has_only_other_steps(
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    steps: Sequence[int],
) -> bool:
    """Say whether a run differs in nothing but the steps that are still to make.

    Where one number of steps is shared over several sizes, another one changes them all.
    """
    made, before = arrays.get(MADE, np.zeros(0, int)), found.get("steps")
    if {**found, "steps": wanted.get("steps")} != wanted or not 1 <= np.size(made) <= len(steps):
        return False
    planned = [before] if isinstance(before, int) else [n for n in before or () if n]
    done = made.size - 1
    same_sizes = len(planned) == len(steps)
    return same_sizes and planned[:done] == list(steps[:done]) and int(made[-1]) <= steps[done]


def saved_of(
    path: Path, arrays: Mapping[str, np.ndarray], steps: Sequence[int], shapes: Sequence[Any]
) -> Saved:
    """Put state and losses together from the arrays of a file; arguments and errors as above."""
    losses = _losses(path, arrays, steps)
    state = put_together(path, arrays, shapes[len(losses) - 1])
    made = int(np.max(state.steps))
    if made != len(losses[-1]["total"]):
        raise ValueError(
            f"checkpoint {path} is corrupt: its state is that after {made} steps at a size, and it "
            f"has the losses of {len(losses[-1]['total'])}"
        )
    return Saved(state=state, losses=losses)


def check_identity(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise ValueError, naming what differs, unless the two identities are the same."""
    hashed = {
        **{name: f"another {name}" for name in ("weights", "content", "style", "network")},
        "init": "another initial image",
        "masks": "other regions or something else kept",
        "terms": "other terms of one's own",
    }
    differ = [
        hashed[name]
        if name in hashed
        else f"{name} {found.get(name)} instead of {wanted.get(name)}"
        for name in {**wanted, **found}
        if name not in found or name not in wanted or found[name] != wanted[name]
    ]
    if differ:
        only_steps = len(differ) == 1 and differ[0].startswith("steps ")
        advice = "; with steps for each size, those of the last one may change" * only_steps
        raise ValueError(
            f"checkpoint {path} is of another run: it was made with {', '.join(differ)}{advice}"
        )


def _losses(path: Path, arrays: Mapping[str, np.ndarray], steps: Sequence[int]) -> Losses:
    """The losses by size, checked against the steps that the run makes at each."""
    made, totals = arrays.get(MADE, np.zeros(0)), arrays.get(LOSSES + "total")
    terms = {name[len(LOSSES) :]: a for name, a in arrays.items() if name.startswith(LOSSES)}
    whole = made.ndim == 1 and made.dtype.kind == "i" and 1 <= len(made) <= len(steps)
    if not whole or any(not 0 <= n <= most for n, most in zip(made, steps, strict=False)):
        raise ValueError(f"checkpoint {path} is corrupt: its {MADE} are none of this run's plan")
    for term, values in terms.items():
        if values.shape[:1] != (made.sum(),) or values.dtype.kind != "f":
            raise ValueError(
                f"checkpoint {path} is corrupt: {made.sum()} losses of {term!r} are wanted, it has "
                f"{values.dtype} {values.shape}"
            )
    if totals is None:
        raise ValueError(f"checkpoint {path} is corrupt: it has no losses")
    parts = {term: np.split(values, np.cumsum(made)[:-1]) for term, values in terms.items()}
    return [dict(zip(parts, part, strict=True)) for part in zip(*parts.values(), strict=True)]
