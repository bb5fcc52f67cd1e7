"""What `jnst fast` paints with, read and checked: AdaIN and styles, or a trained network."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnst._checks import check_choice, check_integer, check_number
from jnst._text import as_option
from jnst.cli.chosen_network import chosen_network
from jnst.cli.job import read_palette, read_seen, style_files, style_size
from jnst.cli.regions import KEYWORDS, check_names, mask_files, read_masks
from jnst.cli.runtime import devices, make_ready
from jnst.feedforward.adain import PRECISIONS, AdaIN, make_adain
from jnst.feedforward.matching import MATCHINGS
from jnst.feedforward.painting import paint_with
from jnst.feedforward.painting_strips import check_strip
from jnst.feedforward.tiling import check_edge, edge_for
from jnst.feedforward.transfer import check_manner, look_at_styles, paint
from jnst.image.color_setting import COLORS, check_palette
from jnst.image.fitting import SMALLEST_EDGE
from jnst.image.masks import check_masks
from jnst.image.pictures import Picture
from jnst.losses.blending import blend_shares
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder
from jnst.nn.decoder_file import DecoderWeights
from jnst.nn.discovery import WeightsFile
from jnst.transfer.settings import LARGEST_EDGE
from jnst.version import __version__

COMMON: dict[str, Any] = {
    "size": 512,
    "strength": 1.0,
    "colors": "style",
    "region": None,
    "keep": None,
}
"""Defaults of the options that decide the picture, whatever paints it."""
OF_STYLES: dict[str, Any] = {
    "matching": MATCHINGS[0],
    "add_style": (),
    "style_weights": None,
    "style_scale": 1.0,
    "palette": None,
    "style_region": None,
    "precision": PRECISIONS[0],
}
"""Those that a painting needs."""

LIST = "list"
"""Given as a --network: show those that come along."""


class Job(NamedTuple):
    """What all pictures of a command share.

    Attributes:
      paints: paints a content; with a painting's style, as often as there are `strengths` as well.
      size: long edge at which to read it.
      record: what every picture carries, but for the name of its content.
      inputs: (what messages call it, file) of everything that must not be overwritten.
    """

    paints: Callable[..., np.ndarray]
    size: int
    record: dict[str, Any]
    inputs: list[tuple[str, str]]

    def record_of(self, file: str) -> dict[str, Any]:
        """What the picture of a content carries."""
        first, *rest = self.record.items()
        return dict([first, ("content", Path(file).name), *rest])


def networks_of(
    found: WeightsFile, encoder: str | None, precision: str
) -> tuple[DecoderWeights, AdaIN]:
    """The decoder's weights, and both networks on the device."""
    decoder = open_decoder(found)
    make_ready(many_passes=True)
    devices()
    return decoder, make_adain(find_encoder(decoder, encoder), decoder, precision=precision)


Networks = Callable[[WeightsFile, str | None, str], tuple[DecoderWeights, AdaIN]]


def prepare(args: argparse.Namespace, networks: Networks = networks_of) -> Job:
    """Read and check all but the contents; `networks` may give ones that were made before."""
    return _with_styles(args, networks) if args.network is None else _with_network(args)


def _options(args: argparse.Namespace, defaults: dict[str, Any]) -> dict[str, Any]:
    """The options as given or by default; those that both kinds have are checked."""
    given = {name: getattr(args, name) for name in defaults}
    options = defaults | {name: value for name, value in given.items() if value is not None}
    check_integer("--size", options["size"], least=SMALLEST_EDGE, most=LARGEST_EDGE)
    check_number("--strength", options["strength"], least=0, most=1)
    return options


