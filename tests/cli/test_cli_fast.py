"""`jnst fast`: pictures in, pictures out, and one sentence for a mistake."""

import io
import json
import sys

import numpy as np
import pytest
from commands import put_weights, run_jnst
from tiny import tiny_decoder, tiny_weights

import jnst
from jnst.cli.job import read_input
from jnst.feedforward.adain import make_adain
from jnst.image.pictures import read_picture, read_settings
from jnst.nn.decoder_file import write_decoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, weights_file):
    folder = tmp_path_factory.mktemp("fast")
    content, style = pictures
    alpha = np.linspace(0.2, 1, content.shape[1], dtype=np.float32) * np.ones((64, 1), np.float32)
    jnst.save_image(folder / "a.png", content, alpha=alpha)
    jnst.save_image(folder / "b.png", content[::-1])
    jnst.save_image(folder / "style.png", style)
    mask = np.zeros((64, 80, 3), np.float32)
    mask[:, :40] = 1
    jnst.save_image(folder / "left.png", mask)
    jnst.save_image(folder / "all.png", np.ones((8, 10, 3), np.float32))
    put_weights(folder, weights_file)
    write_decoder(folder / "cache" / "adain.h5", tiny_decoder())
    return folder


EXACT = "--size", "64", "--precision", "highest"


def fast(folder, *arguments):
    return run_jnst(folder, "fast", *arguments, *EXACT)


@pytest.fixture(scope="module")
def adain():
    return make_adain(tiny_weights(), tiny_decoder(), precision="highest")


def test_a_picture(folder, adain):
    ran = fast(folder, "a.png", "style.png", "-o", "out.png", "--strength", "0.6")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("wrote out.png: 64×51 px in ")
    content = read_input(str(folder / "a.png"), 64)
    style = jnst.load_image(folder / "style.png", 64)
    painted = read_picture(folder / "out.png")
    expected = jnst.fast(adain, content.pixels, style, strength=0.6)
    np.testing.assert_allclose(painted.pixels, expected, atol=0.6 / 255)
    np.testing.assert_allclose(painted.alpha, content.alpha, atol=0.6 / 255)
    record = read_settings(folder / "out.png")
    assert (record["content"], record["style"], record["method"]) == ("a.png", "style.png", "fast")
    assert record["options"]["strength"] == 0.6
    assert record["options"]["matching"] == "mixed"
    assert run_jnst(folder, "info", "out.png").stdout.count("matching") == 1


def test_options_are_those_of_the_function(folder, adain):
    ran = fast(
        folder,
        *("b.png", "style.png", "-o", "blend.png", "--matching", "statistics", "--quiet"),
        *("--add-style", "a.png", "--region", "left.png", "--region", "left.png"),
        *("--style-weights", "2,1", "--keep", "rest", "--style-scale", "0.8"),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    content = jnst.load_image(folder / "b.png", 64)
    styles = [jnst.load_image(folder / name, 51) for name in ("style.png", "a.png")]
    left = jnst.load_mask(folder / "left.png", 64)
    expected = jnst.fast(
        adain,
        content,
        styles,
        matching="statistics",
        style_weights=(2, 1),
        style_scale=0.8,
        regions=[left, left],
        keep="rest",
    )
    painted = jnst.load_image(folder / "blend.png")
    np.testing.assert_allclose(painted, expected, atol=0.6 / 255)


def test_info_says_where_the_decoder_is(folder):
    said = run_jnst(folder, "info").stdout
    assert "decoder of jnst fast" in said and "adain.h5, converted, in the cache folder" in said


def test_several_pictures_and_one_that_cannot_be_read(folder):
    (folder / "broken.png").write_bytes(b"nothing")
    ran = fast(folder, "a.png", "broken.png", "b.png", "style.png", "-o", "painted")
    assert ran.returncode == 1
    assert "jnst fast: broken.png" in ran.stderr
    assert "wrote painted: 2 of 3 pictures" in ran.stderr and "1 could not be painted" in ran.stderr
    assert sorted(path.name for path in (folder / "painted").iterdir()) == ["a.png", "b.png"]
    assert fast(folder, "a.png", "style.png", "-o", "alone.png", "--quiet").returncode == 0
    one = jnst.load_image(folder / "alone.png")
    np.testing.assert_array_equal(jnst.load_image(folder / "painted" / "a.png"), one)


def test_standard_streams(folder, monkeypatch):
    data = io.BytesIO((folder / "b.png").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    ran = fast(folder, "-", "style.png", "-o", "piped.png", "--quiet")
    assert ran.returncode == 0, ran.stderr
    assert fast(folder, "b.png", "style.png", "-o", "file.png", "--quiet").returncode == 0
    piped, read = (jnst.load_image(folder / name) for name in ("piped.png", "file.png"))
    np.testing.assert_array_equal(piped, read)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.png"], "give a picture to paint and a style"),
        (["nothing.png", "style.png"], "nothing.png"),
        (["a.png", "style.png", "-o", "style.png"], "style.png is the style itself"),
        (["a.png", "style.png", "-o", "a.png"], "a.png is the content itself"),
        (["a.png", "style.png", "-o", "out.xyz"], "suffix of output"),
        (["a.png", "b.png", "style.png"], "several contents need a folder"),
        (["a.png", "style.png", "--matching", "ot"], "--matching must be one of"),
        (["a.png", "style.png", "--strength", "2"], "--strength must lie between 0 and 1, got 2"),
        (["a.png", "style.png", "--style-weights", "1,2"], "--style-weights must have a weight"),
        (["a.png", "style.png", "--decoder", "a.png"], "a.png is neither a PyTorch"),
        (["a.png", "style.png", "--decoder", "cache/vgg19.h5"], "holds a VGG network"),
        (["a.png", "style.png", "--weights", "cache/adain.h5"], "not a VGG network"),
        (["a.png", "style.png", "--keep", "all.png"], "--keep all.png leaves nothing to paint"),
        (["a.png", "style.png", "--colors", "luminance", "--palette", "b.png"], "--palette has no"),
    ],
)
def test_mistakes_are_one_sentence(folder, arguments, message):
    before = {path: path.read_bytes() for path in folder.glob("*.png")}
    ran = fast(folder, *arguments)
    assert ran.returncode == 2
    assert message in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr
    assert {path: path.read_bytes() for path in folder.glob("*.png")} == before


