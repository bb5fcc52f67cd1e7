"""The options of `jnst video`."""

import argparse

from jnst.cli.arguments import add_preview, number, styles, whole
from jnst.cli.options import add_blend, choice
from jnst.feedforward.adain import PRECISIONS
from jnst.feedforward.matching import MATCHINGS
from jnst.image.color_setting import COLORS
from jnst.losses.registry import STYLE_LOSSES
from jnst.transfer.settings import Settings
from jnst.video.clip import Window
from jnst.video.encoders import ENCODERS, SUFFIXES
from jnst.video.mixing import SMOOTH
from jnst.video.optimising import STEPS, TEMPORAL
from jnst.video.writing import PIXEL_FORMAT

METHODS = ("fast", "optimise")
SIZE = 512
LOOK = ("smooth", "strength", "colors", "matching", "style_weights", "style_scale")
OPTIMISED = ("alpha", "beta", "gamma", "style_loss", "steps", "frame_steps", "temporal", "passes")
"""Options of frames that are optimised, beside those of styles."""
LIBRARY_SETTINGS = (*Window._fields, "codec", "quality", "pixel_format", *LOOK, *OPTIMISED)
"""Options that the library's messages call by their names."""
OF_STYLES = ("matching", "add_style", "style_weights", "style_scale", "palette", "precision")
"""Options that a painting needs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.set_defaults(library_settings=LIBRARY_SETTINGS)
    parser.add_argument("clip", metavar="CLIP", help="video, or folder of numbered pictures")
    parser.add_argument("style", metavar="STYLE", nargs="?", help="picture whose style to use")
    add = parser.add_argument_group("clip", "as in --start 2 --end 7.5 --size 640").add_argument
    outputs = f"video ({', '.join(SUFFIXES)}), or folder of pictures (video.mp4)"
    add("-o", "--output", metavar="OUT", help=outputs)
    add("--size", type=whole, metavar="PX", help=f"longest edge in pixels ({SIZE})")
    add("--start", type=number, metavar="S", help="second to begin at (0)")
    add("--end", type=number, metavar="S", help="second to end at (that of the clip)")
    add("--fps", type=number, metavar="F", help="frames a second (those of the clip)")
    add = parser.add_argument_group("look", "as in --smooth 0.8 --strength 0.7").add_argument
    steady = f"weight of the last picture, moved along, from 0 to 0.95 ({SMOOTH:g})"
    add("--method", metavar="M", help=choice(METHODS, METHODS[0]))
    add("--smooth", type=number, metavar="S", help=steady)
    add("--matching", metavar="M", help=f"of the features: {choice(MATCHINGS, MATCHINGS[0])}")
    add("--strength", type=number, metavar="S", help="0 is the clip, 1 all painted (1)")
    add("--style-scale", type=number, metavar="S", help="scale of the brush strokes (1)")
    of_content = choice(COLORS[1:], COLORS[0])
    add("--colors", metavar="C", help=f"of the {COLORS[0]}, or of the clip by {of_content}")
    add("--palette", metavar="FILE", help="recolour the style with this picture's colours first")
    add_blend(add, "the style")
    optimised, example = Settings(), "as in --beta 5; only with --method optimise"
    add = parser.add_argument_group("optimised frames", example).add_argument
    add("--alpha", type=number, metavar="A", help=f"content weight ({optimised.alpha:g})")
    add("--beta", type=number, metavar="B", help=f"style weight ({optimised.beta:g})")
    add("--gamma", type=number, metavar="G", help=f"variation weight ({optimised.gamma:g})")
    add("--temporal", type=number, metavar="T", help=f"temporal weight ({TEMPORAL:g})")
    add("--style-loss", metavar="L", help=choice(tuple(STYLE_LOSSES), optimised.style_loss))
    first = f"steps of the first frame of a scene ({optimised.steps})"
    add("--steps", type=whole, metavar="N", help=first)
    add("--frame-steps", type=whole, metavar="N", help=f"steps of the other frames ({STEPS})")
    passes = "passes over every scene, forward and backward by turns (1)"
    add("--passes", type=whole, metavar="N", help=passes)
    example = "as in --network style.h5, instead of STYLE: the network has the styles"
    add = parser.add_argument_group("a network of jnst train", example).add_argument
    add("--network", metavar="FILE", help="paint with this network")
    of_network = "of its styles, or name:weight (all alike)"
    add("--style", dest="blend", type=styles, metavar="NAME,…", help=of_network)
    add = parser.add_argument_group("file", "as in --codec h265 --quality 22").add_argument
    add("--codec", metavar="C", help=f"{', '.join(ENCODERS)}, or FFmpeg's encoder (by suffix)")
    add("--quality", type=whole, metavar="N", help="the encoder's CRF, lower is better (18)")
    add("--pixel-format", metavar="P", help=f"FFmpeg's name ({PIXEL_FORMAT})")
    add("--no-sound", action="store_true", help="leave out the sound")
    add = parser.add_argument_group("report", "as in --report out.csv --strip out.png").add_argument
    add("--report", metavar="FILE.csv", help="measure each frame, over the long term too")
    add("--strip", metavar="FILE", help="write a picture of frames side by side")
    add("--compare", action="store_true", help="measure and show painting frame by frame too")
    add = parser.add_argument_group("running", "as in --quiet").add_argument
    add("--decoder", metavar="FILE", help="AdaIN's decoder (see `jnst convert`)")
    add("--weights", metavar="FILE", help="the VGG-19 that it was trained for")
    add("--precision", metavar="P", help=choice(PRECISIONS, PRECISIONS[0]))
    resume = "go on where Ctrl-C stopped the same command"
    add("--resume", action="store_true", help=resume)
    add_preview(add, "video")
    add("--quiet", action="store_true", help="only print errors")
