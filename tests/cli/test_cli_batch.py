"""Several contents in one command: what is painted, named, carried and refused."""

import argparse
import contextlib
import csv
import socket

import numpy as np
import pytest
from commands import put_weights, run_jnst, start_jnst

import jnst
from jnst.cli.grid import add_arguments as add_arguments_of_grid
from jnst.cli.job import read_input
from jnst.cli.options import choose
from jnst.cli.preview import Preview
from jnst.image.pictures import read_picture, read_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, weights_file):
    folder = tmp_path_factory.mktemp("batch")
    content, style = pictures
    alpha = np.linspace(0.2, 1, content.shape[1], dtype=np.float32) * np.ones((64, 1), np.float32)
    jnst.save_image(folder / "a.png", content, alpha=alpha)
    jnst.save_image(folder / "b.png", content[::-1])
    jnst.save_image(folder / "tall.png", content.transpose(1, 0, 2))
    jnst.save_image(folder / "long.png", content[:40])
    jnst.save_image(folder / "style.png", style)
    (folder / "sub").mkdir()
    jnst.save_image(folder / "sub" / "a.png", content[:, ::-1])
    put_weights(folder, weights_file)
    return folder


SHALLOW = "--content-layers", "relu2_1", "--style-layers", "relu1_1", "--style-loss", "gram"
"""Which compile in a second."""
FEW = "--size", "64", "--steps", "3", "--precision", "highest", *SHALLOW


def test_every_content_becomes_the_picture_that_it_becomes_alone(folder, file_model):
    blend = "--add-style", "b.png", "--style-weights", "1,3"
    ran = run_jnst(
        folder, "stylize", "a.png", "b.png", "tall.png", "style.png", "-o", "painted", *FEW, *blend
    )
    assert ran.returncode == 0, ran.stderr
    assert "3 pictures of 2 shapes" in ran.stderr
    assert "a.png, b.png, tall.png · step" in ran.stderr
    assert "wrote painted: 3 of 3 pictures" in ran.stderr
    names = sorted(path.name for path in (folder / "painted").iterdir())
    assert names == ["a.png", "b.png", "tall.png"]
    styles = [jnst.load_image(folder / name, 64) for name in ("style.png", "b.png")]
    layers = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1"], "style_loss": "gram"}
    for name in names:
        content = read_input(str(folder / name), 64).pixels
        alone = jnst.stylize(
            file_model, content, styles, style_weights=(1, 3), steps=3, **layers
        ).image
        painted = read_picture(folder / "painted" / name)
        np.testing.assert_allclose(painted.pixels, alone, atol=1.5 / 255)
        record = read_settings(folder / "painted" / name)
        assert record["content"] == name and record["style"] == "style.png, b.png"
        assert record["options"]["steps"] == 3
    alpha = read_picture(folder / "painted" / "a.png").alpha
    np.testing.assert_allclose(alpha, read_picture(folder / "a.png", 64).alpha, atol=1 / 255)
    assert read_picture(folder / "painted" / "b.png").alpha is None


PAIR = "stylize", "a.png", "b.png", "style.png"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def plain(folder):
    """The two contents painted without anything else."""
    assert run_jnst(folder, *PAIR, "-o", "plain", "--quiet", *FEW).returncode == 0
    return folder / "plain"


def test_an_interruption_keeps_what_is_written(folder, monkeypatch):
    @contextlib.contextmanager
    def after_the_first():
        yield lambda: (folder / "kept" / "a.png").exists()

    monkeypatch.setattr("jnst.cli.batch.interrupts", after_the_first)
    command = "stylize", "a.png", "long.png", "style.png", "-o", "kept", *FEW
    ran = run_jnst(folder, *command)
    assert ran.returncode == 130
    assert names(folder / "kept") == ["a.png"]
    assert "1 of 2 pictures" in ran.stderr and "with --resume continues" in ran.stderr
    monkeypatch.undo()
    before = (folder / "kept" / "a.png").stat().st_mtime_ns
    again = run_jnst(folder, *command, "--resume")
    assert again.returncode == 0, again.stderr
    assert "2 of 2 pictures, 1 of them before" in again.stderr
    assert (folder / "kept" / "a.png").stat().st_mtime_ns == before
    assert names(folder / "kept") == ["a.png", "long.png"]
    third = run_jnst(folder, *command, "--resume")
    assert "2 of 2 pictures, 2 of them before" in third.stderr and "step" not in third.stderr


