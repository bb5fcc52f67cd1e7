"""Picture files of every kind, made here by Pillow or by hand, against arrays composed here.

Profiles and 16-bit files are written byte by byte, after the ICC, PNG and TIFF specifications, so
that the colours expected of them follow from their numbers and not from Pillow.
"""

import io
import json
import re
import struct
import time
import warnings
import zlib

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageCms

import jnst
from jnst.image import pictures as images
from jnst.image.pictures import (
    FORMATS,
    check_image_output,
    image_size,
    load_image,
    read_picture,
    read_settings,
    save_image,
)

LEVEL = 1 / 255
LOSSLESS = (".png", ".tif", ".tiff")


def ramps(height=20, width=30):
    """A smooth uint8 picture in which no two corners, rows or columns look alike."""
    rows, columns = np.mgrid[:height, :width]
    down, along = rows / height, columns / width
    parts = down * 200, along * 220 + 20, (down + along) * 100 + 40
    return np.stack(parts, axis=-1).astype(np.uint8)


def write(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def of_mode(mode, samples):
    height, width = samples.shape[:2]
    return Image.frombytes(mode, (width, height), samples.astype(np.uint8).tobytes())


def assert_picture(image, expected, levels=1e-4):
    """`image` is what load_image promises, and equals `expected` to `levels` of 255."""
    assert image.dtype == np.float32
    assert image.shape == expected.shape
    assert image.min() >= 0 and image.max() <= 1
    np.testing.assert_allclose(image, expected, atol=levels * LEVEL, rtol=0)


def png(width, height, depth, colour, rows, *chunks):
    """The bytes of a PNG; `rows` are its samples, `chunks` (name, data) pairs before them."""

    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(width, height, photometric, bits, samples, data):
    """The bytes of a little-endian TIFF in one uncompressed strip."""
    bits_at = 8 + 2 + 9 * 12 + 4
    bits_data = struct.pack(f"<{samples}H", *[bits] * samples)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, bits if samples == 1 else bits_at),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, bits_at + len(bits_data)),
        (277, 3, 1, samples),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + b"\0" * 4 + bits_data + data


def icc_profile(space, tags):
    """An ICC profile, version 2.1, of the colour space and the tags given."""
    text = b"text\0\0\0\0none\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78
    tags = {b"desc": description, b"cprt": text, b"wtpt": xyz(0.9642, 1, 0.8249)} | tags
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value
    body = struct.pack(">I", len(tags)) + table + data
    parts = 128 + len(body), 0x02100000, b"mntr", space, b"XYZ ", b"acsp"
    header = struct.pack(">I4xI4s4s4s12x4s28x", *parts) + xyz(0.9642, 1, 0.8249)[8:]
    return header.ljust(128, b"\0") + body


