"""Pictures on disk, to and from arrays; the only module that knows Pillow.

Everywhere in jnst an image is float32 (H, W, 3), sRGB in [0, 1]. Whatever a file holds (grey, CMYK,
16 bits, a colour profile, a camera held upright) becomes that here; alpha is kept apart.
"""

import contextlib
import functools
import io
import json
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from jnst._checks import check_choice, check_integer
from jnst._files import atomic_write, check_output


class Picture(NamedTuple):
    """A picture's colours and, unless it is opaque, its alpha; float32 in [0, 1]."""

    pixels: Float[np.ndarray, "H W 3"]
    alpha: Float[np.ndarray, "H W"] | None


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
"""By the file's suffix: Pillow's name of the format, its longest edge, how jnst writes it."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation."""

_PNG_TEXTS = ("Software", "Description")
_EXIF_TAGS = (ExifTags.Base.Software, ExifTags.Base.ImageDescription)
"""Where the settings go: the name and version of jnst, and the settings themselves."""

_WRONG = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)
_DAMAGE = (OSError, SyntaxError, RuntimeError, EOFError, struct.error, zlib.error, *_WRONG)
"""What Pillow raises for a broken file, beside its own exceptions."""


def load_image(path: str | os.PathLike[str], size: int | None = None) -> Float[np.ndarray, "H W 3"]:
    """A picture file as an array.

    Args:
      path: JPEG, PNG, WebP, TIFF or whatever else Pillow opens; of several frames, the first.
      size: the long edge in pixels (Lanczos; the short edge keeps the aspect, rounded, at least 1);
        None leaves the size alone.

    Returns:
      float32 (H, W, 3), sRGB in [0, 1], upright; white where a pixel is wholly transparent.

    Raises:
      ValueError: says what is wrong with a file that cannot be read, or a size below 1.
      TypeError: for a size that is not a whole number.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "red.png"
    >>> save_image(path, np.ones((30, 40, 3)) * [1.0, 0.0, 0.0])
    >>> load_image(path, size=20).shape
    (15, 20, 3)
    """
    return read_picture(path, size).pixels


def read_picture(path: str | os.PathLike[str], size: int | None = None) -> Picture:
    """As `load_image`, with alpha; the colours are not multiplied by it."""
    if size is not None:
        check_integer("size", size, least=1, most=10**6)
    with _opened(path) as opened:
        opened.load()
        turn = _UPRIGHT.get(_exif(opened).get(ExifTags.Base.Orientation, 1))
        image = opened.copy() if turn is None else opened.transpose(turn)
    deep, alpha = image.mode[0] in "IF", None  # grey of 16 or 32 bits, which Pillow clips to 8
    if image.has_transparency_data and not deep:
        image = image.convert("RGBA")
        alpha = _unit(np.asarray(image.getchannel("A")))
        alpha = alpha if alpha.min() < 1 else None
    pixels = _deep_grey(image, path) if deep else np.asarray(_to_srgb(image, path))
    if size is not None and size != max(image.size):
        pixels, alpha = resize_picture(pixels, alpha, size)
    pixels = _unit(pixels)
    if alpha is not None:
        pixels[alpha == 0] = 1  # whatever colour is stored there, nobody has ever seen it
    return Picture(pixels, alpha)