def test_resume_paints_anew_what_other_settings_made(folder, plain):
    before = {path: path.stat().st_mtime_ns for path in plain.iterdir()}
    (plain / "b.png").unlink()
    assert run_jnst(folder, *PAIR, "-o", "plain", "--quiet", *FEW, "--resume").returncode == 0
    assert (plain / "a.png").stat().st_mtime_ns == before[plain / "a.png"]
    assert (plain / "b.png").exists()
    other = run_jnst(folder, *PAIR, "-o", "plain", *FEW, "--resume", "--beta", "6")
    assert other.returncode == 0 and "of them before" not in other.stderr
    assert run_jnst(folder, *PAIR, "-o", "plain", "--quiet", *FEW).returncode == 0


def test_losses_and_pictures_on_the_way_are_written_of_every_content(folder, plain):
    on_the_way = "--log", "all.csv", "--save-every", "2"
    ran = run_jnst(folder, *PAIR, "-o", "way", "--quiet", *FEW, *on_the_way)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert names(folder / "way") == ["a-00002.png", "a.png", "b-00002.png", "b.png"]
    with open(folder / "all.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["step"], row["size"]) for row in rows] == [
        (file, str(step), "64") for file in ("a.png", "b.png") for step in (1, 2, 3)
    ]
    assert all(float(row["total"]) > 0 for row in rows)
    assert (folder / "way" / "a.png").read_bytes() == (plain / "a.png").read_bytes()
    assert read_picture(folder / "way" / "a-00002.png").alpha is not None


def test_masks_palettes_tiles_and_tolerance_are_those_of_one_content(folder):
    left = np.zeros((64, 80, 3), np.float32)
    left[:, :40] = 1
    jnst.save_image(folder / "left.png", left)
    jnst.save_image(folder / "right.png", 1 - left)
    every = (
        *("--add-style", "b.png", "--region", "left.png", "--region", "right.png"),
        *("--keep", "left.png", "--colors", "pca", "--palette", "tall.png", "--tolerance", "1"),
        *("--tile", "50"),
    )
    ran = run_jnst(folder, *PAIR, "-o", "every", "--quiet", *FEW, *every)
    assert (ran.returncode, ran.stderr) == (0, "")
    for name in ("a", "b"):
        alone = "stylize", f"{name}.png", "style.png", "-o", f"every-{name}.png", "--quiet"
        assert run_jnst(folder, *alone, *FEW, *every).returncode == 0
        one, several = folder / f"every-{name}.png", folder / "every" / f"{name}.png"
        close = 1.5 / 255
        np.testing.assert_allclose(
            read_picture(several).pixels, read_picture(one).pixels, atol=close
        )
        assert read_settings(several)["options"] == read_settings(one)["options"]


def test_equal_pictures_are_painted_once_and_written_to_each_name(folder, plain):
    (folder / "same.png").write_bytes((folder / "b.png").read_bytes())
    command = "stylize", "a.png", "b.png", "same.png", "style.png", "-o", "equal", *FEW
    ran = run_jnst(folder, *command)
    assert ran.returncode == 0, ran.stderr
    assert "3 of 3 pictures" in ran.stderr
    assert names(folder / "equal") == ["a.png", "b.png", "same.png"]
    pixels = {name: read_picture(folder / "equal" / name).pixels for name in ("b.png", "same.png")}
    np.testing.assert_array_equal(pixels["b.png"], pixels["same.png"])
    np.testing.assert_array_equal(pixels["b.png"], read_picture(plain / "b.png").pixels)


