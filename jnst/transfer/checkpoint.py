"""The file from which an interrupted run goes on, to the very bits that it would have come to.

It is an archive of NumPy's (.npz) without pickles: the leaves of the optimiser's state by their
names, the losses so far, the steps made at each size, and, as JSON, what the run was made of.
"""

import dataclasses
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from jnst._checks import check_integer
from jnst._files import atomic_write, check_output
from jnst.execution.devices import fetch
from jnst.image.masks import Masks
from jnst.nn.vgg import CONVOLUTIONS, VGG19
from jnst.optim.minimization import State, init_state
from jnst.transfer.settings import Plan, Settings
from jnst.version import __version__

FORMAT = "jnst-checkpoint"
IDENTITY, MADE = "identity", "steps_made"
STATE, LOSSES = "state", "losses."
"""What the names of the state's leaves and of the losses begin with."""
HASH_DIGITS = 16

Losses = list[dict[str, np.ndarray]]
"""{term: (steps,)} for each size that was begun."""


class Saved(NamedTuple):
    """Where a run stood.

    Attributes:
      state: of NumPy arrays, at the last of the sizes in `losses`.
      losses: those of each size begun so far.
    """

    state: State
    losses: Losses


def check_checkpoint(
    path: str | os.PathLike[str] | None, every: Any, resume: Any
) -> tuple[Path | None, bool]:
    """The file of a run, None for none, and whether the run goes on from what it holds.

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
        return None, False
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"checkpoint must be the name of a file, got {path!r}")
    path = check_output(path, "checkpoint")
    if path.exists() and not resume:
        raise ValueError(f"checkpoint {path} exists already; resume it or give another name")
    return path, path.exists()


def identity(
    settings: Settings,
    model: VGG19,
    content: ArrayLike,
    styles: Sequence[ArrayLike],
    start: ArrayLike,
    masks: Masks | None = None,
) -> dict[str, Any]:
    """What a run is made of, as JSON holds it: two runs of the same identity make the same steps.

    Args:
      settings: an optimiser of one's own among them counts by the leaves of its state only.
      model: the network.
      content, styles: the images.
      start: the image that the first step is made from.
      masks: where there are regions.
    """
    chosen = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    if not isinstance(settings.optimizer, str):
        chosen["optimizer"] = "a transformation of one's own"
    convolutions = [getattr(model, name) for name in CONVOLUTIONS]
    made_of = {
        "jnst": __version__,
        **chosen,
        **{name: getattr(model, name) for name in ("pooling", "padding", "precision", "lineage")},
        "weights": _hash(part[...] for conv in convolutions for part in (conv.kernel, conv.bias)),
        "content": _hash([content]),
        "style": _hash(styles),
        "init": _hash([start]),
    }
    if masks is not None:
        listed = (masks.keep, *masks.styles, *(masks.regions or ()))
        made_of["masks"] = _hash(np.zeros(0) if mask is None else mask for mask in listed)
    return json.loads(json.dumps(made_of, default=float))


def _hash(arrays: Iterable[ArrayLike]) -> str:
    """Of shapes and bytes, in hex."""
    total = hashlib.sha256()
    for array in map(np.asarray, arrays):
        total.update(str(array.shape).encode())
        total.update(array.tobytes())
    return total.hexdigest()[:HASH_DIGITS]


def write_checkpoint(path: Path, made_of: dict[str, Any], state: State, losses: Losses) -> None:
    """Write the file, whole or not at all; where there are several processes, the first one does.

    Args:
      path: of the file; one that is there is replaced.
      made_of: the run's `identity`.
      state: after the last step.
      losses: of each size begun so far.
    """
    leaves = fetch({name: _storable(leaf) for name, leaf in _named(state).items()})
    if jax.process_index() != 0:
        return
    arrays: dict[str, Any] = {
        IDENTITY: np.array(json.dumps({"format": FORMAT} | made_of)),
        MADE: np.array([len(part["total"]) for part in losses]),
        **{name: _as_bits(leaf) for name, leaf in leaves.items()},
        **{
            LOSSES + term: np.concatenate([part[term] for part in losses]) for term in losses[0]
        },
    }  # fmt: skip
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_checkpoint(
    path: Path, made_of: dict[str, Any], plan: Plan, optimizer: optax.GradientTransformation
) -> Saved:
    """Read the file and compare it with the run that is to go on.

    Args:
      path: of the file.
      made_of: the run's `identity`.
      plan: the run's sizes and steps.
      optimizer: the run's.

    Raises:
      ValueError: if the file is broken or none of jnst's, or belongs to another run; says in what
        they differ.
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
        raise ValueError(f"checkpoint {path} is broken or none of jnst's") from error
    _compare(path, found, made_of)
    losses = _losses(path, arrays, plan)
    image = jax.ShapeDtypeStruct((*plan[len(losses) - 1][0], 3), jnp.float32)
    expected = jax.eval_shape(lambda image: init_state(image, optimizer), image)
    state = _state(path, arrays, expected)
    if int(state.steps) != len(losses[-1]["total"]):
        raise ValueError(
            f"checkpoint {path} is broken: its state is that after {state.steps} steps at a size, "
            f"and it has the losses of {len(losses[-1]['total'])}"
        )
    return Saved(state, losses)


