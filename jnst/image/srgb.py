"""Colours of files as sRGB: colour profiles, and grey of 16 bits."""

import functools
import io
import struct
import warnings

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageCms


def deep_grey(image: Image.Image, name: str) -> Float[np.ndarray, "H W 3"]:
    """Convert grey of more than 8 bits to sRGB."""
    levels, white = np.asarray(image), 1 if image.mode == "F" else 65_535
    if not (levels.min() >= 0 and levels.max() <= white):  # a NaN fails too
        raise ValueError(f"{name} has values outside [0, {white}]; save it with 8 or 16 bits")
    # The profile's curve is taken at 256 levels and interpolated.
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    ramp.info["icc_profile"] = image.info.get("icc_profile")
    curve = np.asarray(to_srgb(ramp, name))[0] / np.float32(255)
    channels = [np.interp(levels, np.linspace(0, white, 256), curve[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def to_srgb(image: Image.Image, name: str) -> Image.Image:
    """Convert 8 bits to sRGB, by the colour profile if it is valid; alpha is dropped."""
    profile = image.info.get("icc_profile")
    image = image if image.mode in ("L", "CMYK", "LAB") else image.convert("RGB")
    if profile and profile != srgb_profile():
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if (space := given.profile.xcolor_space.strip()) == "RGB" and image.mode == "L":
                image = image.convert("RGB")
            elif space == "GRAY" and len({band.tobytes() for band in image.split()}) == 1:
                image = image.getchannel(0)  # grey that had alpha, and so came as RGBA
            srgb = ImageCms.createProfile("sRGB")
            # The optimisation of lcms for grey is off by 10 levels in dark tones.
            flags = ImageCms.Flags.NOOPTIMIZE if image.mode == "L" else ImageCms.Flags.NONE
            return ImageCms.buildTransform(given, srgb, image.mode, "RGB", flags=flags).apply(image)
        except (OSError, ValueError, ImageCms.PyCMSError) as error:
            warnings.warn(f"ignored the colour profile of {name} ({error})", stacklevel=3)
    return image.convert("RGB")


@functools.cache
def srgb_profile() -> bytes:
    """Return the sRGB profile with a fixed date, so that its bytes are always the same."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


def clear_level(image: Image.Image) -> int | None:
    """Return the level of a deep grey PNG that is declared transparent, if there is one."""
    level = image.info.get("transparency")
    return level if isinstance(level, int) and image.mode == "I;16" else None


def mend_transparency(image: Image.Image) -> None:
    """Bring the colour that a PNG declares transparent to 8 bits, as Pillow does with the pixels.

    Args:
      image: opened and not yet loaded.
    """
    declared, tiles = image.info.get("transparency"), getattr(image, "tile", None)
    if image.format != "PNG" or not tiles or isinstance(declared, bytes):
        return
    stored = tiles[0][3]
    stored = stored[0] if isinstance(stored, tuple) else stored
    if isinstance(declared, tuple) and stored == "RGB;16B":
        image.info["transparency"] = tuple(level >> 8 for level in declared)
    elif isinstance(declared, int) and stored in _STEPS:
        image.info["transparency"] = declared * _STEPS[stored]


_STEPS = {"L;2": 85, "L;4": 17}
"""Levels of 8 bits between two levels of 2 and of 4, by Pillow's names."""
