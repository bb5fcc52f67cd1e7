"""Presets: settings of others, under a name, to be had again or to start from.

A preset is values of `jnst.Settings` and of the options beside them (initial image, pooling), and
nothing else: what it does not name stays as it is by default.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jnst._checks import check_choice

ONE_SIZE = 512
"""Pixels: the long edge of the presets that work at one size."""


class Preset(NamedTuple):
    """Settings under a name.

    Attributes:
      about: what it is for, and where it departs from its source, in a sentence or two.
      source: where the values come from.
      run: the arguments of `jnst.stylize` that it sets: fields of `jnst.Settings`, and `init`.
      network: those of `jnst.load_vgg19`.
    """

    about: str
    source: str
    run: Mapping[str, Any]
    network: Mapping[str, Any]


def preset(name: str) -> Preset:
    """The preset of this name.

    Args:
      name: one of `jnst.PRESETS`.

    Returns:
      The preset, whose parts are given on as they are, as in
      `jnst.stylize(jnst.load_vgg19(**chosen.network), content, style, **chosen.run)`;
      `**{**chosen.run, "sizes": 768}` changes a value.

    Raises:
      ValueError: for an unknown name; it says the nearest that exists.

    >>> preset("paper").run["weighing"], dict(preset("paper").network)
    ('paper', {'pooling': 'average'})
    """
    check_choice("preset", name, PRESETS)
    return PRESETS[name]


def _preset(
    about: str, source: str, network: Mapping[str, Any] | None = None, **run: Any
) -> Preset:
    return Preset(about, source, MappingProxyType(run), MappingProxyType(network or {}))


_LBFGS: dict[str, Any] = {
    "optimizer": "lbfgs",
    "clip": False,
    "averaging": 0.0,
    "colors": "free",
    "details": 0.0,
}
"""As everybody who takes L-BFGS does: pixels are free until the end, the last iterate is shown, and
the content is taken as it is, and gives nothing to an enlarged picture."""
_CHANNELS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}
_NOTEBOOK = "github.com/leongatys/NeuralImageSynthesis, ExampleNotebooks/BasicStyleTransfer.ipynb"

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "default": _preset("The defaults of jnst.Settings.", "docs/settings.md, by looking"),
        "paper": _preset(
            "The paper's formulas, from noise, at one size, alpha/beta = 1e-3. The ratio is meant "
            "for the paper's normalised weights (those of the extra). The paper gives no number "
            "of steps; 500 are those of its authors' notebook. Gram matrices are divided by the "
            "size of their own image, as everywhere in jnst.",
            "Gatys, Ecker and Bethge, CVPR 2016 (figure 3 B; arXiv:1508.06576)",
            {"pooling": "average"},
            **_LBFGS,
            alpha=1.0,
            beta=1e3,
            gamma=0.0,
            weighing="paper",
            style_loss="gram",
            sizes=ONE_SIZE,
            steps=500,
            init="noise",
        ),
        "gatys-notebook": _preset(
            "Means of squares, 1 for the content and 1e3/C² for the layer of C channels. Meant "
            "for the original, not normalised Caffe weights (vgg_conv.pth, by jnst convert); with "
            "normalised ones hardly any style is left. The notebook's 512 px are of the short edge "
            "and its L-BFGS is PyTorch's, with a history of 100.",
            "github.com/leongatys/PytorchNeuralStyleTransfer; the same for the original weights in "
            + _NOTEBOOK,
            {"pooling": "max"},
            **_LBFGS,
            alpha=1.0,
            beta=1e3,
            gamma=0.0,
            weighing="mean",
            style_loss="gram",
            content_layers=MappingProxyType({"relu4_2": 1.0}),
            style_layers=MappingProxyType({layer: 1 / c**2 for layer, c in _CHANNELS.items()}),
            sizes=ONE_SIZE,
            steps=500,
            init="content",
        ),
        "gatys-normalised": _preset(
            "Means of squares, 1 for the content and 1e3/5 for every style layer (1e6 and 1e9/5 "
            "in the notebook). Meant for the normalised Caffe weights (those of the extra).",
            _NOTEBOOK + ", normalised vgg-19 net",
            {"pooling": "max"},
            **_LBFGS,
            alpha=1.0,
            beta=1e3,
            gamma=0.0,
            weighing="mean",
            style_loss="gram",
            sizes=ONE_SIZE,
            steps=500,
            init="content",
        ),
        "multiscale": _preset(
            "L-BFGS by Gram matrices at 512 px, then from the enlarged result at 1024; weighed "
            "relatively, so that any family of weights will do.",
            "sizes and steps of " + _NOTEBOOK,
            **_LBFGS,
            beta=10.0,
            gamma=0.0,
            style_loss="gram",
            sizes=(512, 1024),
            steps=(500, 200),
            init="content",
        ),
        "photo": _preset(
            "The colours of the style, and its strokes where the photograph is flat; edges stay "
            "where they are and straight.",
            "the term of Luan, Paris, Shechtman and Bala (arXiv:1703.07511); its weight by looking",
            style_loss="gram",
            beta=10.0,
            gamma=0.0,
            photorealism=1000.0,
            steps=300,
            optimizer="adam",
            colors="free",
            init="content",
        ),
    }
)
"""{name: preset}."""

QUALITIES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "draft": MappingProxyType({"steps": 60}),
        "normal": MappingProxyType({}),
        "best": MappingProxyType({"steps": 400}),
    }
)
"""{name: arguments of `jnst.stylize`}, for less time or more care than the default, `"normal"`:
`jnst.stylize(model, content, style, **jnst.QUALITIES["draft"])`."""
