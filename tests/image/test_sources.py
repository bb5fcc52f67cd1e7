"""What is read as a picture: files of all kinds, file objects, and what is refused quickly."""

import io
import os
import socket
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

import jnst
from jnst.image.pictures import image_size, read_picture, read_settings
from jnst.image.png_texts import LONGEST, without_texts

RED = np.zeros((6, 8, 3), np.uint8) + np.array([200, 30, 40], np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour, row, transparent, width=2):
    """A PNG of one row, with a colour that is declared transparent."""
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)),
            chunk(b"tRNS", transparent),
            chunk(b"IDAT", zlib.compress(b"\0" + row)),
            chunk(b"IEND", b""),
        ]
    )


def with_chunks(data, *chunks):
    """A PNG with more chunks behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


# Refused


SENTENCES = {
    "empty": (b"", "is empty"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n",
        "is a Git LFS pointer, not the picture; fetch it by `git lfs pull`",
    ),
    "a web page": (b"\n <!DOCTYPE html>\n<html><body>404", "is a web page, not a picture"),
    "a web page with a mark": (b"\xef\xbb\xbf<html>", "is a web page"),
    "SVG": (b'<?xml version="1.0"?>\n<svg width="9"/>', "is an SVG drawing, not pixels"),
    "a text": ("über alles: naïve text. ".encode() * 40, "is a text, not a picture"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "is a PDF document"),
    "ZIP": (b"PK\x03\x04" + bytes(range(200)), "is a ZIP archive"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "is an HDF5 file, not a picture"),
    "zeros": (bytes(4096), "holds only zeros"),
    "a header of a PNG": (b"\x89PNG\r\n\x1a\n", "is damaged"),
    "noise": (np.random.default_rng(5).bytes(999), "is not a readable picture"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_is_no_picture_is_called_by_its_name(tmp_path, name):
    data, said = SENTENCES[name]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for read in (jnst.load_image, jnst.load_mask, image_size, read_settings):
        with pytest.raises(ValueError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path} {said}")
        assert message.count("\n") == 0 and "; " in message
    with pytest.raises(ValueError, match=f"^the file object {said}"):
        jnst.load_image(io.BytesIO(data))


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("gone.png")
    (tmp_path / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(tmp_path / "socket"))
        for name, said in {
            "pipe": "is a pipe; give a file or, on the command line, - for standard input",
            "link": "is a link to gone.png, which does not exist; give another file",
            "circle": r"cannot be read \(Too many levels of symbolic links\); give another file",
            "socket": "is not a regular file; give another one",
            "none": r"cannot be read \(No such file or directory\); give another file",
            ".": r"cannot be read \(Is a directory\); give another file",
        }.items():
            with pytest.raises(ValueError, match=f"{said}$"):
                jnst.load_image(tmp_path / name)
    with pytest.raises(ValueError, match="is not a regular file"):
        jnst.load_image("/dev/zero")
    with pytest.raises(ValueError, match="cannot be read"):
        jnst.load_image("a\0b.png")


def claiming(width, height):
    """A TIFF of 48 rows, its header claiming other edges: as after bits have flipped."""
    data = bytearray(encoded(Image.new("RGB", (64, 48), "red"), "TIFF"))
    for tag, value in {256: width, 257: height}.items():
        place = data.index(struct.pack("<H", tag) + b"\x04\0" + struct.pack("<I", 1))
        data[place + 8 : place + 12] = struct.pack("<I", value)
    return bytes(data)


def test_more_pixels_than_a_file_can_hold_are_refused_before_they_are_made(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(claiming(64, 2_097_200))
    assert path.stat().st_size < 10_000
    began = time.monotonic()
    for read in (jnst.load_image, image_size):
        with pytest.raises(ValueError, match=r"is damaged \(it claims 64×2097200 px and has only "):
            read(path)
    header = struct.pack(">IIBBBBB", 10**5, 10**5, 8, 2, 0, 0, 0)
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match=r"more than .* pixels; scale it down first"):
        jnst.load_image(io.BytesIO(huge))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "form, options", [("PNG", {}), ("GIF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_what_compresses_best_is_read(form, options):
    image = Image.new("L", (4000, 3000), 7)
    assert image_size(io.BytesIO(encoded(image, form, **options))) == (4000, 3000)


# File objects


def test_file_objects_are_read_from_their_beginning_and_left_open(tmp_path):
    data = encoded(Image.fromarray(RED))
    (tmp_path / "a.png").write_bytes(data)
    buffer = io.BytesIO(data)
    buffer.seek(17)
    wanted = jnst.load_image(tmp_path / "a.png")
    for _ in range(2):
        np.testing.assert_array_equal(jnst.load_image(buffer), wanted)
    assert image_size(buffer) == (8, 6)
    assert jnst.load_mask(buffer, 4).shape == (3, 4)
    assert not buffer.closed
    with open(tmp_path / "a.png", "rb") as file:
        np.testing.assert_array_equal(jnst.load_image(file), wanted)
        assert not file.closed
    (tmp_path / "bad.png").write_bytes(data[:50])
    with open(tmp_path / "bad.png", "rb") as file, pytest.raises(ValueError, match=r"bad\.png is "):
        jnst.load_image(file)


def test_a_picture_is_written_to_a_file_object_as_a_png(tmp_path):
    settings = {"jnst": "1", "beta": 3.0}
    jnst.save_image(tmp_path / "a.png", RED / 255, settings=settings)
    buffer = io.BytesIO()
    jnst.save_image(buffer, RED / 255, settings=settings)
    assert buffer.getvalue() == (tmp_path / "a.png").read_bytes()
    assert read_settings(buffer) == settings
    unharmed = io.BytesIO()
    with pytest.raises(ValueError, match="NaN"):
        jnst.save_image(unharmed, np.full((4, 4, 3), np.nan))
    assert unharmed.getvalue() == b""


@pytest.mark.parametrize(
    "wrong", [io.StringIO(), 3, None, RED], ids=["text", "int", "none", "array"]
)
def test_other_objects_are_refused(wrong):
    for call in (lambda: jnst.load_image(wrong), lambda: jnst.save_image(wrong, RED / 255)):
        with pytest.raises(
            TypeError, match="path must be a file name or a binary file object, got"
        ):
            call()


def test_a_pipe_as_file_object_is_refused():
    reading, writing = os.pipe()
    os.close(writing)
    with open(reading, "rb") as pipe, pytest.raises(ValueError, match="cannot seek"):
        jnst.load_image(pipe)


# Texts in PNGs


def test_long_texts_in_a_png_do_not_matter():
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * (2 * LONGEST), zip=True)
    text.add_itxt("prompt", "y" * (2 * LONGEST), zip=True)
    text.add_text("Comment", "z" * (2 * LONGEST))
    text.add_text("Software", "jnst 1")
    text.add_text("Description", '{"beta": 2.0}')
    data = encoded(Image.fromarray(RED), pnginfo=text)
    np.testing.assert_array_equal(jnst.load_image(io.BytesIO(data)), RED / np.float32(255))
    assert read_settings(io.BytesIO(data)) == {"beta": 2.0}
    assert image_size(io.BytesIO(data)) == (8, 6)


def test_many_texts_and_texts_behind_the_pixels_do_not_matter():
    packed = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20)))
    plain = encoded(Image.fromarray(RED))
    for data in (with_chunks(plain, *[packed] * 80), plain[:-12] + packed * 80 + plain[-12:]):
        np.testing.assert_array_equal(jnst.load_image(io.BytesIO(data)), RED / np.float32(255))


def test_a_long_or_damaged_text_that_is_used_is_left_out():
    plain = encoded(Image.fromarray(RED))
    for packed in (
        chunk(b"zTXt", b"Description\0\0" + zlib.compress(bytes(2 * LONGEST))),
        chunk(b"zTXt", b"Description\0\0" + b"no zlib"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2 * LONGEST))),
    ):
        data = with_chunks(plain, packed)
        np.testing.assert_array_equal(jnst.load_image(io.BytesIO(data)), RED / np.float32(255))
        assert read_settings(io.BytesIO(data)) is None


def test_the_orientation_in_a_text_is_kept():
    xmp = '<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp, zip=True)
    text.add_text("other", "dropped")
    data = encoded(Image.fromarray(RED), pnginfo=text)
    assert image_size(io.BytesIO(data)) == (6, 8)
    assert jnst.load_image(io.BytesIO(data)).shape == (8, 6, 3)


def test_a_long_colour_profile_is_used():
    """A profile with 2 MB behind its tables gives what the same one gives without."""
    profile = swapped_profile()
    grown = struct.pack(">I", len(profile) + 2 * LONGEST) + profile[4:] + bytes(2 * LONGEST)
    plain = encoded(Image.fromarray(RED))
    short, long = (
        with_chunks(plain, chunk(b"iCCP", b"icc\0\0" + zlib.compress(data)))
        for data in (profile, grown)
    )
    _, found = without_texts(io.BytesIO(long))
    assert found == grown
    wanted = jnst.load_image(io.BytesIO(short))
    assert np.abs(wanted - RED / 255).max() > 0.05  # the profile matters
    np.testing.assert_array_equal(jnst.load_image(io.BytesIO(long)), wanted)


def swapped_profile():
    """sRGB with red and green exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for tag, other in ((b"rXYZ", b"tmp "), (b"gXYZ", b"rXYZ"), (b"tmp ", b"gXYZ")):
        profile = profile.replace(tag, other, 1)
    return profile


