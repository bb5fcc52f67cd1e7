"""The options of the look of a picture, for `jnst stylize` and `jnst grid`."""

from typing import Any

from jnst.cli.arguments import layers, number, numbers
from jnst.cli.options import OPTIONS, Add, choice
from jnst.image.color_setting import COLORS
from jnst.losses.normalization import WEIGHINGS
from jnst.losses.registry import STYLE_LOSSES
from jnst.nn.blocks import DEFAULT_NETWORK, NETWORKS
from jnst.nn.vgg import PADDINGS, POOLINGS
from jnst.transfer.settings import Settings


def add_look(add: Add, several: bool = False) -> None:
    """Add the options of the losses; a grid takes several numbers and layers for each."""
    default, one, more = Settings(), numbers if several else number, ",…" if several else ""
    of_layers: dict[str, Any] = {"type": layers, "metavar": "L,…"}
    if several:
        of_layers["action"] = "append"
    add("--alpha", type=one, metavar=f"A{more}", help=f"content weight ({default.alpha:g})")
    add("--beta", type=one, metavar=f"B{more}", help=f"style weight ({default.beta:g})")
    variation = f"total variation weight ({default.gamma:g})"
    add("--gamma", type=one, metavar=f"G{more}", help=variation)
    add("--weighing", metavar="W", help=f"normalise losses: {choice(WEIGHINGS, default.weighing)}")
    add("--content-layers", **of_layers, help="content layers, or layer:weight (relu4_2)")
    compared = "style layers, or layer:weight (relu1_1,…,relu5_1)"
    add("--style-layers", **of_layers, help=compared)
    add("--style-loss", metavar="S", help=choice(STYLE_LOSSES, default.style_loss))
    add("--style-scale", type=number, metavar="S", help="scale of the brush strokes (1)")
    add("--network", metavar="N", help=choice(tuple(NETWORKS), DEFAULT_NETWORK))
    add("--pooling", metavar="P", help=choice(POOLINGS, OPTIONS["pooling"]))
    add("--padding", metavar="P", help=choice(PADDINGS, OPTIONS["padding"]))
    of_content = choice(COLORS[2:], default.colors)
    add("--colors", metavar="C", help=f"style, free, or of the content by {of_content}")
    add("--palette", metavar="FILE", help="recolour the style with this picture's colours first")
    add("--photorealism", type=one, metavar=f"W{more}", help="photorealism weight (0)")
    details = f"content details given to each size ({default.details:g})"
    add("--details", type=one, metavar=f"D{more}", help=details)
    finish = f"how far the end goes to the style's colours and calm chroma ({default.finish:g})"
    add("--finish", type=number, metavar="F", help=finish)
