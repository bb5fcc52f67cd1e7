"""`jnst reconstruct` as a user has it."""

import csv

import pytest
from commands import run_jnst

import jnst
from jnst.image.pictures import read_settings


def test_a_run_writes_figure_pictures_and_table(folder):
    done = run_jnst(
        folder, "reconstruct", "content.png", "style.png", "-o", "figure.png", "--size", "64",
        "--steps", "30", "--content-layers", "conv1_2,conv5_2", "--style-layers", "relu1_1,relu5_1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "64×51 px · 4 pictures · torchvision VGG" in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[-1].startswith("wrote figure.png: 4 pictures in")
    with open(folder / "figure.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["layers"] for row in rows] == ["conv1_2", "conv5_2", "relu1_1", "relu1_1+relu5_1"]
    assert float(rows[0]["psnr"]) > float(rows[1]["psnr"])
    for row in rows:
        assert jnst.load_image(folder / row["file"]).shape == (51, 64, 3)
        assert read_settings(folder / row["file"])["layers"] == row["layers"].split("+")
    height, width, _ = jnst.load_image(folder / "figure.png").shape
    assert width > 3 * 64 and height > 2 * 51
    assert read_settings(folder / "figure.png")["style"] == "style.png"


def test_a_photograph_alone_has_one_row(folder):
    done = run_jnst(
        folder, "reconstruct", "content.png", "-o", "one.png", "--size", "48", "--steps", "2",
        "--content-layers", "conv1_1", "--quiet",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in folder.glob("one*")) == [
        "one-content-conv1_1.png", "one.csv", "one.png"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png"], "none.png cannot be read"),
        (["content.png", "--content-layers", "conv1_9"], "--content-layers must be one of"),
        (["content.png", "style.png", "--style-layers", "relu0"], "--style-layers must be one of"),
        (["content.png", "--style-layers", "relu1_1"], "--style-layers needs a PAINTING"),
        (["content.png", "--steps", "0"], "--steps must be at least 1"),
        (["content.png", "--size", "8"], "--size must be at least 32"),
        (["content.png", "--seed", "-3"], "--seed must be at least 0"),
        (["content.png", "-o", "content.png"], "is the photo itself"),
        (["content.png", "-o", "-"], "which standard output cannot be"),
        (["content.png", "-o", "figure"], "the suffix of output figure must be one of"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(folder, arguments, message):
    before = sorted(path.name for path in folder.iterdir())
    out = [] if "-o" in arguments else ["-o", "never.png"]
    done = run_jnst(folder, "reconstruct", *arguments, *out)
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1], done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_files_beside_the_figure_are_checked_before_anything_is_rebuilt(folder):
    (folder / "beside.csv").mkdir()
    done = run_jnst(folder, "reconstruct", "content.png", "-o", "beside.png")
    assert done.returncode == 2 and "beside.csv is a folder" in done.stderr
    assert [path.name for path in folder.glob("beside*.png")] == []
