"""Reading and writing picture files.

Everywhere in jnst an image is float32 (H, W, 3), sRGB in [0, 1]. Whatever a file holds (grey, CMYK,
16 bits, a colour profile, a rotated camera) is converted to that here; alpha is kept separately.
"""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from PIL import ExifTags, Image, PngImagePlugin

from jnst._checks import check_choice, check_integer, is_floating
from jnst._files import atomic_write, check_output
from jnst.image.fitting import fit
from jnst.image.opening import Source, exif_of, name_of, opened, upright
from jnst.image.srgb import clear_level, deep_grey, mend_transparency, srgb_profile, to_srgb


class Picture(NamedTuple):
    """The colours of a picture and, unless it is opaque, its alpha; float32 in [0, 1]."""

    pixels: Float[np.ndarray, "H W 3"]
    alpha: Float[np.ndarray, "H W"] | None

    def on_white(self) -> Float[np.ndarray, "H W 3"]:
        """Return what is seen of the picture on white paper, so that no hidden colour counts."""
        if self.alpha is None:
            return self.pixels
        return 1 + self.alpha[..., None] * (self.pixels - 1)


_JPEG = "JPEG", 65_500, {"quality": 95, "subsampling": "4:4:4"}
_TIFF = "TIFF", 2**31 - 1, {"compression": "tiff_adobe_deflate"}
FORMATS: dict[str, tuple[str, int, dict[str, Any]]] = {
    ".png": ("PNG", 2**31 - 1, {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ("WEBP", 16_383, {"quality": 95}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
}
"""By suffix: Pillow's name of the format, its longest edge, and options for writing."""

_PNG_TEXTS = ("Software", "Description")
_EXIF_TAGS = (ExifTags.Base.Software, ExifTags.Base.ImageDescription)
"""Where the version of jnst and the settings are stored."""


def load_image(path: Source, size: int | None = None) -> Float[np.ndarray, "H W 3"]:
    """Read a picture file as an array.

    Args:
      path: JPEG, PNG, WebP, TIFF or anything else Pillow opens; of several frames, the first. Its
        name, or a binary file object that can seek, read from its beginning.
      size: the long edge in pixels (Lanczos; the short edge keeps the aspect, rounded, at least 1);
        None keeps the size.

    Returns:
      float32 (H, W, 3), sRGB in [0, 1], upright; what is transparent is seen on white.

    Raises:
      ValueError: if the file cannot be read, or the size is below 1.
      TypeError: if the size is not a whole number, or the path is neither a name nor a binary file.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "red.png"
    >>> save_image(path, np.ones((30, 40, 3)) * [1.0, 0.0, 0.0])
    >>> load_image(path, size=20).shape
    (15, 20, 3)
    """
    return read_picture(path, size).on_white()


def read_picture(path: Source, size: int | None = None) -> Picture:
    """Read a picture file like `load_image`, with its alpha, which is not multiplied in.

    The colour of a fully transparent pixel is never seen, and is white here.
    """
    if size is not None:
        check_integer("size", size, least=1, most=10**6)
    name = name_of(path)
    with opened(path) as file:
        mend_transparency(file)
        file.load()
        image = upright(file)
    deep, alpha = image.mode[0] in "IF", None  # grey of 16 or 32 bits, which Pillow clips to 8
    if deep and (clear := clear_level(image)) is not None:
        alpha = (np.asarray(image) != clear).astype(np.float32)
    elif image.has_transparency_data and not deep:
        image = image.convert("RGBA")
        alpha = _unit(np.asarray(image.getchannel("A")))
    alpha = alpha if alpha is not None and alpha.min() < 1 else None
    pixels = deep_grey(image, name) if deep else np.asarray(to_srgb(image, name))
    if size is not None and size != max(image.size):
        pixels, alpha = resize_picture(pixels, alpha, size)
    pixels = _unit(pixels)
    if alpha is not None:
        pixels[alpha == 0] = 1
    return Picture(pixels, alpha)


def load_mask(path: Source, size: int | None = None) -> Float[np.ndarray, "h w"]:
    """Read a picture file as a mask: white inside, black or transparent outside, grey between.

    Args:
      path: as for `load_image`.
      size: the long edge in pixels at most; None keeps the size.

    Returns:
      float32 (h, w) in [0, 1], the mean of the channels times alpha, upright, of 256 levels.

    Raises:
      ValueError: as `load_image`.
      TypeError: as `load_image`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "left.png"
    >>> save_image(path, np.repeat([[[1.0] * 3, [0.0] * 3]], 2, axis=0), alpha=np.full((2, 2), 0.8))
    >>> load_mask(path)
    array([[0.8, 0. ],
           [0.8, 0. ]], dtype=float32)
    """
    if size is not None:
        check_integer("size", size, least=1, most=10**6)
    pixels, alpha = read_picture(path)
    mask = np.mean(pixels, axis=-1) * (1 if alpha is None else alpha)
    # As 8 bits, since Pillow's filter then leaves uniform parts exactly as they are.
    levels = Image.fromarray(np.rint(255 * mask).astype(np.uint8))
    if size is not None and size < max(levels.size):
        height, width = fit(levels.height, levels.width, size)
        levels = levels.resize((width, height), Image.Resampling.BILINEAR)
    return _unit(np.asarray(levels))


def image_size(path: Source) -> tuple[int, int]:
    """Return (width, height) of a picture file, upright; raises like `load_image`."""
    with opened(path) as image:
        on_its_side = exif_of(image).get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        # Pillow gives the size of a TIFF upright already.
        return image.size[::-1] if on_its_side and image.format != "TIFF" else image.size


def read_settings(path: Source) -> dict[str, Any] | None:
    """Return the settings that `save_image` stored, or None; raises like `load_image`."""
    with opened(path) as image:
        if image.format == "PNG":
            software, description = map(image.info.get, _PNG_TEXTS)
        else:
            software, description = map(exif_of(image).get, _EXIF_TAGS)
    with contextlib.suppress(
        TypeError, ValueError, RecursionError
    ):  # another program's description
        if str(software).startswith("jnst"):
            return dict(json.loads(description or ""))
    return None


def check_image_output(path: str | os.PathLike[str], name: str = "output") -> Path:
    """Return `path` as a `Path`; raise ValueError if `save_image` cannot write there."""
    path = check_output(path, name)
    check_choice(f"the suffix of {name} {path}", path.suffix.lower(), FORMATS)
    return path


def save_image(
    path: str | os.PathLike[str] | BinaryIO,
    image: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    settings: Mapping[str, Any] | None = None,
    fast: bool = False,
) -> None:
    """Write an array as a picture of 8 bits, atomically; the same input gives the same bytes.

    Args:
      path: a file name, whose suffix, one of `FORMATS`, determines the format; or a binary file
        object, which gets a PNG.
      image: float (H, W, 3), sRGB; values outside [0, 1] are clipped.
      alpha: float (H, W), 1 for opaque; a JPEG, which cannot hold it, shows white behind.
      settings: anything JSON can hold, for `read_settings`. It is stored as the picture's
        description (a text chunk in a PNG, else EXIF), with `settings["jnst"]` as the version of
        the software. A JPEG holds at most 64 kB: longer ones are left out with a warning.
      fast: compress a PNG less, in half the time.

    Raises:
      ValueError: if the path cannot be written, its suffix is unknown, or the image has a wrong
        shape or holds NaN.
      TypeError: if the image or alpha holds integers, JSON cannot hold the settings, or the path
        is neither a name nor a binary file.
    """
    suffix = ".png"
    if isinstance(path, str | os.PathLike):
        path = check_image_output(path)
        suffix = path.suffix.lower()
    elif not hasattr(path, "write") or isinstance(path, io.TextIOBase):
        raise TypeError(
            f"path must be a file name or a binary file object, got {type(path).__name__}"
        )
    form, longest, options = FORMATS[suffix]
    pixels = _floats("image", image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"image must have the shape (H, W, 3), got {pixels.shape}")
    if max(pixels.shape) > longest:
        raise ValueError(f"{path} cannot have an edge above {longest} pixels; save it as .png")
    if alpha is not None:
        opacity = _floats("alpha", alpha)[..., None]
        if opacity.shape != (shape := (*pixels.shape[:2], 1)):
            raise ValueError(f"alpha must have the shape {shape[:2]}, got {opacity.shape[:-1]}")
        if form == "JPEG":
            pixels = pixels * opacity + (1 - opacity)
        elif opacity.min() < 1:
            pixels = np.concatenate([pixels, opacity], axis=-1)
    metadata = {} if settings is None else _metadata(str(path), form, settings)
    if fast and form == "PNG":
        metadata["compress_level"] = 1
    picture = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    options = {"icc_profile": srgb_profile(), **options, **metadata}
    if not isinstance(path, Path):
        encoded = io.BytesIO()  # first, since an error must not leave half a picture
        picture.save(encoded, form, **options)
        path.write(encoded.getvalue())
        return
    with atomic_write(path) as temporary:
        picture.save(temporary, form, **options)


def resize_picture(pixels: np.ndarray, alpha: np.ndarray | None, size: int) -> Picture:
    """Resize colours and alpha with a Lanczos filter.

    Args:
      pixels: (H, W, 3), uint8 or float32.
      alpha: (H, W), float32 in [0, 1], or None.
      size: long edge of the result in pixels.

    Returns:
      float32 in [0, 1].
    """
    height, width = fit(pixels.shape[0], pixels.shape[1], size)

    def scaled(plane: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))

    # One channel at a time, since a camera's picture is large in float32.
    if alpha is None:
        channels = [scaled(_unit(pixels[..., c])) for c in range(3)]
        return Picture(np.clip(np.stack(channels, axis=-1), 0, 1), None)
    # Colours are weighted by alpha, or those of transparent pixels would show as a fringe.
    channels = [scaled(_unit(pixels[..., c]) * alpha) for c in range(3)]
    weight, least = scaled(alpha), np.float32(0.5 / 255)
    colours = np.stack(channels, axis=-1) / np.maximum(weight, least)[..., None]
    return Picture(np.clip(colours, 0, 1), np.where(weight < least, 0, np.minimum(weight, 1)))


def _unit(levels: np.ndarray) -> np.ndarray:
    """Convert uint8 to float32 in [0, 1]; leave float32 as it is."""
    return levels / np.float32(255) if levels.dtype == np.uint8 else levels


def _floats(name: str, value: ArrayLike) -> np.ndarray:
    """Return `value` as float32 clipped to [0, 1]; raise if it is not floating or holds NaN."""
    array = np.asarray(value)
    if not is_floating(array.dtype):
        raise TypeError(f"{name} must be floating point in [0, 1], got {array.dtype}")
    array = array.astype(np.float32)
    if np.isnan(array).any():
        raise ValueError(f"{name} holds NaN; nothing was written")
    return np.clip(array, 0, 1)


def _metadata(path: str, form: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return Pillow's options that store `settings` in a file."""
    values = f"jnst {settings.get('jnst', '')}".rstrip(), json.dumps(dict(settings))
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        for key, value in zip(_PNG_TEXTS, values, strict=True):
            text.add_text(key, value)
        return {"pnginfo": text}
    exif = Image.Exif()
    exif.update(zip(_EXIF_TAGS, values, strict=True))
    if form == "JPEG" and len(exif.tobytes()) > 65_533:  # the limit of a segment
        warnings.warn(f"the settings are too long for {path} and were left out", stacklevel=3)
        return {}
    return {"exif": exif}
