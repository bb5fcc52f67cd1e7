"""Several contents in one command: what is painted, named, carried and refused."""

import argparse
import contextlib

import numpy as np
import pytest
from commands import put_weights, run_jnst

import jnst
from jnst.cli.grid import add_arguments as add_arguments_of_grid
from jnst.cli.options import choose
from jnst.image.pictures import read_picture, read_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, weights_file):
    folder = tmp_path_factory.mktemp("batch")
    content, style = pictures
    alpha = np.linspace(0.2, 1, content.shape[1], dtype=np.float32) * np.ones((64, 1), np.float32)
    jnst.save_image(folder / "a.png", content, alpha=alpha)
    jnst.save_image(folder / "b.png", content[::-1])
    jnst.save_image(folder / "tall.png", content.transpose(1, 0, 2))
    jnst.save_image(folder / "style.png", style)
    (folder / "sub").mkdir()
    jnst.save_image(folder / "sub" / "a.png", content[:, ::-1])
    put_weights(folder, weights_file)
    return folder


SHALLOW = "--content-layers", "relu2_1", "--style-layers", "relu1_1"
"""Which compile in a second."""
FEW = "--size", "64", "--steps", "3", "--precision", "highest", *SHALLOW


def test_every_content_becomes_the_picture_that_it_becomes_alone(folder, file_model):
    blend = "--add-style", "b.png", "--style-weights", "1,3"
    ran = run_jnst(
        folder, "stylize", "a.png", "b.png", "tall.png", "style.png", "-o", "painted", *FEW, *blend
    )
    assert ran.returncode == 0, ran.stderr
    assert "3 pictures of 2 shapes" in ran.stderr
    assert "a.png, b.png · step" in ran.stderr
    assert "wrote painted: 3 of 3 pictures" in ran.stderr
    names = sorted(path.name for path in (folder / "painted").iterdir())
    assert names == ["a.png", "b.png", "tall.png"]
    styles = [jnst.load_image(folder / name, 64) for name in ("style.png", "b.png")]
    layers = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1"]}
    for name in names:
        content = jnst.load_image(folder / name, 64)
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


def test_an_interruption_keeps_what_is_written(folder, monkeypatch):
    @contextlib.contextmanager
    def after_the_first():
        yield lambda: (folder / "kept" / "a.png").exists()

    monkeypatch.setattr("jnst.cli.batch.interrupts", after_the_first)
    ran = run_jnst(folder, "stylize", "a.png", "tall.png", "style.png", "-o", "kept", *FEW)
    assert ran.returncode == 130
    assert [path.name for path in (folder / "kept").iterdir()] == ["a.png"]
    assert "1 of 2 pictures" in ran.stderr


MISTAKES = {
    "no folder": (["a.png", "b.png", "style.png"], "several contents need an output folder"),
    "a picture's name": (["a.png", "b.png", "style.png", "-o", "x.png"], "must name a folder"),
    "a file": (["a.png", "b.png", "style.png", "-o", "style.png"], "style.png is a file"),
    "log": (["a.png", "b.png", "style.png", "-o", "x", "--log", "l.csv"], "--log is for one"),
    "save-every": (
        ["a.png", "b.png", "style.png", "-o", "x", "--save-every", "2"],
        "--save-every is for one content, got 2",
    ),
    "over an input": (["b.png", "a.png", "style.png", "-o", "."], "is the content itself"),
    "twice": (["a.png", "a.png", "style.png", "-o", "x"], "are the same picture"),
    "missing": (["a.png", "none.png", "style.png", "-o", "x"], "none.png"),
    "preset": (["a.png", "style.png", "--preset", "papr"], "(did you mean 'paper'?)"),
    "preset and like": (
        ["a.png", "style.png", "--preset", "paper", "--like", "b.png"],
        "--like and --preset are mutually exclusive",
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