def _compare(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ValueError, naming what differs, unless the two identities are the same."""
    hashed = {
        **{name: f"another {name}" for name in ("weights", "content", "style")},
        "init": "another initial image",
        "masks": "other regions or something else kept",
    }
    differ = [
        hashed[name]
        if name in hashed
        else f"{name} {found.get(name)} instead of {wanted.get(name)}"
        for name in {**wanted, **found}
        if name not in found or name not in wanted or found[name] != wanted[name]
    ]
    if differ:
        raise ValueError(
            f"checkpoint {path} is of another run: it was made with {', '.join(differ)}"
        )


def _losses(path: Path, arrays: dict[str, np.ndarray], plan: Plan) -> Losses:
    """The losses by size, checked against the plan."""
    made, totals = arrays.get(MADE, np.zeros(0)), arrays.get(LOSSES + "total")
    terms = {name[len(LOSSES) :]: a for name, a in arrays.items() if name.startswith(LOSSES)}
    whole = made.ndim == 1 and made.dtype.kind == "i" and 1 <= len(made) <= len(plan)
    if not whole or any(not 0 <= n <= steps for n, (_, steps) in zip(made, plan, strict=False)):
        raise ValueError(f"checkpoint {path} is broken: its {MADE} are none of this run's plan")
    for term, values in terms.items():
        if values.shape != (made.sum(),) or values.dtype.kind != "f":
            raise ValueError(
                f"checkpoint {path} is broken: {made.sum()} losses of {term!r} are wanted, it has "
                f"{values.dtype} {values.shape}"
            )
    if totals is None:
        raise ValueError(f"checkpoint {path} is broken: it has no losses")
    parts = {term: np.split(values, np.cumsum(made)[:-1]) for term, values in terms.items()}
    return [dict(zip(parts, part, strict=True)) for part in zip(*parts.values(), strict=True)]


def _state(path: Path, arrays: dict[str, np.ndarray], expected: State) -> State:
    """The leaves put together as in `expected`, after a check of names, shapes and types."""
    wanted = _named(expected)
    found = {name: array for name, array in arrays.items() if name.startswith(STATE)}
    if differ := sorted(wanted.keys() ^ found.keys()):
        raise ValueError(
            f"checkpoint {path} holds the state of another optimiser: {', '.join(differ)} "
            f"{'is' if len(differ) == 1 else 'are'} not in both"
        )
    leaves: list[Any] = []
    for name, leaf in wanted.items():
        stored = jax.eval_shape(_storable, leaf)
        bits, array = _bits(stored.dtype), found[name]
        if (array.shape, array.dtype) != (stored.shape, bits):
            raise ValueError(
                f"checkpoint {path}: {name} must be {bits} {stored.shape}, got "
                f"{array.dtype} {array.shape}"
            )
        array = array.view(stored.dtype)
        if stored.dtype != leaf.dtype:
            array = jax.random.wrap_key_data(jnp.asarray(array), impl=_key_impl(leaf))
        leaves.append(array)
    return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def _named(state: State) -> dict[str, Any]:
    """The leaves of a state by their names, as in `state.moments[1].mu`."""
    leaves, _ = jax.tree.flatten_with_path(state)
    return {STATE + jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _storable(leaf: Any) -> Any:
    """A leaf, or the numbers behind a random key."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _key_impl(key: jax.ShapeDtypeStruct) -> Any:
    """Which generator a random key is of, which JAX tells of a traced key only."""
    told: list[Any] = []
    jax.eval_shape(lambda key: told.append(jax.random.key_impl(key)), key)
    return told[0]


def _bits(dtype: Any) -> np.dtype:
    """The type that an array is stored with: its own, or a whole number's where NumPy has none of
    its name, as for bfloat16."""
    dtype = np.dtype(dtype)
    return dtype if dtype.isbuiltin == 1 else np.dtype(f"u{dtype.itemsize}")


def _as_bits(array: Any) -> np.ndarray:
    return np.asarray(array).view(_bits(array.dtype))