def test_what_cannot_be_read_is_named_and_the_others_are_painted(folder):
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:300])
    (folder / "words.jpg").write_text("no picture")
    jnst.save_image(folder / "dot.png", np.ones((1, 1, 3)))
    bad = "broken.png", "words.jpg", "dot.png", "missing.png"
    command = "stylize", bad[0], "a.png", *bad[1:], "b.png", "style.png"
    ran = run_jnst(folder, *command, "-o", "good", *FEW)
    assert ran.returncode == 1
    assert names(folder / "good") == ["a.png", "b.png"]
    said = [line for line in ran.stderr.splitlines() if line.startswith("jnst stylize: ")]
    assert len(said) == 4 and all(any(file in line for line in said) for file in bad)
    assert "2 of 2 pictures" in ran.stderr and "4 could not be painted" in ran.stderr
    strict = run_jnst(folder, *command, "-o", "strict", "--strict", *FEW)
    assert strict.returncode == 2 and strict.stderr.count("\n") == 1
    assert all(file in strict.stderr for file in bad)
    assert not (folder / "strict").exists()


def test_a_checkpoint_continues_to_the_same_bits(folder, plain, monkeypatch):
    kept = "--checkpoint", "pair.npz", "--checkpoint-every", "1"

    @contextlib.contextmanager
    def after_two_steps():
        count = iter([False, True])
        yield lambda: next(count, True)

    with monkeypatch.context() as patch:
        patch.setattr("jnst.cli.batch.interrupts", after_two_steps)
        ran = run_jnst(folder, *PAIR, "-o", "bits", *FEW, *kept)
    assert ran.returncode == 130, ran.stderr
    # What was being painted is written as well, and says that it is not finished.
    record = read_settings(folder / "bits" / "a.png")
    assert (record["steps"], record["reason"]) == (2, "stopped")
    other = run_jnst(folder, *PAIR, "-o", "bits", *FEW, *kept, "--resume", "--beta", "7")
    assert other.returncode == 2 and "pair.npz is of another run" in other.stderr
    again = run_jnst(folder, *PAIR, "-o", "bits", *FEW, *kept, "--resume")
    assert again.returncode == 0, again.stderr
    assert "step 3/3" in again.stderr and "step 1/3" not in again.stderr
    for name in ("a.png", "b.png"):
        assert (folder / "bits" / name).read_bytes() == (plain / name).read_bytes()
    assert "reason" not in read_settings(folder / "bits" / "a.png")


def test_the_page_shows_several_contents(folder, plain, monkeypatch):
    shown = []

    class Page(Preview):
        def finish(self, image, reason):
            shown.append((image.shape, reason, self.step, self.steps))

    monkeypatch.setattr("jnst.cli.batch.Preview", Page)
    ran = run_jnst(folder, *PAIR, "-o", "page", "--quiet", *FEW, "--preview")
    assert ran.returncode == 0
    assert ran.stderr.startswith("preview at http://127.0.0.1:")
    assert shown == [((51, 128, 3), "finished", 3, 3)]
    assert (folder / "page" / "b.png").read_bytes() == (plain / "b.png").read_bytes()


