"""What the network sees: feature maps, reconstructions from its layers, and what it dreams of.

>>> import jnst
>>> photo = jnst.load_image("photo.jpg", 512)                               # doctest: +SKIP
>>> result = jnst.visualize.dream(jnst.load_vgg19(), photo)                 # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

_MODULES = {
    "DreamSettings": "dream_settings",
    "Sought": "dream_settings",
    "dream": "dreams",
    "dream_each": "dreams",
    "dream_frames": "zooming",
    "LayerMaps": "features",
    "feature_maps": "features",
    "Reconstructions": "reconstructions",
    "reconstruct": "reconstructions",
}
"""Which module each public name comes from; it is imported when the name is first asked for."""

if TYPE_CHECKING:
    from jnst.visualize.dream_settings import DreamSettings as DreamSettings
    from jnst.visualize.dream_settings import Sought as Sought
    from jnst.visualize.dreams import dream as dream
    from jnst.visualize.dreams import dream_each as dream_each
    from jnst.visualize.features import LayerMaps as LayerMaps
    from jnst.visualize.features import feature_maps as feature_maps
    from jnst.visualize.reconstructions import Reconstructions as Reconstructions
    from jnst.visualize.reconstructions import reconstruct as reconstruct
    from jnst.visualize.zooming import dream_frames as dream_frames
else:
    __all__ = list(_MODULES)  # type checkers, which cannot read this, have the imports


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