def load_mask(path: str | os.PathLike[str], size: int | None = None) -> Float[np.ndarray, "h w"]:
    """A picture file as a mask: white is inside, black and transparent outside, grey a soft edge.

    Args:
      path: as for `load_image`.
      size: the long edge in pixels at most; None leaves the size alone.

    Returns:
      float32 (h, w) in [0, 1], the mean of the channels times alpha, upright, of 256 levels.

    Raises:
      ValueError, TypeError: as `load_image`.

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
    # As levels, of which Pillow's filter leaves those of even parts as they are, to the bit.
    levels = Image.fromarray(np.rint(255 * mask).astype(np.uint8))
    if size is not None and size < max(levels.size):
        height, width = fit(levels.height, levels.width, size)
        levels = levels.resize((width, height), Image.Resampling.BILINEAR)
    return _unit(np.asarray(levels))


def fit(height: int, width: int, long_edge: int, least: int = 1) -> tuple[int, int]:
    """(height, width) in proportion with this long edge, or a longer one for a short of `least`."""
    scale = max(long_edge / max(height, width), least / min(height, width) if least > 1 else 0)
    return max(1, round(height * scale)), max(1, round(width * scale))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(width, height) of a picture file as it is shown; errors as for `load_image`."""
    with _opened(path) as image:
        on_its_side = _exif(image).get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        # Of a TIFF, Pillow gives the size upright already.
        return image.size[::-1] if on_its_side and image.format != "TIFF" else image.size


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What `save_image` stored as settings, or None; errors as for `load_image`."""
    with _opened(path) as image:
        if image.format == "PNG":
            software, description = map(image.info.get, _PNG_TEXTS)
        else:
            software, description = map(_exif(image).get, _EXIF_TAGS)
    with contextlib.suppress(TypeError, ValueError, RecursionError):  # of another's description
        if str(software).startswith("jnst"):
            return dict(json.loads(description or ""))
    return None


def check_image_output(path: str | os.PathLike[str], name: str = "output") -> Path:
    """The path as a `Path`, if `save_image` can write there; else a ValueError says why not."""
    path = check_output(path, name)
    check_choice(f"the suffix of {name} {path}", path.suffix.lower(), FORMATS)
    return path


def save_image(
    path: str | os.PathLike[str],
    image: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write an array as a picture of 8 bits, whole or not at all; the same input, the same bytes.

    Args:
      path: its suffix, one of `FORMATS`, chooses the format.
      image: float (H, W, 3), sRGB, and the file says so; values outside [0, 1] are clipped.
      alpha: float (H, W), 1 for opaque; a JPEG, which cannot hold it, shows white behind.
      settings: anything that JSON can say, for `read_settings` to find again. It becomes the
        picture's description (a text chunk in a PNG, else EXIF), and `settings["jnst"]` the version
        of its software. A JPEG has no room for more than 64 kB: they are left out with a warning.

    Raises:
      ValueError: for a path that cannot be written, an unknown suffix, a wrong shape, a NaN.
      TypeError: for an image or alpha of whole numbers, and settings that JSON cannot say.
    """
    path = check_image_output(path)
    form, longest, options = FORMATS[path.suffix.lower()]
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
    metadata = {} if settings is None else _metadata(path, form, settings)
    picture = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    with atomic_write(path) as temporary:
        picture.save(temporary, form, icc_profile=_srgb_profile(), **options, **metadata)


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """The file, opened by Pillow; what goes wrong in the block becomes a sentence."""
    path = Path(path)
    try:
        # Pillow warns of large pictures, fine below its limit, and of odd metadata, not used.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            yield image
    except UnidentifiedImageError as error:
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty; save or download it again") from error
        raise ValueError(f"{path} is no readable picture; convert it to PNG") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ValueError(f"{path} is above {most:,} pixels; scale it down first") from error
    except _DAMAGE as error:
        if why := getattr(error, "strerror", None):  # the system's words, not Pillow's
            raise ValueError(f"{path} cannot be read ({why}); give another file") from error
        raise ValueError(f"{path} is damaged ({error}); save or download it again") from error


def _exif(image: Image.Image) -> dict[int, Any]:
    """The EXIF tags; none if they are damaged, which is no reason to refuse a picture."""
    with contextlib.suppress(*_DAMAGE):
        return dict(image.getexif())
    return {}


