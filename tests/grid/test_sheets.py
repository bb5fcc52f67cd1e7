"""Sheets and plots of made-up grids."""

import builtins

import numpy as np
import pytest

import jnst
from jnst.grid.sheets import arranged, label, last, row_labels, short, thumb_size, title

AXES = {"alpha": (1.0, 10.0), "beta": (1.0, 100.0, 1e5)}
COLOURS = np.random.default_rng(0).uniform(0.2, 0.8, size=(2, 3, 3))
IMAGES = np.broadcast_to(COLOURS[:, :, None, None], (2, 3, 60, 80, 3)).astype(np.float32)


def find(sheet, colour):
    """Rows and columns (their middle) of a colour in a picture, and how many pixels have it."""
    there = np.abs(sheet - colour).max(-1) < 0.01
    return *(float(axis.mean()) for axis in np.nonzero(there)), int(there.sum())


def test_a_sheet_has_every_picture_in_its_place(tmp_path):
    jnst.save_sheet(tmp_path / "sheet.png", IMAGES, AXES)
    sheet = jnst.load_image(tmp_path / "sheet.png")
    places = np.array([[find(sheet, COLOURS[a, b]) for b in range(3)] for a in range(2)])
    assert (places[..., 2] == 60 * 80).all()  # in full size, not resampled
    np.testing.assert_allclose(np.diff(places[:, :, 0], axis=0), 68)  # alpha runs down
    np.testing.assert_allclose(np.diff(places[:, :, 1], axis=1), 88)  # beta runs across
    assert (sheet[:20].min(-1) < 0.5).any()  # labels above and at the left
    assert (sheet[:, :40].min(-1) < 0.5).any()


def test_a_missing_picture_stays_white(tmp_path):
    images = IMAGES.copy()
    images[1, 2] = np.nan
    jnst.save_sheet(tmp_path / "sheet.png", images, AXES)
    sheet = jnst.load_image(tmp_path / "sheet.png")
    assert (sheet[-60:, -80:] == 1).all()


def test_large_pictures_are_scaled_down(tmp_path):
    axes = {"alpha": (1.0,), "beta": tuple(range(1, 41))}
    images = np.zeros((1, 40, 150, 200, 3), np.float32)
    jnst.save_sheet(tmp_path / "sheet.png", images, axes)
    sheet = jnst.load_image(tmp_path / "sheet.png")
    assert thumb_size(axes) == 102
    assert 40 * 102 < sheet.shape[1] < 40 * 115


def test_further_axes_run_down():
    axes = {"alpha": (1.0,), "beta": (1.0, 2.0), "style": ("waves", "scream"), "seed": (3, 4)}
    labels = ["style waves\nseed 3", "style waves\nseed 4", "style scream\nseed 3"]
    assert row_labels(axes)[:3] == labels
    assert title(axes) == "alpha 1"
    table = np.arange(8).reshape(1, 2, 2, 2)
    np.testing.assert_array_equal(arranged(table, axes), [[0, 4], [1, 5], [2, 6], [3, 7]])


def test_the_longest_axis_runs_across_where_beta_does_not_vary():
    axes = {"alpha": (1.0, 2.0), "beta": (1.0,), "seed": (3, 4, 5)}
    assert row_labels(axes) == ["alpha 1", "alpha 2"]
    assert title(axes) == "beta 1"


def test_values_are_told_in_few_characters():
    assert [short(v) for v in (0, 1, 2.5, 100, 1e4, 1e5, 123456, 1.5e7, 1e-6)] == [
        *("0", "1", "2.5", "100", "10000", "1e5", "123456", "15e6", "1e-6")
    ]
    assert label("learning_rate", 0.05) == "learning rate 0.05"


def test_the_last_finite_loss_counts():
    values = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(last(values), [1, 2, np.nan])


def test_the_trade_off_is_drawn(tmp_path):
    style = np.array([[[9.0, 0.9], [9.0, 0.3], [9.0, 0.1]], [[9.0, 0.8], [9.0, np.nan], [9, 0.05]]])
    losses = {"content": 1 / (10 * style), "style": style}
    jnst.save_trade_off(tmp_path / "full.png", losses, AXES)
    jnst.save_trade_off(tmp_path / "empty.png", {k: v * np.nan for k, v in losses.items()}, AXES)
    full, empty = (jnst.load_image(tmp_path / f"{name}.png") for name in ("full", "empty"))
    blue, orange = np.array([0x1F, 0x77, 0xB4]) / 255, np.array([0xFF, 0x7F, 0x0E]) / 255
    for colour in (blue, orange):  # a line for each alpha
        near = [(np.abs(plot - 0.8 * colour - 0.2).max(-1) < 0.02).sum() for plot in (full, empty)]
        assert near[0] > near[1] + 10
    assert full.shape == empty.shape


def test_without_matplotlib_the_way_out_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ValueError, match=r"matplotlib; python -m pip install \"jnst\[plot\]\""):
        jnst.save_sheet(tmp_path / "sheet.png", IMAGES, AXES)
    assert not list(tmp_path.iterdir())


def test_names_are_drawn_as_they_are(tmp_path):
    axes = {"alpha": (1.0,), "beta": (1.0,), "style": ("x$y_$", "絵", "n" * 300)}
    images = np.zeros((1, 1, 3, 40, 50, 3), np.float32)
    jnst.save_sheet(tmp_path / "sheet.png", images, axes)
    jnst.save_trade_off(
        tmp_path / "plot.png",
        {"content": np.ones((1, 1, 3, 2))} | {"style": np.ones((1, 1, 3, 2))},
        axes,
    )
    assert jnst.load_image(tmp_path / "sheet.png").shape[1] < 1000


def test_names_wider_than_pictures_move_the_columns_apart(tmp_path):
    axes = {"alpha": (1.0,), "beta": (1.0,), "style": ("a long name", "another long name")}
    images = np.broadcast_to([1.0, 0.0, 0.0], (1, 1, 2, 40, 48, 3))
    jnst.save_sheet(tmp_path / "sheet.png", images, axes)
    sheet = jnst.load_image(tmp_path / "sheet.png")
    columns = np.nonzero((np.abs(sheet - [1, 0, 0]).max(-1) < 0.01).any(axis=0))[0]
    assert columns.max() - columns.min() > 48 + 17 * 5


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 3, 8, 9, 3), {"alpha": (1, 2), "beta": (1, 2)}),
        ((8, 9, 3), AXES),
        ((2, 3, 8, 9, 3), {}),
    ],
)
def test_arrays_that_do_not_go_with_the_axes_are_refused(tmp_path, shape, axes):
    with pytest.raises(ValueError, match=r"axes of the lengths .* do not go with an array"):
        jnst.save_sheet(tmp_path / "sheet.png", np.zeros(shape), axes)
    with pytest.raises(ValueError, match=r"do not go with an array of the shape \(0,\)"):
        jnst.save_trade_off(tmp_path / "plot.png", {}, AXES)


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        jnst.save_sheet(tmp_path / "no" / "sheet.png", IMAGES, AXES)
    with pytest.raises(ValueError, match=r"must be one of .png"):
        jnst.save_trade_off(tmp_path / "plot.txt", {}, AXES)
