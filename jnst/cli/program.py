"""The command line: `jnst` and its commands."""

import argparse
import codecs
import contextlib
import io
import re
import sys
from collections.abc import Iterator, Sequence

# Nothing slow here, such as JAX: `jnst --help` would wait for it, and Ctrl-C is handled only once
# all of this has been imported. Slow modules are imported where they are used.
from jnst._text import as_option, plainly
from jnst.cli.arguments import CommandParser, Parser
from jnst.cli.broken_streams import fill_closed_streams, lasting_errors
from jnst.cli.completion import complete
from jnst.cli.signals import end_word, ending_at_once, ending_tidily, exit_code, received
from jnst.version import __version__

PLAINLY = "jnst.plainly"
"""Name of the error handler that prints other signs for those that an encoding lacks."""
INTERRUPTED = 130
"""What a command returns that a signal has ended."""


class Diverged(RuntimeError):
    """The run ended because a loss was not finite; the last finite picture has been written."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jnst` with these arguments.

    Returns:
      The exit code: 0; 1 if a run diverged or memory ran out; 2 for a user's mistake, reported in
      one line; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    fill_closed_streams()
    with printing_plainly(), lasting_errors():
        return run(argv)


def run(argv: Sequence[str] | None) -> int:
    """Do the work of `main`."""
    prog = "jnst"
    received.clear()
    try:
        with ending_at_once():
            parser = build_parser()
            complete(parser)
            args, rest = parser.parse_known_args(argv)
            prog = args.parser.prog
            if rest:  # reported by the command's parser, which knows its options
                args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
        with ending_tidily():
            message, code = outcome(args)
            if code == INTERRUPTED:
                code = exit_code()
    except KeyboardInterrupt:
        message, code = end_word(), exit_code()
    if message:
        with contextlib.suppress(OSError):  # standard error may be closed; the code tells too
            print(f"{prog}: error: {message}", file=sys.stderr)
    return code


@contextlib.contextmanager
def printing_plainly() -> Iterator[None]:
    """Let signs that the terminal's encoding lacks be printed as others, rather than fail."""
    codecs.register_error(PLAINLY, plainly)
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
    before = [(stream, stream.errors) for stream in streams]
    for stream in streams:
        stream.reconfigure(errors=PLAINLY)
    try:
        yield
    finally:
        for stream, errors in before:
            if not stream.closed:
                stream.reconfigure(errors=errors)


def outcome(args: argparse.Namespace) -> tuple[str, int]:
    """Run the command; return an error message, empty if there is none, and the exit code."""
    try:
        return "", args.run(args)
    except (ValueError, OSError) as error:
        return with_option(in_one_line(error), args), 2
    except Diverged as error:
        return str(error), 1
    except (MemoryError, RuntimeError, AssertionError) as error:
        # JAX's own error is a RuntimeError too; naming its type would import JAX.
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            options = [as_option(name) for name in ("size", "batch") if name in args]
            advice = (
                f"choose a smaller {' or '.join(options)}" if options else "close other programs"
            )
            return f"memory ran out; {advice}", 1
        if said := of_devices(error):
            return said, 2
        raise


def of_devices(error: Exception) -> str:
    """Return a message if `error` comes from missing devices, else an empty one.

    If JAX lacks the devices that it was told to use, whatever needs one first fails, in one way or
    another.
    """
    from jnst.cli.runtime import NO_BACKEND, devices, no_device

    if NO_BACKEND in str(error):
        return in_one_line(no_device(error))
    try:
        devices()
    except ValueError as missing:
        return in_one_line(missing)
    return ""


def in_one_line(error: Exception) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def with_option(message: str, args: argparse.Namespace) -> str:
    """Replace the setting that a message of the library begins with by its option."""
    first = re.match(r"\w*", message)
    name = first.group() if first else ""
    if name not in args:  # not an option of this command: the settings need not be imported
        return message
    known = getattr(args, "library_settings", ())
    if not known:
        from jnst.transfer.settings import SETTINGS

        known = SETTINGS
    return as_option(name) + message[len(name) :] if name in known else message


