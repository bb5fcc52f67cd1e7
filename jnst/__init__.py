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
    "match_colors": "image.color",
    "GridProgress": "grid.stylization",
    "GridResult": "grid.stylization",
    "stylize_grid": "grid.stylization",
    "load_image": "image.pictures",
    "load_mask": "image.pictures",
    "save_image": "image.pictures",
    "content_loss": "losses.gram",
    "gram_matrix": "losses.gram",
    "style_loss": "losses.gram",
    "total_variation": "losses.gram",
    "make_matting": "losses.matting",
    "matting_loss": "losses.matting",
    "LossWeights": "losses.objectives",
    "Targets": "losses.targets",
    "loss_terms": "losses.objectives",
    "make_targets": "losses.targets",
    "objective": "losses.objectives",
    "PRESETS": "transfer.presets",
    "Preset": "transfer.presets",
    "preset": "transfer.presets",
    "Settings": "transfer.settings",
    "save_sheet": "grid.sheets",
    "save_trade_off": "grid.sheets",
    "Progress": "transfer.stylization",
    "Result": "transfer.stylization",
    "stylize": "transfer.stylization",
    "LAYERS": "nn.vgg",
    "VGG19": "nn.vgg",
    "VGG16": "nn.vgg",
    "load_vgg16": "nn.loading",
    "load_vgg19": "nn.loading",
}
"""Which module each public name comes from. It is imported when the name is first asked for, so
that `import jnst` and `jnst --help` need not wait for JAX."""

if TYPE_CHECKING:
    from jnst.grid.sheets import save_sheet as save_sheet
    from jnst.grid.sheets import save_trade_off as save_trade_off
    from jnst.grid.stylization import GridProgress as GridProgress
    from jnst.grid.stylization import GridResult as GridResult
    from jnst.grid.stylization import stylize_grid as stylize_grid
    from jnst.image.color import match_colors as match_colors
    from jnst.image.pictures import load_image as load_image
    from jnst.image.pictures import load_mask as load_mask
    from jnst.image.pictures import save_image as save_image
    from jnst.losses.gram import content_loss as content_loss
    from jnst.losses.gram import gram_matrix as gram_matrix
    from jnst.losses.gram import style_loss as style_loss
    from jnst.losses.gram import total_variation as total_variation
    from jnst.losses.matting import make_matting as make_matting
    from jnst.losses.matting import matting_loss as matting_loss
    from jnst.losses.objectives import LossWeights as LossWeights
    from jnst.losses.objectives import loss_terms as loss_terms
    from jnst.losses.objectives import objective as objective
    from jnst.losses.targets import Targets as Targets
    from jnst.losses.targets import make_targets as make_targets
    from jnst.nn.loading import load_vgg16 as load_vgg16
    from jnst.nn.loading import load_vgg19 as load_vgg19
    from jnst.nn.vgg import LAYERS as LAYERS
    from jnst.nn.vgg import VGG16 as VGG16
    from jnst.nn.vgg import VGG19 as VGG19
    from jnst.transfer.presets import PRESETS as PRESETS
    from jnst.transfer.presets import Preset as Preset
    from jnst.transfer.presets import preset as preset
    from jnst.transfer.settings import Settings as Settings
    from jnst.transfer.stylization import Progress as Progress
    from jnst.transfer.stylization import Result as Result
    from jnst.transfer.stylization import stylize as stylize
else:
    __all__ = list(_MODULES)  # type checkers, which cannot read this, have the imports


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"jnst.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
