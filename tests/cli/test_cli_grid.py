"""`jnst grid` from files to a folder, as a user would run it."""

import csv
import json
import re
import signal
import time

import numpy as np
import pytest
from commands import put_weights, run_jnst, start_jnst

import jnst
from jnst.cli.arguments import numbers
from jnst.grid.folder import names_of
from jnst.image.pictures import read_picture, read_settings

CELLS = ["alpha1_beta2.png", "alpha1_beta20.png"]
FILES = {*CELLS, "grid.json", "grid.csv", "sheet.png", "trade-off.png"}
QUICK = (
    *("--size", "48", "--steps", "2", "--style-loss", "gram", "--quiet", "--precision", "highest"),
    *("--content-layers", "relu2_1", "--finish", "0"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, weights_file, pictures):
    """A folder with content.png (half of it transparent) and style.png."""
    folder = tmp_path_factory.mktemp("pictures")
    put_weights(folder, weights_file)
    content, style = pictures
    alpha = np.ones(content.shape[:2])
    alpha[:, :40] = 0.5
    jnst.save_image(folder / "content.png", content, alpha=alpha)
    jnst.save_image(folder / "style.png", style)
    jnst.save_image(folder / "other.png", 1 - style)
    return folder


@pytest.fixture(scope="module")
def made(folder):
    """A finished grid of two cells."""
    assert run(folder, "--beta", "2:20:2", output="made").returncode == 0
    return folder / "made"


def run(folder, *options, output, style="style.png"):
    """A quick grid."""
    return run_jnst(folder, "grid", "content.png", style, *QUICK, "-o", output, *options)


def refused(folder, *options, output, **inputs):
    """The one line that a mistake is answered with."""
    done = run(folder, *options, output=output, **inputs)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("jnst grid: error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_folder_of_pictures_a_table_and_sheets(made):
    assert {path.name for path in made.iterdir()} == FILES
    with open(made / "grid.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == CELLS
    assert [(row["alpha"], row["beta"]) for row in rows] == [("1", "2"), ("1", "20")]
    for row in rows:
        total = float(row["content_loss"]) + float(row["beta"]) * float(row["style_loss"])
        total += 0.1 * float(row["variation_loss"])
        assert float(row["total_loss"]) == pytest.approx(total, rel=1e-4)
        assert (row["steps"], row["reason"]) == ("2", "finished")


def test_a_cell_is_what_stylize_makes_with_its_settings(made, folder):
    output = folder / "single.png"
    like = "--like", made / CELLS[1], "-o", output, "--quiet"
    assert run_jnst(folder, "stylize", "content.png", "style.png", *like).returncode == 0
    cell, single = read_picture(made / CELLS[1]), read_picture(output)
    np.testing.assert_allclose(cell.pixels, single.pixels, atol=1.5 / 255)
    np.testing.assert_array_equal(cell.alpha, single.alpha)
    record, options = read_settings(made / CELLS[1]), read_settings(output)["options"]
    assert record["options"] == options
    assert record["losses"].keys() == {"content", "style", "variation", "total"}


def test_the_same_command_again_runs_nothing(made, folder):
    before = {path: path.stat().st_mtime_ns for path in made.glob("alpha*")}
    sheet, table = (made / name for name in ("sheet.png", "grid.csv"))
    kept = table.read_text()
    sheet.unlink()
    assert run(folder, "--beta", "2,20", output=made).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in made.glob("alpha*")} == before
    assert table.read_text() == kept
    assert sheet.exists()


def test_a_missing_cell_is_made_again_and_no_other(made, folder):
    before = (made / CELLS[0]).stat().st_mtime_ns
    image = jnst.load_image(made / CELLS[1])
    (made / CELLS[1]).unlink()
    assert run(folder, "--beta", "2,20", output=made).returncode == 0
    assert (made / CELLS[0]).stat().st_mtime_ns == before
    np.testing.assert_allclose(jnst.load_image(made / CELLS[1]), image, atol=1.5 / 255)


def test_every_axis_has_its_place_in_name_and_table(folder, tmp_path):
    done = run(
        folder,
        *("--init", "noise", "--seed", "3,8", "--styles", str(folder / "other.png")),
        *("--style-layers", "relu1_1:1", "--style-layers", "relu2_1:1,relu3_1:0.5"),
        *("--steps", "1"),
        output=tmp_path / "many",
    )
    assert done.returncode == 0
    names = {path.name for path in (tmp_path / "many").glob("alpha*")}
    assert len(names) == 8
    assert "alpha1_beta2.5_style-other_style-layers2_seed8.png" in names
    with open(tmp_path / "many" / "grid.csv") as file:
        last = list(csv.DictReader(file))[-1]
    wanted = {"style": "other", "style_layers": "relu2_1:1 relu3_1:0.5", "seed": "8"}
    assert last.items() >= wanted.items()


def test_added_styles_are_blended_with_every_style(folder, tmp_path):
    blend = "--add-style", str(folder / "content.png"), "--style-weights", "2,1"
    blend += "--style-layers", "relu1_1"
    options = *blend, "--styles", str(folder / "other.png")
    assert run(folder, *options, output=tmp_path / "out").returncode == 0
    for style in ("style", "other"):
        cell = tmp_path / "out" / f"alpha1_beta2.5_style-{style}.png"
        single = tmp_path / f"{style}.png"
        command = "stylize", "content.png", f"{style}.png", *QUICK, *blend, "-o", single
        assert run_jnst(folder, *command).returncode == 0
        pixels = read_picture(cell).pixels
        np.testing.assert_allclose(pixels, read_picture(single).pixels, atol=1.5 / 255)
        record = read_settings(cell)
        assert record["style"] == f"{style}.png, content.png"
        assert record["options"]["style_weights"] == [2, 1]
    assert run(folder, *options, output=tmp_path / "out").returncode == 0  # which is this very grid
    like = "--like", str(tmp_path / "style.png"), *options[-2:]
    assert run(folder, *like, output=tmp_path / "out").returncode == 0  # and so is this
    options = "--add-style", str(folder / "style.png"), *options[2:]
    assert "differs in added styles" in refused(folder, *options, output=tmp_path / "out")


def test_names_that_would_be_one_are_told_apart(folder, tmp_path):
    other = jnst.load_image(folder / "other.png")
    jnst.save_image(tmp_path / "a b.png", other)
    jnst.save_image(tmp_path / "a-b.png", other / 2)
    styles = "--styles", str(tmp_path / "a b.png"), "--styles", str(tmp_path / "a-b.png")
    for _ in range(2):  # and the same command finds them again
        assert run(folder, *styles, output=tmp_path / "out").returncode == 0
        assert len(list((tmp_path / "out").glob("alpha*"))) == 3


def test_each_content_keeps_its_own_alpha(folder, tmp_path, pictures):
    jnst.save_image(tmp_path / "opaque.png", 1 - pictures[0])
    contents = "--contents", str(tmp_path / "opaque.png")
    assert run(folder, *contents, output=tmp_path / "out").returncode == 0
    first, second = sorted((tmp_path / "out").glob("alpha*"))
    assert "content-content" in first.name and "content-opaque" in second.name
    assert read_picture(first).alpha is not None
    assert read_picture(second).alpha is None


def test_a_cell_painted_anew_by_hand_is_not_taken_for_the_grids(made, folder):
    cell = made / CELLS[0]
    kept = cell.read_bytes()
    jnst.save_image(cell, jnst.load_image(cell), settings={"options": {}})
    error = refused(folder, "--beta", "2,20", output=made)
    assert "is not of this grid; move it away" in error
    cell.write_bytes(kept[:300])
    error = refused(folder, "--beta", "2,20", output=made)
    assert "is damaged; delete it, and it will be made anew" in error
    cell.write_bytes(kept)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beta", "-1,2"], "write a value that begins with a dash after =, as in --seed=-1"),
        (["--alpha", ""], "argument --alpha: '' is not a number"),
        (["--alpha", "1,b"], "argument --alpha: 'b' is not a number"),
        (["--beta", "1:10"], "'1:10' is not a range; write FROM:TO:COUNT, as in 0.5:8:5"),
        (["--beta", "0:10:3"], "'0:10:3' must have both ends above 0"),
        (["--beta", "1:10:1"], "'1:10:1' has 1 values; a range can have 2 to 1,000,000"),
        (
            ["--beta", "1:9:1000", "--alpha", "1:9:1000"],
            "a grid has at most 10,000 cells, got 1,000,000",
        ),
        (["--beta", "5,7,5.0"], "--beta must have every value once, and 5 repeats another"),
        (["--beta", "1,nan"], "--beta must be finite, got nan"),
        (["--alpha", "0,1", "--beta", "0,1"], "alpha and beta are both 0"),
        (["--seed", "1,2"], "several seeds need --init noise"),
        (["--seed", "1,1", "--init", "noise"], "--seed must have every value once"),
        (["--seed=-1", "--init", "noise"], "--seed must be at least 0, got -1"),
        (["--style-layers", "relu1_1", "--style-layers", "relu1"], "got 'relu1' (did you mean"),
        (["--styles", "nowhere.png"], "nowhere.png cannot be read"),
        (["--style-weights", "2,1"], "--style-weights must have a weight for each style image"),
        (["--batch", "0"], "--batch must be at least 1, got 0"),
        (["--batch", "all"], "--batch must be auto or a whole number, got 'all'"),
        (["--distributed", "here,1"], "--distributed must be HOST:PORT,COUNT,NUMBER"),
        (["--distributed", "here:1,2,2"], "with a NUMBER from 0 to COUNT - 1"),
        (["--steps", "3,4"], "--steps and sizes must have the same length"),
        (["--size", "20"], "--size must be at least 32, got 20"),
        (["--bet", "1", "--alpa", "2"], "there is no option --alpa (did you mean '--alpha'?)"),
    ],
)
def test_a_mistake_is_told_in_one_line(folder, tmp_path, options, message):
    assert message in refused(folder, *options, output=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_another_grid_in_the_folder_is_not_touched(made, folder):
    before = {path: path.read_bytes() for path in made.iterdir()}
    error = refused(folder, "--beta", "2,30", "--gamma", "1", output=made)
    assert "holds another grid (it differs in beta, gamma); choose another folder" in error
    error = refused(folder, "--beta", "2,20", output=made, style="other.png")
    assert "it differs in style)" in error
    assert {path: path.read_bytes() for path in made.iterdir()} == before


def test_files_of_other_origin_are_not_overwritten(made, folder, tmp_path):
    (tmp_path / "grid.csv").write_text("mine")
    error = refused(folder, "--beta", "2,20", output=tmp_path)
    assert "grid.csv is not of this grid; choose another folder" in error
    assert [path.name for path in tmp_path.iterdir()] == ["grid.csv"]
    kept = (made / CELLS[0]).read_bytes()
    jnst.save_image(made / CELLS[0], np.ones((48, 48, 3)))
    assert "is not of this grid; move it away" in refused(folder, "--beta", "2,20", output=made)
    (made / CELLS[0]).write_bytes(kept)


def test_a_damaged_record_is_told(made, folder):
    kept = (made / "grid.json").read_text()
    for text in ("{", "[1, 2]", json.dumps(None)):
        (made / "grid.json").write_text(text)
        error = refused(folder, "--beta", "2,20", output=made)
        assert "grid.json is damaged; choose another folder" in error
    (made / "grid.json").write_text(kept)


def test_a_grid_that_does_not_fit_leaves_no_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("jnst.execution.memory.free_bytes", lambda device: 10**4)
    error = refused(folder, output=tmp_path / "out")
    assert re.search(r"needs [\d.]+ GiB of memory", error) and "choose a smaller size" in error
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(folder, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(folder, output=tmp_path / "file")
    assert "does not exist" in refused(folder, output=tmp_path / "no" / "where")


def test_diverged_cells_are_written_and_told(folder, tmp_path):
    options = "--weighing", "paper", "--alpha", "0", "--beta", "1,1e30"
    done = run(folder, *options, output=tmp_path / "out")
    assert done.returncode == 1
    assert "the loss was no longer finite in 1 of 2 cells, the first" in done.stderr
    assert read_settings(tmp_path / "out" / "alpha0_beta1e30.png")["reason"] == "diverged"
    assert run(folder, *options, output=tmp_path / "out").returncode == 1  # nor is it run again


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_grid_continues_and_redoes_nothing(folder, tmp_path, how):
    output = tmp_path / "out"
    command = (
        "grid", "content.png", "style.png", "--beta", "1,2,3", "--size", "64", "--steps", "400",
        "--batch", "1", "--style-loss", "gram", "-o", output, "--precision", "highest",
        "--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1",
    )  # fmt: skip
    process = start_jnst(folder, *command)
    deadline = time.monotonic() + 240
    while not (output / "alpha1_beta1.png").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(how)
    _, errors = process.communicate(timeout=120)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command continues" in errors
        assert (output / "sheet.png").exists()
    names = {path.name for path in output.iterdir()}
    assert "alpha1_beta3.png" not in names
    first = (output / "alpha1_beta1.png").stat().st_mtime_ns
    again = run_jnst(folder, *command)
    assert again.returncode == 0
    assert "3 cells, 1 of them finished before" in again.stderr
    assert "cells 1–1/2 · step" in again.stderr
    assert (output / "alpha1_beta1.png").stat().st_mtime_ns == first
    assert len(list(output.glob("alpha*"))) == 3


def test_numbers_and_ranges():
    assert numbers("1") == (1,)
    assert numbers("1,10,0.5") == (1, 10, 0.5)
    assert numbers("1e2:1e5:4,7") == (100, 1000, 10000, 100000, 7)
    assert numbers("1:10:3") == (1, 3.16, 10)
    assert numbers("1:1.001:3") == (1, 1.0005, 1.001)
    assert numbers("8:1:4") == (8, 4, 2, 1)


def test_pictures_of_one_name_are_numbered():
    assert names_of(["a/x.png", "b/X.jpg"]) == ["1-x", "2-X"]