def build_parser() -> Parser:
    """Build the parser of `jnst` and of all its commands."""
    parser = Parser(prog="jnst", description="Neural style transfer in JAX.")
    parser.add_argument("--version", action="version", version=f"jnst {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", parser_class=CommandParser
    )
    commands.add_parser(
        "stylize",
        module="jnst.cli.stylize",
        help="paint one or several pictures in the style of another",
        description="Paint the content of one or several pictures in the style of another.",
        epilog="example: jnst stylize photo.jpg painting.jpg -o out.png --size 768 --beta 3; "
        "several: jnst stylize photos/*.jpg painting.jpg -o painted",
    )
    commands.add_parser(
        "grid",
        module="jnst.cli.grid",
        help="paint a picture for every combination of settings, with a contact sheet",
        description="Paint a picture for every combination of alpha, beta and other settings.",
        epilog="examples: jnst grid photo.jpg painting.jpg --beta 1,2,4,8 -o sheet; "
        "--alpha 1,2 --beta 0.5:8:5 is two alphas and five betas, geometrically spaced",
    )
    commands.add_parser(
        "fast",
        module="jnst.cli.fast",
        help="paint one or several pictures in one pass, by a trained decoder",
        description="Paint the content of one or several pictures in one pass (AdaIN).",
        epilog="example: jnst fast photo.jpg painting.jpg -o out.png --strength 0.8; "
        "several: jnst fast photos/*.jpg painting.jpg -o painted",
    )
    commands.add_parser(
        "train",
        module="jnst.cli.train",
        help="train a network that paints in one pass, for jnst fast",
        description="Train a network to paint any photograph in the style of paintings.",
        epilog="example: jnst train painting.jpg --photos holiday -o style.h5; "
        "then: jnst fast photo.jpg --network style.h5 -o out.png",
    )
    commands.add_parser(
        "live",
        module="jnst.cli.live",
        help="paint what the camera sees, in a page of the browser",
        description="Serve a page, to this machine only, that paints what its camera sees.",
        epilog="examples: jnst live waves.jpg scream.jpg; jnst live --network style.h5 --size 480",
    )
    commands.add_parser(
        "video",
        module="jnst.cli.video",
        help="paint a video in the style of a picture, coherent in time",
        description="Paint a video in the style of a picture so that strokes move with what they "
        "paint.",
        epilog="examples: jnst video clip.mp4 painting.jpg -o out.mp4 --size 640; "
        "jnst video clip.mp4 --network style.h5 -o out.mp4",
    )
    commands.add_parser(
        "recolor",
        module="jnst.cli.recolor",
        help="give a picture the colours of another, without style transfer",
        description="Give a picture another's colours.",
        epilog="example: jnst recolor photo.jpg painting.jpg --method transport --share 0.5",
    )
    commands.add_parser(
        "features",
        module="jnst.cli.features",
        help="show what the network's layers see of a picture",
        description="Show the feature maps of a picture, layer by layer, as sheets and a page.",
        epilog="example: jnst features photo.jpg -o seen --layers relu1_2,relu3_1 --top 64",
    )
    commands.add_parser(
        "reconstruct",
        module="jnst.cli.reconstruct",
        help="rebuild a picture from what each layer keeps of it",
        description="Rebuild a photograph from each layer, and a painting's style from more and "
        "more layers.",
        epilog="example: jnst reconstruct photo.jpg painting.jpg -o figure.png",
    )
    commands.add_parser(
        "dream",
        module="jnst.cli.dream",
        help="let the network see more in a picture: DeepDream",
        description="Change a picture until layers of the network respond to it more strongly.",
        epilog="examples: jnst dream photo.jpg -o dream.png --preset eyes; "
        "jnst dream photo.jpg -o dream.mp4 --frames 100 --zoom 0.05 --rotate 0.5",
    )
    commands.add_parser(
        "convert",
        module="jnst.convert.command",
        help="convert weights of other libraries to a jnst file",
        description="Convert VGG weights of PyTorch, safetensors or Keras, or AdaIN's decoder, "
        "into jnst's HDF5.",
        epilog="example: jnst convert vgg19-dcbb9e9d.pth -o vgg19.h5",
    )
    commands.add_parser(
        "info",
        module="jnst.cli.info",
        help="show devices, versions and weights, or the settings of a picture",
        description="Show devices, versions and the weights found; or a picture's settings.",
        epilog="example: jnst info stylized.png",
    )
    return parser