def test_json_for_scripts(folder):
    one = fast(folder, "a.png", "style.png", "-o", "one.png", "--json", "--quiet")
    assert one.returncode == 0 and not one.stderr
    line = json.loads(one.stdout)
    assert (line["content"], line["output"]) == ("a.png", "one.png")
    assert (line["width"], line["height"]) == (64, 51) and line["seconds"] > 0
    assert line["record"] == read_settings(folder / "one.png")
    (folder / "no.png").write_bytes(b"nothing")
    some = fast(folder, "a.png", "no.png", "b.png", "style.png", "-o", "some", "--json")
    assert some.returncode == 1
    lines = [json.loads(line) for line in some.stdout.splitlines()]
    assert [line["content"] for line in lines] == ["a.png", "no.png", "b.png"]
    assert "error" in lines[1] and lines[2]["output"] == "some/b.png"
    both = fast(folder, "a.png", "style.png", "-o", "-", "--json")
    assert both.returncode == 2 and "--json writes to standard output" in both.stderr


def test_a_grid_of_strengths(folder):
    ran = run_jnst(
        folder,
        *("grid", "a.png", "style.png", "--method", "fast", "--styles", "b.png", "-o", "sheet"),
        *("--strength", "0.3,1", *EXACT),
    )
    assert ran.returncode == 0, ran.stderr
    assert "wrote sheet: 4 cells and sheet.png in " in ran.stderr
    cell = folder / "sheet" / "style-style_strength0.3.png"
    assert read_settings(cell)["options"]["strength"] == 0.3
    alone = fast(folder, "a.png", "style.png", "-o", "alone.png", "--strength", "0.3")
    assert alone.returncode == 0, alone.stderr
    one, other = (read_picture(path) for path in (cell, folder / "alone.png"))
    np.testing.assert_allclose(one.pixels, other.pixels, atol=1.1 / 255)
    np.testing.assert_array_equal(one.alpha, other.alpha)
    assert jnst.load_image(folder / "sheet" / "sheet.png").shape[1] > 2 * 64
    assert run_jnst(
        folder,
        *("grid", "a.png", "style.png", "--method", "fast", "-o", "sheet", *EXACT),
    ).stderr.startswith("jnst grid: error: sheet holds another grid")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--method", "fast", "--beta", "3"], "--beta has no effect with --method fast"),
        (["--method", "fast", "--strength", "0.5,2"], "--strength must lie between 0 and 1, got 2"),
        (["--method", "fast", "--matching", "gram"], "--matching must be one of mixed"),
        (["--method", "slow"], "--method must be one of optimise, fast"),
        (["--strength", "0.5"], "--strength needs --method fast"),
    ],
)
def test_mistakes_with_a_grid_of_strengths_are_one_sentence(folder, arguments, message):
    ran = run_jnst(folder, "grid", "a.png", "style.png", *arguments, "-o", "none")
    assert ran.returncode == 2 and not (folder / "none").exists()
    assert message in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr
