"""`jnst convert`: a weight file of another library, or torchvision's download -> jnst's HDF5."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from jnst._checks import check_choice
from jnst._files import cache_folder, check_output
from jnst.cli.arguments import Parser
from jnst.convert.decoders import read_decoder_source
from jnst.convert.fetch import Progress, download, download_path, torchvision_url
from jnst.convert.painters import read_painter_source
from jnst.convert.reader import read
from jnst.convert.recognising import kind_of_source
from jnst.nn.array_files import TITLES
from jnst.nn.blocks import DEFAULT_NETWORK, NETWORKS, convolutions
from jnst.nn.decoder_discovery import DECODER
from jnst.nn.decoder_file import write_decoder
from jnst.nn.lineages import LINEAGES
from jnst.nn.painter_file import write_painter
from jnst.nn.weights import DTYPES, write_weights

PLAIN_LINES = 10
"""How many lines a download prints where there is no terminal for a bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the command's arguments."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a VGG-19 or VGG-16 file of PyTorch (.pth, .pt), safetensors or Keras (.h5); or "
        "PyTorch's file of AdaIN's decoder, or of a network of its fast_neural_style example",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT.h5",
        help="the file to write (default: vgg19.h5, vgg16.h5 or adain.h5 in jnst's cache folder, "
        "where it is looked for)",
    )
    parser.add_argument(
        "--lineage",
        choices=tuple(LINEAGES),
        help="the preprocessing of the weights, where the file does not tell it",
    )
    parser.add_argument(
        "--network",
        choices=tuple(NETWORKS),
        help=f"the network to download, or that SOURCE must hold (default: {DEFAULT_NETWORK} to "
        "download, whichever it is in SOURCE)",
    )
    parser.add_argument(
        "--to",
        metavar="LAYER",
        help="keep a VGG network up to this convolution only, as conv5_1, the last that style "
        "transfer needs by default",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="how weights are kept; float16 takes half the room (default: float32)",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="download torchvision's file instead of reading SOURCE (VGG-19: 548 MiB)",
    )
    parser.add_argument("--url", help="with --download, another address to fetch from")
    parser.add_argument(
        "--keep", action="store_true", help="with --download, keep the file after its conversion"
    )


def run(args: argparse.Namespace) -> int:
    """Convert as the arguments of `add_arguments` say; return 0.

    Raises:
      ValueError, OSError: for a mistake of the user or of the world, as a sentence.
    """
    if args.download == bool(args.source):
        raise ValueError("give either a SOURCE file or --download")
    if args.url is not None and not args.download:
        raise ValueError("--url goes with --download")
    expected = args.network or DEFAULT_NETWORK
    if args.to is not None:
        if args.output is None:
            raise ValueError("--to leaves layers out; name a file of its own with -o")
        if args.download:  # before what cannot be used is fetched
            check_choice("--to", args.to, convolutions(NETWORKS[expected].blocks))
    output = _output(args.output, expected)  # before anything is fetched or read
    if args.download:
        url = args.url or torchvision_url(expected)
        keep = args.keep or download_path(url).exists()
        with _progress(url) as progress:
            source = download(url, progress=progress)
    else:
        keep, source = True, Path(args.source)
    _check_apart(output, source)
    kind = kind_of_source(source)
    if kind != "weights":
        for option in ("lineage", "network", "to"):
            if getattr(args, option) is not None:
                raise ValueError(f"{source} holds {TITLES[kind]}, which has no --{option}")
        if args.dtype != DTYPES[0]:
            raise ValueError(f"{source} holds {TITLES[kind]}, which is kept in {DTYPES[0]} only")
        return (_convert_decoder if kind == "decoder" else _convert_painter)(args.output, source)
    weights = read(source, lineage=args.lineage)
    if args.network not in (None, weights.network):
        raise ValueError(
            f"{source} holds {weights.title}, which is not --network {args.network}; leave that "
            "out, or give another file"
        )
    if args.output is None and weights.network != expected:
        output = _output(None, weights.network)
        _check_apart(output, source)
    if args.to is not None:
        weights = weights.up_to(args.to, name="--to")
    write_weights(output, weights, args.dtype)
    if not keep:
        source.unlink()
    print(
        f"wrote {output}: {weights.title}, {weights.lineage} lineage, from {weights.source} "
        f"(sha256 {weights.sha256[:8]}…)"
    )
    return 0


def _convert_decoder(given: str | None, source: Path) -> int:
    """Convert AdaIN's decoder, to where `jnst fast` looks for it unless a file is given."""
    output = _output(given, DECODER)
    _check_apart(output, source)
    decoder = read_decoder_source(source)
    write_decoder(output, decoder)
    print(f"wrote {output}: decoder of AdaIN, from {source.name} (sha256 {decoder.sha256[:8]}…)")
    return 0


def _convert_painter(given: str | None, source: Path) -> int:
    """Convert a network for `jnst fast --network`."""
    if given is None:
        raise ValueError(f"{source} holds {TITLES['painter']}; name the file to write with -o")
    output = _output(given, "")
    painter = read_painter_source(source)
    write_painter(output, painter)
    channels = "-".join(map(str, painter.architecture.channels))
    print(f"wrote {output}: network of fast_neural_style, {channels} channels, from {source.name}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command by itself, `python -m jnst.convert`; returns its exit code."""
    parser = Parser(prog="python -m jnst.convert", description=__doc__)
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        return run(args)
    except (ValueError, OSError) as error:
        print(f"jnst convert: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jnst convert: interrupted", file=sys.stderr)
        return 130


def _output(given: str | None, name: str) -> Path:
    """The file to write, by default in the cache folder, which is made where it does not exist."""
    if given is not None:
        return check_output(given)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"the cache folder {folder} cannot be made ({error.strerror}); name a file with -o"
        ) from error
    return check_output(folder / f"{name}.h5")


def _check_apart(output: Path, source: Path) -> None:
    """Raise ValueError if the file to be written is the one that is read."""
    if output.exists() and source.exists() and output.samefile(source):
        raise ValueError(f"output {output} is the source itself; give another name")


@contextlib.contextmanager
def _progress(url: str) -> Iterator[Progress]:
    """What shows a download's progress on stderr: a bar on a terminal, a few lines elsewhere."""
    if not sys.stderr.isatty():
        print(f"downloading {url}", file=sys.stderr)
        yield _Lines()
        return
    from tqdm import tqdm

    name = download_path(url).name
    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


class _Lines:
    """Prints a line each time another tenth of the download is there."""

    def __init__(self) -> None:
        self._printed = 0

    def __call__(self, done: int, total: int | None) -> None:
        if not total:
            return
        tenths = PLAIN_LINES * done // total
        if tenths > self._printed:
            self._printed = tenths
            print(f"{done >> 20} of {total >> 20} MiB", file=sys.stderr)