MISTAKES = {
    "no folder": (["a.png", "b.png", "style.png"], "several contents need a folder"),
    "a picture's name": (["a.png", "b.png", "style.png", "-o", "x.png"], "must name a folder"),
    "a file": (["a.png", "b.png", "style.png", "-o", "style.png"], "style.png is a file"),
    "log": (["a.png", "b.png", "style.png", "-o", "x", "--log", "l.txt"], "--log must be a .csv"),
    "save-every": (
        ["a.png", "b.png", "style.png", "-o", "x", "--save-every", "0"],
        "--save-every must be at least 1, got 0",
    ),
    "over an input": (["b.png", "a.png", "style.png", "-o", "."], "is the content itself"),
    "a page for many processes": (
        ["a.png", "b.png", "style.png", "-o", "x", "--preview", "--distributed", "auto"],
        "--preview and --distributed are mutually exclusive",
    ),
    "one content for many processes": (
        ["a.png", "style.png", "--distributed", "auto"],
        "--distributed needs several contents",
    ),
    "all unreadable": (["none.png", "neither.png", "style.png", "-o", "x"], "neither.png"),
    "missing": (["a.png", "none.png", "style.png", "-o", "x", "--strict"], "none.png"),
    "preset": (["a.png", "style.png", "--preset", "papr"], "(did you mean 'paper'?)"),
    "preset and like": (
        ["a.png", "style.png", "--preset", "paper", "--like", "b.png"],
        "--like and --preset are mutually exclusive",
    ),
    "quality": (["a.png", "style.png", "--quality", "bets"], "(did you mean 'best'?)"),
    "quality and steps": (
        ["a.png", "style.png", "--quality", "best", "--steps", "5"],
        "--quality and --steps are mutually exclusive",
    ),
    "quality and preset": (
        ["a.png", "style.png", "--quality", "best", "--preset", "paper"],
        "--quality and --preset are mutually exclusive",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_in_one_line_before_anything_is_written(folder, name):
    arguments, message = MISTAKES[name]
    before = sorted(folder.rglob("*"))
    ran = run_jnst(folder, "stylize", *arguments)
    assert ran.returncode == 2
    assert message in ran.stderr and ran.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_given_options_override_a_preset_and_one_size_stays_one(folder):
    several = ["a.png", "sub/a.png", "style.png", "-o", "of-preset"]
    given = *SHALLOW, "--size", "48", "--steps", "2", "--beta", "7"
    ran = run_jnst(folder, "stylize", *several, "--preset", "paper", *given)
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.name for path in (folder / "of-preset").iterdir()) == ["1-a.png", "2-a.png"]
    options = read_settings(folder / "of-preset" / "2-a.png")["options"]
    chosen = {name: options[name] for name in ("sizes", "steps", "beta", "size")}
    assert chosen == {"sizes": [48], "steps": 2, "beta": 7, "size": 48}
    assert [options[name] for name in ("weighing", "optimizer", "init", "pooling")] == [
        *("paper", "lbfgs", "noise", "average"),
    ]


@pytest.mark.parametrize("name", jnst.QUALITIES)
def test_a_quality_is_the_settings_of_its_name(name):
    parser = argparse.ArgumentParser()
    add_arguments_of_grid(parser)
    _, settings = choose(parser.parse_args(["a.png", "style.png", "--quality", name]))
    assert settings == jnst.Settings(**jnst.QUALITIES[name])
    _, plain = choose(parser.parse_args(["a.png", "style.png"]))
    assert (settings == plain) is (name == "normal")


def test_a_quality_comes_before_the_steps_of_like(folder):
    parser = argparse.ArgumentParser()
    add_arguments_of_grid(parser)
    made = jnst.load_image(folder / "a.png")
    record = {"jnst": "0.5.0", "options": {"steps": 7, "beta": 3.0}}
    jnst.save_image(folder / "like.png", made, settings=record)
    line = ["a.png", "style.png", "--like", str(folder / "like.png")]
    steps = [
        choose(parser.parse_args([*line, *more]))[1].steps for more in ([], ["--quality", "normal"])
    ]
    assert steps == [7, jnst.Settings.steps]


@pytest.mark.parametrize(
    ("size", "sizes", "steps"), [(0, (512, 1024), (500, 200)), (768, None, 700)]
)
def test_grids_take_presets_and_a_size_replaces_several(size, sizes, steps):
    parser = argparse.ArgumentParser()
    add_arguments_of_grid(parser)
    given = ["--size", str(size)] if size else []
    args = parser.parse_args(["a.png", "style.png", "--preset", "multiscale", *given])
    _, settings = choose(args)
    assert (settings.sizes, settings.steps, settings.optimizer) == (sizes, steps, "lbfgs")


def test_two_processes_make_the_folder_of_one(folder, plain):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = *PAIR, "-o", "two", "--quiet", *FEW, "--save-every", "2", "--distributed"
    both = [
        start_jnst(folder, *command, f"{address},2,{number}", JAX_PLATFORMS="cpu")
        for number in (0, 1)
    ]
    for process in both:
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
    assert names(folder / "two") == ["a-00002.png", "a.png", "b-00002.png", "b.png"]
    for name in ("a.png", "b.png"):
        one, two = (read_picture(path / name).pixels for path in (plain, folder / "two"))
        np.testing.assert_allclose(two, one, atol=1.5 / 255)