def _deep_grey(image: Image.Image, path: str | os.PathLike[str]) -> Float[np.ndarray, "H W 3"]:
    """Grey of more than 8 bits as sRGB."""
    levels, white = np.asarray(image), 1 if image.mode == "F" else 65_535
    if not (levels.min() >= 0 and levels.max() <= white):  # a NaN fails too
        raise ValueError(f"{path} has values outside 0 … {white}; save it with 8 or 16 bits")
    # The profile's curve at 256 levels serves those in between.
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    ramp.info["icc_profile"] = image.info.get("icc_profile")
    curve = _unit(np.asarray(_to_srgb(ramp, path)))[0]
    channels = [np.interp(levels, np.linspace(0, white, 256), curve[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _to_srgb(image: Image.Image, path: str | os.PathLike[str]) -> Image.Image:
    """A picture of 8 bits as RGB, by its colour profile if that is sound; alpha is dropped."""
    profile = image.info.get("icc_profile")
    image = image if image.mode in ("L", "CMYK", "LAB") else image.convert("RGB")
    if profile and profile != _srgb_profile():
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if (space := given.profile.xcolor_space.strip()) == "RGB" and image.mode == "L":
                image = image.convert("RGB")
            elif space == "GRAY" and len({band.tobytes() for band in image.split()}) == 1:
                image = image.getchannel(0)  # grey that had alpha, and so came as RGBA
            srgb = ImageCms.createProfile("sRGB")
            # The shortcut that lcms takes for grey is off by 10 levels in the dark.
            flags = ImageCms.Flags.NOOPTIMIZE if image.mode == "L" else ImageCms.Flags.NONE
            return ImageCms.buildTransform(given, srgb, image.mode, "RGB", flags=flags).apply(image)
        except (OSError, ValueError, ImageCms.PyCMSError) as error:
            warnings.warn(f"ignored the colour profile of {path} ({error})", stacklevel=3)
    return image.convert("RGB")


def resize_picture(pixels: np.ndarray, alpha: np.ndarray | None, size: int) -> Picture:
    """Colours and alpha, uint8 or float32, with `size` as their long edge, float32 in [0, 1]."""
    height, width = fit(pixels.shape[0], pixels.shape[1], size)

    def scaled(plane: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))

    # One channel at a time: the whole of a camera's picture is large in float32.
    if alpha is None:
        channels = [scaled(_unit(pixels[..., c])) for c in range(3)]
        return Picture(np.clip(np.stack(channels, axis=-1), 0, 1), None)
    # Colour counts by its alpha, or that of transparent pixels would show as a fringe.
    channels = [scaled(_unit(pixels[..., c]) * alpha) for c in range(3)]
    weight, least = scaled(alpha), np.float32(0.5 / 255)
    colours = np.stack(channels, axis=-1) / np.maximum(weight, least)[..., None]
    return Picture(np.clip(colours, 0, 1), np.where(weight < least, 0, np.minimum(weight, 1)))


def _unit(levels: np.ndarray) -> np.ndarray:
    """uint8 levels as float32 in [0, 1]; float32 as it is."""
    return levels / np.float32(255) if levels.dtype == np.uint8 else levels


def _floats(name: str, value: ArrayLike) -> np.ndarray:
    """`value` as float32 clipped to [0, 1]; raises unless it is floating point without a NaN."""
    array = np.asarray(value)
    if array.dtype.kind not in "fV":  # JAX's bfloat16 is of NumPy's kind V
        raise TypeError(f"{name} must be floating point in [0, 1], got {array.dtype}")
    array = array.astype(np.float32)
    if np.isnan(array).any():
        raise ValueError(f"{name} has NaN among its values, and nothing was written")
    return np.clip(array, 0, 1)


def _metadata(path: Path, form: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Pillow's options that store `settings` in a file."""
    values = f"jnst {settings.get('jnst', '')}".rstrip(), json.dumps(dict(settings))
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        for key, value in zip(_PNG_TEXTS, values, strict=True):
            text.add_text(key, value)
        return {"pnginfo": text}
    exif = Image.Exif()
    exif.update(zip(_EXIF_TAGS, values, strict=True))
    if form == "JPEG" and len(exif.tobytes()) > 65_533:  # what a segment of the file holds
        warnings.warn(f"the settings are too long for {path} and are not in it", stacklevel=3)
        return {}
    return {"exif": exif}


@functools.cache
def _srgb_profile() -> bytes:
    """The ICC profile that says sRGB, with the time of its making pinned: always the same bytes."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]
