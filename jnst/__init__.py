"""Neural style transfer as pure JAX functions.

>>> import jnst
>>> model = jnst.load_vgg19()                                        # doctest: +SKIP
>>> content, style = jnst.load_image("photo.jpg", 512), jnst.load_image("painting.jpg", 512)
...                                                                  # doctest: +SKIP
>>> jnst.save_image("out.png", jnst.stylize(model, content, style).image)  # doctest: +SKIP
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jnst.version import __version__ as __version__

_MODULES = {
    "match_colors": "color",
    "GridProgress": "grid",
    "GridResult": "grid",
    "stylize_grid": "grid",
    "load_image": "images",
    "load_mask": "images",
    "save_image": "images",
    "content_loss": "losses",
    "gram_matrix": "losses",
    "style_loss": "losses",
    "total_variation": "losses",
    "make_matting": "matting",
    "matting_loss": "matting",
    "LossWeights": "objective",
    "Targets": "targets",
    "loss_terms": "objective",
    "make_targets": "targets",
    "objective": "objective",
    "PRESETS": "presets",
    "Preset": "presets",
    "preset": "presets",
    "Settings": "settings",
    "save_sheet": "sheets",
    "save_trade_off": "sheets",
    "Progress": "stylize",
    "Result": "stylize",
    "stylize": "stylize",
    "LAYERS": "vgg",
    "VGG19": "vgg",
    "load_vgg19": "weights",
}
"""Which module each public name comes from. It is imported when the name is first asked for, so
that `import jnst` and `jnst --help` need not wait for JAX."""

if TYPE_CHECKING:
    from jnst.color import match_colors as match_colors
    from jnst.grid import GridProgress as GridProgress
    from jnst.grid import GridResult as GridResult
    from jnst.grid import stylize_grid as stylize_grid
    from jnst.images import load_image as load_image
    from jnst.images import load_mask as load_mask
    from jnst.images import save_image as save_image
    from jnst.losses import content_loss as content_loss
    from jnst.losses import gram_matrix as gram_matrix
    from jnst.losses import style_loss as style_loss
    from jnst.losses import total_variation as total_variation
    from jnst.matting import make_matting as make_matting
    from jnst.matting import matting_loss as matting_loss
    from jnst.objective import LossWeights as LossWeights
    from jnst.objective import loss_terms as loss_terms
    from jnst.objective import objective as objective
    from jnst.presets import PRESETS as PRESETS
    from jnst.presets import Preset as Preset
    from jnst.presets import preset as preset
    from jnst.settings import Settings as Settings
    from jnst.sheets import save_sheet as save_sheet
    from jnst.sheets import save_trade_off as save_trade_off
    from jnst.stylize import Progress as Progress
    from jnst.stylize import Result as Result
    from jnst.stylize import stylize as stylize
    from jnst.targets import Targets as Targets
    from jnst.targets import make_targets as make_targets
    from jnst.vgg import LAYERS as LAYERS
    from jnst.vgg import VGG19 as VGG19
    from jnst.weights import load_vgg19 as load_vgg19
else:
    __all__ = list(_MODULES)  # type checkers, which cannot read this, have the imports


class _Package(ModuleType):
    """The package, which looks its names up in `_MODULES`."""

    def __getattr__(self, name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"jnst.{_MODULES[name]}"), name)
        super().__setattr__(name, value)  # found without this method from now on
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule sets it as an attribute here. `objective` and `stylize` are names
        # of modules and of the functions in them, and here they always mean the functions.
        if name in _MODULES and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_MODULES})


sys.modules[__name__].__class__ = _Package