def xyz(*values):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def gamma(exponent):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def swapped_profile(exponent=2.2):
    """sRGB's primaries (adapted to D50), but channels 0, 1, 2 mean green, blue, red."""
    red, green, blue = (0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    colours = {b"rXYZ": xyz(*green), b"gXYZ": xyz(*blue), b"bXYZ": xyz(*red)}
    return icc_profile(b"RGB ", colours | {b: gamma(exponent) for b in (b"rTRC", b"gTRC", b"bTRC")})


def linear_grey_profile():
    return icc_profile(b"GRAY", {b"kTRC": gamma(1)})


def srgb_curve(light):
    """sRGB's transfer function, IEC 61966-2-1, from linear light."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


# Reading: formats and modes


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm", "tga"])
def test_colours_of_8_bits_are_divided_by_255(tmp_path, suffix):
    pixels = ramps()
    assert_picture(load_image(write(tmp_path / f"a.{suffix}", pixels)), pixels / 255)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_load(tmp_path, suffix):
    pixels = ramps()
    image = load_image(write(tmp_path / f"a.{suffix}", pixels, quality=95))
    assert_picture(image, pixels / 255, levels=12)


def test_a_path_may_be_a_string_and_the_suffix_need_not_tell(tmp_path):
    pixels = ramps()
    path = write(tmp_path / "a.jpg", pixels, format="PNG")
    assert_picture(load_image(str(path)), pixels / 255)


def test_one_pixel_loads(tmp_path):
    path = write(tmp_path / "a.png", np.full((1, 1, 3), 51, np.uint8))
    assert_picture(load_image(path), np.full((1, 1, 3), 0.2))


def test_grey_of_8_bits_and_1_bit(tmp_path):
    grey = ramps()[..., 1]
    assert_picture(load_image(write(tmp_path / "a.png", grey)), np.stack([grey / 255] * 3, -1))
    bits = np.indices((6, 8)).sum(axis=0) % 2 == 0
    assert_picture(load_image(write(tmp_path / "b.png", bits)), np.stack([bits] * 3, -1))


def test_a_palette_gives_its_colours(tmp_path):
    image = of_mode("P", np.array([[0, 1, 2]], np.uint8))
    image.putpalette([255, 0, 0, 0, 102, 0, 0, 0, 51])
    image.save(tmp_path / "a.png")
    assert_picture(load_image(tmp_path / "a.png"), np.diag([1, 0.4, 0.2])[None])


@pytest.mark.parametrize("big_endian_png", [True, False])
def test_grey_of_16_bits_keeps_them(tmp_path, big_endian_png):
    grey = np.arange(0, 65536, 257 * 5 + 3, dtype=np.uint16)[None]
    width = grey.shape[1]
    if big_endian_png:
        data = png(width, 1, 16, 0, [grey.astype(">u2").tobytes()])
    else:
        data = tiff(width, 1, 1, 16, 1, grey.astype("<u2").tobytes())
    (tmp_path / "a").write_bytes(data)
    assert_picture(load_image(tmp_path / "a"), np.stack([grey / 65535] * 3, -1), levels=0.01)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_colours_of_16_bits_are_right_to_a_level(tmp_path, kind):
    colours = np.random.default_rng(0).integers(0, 65536, (6, 8, 3)).astype(np.uint16)
    if kind == "png":
        data = png(8, 6, 16, 2, [row.tobytes() for row in colours.astype(">u2")])
    else:
        data = tiff(8, 6, 2, 16, 3, colours.astype("<u2").tobytes())
    (tmp_path / "a").write_bytes(data)
    assert_picture(load_image(tmp_path / "a"), colours / 65535, levels=1)


def test_grey_of_16_bits_with_alpha(tmp_path):
    samples = np.random.default_rng(0).integers(0, 65536, (6, 8, 2)).astype(np.uint16)
    samples[..., 1] |= 0x0100  # nowhere wholly transparent
    (tmp_path / "a").write_bytes(png(8, 6, 16, 4, [row.tobytes() for row in samples.astype(">u2")]))
    pixels, alpha = read_picture(tmp_path / "a")
    assert_picture(pixels, np.stack([samples[..., 0] / 65535] * 3, -1), levels=1)
    assert_picture(alpha, samples[..., 1] / 65535, levels=1)


def test_whole_numbers_of_32_bits_are_scaled_as_16(tmp_path):
    path = write(tmp_path / "a.tif", np.array([[0, 13107, 65535]], np.int32))
    assert_picture(load_image(path), np.array([[[0] * 3, [0.2] * 3, [1] * 3]]))


def test_floating_point_must_lie_in_0_to_1(tmp_path):
    path = write(tmp_path / "a.tif", np.array([[0, 0.25, 1]], np.float32))
    assert_picture(load_image(path), np.array([[[0] * 3, [0.25] * 3, [1] * 3]]))


@pytest.mark.parametrize("value", [np.int32(65536), np.int32(-1), *np.float32([1.5, -0.1, np.nan])])
def test_deep_grey_outside_its_range_is_refused(tmp_path, value):
    path = write(tmp_path / "a.tif", np.full((2, 2), value))
    with pytest.raises(
        ValueError, match=r"a\.tif has values outside \[0, (1|65535)\]; save it with"
    ):
        load_image(path)


def test_cmyk_is_subtractive(tmp_path):
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 204]]], np.uint8)
    of_mode("CMYK", inks).save(tmp_path / "a.tif")
    expected = np.array([[[1, 1, 1], [0, 1, 1], [1, 0, 0], [0.2, 0.2, 0.2]]])
    assert_picture(load_image(tmp_path / "a.tif"), expected)


def adobe_marker(data):
    """The colour transform that a JPEG's Adobe marker names: 0 for CMYK, 2 for YCCK."""
    return data[data.index(b"Adobe") + 11]


def test_a_cmyk_jpeg_of_adobe_is_not_inverted(tmp_path):
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 1:3] = 255  # magenta and yellow: red
    path = tmp_path / "a.jpg"
    of_mode("CMYK", inks).save(path, quality=100)
    data = path.read_bytes()
    assert adobe_marker(data) in (0, 2)  # written inverted, as Adobe does
    assert_picture(load_image(path), np.ones((16, 16, 3)) * [1, 0, 0], levels=2)


