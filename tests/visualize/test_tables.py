"""Sheets of labelled pictures, and letters as pixels."""

import numpy as np
import pytest

from jnst.image.lettering import lettered, text_size, write_text
from jnst.visualize.tables import GAP, MOST_TILES, Row, check_tiles, in_rows, table_of


def test_letters_are_ink_of_one_height():
    assert lettered("Åg", 14).shape[0] == lettered("relu4_1", 14).shape[0]
    assert text_size("relu4_1", 28)[1] > 1.8 * text_size("relu4_1", 14)[1]
    ink = lettered("l", 20)
    assert ink.max() > 0.9 and ink.min() == 0
    assert not np.array_equal(lettered("1", 14), lettered("7", 14))


def test_text_beyond_the_edge_is_cut_off():
    for at in [(-5, -5), (2, 35), (18, 2), (50, 50)]:
        canvas = np.ones((20, 40, 3), np.float32)
        write_text(canvas, "relu", at, 14, (1.0, 0.0, 0.0))
        assert canvas.shape == (20, 40, 3)
        assert (canvas[..., 0] == 1).all()
        assert (canvas.min() < 0.5) == (at != (50, 50))


def test_pictures_stand_in_rows_as_they_are():
    pictures = [np.full((20, 30, 3), level, np.float32) for level in (0.1, 0.2, 0.3)]
    sheet = table_of([Row("", pictures[:2], ["a", "b"]), Row("", pictures[2:], ["c"])])
    for level, count in ((0.1, 600), (0.2, 600), (0.3, 600)):
        assert (np.abs(sheet - level) < 1e-6).all(-1).sum() >= count
    rows, columns = np.nonzero((np.abs(sheet - np.float32(0.2)) < 1e-6).all(-1))
    assert (rows.max() - rows.min(), columns.max() - columns.min()) == (19, 29)
    assert (rows.min(), columns.min() > 30 + GAP) == (GAP, True)


def test_titles_labels_and_a_heading_are_written():
    picture = np.full((40, 40, 3), 0.5, np.float32)
    plain = table_of([Row("", [picture], [""])])
    titled = table_of([Row("content", [picture], ["a long label"])], heading="a heading")
    assert titled.shape[0] > plain.shape[0] and titled.shape[1] > plain.shape[1]
    assert (titled < 0.4).any()


def test_large_pictures_are_reduced_to_the_edge():
    sheet = table_of([Row("", [np.zeros((300, 600, 3))], ["x"])], edge=200)
    rows, columns = np.nonzero((sheet == 0).all(-1))
    assert (rows.max() - rows.min(), columns.max() - columns.min()) == (99, 199)


def test_a_sheet_is_about_square():
    rows = in_rows([np.zeros((20, 20, 3))] * 12, list("abcdefghijkl"))
    assert [len(row.pictures) for row in rows] == [4, 4, 4]
    assert [label for row in rows for label in row.labels] == list("abcdefghijkl")


def test_ten_thousand_tiles_are_refused():
    with pytest.raises(ValueError, match="channels: a sheet shows at most 1024 pictures, not 9999"):
        check_tiles(9999, "channels")
    check_tiles(MOST_TILES, "channels")
