"""Frames of a live picture, as bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from jnst.image.frames import read_frame, write_frame

SHAPES = (48, 64), (64, 48)


def file_of(levels, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(levels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def levels():
    rows, columns = np.mgrid[:48, :64]
    return np.stack([4 * rows, 3 * columns, 255 - 3 * rows], -1).astype(np.uint8)


@pytest.mark.parametrize("upright", [False, True])
def test_a_frame_survives_writing_and_reading(levels, upright):
    image = (levels.transpose(1, 0, 2) if upright else levels) / 255
    read = read_frame(write_frame(image), SHAPES)
    assert read.dtype == np.float32 and read.shape == image.shape
    assert np.abs(read - image).max() < 8 / 255
    assert np.abs(read - image).mean() < 1.5 / 255


def test_values_outside_the_range_are_clipped():
    read = read_frame(write_frame(np.full((48, 64, 3), [-1.0, 0.5, 2.0])), SHAPES)
    np.testing.assert_allclose(read[5, 5], [0, 0.5, 1], atol=2 / 255)


def test_grey_has_three_channels(levels):
    read = read_frame(file_of(levels[..., 0], quality=95), SHAPES)
    np.testing.assert_allclose(read, levels[..., :1].repeat(3, -1) / 255, atol=4 / 255)


def test_what_is_no_frame_is_told(levels):
    whole = file_of(levels)
    for data, said in (
        (b"", "the frame is empty"),
        (b"no picture", "the frame is a text, not a picture"),
        (whole[: len(whole) // 2], "the frame is damaged"),
        (file_of(levels, "PNG"), "the frame must be a JPEG, got PNG"),
        (file_of(levels[:40]), "the frame must have 64×48 or 48×64 px, got 64×40"),
    ):
        with pytest.raises(ValueError, match=said):
            read_frame(data, SHAPES)
