"""`jnst reconstruct`: a figure of what each layer keeps of a photograph and of a style."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnst._checks import check_integer
from jnst._files import check_not_overwriting, check_output
from jnst.cli.arguments import whole
from jnst.cli.features import names
from jnst.cli.job import read_input
from jnst.cli.network import Network, add_network, network_of
from jnst.cli.options import check_seed
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, write_rows
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.streams import STREAM, check_streams
from jnst.image.fitting import SMALLEST_EDGE
from jnst.image.pictures import Picture, check_image_output, save_image
from jnst.losses.recipe import STYLE_LAYERS
from jnst.optim.minimization import Progress
from jnst.transfer.settings import LARGEST_EDGE
from jnst.version import __version__
from jnst.visualize.features import check_large_enough, in_order
from jnst.visualize.reconstruction_cells import CONTENT_LAYERS, cells_of
from jnst.visualize.reconstructions import STEPS, Reconstruction, Reconstructions, reconstruct
from jnst.visualize.tables import Row, table_of

SIZE = 256
"""Pixels: the long edge, unless another is asked for; deep layers are slow to invert."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("photo", metavar="PHOTO", help="picture whose content to rebuild")
    parser.add_argument("painting", metavar="PAINTING", nargs="?", help="whose style to rebuild")
    add = parser.add_argument_group("picture", "as in --size 384").add_argument
    add("-o", "--output", metavar="OUT", default="figure.png", help="the figure (figure.png)")
    add("--size", type=whole, metavar="PX", help=f"long edge in pixels ({SIZE})")
    add("--seed", type=whole, default=0, metavar="N", help="random seed of the noise (0)")
    example = "as in --content-layers relu1_1,relu5_4 --steps 400"
    add = parser.add_argument_group("look", example).add_argument
    content, style = f"{CONTENT_LAYERS[0]},…,{CONTENT_LAYERS[-1]}", ",…,".join(STYLE_LAYERS[::4])
    add("--content-layers", type=names, metavar="L,…", help=f"a picture of each ({content})")
    add("--style-layers", type=names, metavar="L,…", help=f"pictures of more and more ({style})")
    add("--steps", type=whole, default=STEPS, metavar="N", help=f"steps of a picture ({STEPS})")
    add = parser.add_argument_group("running", "as in --network vgg16").add_argument
    add_network(add)
    add("--quiet", action="store_true", help="only print errors")


def run(args: argparse.Namespace) -> int:
    """Check everything, rebuild and write; return the exit code."""
    began = time.monotonic()
    check_streams(args)
    if args.output == STREAM:
        raise ValueError("a figure is several files, which standard output cannot be")
    output = check_image_output(args.output)
    size = SIZE if args.size is None else args.size
    check_integer("--size", size, least=SMALLEST_EDGE, most=LARGEST_EDGE)
    check_integer("--steps", args.steps, least=1)
    check_seed(args.seed)
    if args.style_layers and not args.painting:
        raise ValueError("--style-layers needs a PAINTING after the PHOTO")
    network = network_of(args)
    chosen = {
        "content_layers": layers_of(network, "--content-layers", args.content_layers),
        "style_layers": layers_of(network, "--style-layers", args.style_layers),
    }
    photo = read_input(args.photo, size)
    painting = read_input(args.painting, size) if args.painting else None
    check_large_enough(network.geometry, photo.pixels.shape, chosen["content_layers"], args.photo)
    if painting:
        for name, picture in ((args.photo, photo), (args.painting, painting)):
            check_large_enough(network.geometry, picture.pixels.shape, chosen["style_layers"], name)
    cells = cells_of(chosen["content_layers"], chosen["style_layers"] if painting else ())
    beside = output.with_suffix(".csv"), *(file_of(output, cell.name) for cell in cells)
    outputs = [output, *map(check_output, beside)]
    for name, path in (("photo", args.photo), ("painting", args.painting)):
        if path:
            check_not_overwriting(name, path, outputs)
    check_not_overwriting("weights file", network.found.path, outputs)
    options = {"size": size, "seed": args.seed, "steps": args.steps, **chosen, **network.options}
    record: dict[str, Any] = {"jnst": __version__, "content": Path(args.photo).name}
    if painting:
        record["style"] = Path(args.painting).name
    record |= {"weights": network.source, "options": options}
    make_ready()
    height, width, _ = photo.pixels.shape
    if not args.quiet:
        work = f"{width}×{height} px · {len(cells)} pictures"
        print(network.headline(work), file=sys.stderr, flush=True)
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        report: ProgressReport | None = None

        def callback(progress: Progress) -> bool:
            nonlocal report
            if report is None and not args.quiet:
                plan = [(progress.shape, progress.steps)]
                report = stack.enter_context(ProgressReport(plan, sys.stderr))
            if report:
                report(progress)
            return interrupted()

        made = reconstruct(
            network.make(),
            photo.pixels,
            None if painting is None else painting.pixels,
            steps=args.steps,
            key=jax.random.key(args.seed),
            callback=callback,
            **chosen,
        )
    each = [*made.content.values(), *made.style.values()]
    if not each:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    write(output, made, photo, painting, record)
    if not args.quiet:
        seconds = time.monotonic() - began
        print(f"wrote {output}: {len(each)} pictures in {seconds:.0f} s", file=sys.stderr)
    if made.reason == "diverged":
        raise Diverged(f"a loss was no longer finite; {output} holds the last finite pictures")
    return 130 if made.reason == "stopped" else 0


def layers_of(network: Network, option: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the layers of an option, else the default ones, in the order of the network."""
    default = CONTENT_LAYERS if option == "--content-layers" else STYLE_LAYERS
    layers = network.geometry.check_layers(option, default if given is None else given)
    return in_order(network.geometry, layers)


def file_of(output: Path, name: str) -> Path:
    """Return the file of a single picture."""
    return output.with_stem(f"{output.stem}-{name}")


def write(
    output: Path,
    made: Reconstructions,
    photo: Picture,
    painting: Picture | None,
    record: dict[str, Any],
) -> None:
    """Write every picture, the table of their losses, and the figure."""
    rows = [["file", "kind", "layers", "loss", "variation", "psnr", "steps"]]
    for one in (*made.content.values(), *made.style.values()):
        path = file_of(output, one.cell.name)
        final = {term: float(values[-1]) for term, values in one.losses.items()}
        save_image(path, one.image, settings=record | {"layers": list(one.layers), "losses": final})
        near = "" if one.psnr is None else round(one.psnr, 2)
        numbers = final[one.kind], final["variation"], near, len(one.losses["total"])
        rows.append([path.name, one.kind, "+".join(one.layers), *map(str, numbers)])
    write_rows(output.with_suffix(".csv"), rows[0], rows[1:])
    table = [
        row("content", photo.pixels, record["content"], list(made.content.values())),
    ]
    if painting is not None and made.style:
        table.append(row("style", painting.pixels, record["style"], list(made.style.values())))
    save_image(output, table_of(table), settings=record)


def row(title: str, original: np.ndarray, name: str, each: Sequence[Reconstruction]) -> Row:
    """Return a row of the figure: the original first, then what was rebuilt."""
    labels = [
        one.cell.label + ("" if one.psnr is None else f" · {one.psnr:.1f} dB") for one in each
    ]
    return Row(title, [original, *(np.asarray(one.image) for one in each)], [name, *labels])