def test_a_ycck_jpeg(tmp_path):
    # The first three samples of a YCCK file are YCbCr of R = 255 − C', where C' is what the file
    # has for C; and Adobe's files have C' = 255 − C. So luma 51 is ink 51 in C, M, Y. K' 255 is
    # ink 0. Pillow writes 255 − ink without a transform; the marker is then changed to say YCCK.
    samples = np.zeros((16, 16, 4), np.uint8) + np.uint8([51, 128, 128, 255])
    path = tmp_path / "a.jpg"
    of_mode("CMYK", 255 - samples).save(path, quality=100)
    data = bytearray(path.read_bytes())
    assert adobe_marker(data) == 0
    data[data.index(b"Adobe") + 11] = 2
    path.write_bytes(data)
    assert_picture(load_image(path), np.full((16, 16, 3), 204 / 255), levels=3)


def test_lab(tmp_path):
    # CIE L*a*b* (D50) of sRGB's red, green, white: L in 0 … 255 for 0 … 100, a and b signed.
    lab = [(54.29, 80.81, 69.89), (87.82, -79.27, 80.99), (100, 0, 0)]
    samples = b"".join(struct.pack("Bbb", round(L * 2.55), round(a), round(b)) for L, a, b in lab)
    (tmp_path / "a.tif").write_bytes(tiff(3, 1, 8, 8, 3, samples))
    expected = np.array([[[1, 0, 0], [0, 1, 0], [1, 1, 1]]])
    # Whole steps of a and b are coarse for a saturated colour: up to 14 levels where one is 0.
    assert_picture(load_image(tmp_path / "a.tif"), expected, levels=16)
    with Image.open(tmp_path / "a.tif") as image:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        image.save(tmp_path / "b.tif", icc_profile=profile)
    assert_picture(load_image(tmp_path / "b.tif"), expected, levels=16)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "png"])
def test_of_several_frames_the_first_is_read(tmp_path, suffix):
    red, blue = (Image.new("RGB", (9, 7), colour) for colour in ("red", "blue"))
    red.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[blue], lossless=True)
    with Image.open(tmp_path / f"a.{suffix}") as image:
        assert image.n_frames == 2
    assert_picture(load_image(tmp_path / f"a.{suffix}"), np.ones((7, 9, 3)) * [1, 0, 0], levels=1)


# Reading: alpha


def test_alpha_is_kept_apart_and_colours_are_as_stored(tmp_path):
    colours, alpha = ramps(), ramps()[..., 0] // 2 + 1
    path = write(tmp_path / "a.png", np.dstack([colours, alpha]))
    picture = read_picture(path)
    assert_picture(picture.pixels, colours / 255)
    assert_picture(picture.alpha, alpha / 255)
    on_white = 1 + (alpha / 255)[..., None] * (colours / 255 - 1)
    assert_picture(load_image(path), on_white)


def test_wholly_transparent_pixels_are_white(tmp_path):
    pixels = np.array([[[200, 0, 0, 0], [200, 0, 0, 1]]], np.uint8)
    picture = read_picture(write(tmp_path / "a.png", pixels))
    assert_picture(picture.pixels, np.array([[[1, 1, 1], [200 / 255, 0, 0]]]))


def test_no_alpha_and_an_opaque_one_are_none(tmp_path):
    opaque = np.dstack([ramps(), np.full((20, 30), 255, np.uint8)])
    assert read_picture(write(tmp_path / "a.png", ramps())).alpha is None
    assert read_picture(write(tmp_path / "b.png", opaque)).alpha is None
    assert read_picture(tmp_path / "b.png", size=13).alpha is None


def test_grey_with_alpha(tmp_path):
    pixels = np.array([[[51, 102], [255, 255]]], np.uint8)
    of_mode("LA", pixels).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert_picture(picture.pixels, np.array([[[0.2] * 3, [1] * 3]]))
    assert_picture(picture.alpha, np.array([[0.4, 1]]))


@pytest.mark.parametrize("transparency", [1, b"\xff\x33"])
def test_a_palette_with_transparency(tmp_path, transparency):
    image = of_mode("P", np.array([[0, 1, 2]], np.uint8))
    image.putpalette([255, 0, 0, 0, 102, 0, 0, 0, 51])
    image.save(tmp_path / "a.png", transparency=transparency)
    picture = read_picture(tmp_path / "a.png")
    middle = [1, 1, 1] if transparency == 1 else [0, 0.4, 0]
    assert_picture(picture.pixels, np.array([[[1, 0, 0], middle, [0, 0, 0.2]]]))
    assert_picture(picture.alpha, np.array([[1, 0 if transparency == 1 else 0.2, 1]]))