# Declared transparent

CLEAR = 40000, 50000, 60000
DECLARED = {
    "grey of 2 bits": (png(2, 0, b"\x60", struct.pack(">H", 2)), 85 / 255),
    "grey of 4 bits": (png(4, 0, b"\x5a", struct.pack(">H", 10)), 85 / 255),
    "grey of 8 bits": (png(8, 0, b"\x55\x0a", struct.pack(">H", 10)), 85 / 255),
    "grey of 16 bits": (
        png(16, 0, struct.pack(">HH", 21845, 2000), struct.pack(">H", 2000)),
        85 / 255,
    ),
    "colours of 16 bits": (
        png(16, 2, struct.pack(">6H", *[21845] * 3, *CLEAR), struct.pack(">3H", *CLEAR)),
        85 / 255,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DECLARED)
def test_the_colour_that_a_png_declares_transparent(name):
    data, level = DECLARED[name]
    picture = read_picture(io.BytesIO(data))
    np.testing.assert_array_equal(picture.alpha, [[1, 0]])
    np.testing.assert_allclose(picture.pixels, [[[level] * 3, [1] * 3]], atol=0.5 / 255)


def test_grey_of_16_bits_with_a_clear_level_that_does_not_occur_is_opaque():
    data = png(16, 0, struct.pack(">HH", 21845, 2000), struct.pack(">H", 3))
    assert read_picture(io.BytesIO(data)).alpha is None


# Hidden colours


def test_what_is_hardly_seen_is_nearly_white(tmp_path):
    """The same as Pillow's own composition over white, at every alpha."""
    magenta = np.zeros((1, 256, 4), np.uint8) + np.array([255, 0, 255, 0], np.uint8)
    magenta[..., 3] = np.arange(256)
    image = Image.fromarray(magenta)
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    wanted = np.asarray(paper.convert("RGB")) / 255
    np.testing.assert_allclose(jnst.load_image(io.BytesIO(encoded(image))), wanted, atol=1.01 / 255)