def _with_styles(args: argparse.Namespace, networks: Networks) -> Job:
    if args.blend is not None:
        raise ValueError("--style chooses among the styles of a --network; give that too")
    options = _options(args, COMMON | OF_STYLES)
    check_choice("--precision", options["precision"], PRECISIONS)
    check_choice("--matching", options["matching"], MATCHINGS)
    chosen = ("matching", "strength", "style_weights", "style_scale", "colors")
    manner = check_manner(**{name: options[name] for name in chosen})
    check_palette(manner.colors, options["palette"], name="--palette")
    check_names(options)
    files = style_files(args.style, options)
    blend_shares(manner.style_weights, len(files))
    size = style_size(options["size"], manner.style_scale)
    styles = [read_seen(path, size) for path in files]
    palette = options["palette"] and read_palette(options["palette"], options["size"])
    found = find_decoder(args.decoder)
    decoder, model = networks(found, args.weights, options["precision"])
    check_edge(args.tile, model, name="--tile")
    manner = manner._replace(tile=args.tile)
    looks: dict[int, Any] = {}

    def paints(content: Picture, strengths: Sequence[float] | None = None) -> np.ndarray:
        pixels, shapes = content.pixels, [style.shape for style in styles]
        read = read_masks(options, pixels.shape, shapes)
        masks = check_masks(pixels.shape, shapes, **dict.fromkeys(KEYWORDS.values()) | read)
        edge = max(pixels.shape)
        alike = manner.colors == "style" and masks is None
        if not alike or edge not in looks:  # else the styles are seen as before
            looks[edge] = look_at_styles(model, pixels, styles, manner, palette, masks)

        def painted(strength: Any) -> Any:
            return paint(model, pixels, looks[edge], manner._replace(strength=strength), masks)

        if strengths is None:
            return np.asarray(painted(manner.strength))
        height, width, channels = pixels.shape
        together = len(strengths) * height, width, channels
        if edge_for(args.tile, model, together) is None:  # its features are computed once
            return np.asarray(jax.vmap(painted)(jnp.array(strengths, jnp.float32)))
        return np.stack([np.asarray(painted(strength)) for strength in strengths])

    inputs = [*(("style", file) for file in files), *(("mask", m) for m in mask_files(options))]
    if options["palette"] is not None:
        inputs.append(("palette", options["palette"]))
    record = {
        "jnst": __version__,
        "style": ", ".join(Path(file).name for file in files),
        "method": "fast",
        "weights": f"{decoder.source} {decoder.sha256[:8]}",
        "options": options,
    }
    return Job(paints, options["size"], record, [*inputs, ("decoder", str(found.path))])


def _with_network(args: argparse.Namespace) -> Job:
    for name in (*OF_STYLES, "decoder", "weights"):
        if getattr(args, name) is not None:
            raise ValueError(f"{as_option(name)} has no effect with --network")
    check_strip(args.tile, name="--tile")
    options = _options(args, COMMON)
    check_choice("--colors", options["colors"], COLORS)
    of_masks = {**options, "style_region": None}
    check_names(of_masks)
    chosen = chosen_network(args)
    regions = options["region"]
    if regions is not None and len(regions) != len(chosen.blend):
        raise ValueError(
            f"--region needs one mask for each style with a weight, here {len(chosen.blend)} "
            f"({', '.join(chosen.blend)}), got {len(regions)}; --style chooses styles"
        )

    def paints(content: Picture) -> np.ndarray:
        shape = content.pixels.shape
        masks = read_masks(of_masks, shape, [shape] * len(regions or ()))
        of_styles = masks.get("regions")
        return np.asarray(
            paint_with(
                chosen.painter,
                content.pixels,
                styles=chosen.blend,
                strength=options["strength"],
                colors=options["colors"],
                regions=of_styles and dict(zip(chosen.blend, of_styles, strict=True)),
                keep=masks.get("keep"),
                tile=args.tile,
            )
        )

    inputs = [("network", str(chosen.file)), *(("mask", mask) for mask in mask_files(of_masks))]
    record = {"jnst": __version__, **chosen.record(options)}
    return Job(paints, options["size"], record, inputs)