@pytest.mark.parametrize("mode, clear", [("L", 51), ("RGB", (51, 51, 51))])
def test_a_colour_declared_transparent(tmp_path, mode, clear):
    image = Image.fromarray(np.array([[51, 52]], np.uint8)).convert(mode)
    image.save(tmp_path / "a.png", transparency=clear)
    assert_picture(read_picture(tmp_path / "a.png").alpha, np.array([[0.0, 1.0]]))


def test_a_resized_cut_out_has_no_fringe(tmp_path):
    rows, columns = np.mgrid[:100, :100]
    disc = (rows - 50) ** 2 + (columns - 50) ** 2 < 1600
    pixels = np.where(disc[..., None], [204, 0, 0, 255], [0, 255, 0, 0]).astype(np.uint8)
    picture = read_picture(write(tmp_path / "a.png", pixels), size=23)
    seen = picture.alpha > 0
    assert 0 < seen.sum() < seen.size
    np.testing.assert_allclose(picture.pixels[seen], [[0.8, 0, 0]] * seen.sum(), atol=1e-4)
    np.testing.assert_array_equal(picture.pixels[~seen], 1)
    np.testing.assert_allclose(picture.alpha.mean(), disc.mean(), atol=0.01)
    assert picture.alpha.min() == 0 and picture.alpha.max() == 1


# Reading: orientation and size

TURNED = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored[::-1].transpose(1, 0, 2),  # row 0 of what is shown is column 0, upward
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: stored[:, ::-1].transpose(1, 0, 2),
}
"""What is seen, from what is stored, by EXIF 2.3's definition of each orientation."""


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_exif_orientation(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / f"a.{suffix}", ramps(), exif=exif, quality=95)
    expected = TURNED[orientation](ramps()) / 255
    assert_picture(load_image(path), expected, levels=1e-4 if suffix in ("png", "tif") else 12)
    assert image_size(path) == expected.shape[1::-1]


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
@pytest.mark.parametrize(
    "exif", [b"nonsense", b"II", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\5"]
)
def test_damaged_exif_is_ignored(tmp_path, suffix, exif):
    path = write(tmp_path / f"a.{suffix}", ramps(), quality=95, exif=b"Exif\0\0" + exif)
    assert_picture(load_image(path), ramps() / 255, levels=12)
    assert image_size(path) == (30, 20)
    assert read_settings(path) is None


def test_size_is_the_long_edge(tmp_path):
    wide = write(tmp_path / "wide.png", ramps(20, 30))
    tall = write(tmp_path / "tall.png", ramps(30, 20))
    thin = write(tmp_path / "thin.png", ramps(1, 30))
    assert load_image(wide, size=12).shape == (8, 12, 3)
    assert load_image(tall, size=12).shape == (12, 8, 3)
    assert load_image(wide, 10).shape == (7, 10, 3)
    assert load_image(wide, size=60).shape == (40, 60, 3)
    assert load_image(thin, size=10).shape == (1, 10, 3)
    assert load_image(wide, size=1).shape == (1, 1, 3)
    np.testing.assert_array_equal(load_image(wide, size=30), load_image(wide))
    assert image_size(wide) == (30, 20)


def test_size_counts_after_the_picture_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path / "a.jpg", ramps(20, 30), exif=exif)
    assert load_image(path, size=15).shape == (15, 10, 3)


def test_resizing_is_smooth_and_stays_in_range(tmp_path):
    pixels = ramps(40, 60)
    image = load_image(write(tmp_path / "a.png", pixels), size=30)
    halved = pixels.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3)) / 255
    inner = (slice(2, -2), slice(2, -2))  # Lanczos is not a mean at the borders
    assert_picture(image[inner], halved[inner], levels=1)
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::8] = 255
    image = load_image(write(tmp_path / "b.png", stripes), size=200)  # Lanczos would overshoot
    assert image.min() == 0 and image.max() == 1
    glass = np.dstack([stripes, np.full((8, 64), 128, np.uint8)])
    image = read_picture(write(tmp_path / "c.png", glass), size=200).pixels
    assert image.min() == 0 and image.max() == 1


@pytest.mark.parametrize("size", [0, -5])
def test_a_size_below_1_is_refused(tmp_path, size):
    path = write(tmp_path / "a.png", ramps())
    with pytest.raises(ValueError, match=f"size must be at least 1, got {size}"):
        load_image(path, size=size)


@pytest.mark.parametrize("size", [512.0, "512", True])
def test_a_size_that_is_no_whole_number_is_refused(tmp_path, size):
    path = write(tmp_path / "a.png", ramps())
    with pytest.raises(TypeError, match="size must be a whole number, got"):
        load_image(path, size=size)


