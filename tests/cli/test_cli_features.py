"""`jnst features` as a user has it."""

import json

import numpy as np
import pytest
from commands import run_jnst

import jnst
from jnst.image.pictures import read_settings


@pytest.fixture(scope="module")
def finished(real_folder):
    """One run with the paper's weights."""
    return run_jnst(
        real_folder, "features", "content.png", "-o", "seen", "--size", "64",
        "--layers", "relu2_1,relu1_1", "--top", "9", "--order", "variance",
    )  # fmt: skip


def test_a_run_says_what_it_does_and_where_to_look(finished, real_folder):
    assert finished.returncode == 0, finished.stderr
    first, *layers, last = finished.stderr.splitlines()
    assert "64×51 px · 2 layers · caffe VGG-19" in first
    assert layers == ["relu1_1 · 1/2", "relu2_1 · 2/2"]
    assert last.startswith("wrote seen: 2 layers in") and last.endswith("open seen/index.html")
    record = read_settings(real_folder / "seen" / "channels-relu1_1.png")
    assert record["content"] == "content.png" and record["options"]["top"] == 9
    assert json.loads((real_folder / "seen" / "features.json").read_text())["features"] == [
        "relu1_1", "relu2_1"
    ]  # fmt: skip


def test_a_painted_picture_is_shown_beside(folder):
    done = run_jnst(
        folder, "features", "content.png", "--beside", "style.png", "-o", "both", "--size", "64",
        "--layers", "relu1_1", "--by-channel", "--quiet",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert jnst.load_image(folder / "both" / "difference-relu1_1.png").shape == (51, 64, 3)
    again = run_jnst(
        folder, "features", "content.png", "-o", "both", "--layers", "relu1_1", "--quiet"
    )
    assert (again.returncode, again.stderr) == (0, "")
    assert not (folder / "both" / "difference-relu1_1.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png"], "none.png cannot be read"),
        (["content.png", "--layers", "relu1_7"], "--layers must be one of"),
        (["content.png", "--layers", "relu1_7"], "did you mean 'relu1_"),
        (["content.png", "--top", "10000"], "--top must be at most 1024, got 10000"),
        (["content.png", "--top", "0"], "--top must be at least 1"),
        (["content.png", "--order", "size"], "--order must be one of number, variance"),
        (["content.png", "--size", "20"], "--size must be at least 32"),
        (["content.png", "-o", "content.png"], "content.png is a file"),
        (["content.png", "-o", "."], "is not empty and not of jnst features"),
        (["content.png", "-o", "cache"], "is not empty and not of jnst features"),
        (["content.png", "--beside", "other.png"], "other.png cannot be read"),
        (["content.png", "--network", "vgg17"], "--network must be one of"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(folder, arguments, message):
    before = sorted(path.name for path in folder.iterdir())
    out = [] if "-o" in arguments else ["-o", "never"]
    done = run_jnst(folder, "features", *arguments, *out)
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1], done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_ctrl_c_writes_nothing(folder, monkeypatch):
    import contextlib

    from jnst.cli import features

    @contextlib.contextmanager
    def pressed():
        yield lambda: True

    monkeypatch.setattr(features, "interrupts", pressed)
    done = run_jnst(folder, "features", "content.png", "-o", "stopped", "--size", "64")
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "interrupted; nothing was written"
    assert not (folder / "stopped").exists() and not list(folder.glob(".jnst*"))


def test_sheets_of_a_picture_in_the_folder_are_not_written_over_it(folder):
    run_jnst(folder, "features", "content.png", "-o", "own", "--layers", "relu1_1", "--quiet")
    sheet = "own/channels-relu1_1.png"
    before = (folder / sheet).read_bytes()
    done = run_jnst(folder, "features", sheet, "-o", "own", "--layers", "relu1_1")
    assert done.returncode == 2 and "is the photo itself" in done.stderr
    assert (folder / sheet).read_bytes() == before


def test_maps_are_enlarged_from_the_numbers_of_the_library(finished, real_folder, model):
    (maps,) = jnst.visualize.feature_maps(
        model, jnst.load_image(real_folder / "content.png", 64), ["relu1_1"]
    )
    sheet = jnst.load_image(real_folder / "seen" / "channels-relu1_1.png")
    channel = maps.ordered("variance")[0]
    factor = 2048 // (round((9 * 51 / 64) ** 0.5) * 64)
    tile = sheet[4 : 4 + 51 * factor : factor, 4 : 4 + 64 * factor : factor, 0]
    wanted = np.clip(maps.values[..., channel] / maps.scale, 0, 1)
    np.testing.assert_allclose(tile, wanted, atol=0.01)
