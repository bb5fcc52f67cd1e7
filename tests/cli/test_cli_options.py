"""What the options of `jnst stylize` do to the losses of the first step and to the picture."""

import csv
import dataclasses

import numpy as np
import pytest
from commands import run_jnst

import jnst
from jnst.image.pictures import read_settings
from jnst.image.resizing import resize, style_shape
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.weights import write_weights
from jnst.transfer.stylization import stylize

SHAPE = 32, 64
"""Which fills its canvas."""
QUICK = (
    *("--size", "64", "--steps", "1", "--init", "start.png", "--precision", "highest"),
    *("--colors", "free"),
    *("--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1", "--style-loss", "gram"),
)
"""Shallow layers, which compile in a second."""
NETWORK = {"pooling", "padding", "precision"}
STEP = {"step", "size"}
"""Columns of the log that are no losses."""


@pytest.fixture(scope="module")
def studio(folder, pictures, file_weights):
    """Half of the content, a picture to start from, and weights for which red is blue."""
    content = pictures[0][:40]
    jnst.save_image(folder / "content.png", content)
    jnst.save_image(folder / "start.png", 1 - content[::-1])
    kernel, bias = file_weights.layers["conv1_1"]
    swapped = file_weights.layers | {"conv1_1": (kernel[:, :, ::-1], bias)}
    write_weights(folder / "swapped.h5", dataclasses.replace(file_weights, layers=swapped))
    return folder


@pytest.fixture
def paint(studio, monkeypatch):
    """Paints with options: the picture and the losses that the log has of the first step."""
    monkeypatch.chdir(studio)

    def paint(*options):
        command = "stylize", "content.png", "style.png", *QUICK, *options
        output = "-o", "out.png", "--log", "out.csv"
        done = run_jnst(studio, *command, *output, "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        with open("out.csv") as file:
            first = next(csv.DictReader(file))
        losses = {term: float(value) for term, value in first.items() if term not in STEP}
        return jnst.load_image("out.png"), losses

    return paint


def expected(studio, weights, alpha=1.0, beta=2.5, gamma=0.1, photorealism=0.0, **chosen):
    """The losses of the picture that the run starts from, by the functions of the library."""
    network = {"precision": "highest"} | {name: chosen.pop(name) for name in NETWORK & {*chosen}}
    model = make_vgg(weights, **network)
    content, start = (jnst.load_image(studio / f"{name}.png", 64) for name in ("content", "start"))
    of_content = chosen.pop("content_layers", {"relu2_1": 1.0})
    of_style = chosen.pop("style_layers", {"relu1_1": 0.5, "relu2_1": 0.5})
    scale = chosen.pop("style_scale", 1.0)
    style = jnst.load_image(studio / "style.png", round(64 * scale))
    targets = jnst.make_targets(
        model,
        content,
        resize(style, style_shape(style, SHAPE, scale)),
        content_layers=tuple(of_content),
        style_layers=tuple(of_style),
        photorealism=photorealism > 0,
        **{"style_loss": "gram"} | chosen,
    )
    weights = jnst.LossWeights(alpha, beta, gamma, of_content, of_style, photorealism)
    return jnst.loss_terms(resize(start, SHAPE), (model, targets, weights))


SHOWN = {
    # option and value: what the library is told instead, and a loss that it changes
    "--alpha 3": ({"alpha": 3.0}, "total"),
    "--beta 30": ({"beta": 30.0}, "total"),
    "--gamma 2e3": ({"gamma": 2e3}, "total"),
    "--photorealism 1e6": ({"photorealism": 1e6}, "total"),
    "--weighing paper": ({"weighing": "paper"}, "content"),
    "--content-layers relu1_1:2": ({"content_layers": {"relu1_1": 2.0}}, "content"),
    "--style-layers relu1_1:3,relu2_1:1": (
        {"style_layers": {"relu1_1": 3.0, "relu2_1": 1.0}},
        "style",
    ),
    "--style-loss statistics": ({"style_loss": "statistics"}, "style"),
    "--style-scale 0.6": ({"style_scale": 0.6}, "style"),
    "--pooling average": ({"pooling": "average"}, "style"),
    "--padding replicate": ({"padding": "replicate"}, "content"),
    "--precision bfloat16": ({"precision": "bfloat16"}, "content"),
}


@pytest.mark.parametrize("option", SHOWN)
def test_the_first_losses_are_those_of_the_setting(paint, studio, file_weights, option):
    chosen, changed = SHOWN[option]
    image, losses = paint(*option.split())
    assert image.shape == (*SHAPE, 3)
    wanted = expected(studio, file_weights, **chosen)
    assert losses.keys() == wanted.keys()
    close = 0.02 if "precision" in chosen else 1e-3
    for term, value in wanted.items():
        assert losses[term] == pytest.approx(float(value), rel=close), term
    usual = float(expected(studio, file_weights)[changed])
    assert losses[changed] != pytest.approx(usual, rel=1e-5 if "precision" in chosen else 5e-3)


def test_other_weights_are_used_and_told(paint, studio):
    _, losses = paint("--weights", "swapped.h5")
    weights = open_weights(find_weights("swapped.h5"))
    for term, value in expected(studio, weights).items():
        assert losses[term] == pytest.approx(float(value), rel=1e-3)
    assert weights.sha256[:8] in read_settings("out.png")["weights"]


def test_the_seed_decides_the_noise(paint):
    first, second, again = (paint("--init", "noise", "--seed", seed)[0] for seed in "121")
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - second).mean() > 0.05


def test_a_number_of_px_makes_tiles(paint, monkeypatch):
    told = []

    def spy(*arguments, tile, **options):
        told.append(tile)
        return stylize(*arguments, tile=tile, **options)

    monkeypatch.setattr("jnst.cli.single.stylize", spy)
    whole, tiled = paint("--tile", "off"), paint("--tile", "40")
    assert told == [None, 40]
    np.testing.assert_allclose(tiled[0], whole[0], atol=1.5 / 255)
    assert tiled[1] == pytest.approx(whole[1], rel=1e-4)