# Reading: colour profiles


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_converted_to_srgb(tmp_path, mode):
    stored = np.vstack([np.eye(3), np.ones(3), np.zeros(3)])[None].astype(np.uint8) * 255
    image = Image.fromarray(stored)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(np.array([[255, 204, 153, 102, 51]], np.uint8)))
    elif mode == "P":
        image = image.quantize(8)
    image.save(tmp_path / "a.png", icc_profile=swapped_profile())
    picture = read_picture(tmp_path / "a.png")
    assert_picture(picture.pixels, stored[..., [2, 0, 1]] / 255, levels=2)
    if mode == "RGBA":
        assert_picture(picture.alpha, np.array([[1, 0.8, 0.6, 0.4, 0.2]]))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_a_profiles_gamma_counts(tmp_path, suffix):
    pixels = np.full((8, 8, 3), 128, np.uint8)
    options = {"icc_profile": swapped_profile(1), "lossless": True}
    image = load_image(write(tmp_path / f"a.{suffix}", pixels, **options))
    assert_picture(image, np.full((8, 8, 3), srgb_curve(128 / 255)), levels=2)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_a_grey_profile(tmp_path, mode):
    grey = np.arange(0, 256, 5, dtype=np.uint8)[None]
    if mode == "1":
        grey = np.array([[0, 255]], np.uint8)
    image = Image.fromarray(grey).convert(mode)
    if mode == "LA":
        image.putalpha(128)
    image.save(tmp_path / "a.png", icc_profile=linear_grey_profile())
    expected = np.stack([srgb_curve(grey / 255)] * 3, -1)
    assert_picture(read_picture(tmp_path / "a.png").pixels, expected, levels=1)


def test_a_grey_profile_with_16_bits(tmp_path):
    grey = np.arange(2000, 65536, 1000, dtype=np.uint16)[None]
    profile = b"icc\0\0" + zlib.compress(linear_grey_profile())
    rows = [grey.astype(">u2").tobytes()]
    (tmp_path / "a.png").write_bytes(png(grey.size, 1, 16, 0, rows, (b"iCCP", profile)))
    expected = np.stack([srgb_curve(grey / 65535)] * 3, -1)
    assert_picture(load_image(tmp_path / "a.png"), expected, levels=2)


def test_a_grey_picture_may_carry_a_profile_for_rgb(tmp_path):
    grey = np.full((4, 4), 128, np.uint8)
    path = write(tmp_path / "a.png", grey, icc_profile=swapped_profile(1))
    assert_picture(load_image(path), np.full((4, 4, 3), srgb_curve(128 / 255)), levels=2)


def cmyk_profile():
    """A CMYK profile whose table gives L* from K alone: 100 without, 0 with all of it."""
    grid = np.indices((2, 2, 2, 2)).reshape(4, -1)[3]  # K varies fastest
    lab = np.stack([np.where(grid == 0, 0xFF00, 0), *[np.full(16, 0x8000)] * 2], -1)
    identity = struct.pack(">9i", *[65536 if i % 4 == 0 else 0 for i in range(9)])
    table = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + struct.pack(">HH", 2, 2)
    curves = struct.pack(">HH", 0, 65535)
    table += curves * 4 + lab.astype(">u2").tobytes() + curves * 3
    profile = bytearray(icc_profile(b"CMYK", {b"A2B0": table}))
    profile[12:16], profile[20:24] = b"prtr", b"Lab "
    return bytes(profile)


def test_a_cmyk_profile(tmp_path):
    inks = np.zeros((1, 3, 4), np.uint8)
    inks[0, :, 3] = 0, 128, 255
    inks[0, :, 0] = 255  # a cyan that this profile does not see
    of_mode("CMYK", inks).save(tmp_path / "a.tif", icc_profile=cmyk_profile())
    lightness = 100 * (1 - 128 / 255)
    middle = srgb_curve(((lightness + 16) / 116) ** 3)
    expected = np.array([[[1] * 3, [middle] * 3, [0] * 3]])
    assert_picture(load_image(tmp_path / "a.tif"), expected, levels=3)


@pytest.mark.parametrize(
    "profile",
    [b"nonsense", swapped_profile()[:200], linear_grey_profile(), cmyk_profile()],
    ids=["nonsense", "cut", "for grey", "for CMYK"],
)
def test_a_profile_that_does_not_fit_is_ignored_with_a_warning(tmp_path, profile):
    path = write(tmp_path / "a.png", ramps(), icc_profile=profile)
    with pytest.warns(UserWarning, match=r"ignored the colour profile of .*a\.png"):
        image = load_image(path)
    assert_picture(image, ramps() / 255)


