"""Neural style transfer as pure JAX functions.

>>> import jnst
>>> model = jnst.load_vgg19()                                        # doctest: +SKIP
>>> content, style = jnst.load_image("photo.jpg", 512), jnst.load_image("painting.jpg", 512)
...                                                                  # doctest: +SKIP
>>> jnst.save_image("out.png", jnst.stylize(model, content, style).image)  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

from jnst.version import __version__ as __version__

_MODULES = {
    "AdaIN": "feedforward.adain",
    "load_adain": "feedforward.adain",
    "fast": "feedforward.transfer",
    "match_colors": "image.color",
    "transport_colors": "image.color_transport",
    "GridProgress": "grid.runs",
    "GridResult": "grid.stylization",
    "stylize_grid": "grid.stylization",
    "load_image": "image.pictures",
    "load_mask": "image.pictures",
    "save_image": "image.pictures",
    "content_loss": "losses.content",
    "gram_matrix": "losses.moments",
    "style_loss": "losses.gram",
    "total_variation": "losses.variation",
    "make_matting": "losses.matting",
    "matting_loss": "losses.matting",
    "LossWeights": "losses.recipe",
    "Targets": "losses.targets",
    "loss_terms": "losses.targets",
    "make_targets": "losses.targets",
    "objective": "losses.targets",
    "Term": "losses.terms",
    "term": "losses.terms",
    "Backbone": "nn.backbone",
    "LAYERS": "nn.vgg",
    "VGG16": "nn.vgg",
    "VGG19": "nn.vgg",
    "load_vgg16": "nn.loading",
    "load_vgg19": "nn.loading",
    "Minimum": "optim.minimization",
    "Progress": "optim.minimization",
    "minimize": "optim.minimization",
    "PRESETS": "transfer.presets",
    "QUALITIES": "transfer.presets",
    "Preset": "transfer.presets",
    "preset": "transfer.presets",
    "Settings": "transfer.settings",
    "Result": "transfer.job",
    "stylize": "transfer.stylization",
    "save_sheet": "grid.sheets",
    "save_trade_off": "grid.sheets",
}
"""Which module each public name comes from. It is imported when the name is first asked for, so
that `import jnst` and `jnst --help` need not wait for JAX."""

if TYPE_CHECKING:
    from jnst.feedforward.adain import AdaIN as AdaIN
    from jnst.feedforward.adain import load_adain as load_adain
    from jnst.feedforward.transfer import fast as fast
    from jnst.grid.runs import GridProgress as GridProgress
    from jnst.grid.sheets import save_sheet as save_sheet
    from jnst.grid.sheets import save_trade_off as save_trade_off
    from jnst.grid.stylization import GridResult as GridResult
    from jnst.grid.stylization import stylize_grid as stylize_grid
    from jnst.image.color import match_colors as match_colors
    from jnst.image.color_transport import transport_colors as transport_colors
    from jnst.image.pictures import load_image as load_image
    from jnst.image.pictures import load_mask as load_mask
    from jnst.image.pictures import save_image as save_image
    from jnst.losses.content import content_loss as content_loss
    from jnst.losses.gram import style_loss as style_loss
    from jnst.losses.matting import make_matting as make_matting
    from jnst.losses.matting import matting_loss as matting_loss
    from jnst.losses.moments import gram_matrix as gram_matrix
    from jnst.losses.recipe import LossWeights as LossWeights
    from jnst.losses.targets import Targets as Targets
    from jnst.losses.targets import loss_terms as loss_terms
    from jnst.losses.targets import make_targets as make_targets
    from jnst.losses.targets import objective as objective
    from jnst.losses.terms import Term as Term
    from jnst.losses.terms import term as term
    from jnst.losses.variation import total_variation as total_variation
    from jnst.nn.backbone import Backbone as Backbone
    from jnst.nn.loading import load_vgg16 as load_vgg16
    from jnst.nn.loading import load_vgg19 as load_vgg19
    from jnst.nn.vgg import LAYERS as LAYERS
    from jnst.nn.vgg import VGG16 as VGG16
    from jnst.nn.vgg import VGG19 as VGG19
    from jnst.optim.minimization import Minimum as Minimum
    from jnst.optim.minimization import Progress as Progress
    from jnst.optim.minimization import minimize as minimize
    from jnst.transfer.job import Result as Result
    from jnst.transfer.presets import PRESETS as PRESETS
    from jnst.transfer.presets import QUALITIES as QUALITIES
    from jnst.transfer.presets import Preset as Preset
    from jnst.transfer.presets import preset as preset
    from jnst.transfer.settings import Settings as Settings
    from jnst.transfer.stylization import stylize as stylize
else:
    __all__ = list(_MODULES)  # type checkers, which cannot read this, have the imports

_PACKAGES = ("feedforward", "video", "visualize")
"""Packages of public functions, which are imported when they are first asked for."""


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"jnst.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"jnst.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_PACKAGES})