def test_an_srgb_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = write(tmp_path / "a.png", ramps(), icc_profile=profile)
    assert_picture(load_image(path), ramps() / 255)


# Reading: what is refused


def assert_refused(path, why, readers=(load_image, image_size, read_settings)):
    """Each reader raises one sentence that names the file, whatever Pillow made of it."""
    for reader in readers:
        with pytest.raises(ValueError) as caught:
            reader(path)
        assert type(caught.value) is ValueError
        message = str(caught.value)
        assert re.fullmatch(f"{re.escape(str(path))} {why}", message), message
        assert "\n" not in message


def test_a_file_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("once upon a time")
    (tmp_path / "odd.png").write_bytes(bytes(range(1, 256)))
    assert_refused(tmp_path / "none.png", r"cannot be read \(No such file .*\); give another file")
    assert_refused(tmp_path, r"cannot be read \(Is a directory\); give another file")
    assert_refused(tmp_path / "empty.png", "is empty; save or download it again")
    assert_refused(tmp_path / "text.png", "is a text, not a picture; save or download it again")
    assert_refused(tmp_path / "odd.png", "is not a readable picture; convert it to PNG")
    assert_refused(tmp_path / "text.png" / "a.png", r"cannot be read \(Not a directory\); .*")

    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.png", ramps())
    monkeypatch.setattr("builtins.open", deny)  # root may read everything: chmod proves nothing
    assert_refused(path, r"cannot be read \(Permission denied\); give another file")


def test_what_is_no_path_is_a_type_error():
    with pytest.raises(TypeError):
        load_image(ramps())


def test_garbage_under_every_suffix_is_refused(tmp_path):
    random = np.random.default_rng(0)
    for suffix in (*FORMATS, ".gif", ".bmp"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(random.bytes(3000))
        assert_refused(path, "is not a readable picture; convert it to PNG")


WRITTEN = {
    "png": {},
    "jpg": {},
    "progressive.jpg": {"progressive": True},
    "webp": {},
    "lossless.webp": {"lossless": True},
    "tif": {},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
    "lzw.tif": {"compression": "tiff_lzw"},
    "gif": {},
    "bmp": {},
    "ppm": {},
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, name):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    path = write(tmp_path / f"a.{name}", pixels, **WRITTEN[name])
    data = path.read_bytes()
    load_image(path)
    # Without its very end (checksums, padding, a mark) a file has all its pixels and may load.
    whole = len(data) - 24
    for end in {1, 4, 8, 12, 20, 26, *(whole * k // 16 for k in range(1, 17))}:
        path.write_bytes(data[:end])
        assert_refused(path, ".*; (save or download it again|convert it to PNG)", [load_image])


@pytest.mark.parametrize("name", WRITTEN)
def test_a_damaged_file_loads_or_is_refused(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    extra = {"exif": exif, "icc_profile": swapped_profile()}  # some formats have no place for it
    path = write(tmp_path / f"a.{name}", ramps(), **WRITTEN[name], **extra)
    data, random = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        broken = bytearray(data)
        for place in random.integers(0, min(len(data), 700), size=random.integers(1, 6)):
            broken[place] = random.integers(256)
        path.write_bytes(broken)
        for reader in (load_image, image_size, read_settings):
            with warnings.catch_warnings(action="ignore"):  # of the profile, as tested above
                try:
                    reader(path)
                except ValueError as error:
                    assert str(error).startswith(str(path))
                    refused += 1
    assert refused


def test_a_decompression_bomb_is_refused_and_a_large_picture_loads_quietly(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", ramps(20, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 250)
    assert_refused(path, "has more than 500 pixels; scale it down first")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)  # Pillow warns; here warnings are errors
    assert load_image(path).shape == (20, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 400


# Writing


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_saved_loads_again(tmp_path, suffix):
    pixels = ramps(40, 60) / 255
    path = tmp_path / f"a{suffix}"
    save_image(path, pixels)
    assert_picture(load_image(path), pixels, levels=1e-4 if suffix in LOSSLESS else 8)
    assert read_picture(path).alpha is None
    with Image.open(path) as image:
        assert image.format == FORMATS[suffix][0]
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_the_suffix_may_be_in_capitals(tmp_path):
    save_image(tmp_path / "A.JPG", np.zeros((2, 2, 3)))
    with Image.open(tmp_path / "A.JPG") as image:
        assert image.format == "JPEG"


def test_jpeg_is_fine_and_tiff_is_compressed(tmp_path):
    save_image(tmp_path / "a.jpg", np.zeros((8, 8, 3)))
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # 4:4:4
        # Quality 95 takes 10 % of the standard table (JPEG, annex K), which starts 16, 11, 10.
        assert image.quantization[0][:3] == [2, 1, 1]
    save_image(tmp_path / "a.tif", np.zeros((100, 100, 3)))
    assert (tmp_path / "a.tif").stat().st_size < 3000


def test_values_are_clipped_and_rounded(tmp_path):
    values = np.array([-3, 0, 0.4 * LEVEL, 0.6 * LEVEL, 0.5, 254.6 * LEVEL, 1, 7, np.inf])
    save_image(tmp_path / "a.png", np.stack([values[None]] * 3, -1))
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255, 255, 255]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_arrays_of_jax_are_saved(tmp_path, dtype):
    save_image(tmp_path / "a.png", jnp.full((3, 4, 3), 0.5, dtype))
    assert_picture(load_image(tmp_path / "a.png"), np.full((3, 4, 3), 128 / 255))


@pytest.mark.parametrize("suffix", FORMATS)
def test_alpha_is_kept_where_the_format_can(tmp_path, suffix):
    alpha = np.clip(np.mgrid[:32, :48][1] / 40, 0, 1)
    path = tmp_path / f"a{suffix}"
    save_image(path, np.ones((32, 48, 3)) * [1.0, 0.0, 0.0], alpha=alpha)
    pixels, read = read_picture(path)
    if FORMATS[suffix][0] == "JPEG":  # red over white
        expected = np.stack([np.ones((32, 48)), 1 - alpha, 1 - alpha], -1)
        assert read is None
        assert_picture(pixels, expected, levels=4)
    else:
        assert_picture(read, alpha, levels=0.51)
        seen = alpha > 0.1
        np.testing.assert_allclose(pixels[seen], [[1, 0, 0]] * seen.sum(), atol=4 * LEVEL)


def test_an_opaque_alpha_is_not_stored(tmp_path):
    save_image(tmp_path / "a.png", np.zeros((4, 5, 3)), alpha=np.ones((4, 5)))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB"


def test_the_same_input_gives_the_same_bytes(tmp_path):
    def written():
        images.srgb_profile.cache_clear()
        for suffix in FORMATS:
            options = {"alpha": ramps()[..., 0] / 255, "settings": {"jnst": "1.2", "beta": 1e3}}
            save_image(tmp_path / f"a{suffix}", ramps() / 255, **options)
        fresh = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        return [(tmp_path / f"a{suffix}").read_bytes() for suffix in FORMATS], fresh

    files, profile = written()
    time.sleep(1.1)
    files_later, profile_later = written()
    assert profile != profile_later  # a profile tells the second it was made in
    assert files == files_later


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / "a.png"
    save_image(path, np.zeros((2, 2, 3)))
    before = path.read_bytes()

    def fail(_, target, *__, **___):
        with open(target, "wb") as file:
            file.write(b"half of it")
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(type(error)):
        save_image(path, np.ones((2, 2, 3)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


IMAGE_SHAPE, ALPHA_SHAPE = r"image must have the shape \(H, W, 3\), got", r"alpha .* \(4, 5\), got"


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"image": np.zeros((4, 5))}, ValueError, rf"{IMAGE_SHAPE} \(4, 5\)"),
        ({"image": np.zeros((4, 5, 4))}, ValueError, rf"{IMAGE_SHAPE} \(4, 5, 4\)"),
        ({"image": np.zeros((1, 4, 5, 3))}, ValueError, rf"{IMAGE_SHAPE} \(1, 4, 5, 3\)"),
        ({"image": np.zeros((0, 5, 3))}, ValueError, rf"{IMAGE_SHAPE} \(0, 5, 3\)"),
        ({"image": np.zeros((4, 5, 3), np.uint8)}, TypeError, "image must be .* got uint8"),
        ({"image": np.full((4, 5, 3), np.nan)}, ValueError, "image holds NaN"),
        ({"alpha": np.zeros((5, 4))}, ValueError, rf"{ALPHA_SHAPE} \(5, 4\)"),
        ({"alpha": 0.5}, ValueError, rf"{ALPHA_SHAPE} \(\)"),
        ({"alpha": np.ones((4, 5), np.int16)}, TypeError, "alpha must be .* got int16"),
        ({"alpha": np.full((4, 5), np.nan)}, ValueError, "alpha holds NaN"),
        ({"settings": {"alpha": object()}}, TypeError, "not JSON serializable"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_nothing_written(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        save_image(tmp_path / "a.png", **{"image": np.zeros((4, 5, 3))} | arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix, longest", [(".webp", 16383), (".jpg", 65500)])
def test_a_picture_too_long_for_its_format_is_refused(tmp_path, suffix, longest):
    save_image(tmp_path / f"a{suffix}", np.zeros((longest, 1, 3)))
    with pytest.raises(ValueError, match=f"b{suffix} cannot have an edge above {longest} pixels"):
        save_image(tmp_path / f"b{suffix}", np.zeros((longest + 1, 1, 3)))
    assert not (tmp_path / f"b{suffix}").exists()


def save_black(path):
    save_image(path, np.zeros((2, 2, 3)))


@pytest.mark.parametrize("check", [check_image_output, save_black])
def test_an_output_that_cannot_be_is_refused(tmp_path, check):
    with pytest.raises(ValueError) as caught:
        check(tmp_path / "a.jpge")
    for part in (*FORMATS, "a.jpge", "did you mean '.jp"):
        assert part in str(caught.value)
    with pytest.raises(ValueError, match=r"must be one of \.png, .*, got ''"):
        check(tmp_path / "a")
    with pytest.raises(ValueError, match="none does not exist; create it first"):
        check(tmp_path / "none" / "a.png")
    with pytest.raises(ValueError, match="is a folder"):
        check(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_output_that_can_be_comes_back_as_a_path(tmp_path):
    assert check_image_output(str(tmp_path / "a.PNG")) == tmp_path / "a.PNG"
    with pytest.raises(ValueError, match="the suffix of --output "):
        check_image_output(tmp_path / "a.txt", "--output")


# Settings

SETTINGS = {
    "jnst": "0.1.0",
    "content": "Größe «ü» 猫.jpg",
    "alpha": 1.5,
    "layers": ["conv1_1", "conv4_2"],
    "nested": {"seed": 0, "mask": None, "tiled": True},
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_settings_are_read_again(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_image(path, ramps() / 255, settings=SETTINGS)
    assert read_settings(path) == SETTINGS
    assert_picture(load_image(path), ramps() / 255, levels=1e-4 if suffix in LOSSLESS else 12)
    save_image(path, ramps() / 255, settings={})
    assert read_settings(path) == {}
    save_image(path, ramps() / 255)
    assert read_settings(path) is None


@pytest.mark.parametrize("suffix", FORMATS)
def test_settings_stand_where_viewers_look(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_image(path, ramps() / 255, settings=SETTINGS)
    with Image.open(path) as image:
        if suffix == ".png":
            software, description = image.text["Software"], image.text["Description"]
        else:
            software, description = image.getexif()[0x0131], image.getexif()[0x010E]
    assert software == "jnst 0.1.0"
    assert description.isascii() and json.loads(description) == SETTINGS


def test_settings_too_long_for_a_jpeg_are_left_out(tmp_path):
    fits, long = {"text": "x" * 65000}, {"text": "x" * 66000}
    save_image(tmp_path / "a.jpg", ramps() / 255, settings=fits)
    assert read_settings(tmp_path / "a.jpg") == fits
    with pytest.warns(UserWarning, match=r"the settings are too long for .*b\.jpg"):
        save_image(tmp_path / "b.jpg", ramps() / 255, settings=long)
    assert load_image(tmp_path / "b.jpg").shape == (20, 30, 3)
    assert read_settings(tmp_path / "b.jpg") is None
    for suffix in (".png", ".webp", ".tif"):
        save_image(tmp_path / f"b{suffix}", ramps() / 255, settings=long)
        assert read_settings(tmp_path / f"b{suffix}") == long


@pytest.mark.parametrize("software", ["GIMP 3.0", "jnst 0.1.0"])
@pytest.mark.parametrize("description", ["my cat", "[1, 2]", '{"cut": ', "[" * 50000])
def test_what_another_program_wrote_is_no_settings(tmp_path, software, description):
    exif = Image.Exif()
    exif[0x0131], exif[0x010E] = software, description
    path = write(tmp_path / "a.jpg", ramps(), exif=exif)
    assert read_settings(path) is None


def test_another_programs_mapping_is_no_settings(tmp_path):
    exif = Image.Exif()
    exif[0x0131], exif[0x010E] = "GIMP 3.0", "{}"
    assert read_settings(write(tmp_path / "a.tif", ramps(), exif=exif)) is None


def test_two_names_are_public():
    assert jnst.load_image is load_image and jnst.save_image is save_image
