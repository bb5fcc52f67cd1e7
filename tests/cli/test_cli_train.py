"""`jnst train` and `jnst fast --network`: from a folder of photographs to a picture."""

import csv

import numpy as np
import pytest
from commands import put_weights, run_jnst

import jnst
from jnst.cli.photographs import read_photographs
from jnst.feedforward import load_painter, paint_with
from jnst.image.pictures import load_mask, read_picture, read_settings
from jnst.nn.painter_file import read_painter


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, weights_file):
    folder = tmp_path_factory.mktemp("train")
    content, style = pictures
    alpha = np.linspace(0.2, 1, content.shape[1], dtype=np.float32) * np.ones((64, 1), np.float32)
    jnst.save_image(folder / "a.png", content, alpha=alpha)
    jnst.save_image(folder / "gold.png", style)
    jnst.save_image(folder / "sea.png", content[::-1])
    (folder / "photos" / "more").mkdir(parents=True)
    (folder / "empty").mkdir()
    jnst.save_image(folder / "photos" / "one.png", content)
    jnst.save_image(folder / "photos" / "more" / "two.jpg", style.repeat(3, 0).repeat(3, 1))
    jnst.save_image(folder / "photos" / "small.png", content[:20, :20])
    (folder / "photos" / "broken.jpg").write_bytes(b"nothing")
    (folder / "photos" / "notes.txt").write_text("not a picture")
    left = np.zeros((64, 80, 3), np.float32)
    left[:, :40] = 1
    jnst.save_image(folder / "left.png", left)
    jnst.save_image(folder / "rest.png", 1 - left)
    put_weights(folder, weights_file)
    return folder


FEW = "--channels", "4", "--crop", "64", "--style-size", "64", "--batch", "1", "--steps", "4"
TRAIN = "train", "gold.png", "sea.png", "--photos", "photos"


@pytest.fixture(scope="module")
def trained(folder):
    ran = run_jnst(
        folder,
        *(*TRAIN, *FEW, "-o", "net.h5", "--log", "net.csv", "--save-every", "2"),
    )
    assert ran.returncode == 0, ran.stderr
    return ran


def test_a_network_and_what_is_said(folder, trained):
    assert "left out: photos/broken.jpg" in trained.stderr
    assert "photos/small.png has only 20×20 px, less than a crop of 64 px" in trained.stderr
    assert "training with 2 photographs at 64 px" in trained.stderr
    assert "wrote net.h5: 4 steps in " in trained.stderr
    painter = read_painter(folder / "net.h5")
    assert painter.styles == ("gold", "sea")
    assert painter.facts["steps"] == 4 and painter.facts["photographs"] == 2
    assert painter.facts["training"]["crop"] == 64
    assert set(painter.facts["paintings"]) == {"gold.png", "sea.png"}
    rows = list(csv.reader((folder / "net.csv").read_text().splitlines()))
    assert rows[0][:2] == ["step", "size"] and len(rows) == 5
    assert sorted(p.name for p in folder.glob("net-*.png")) == ["net-00002.png", "net-00004.png"]
    # Two photographs, and below them two styles of each; their middles have the size of the least.
    assert jnst.load_image(folder / "net-00004.png").shape[:2] == (3 * 64 + 12, 2 * 80 + 6)
    assert b"<svg" in (folder / "net-losses.svg").read_bytes()


def test_an_interrupted_training_goes_on(folder, trained, monkeypatch):
    """Stopped by what Ctrl-C sets, after two steps."""
    from contextlib import contextmanager

    from jnst.cli import train

    @contextmanager
    def stopping():
        asked = iter([False, True])
        yield lambda: next(asked)

    checkpoint = "--checkpoint", "run.npz", "--resume", "-o", "part.h5", "--quiet"
    with monkeypatch.context() as patch:
        patch.setattr(train, "interrupts", stopping)
        stopped = run_jnst(folder, *TRAIN, *FEW, *checkpoint)
    assert stopped.returncode == 130
    assert read_painter(folder / "part.h5").facts["steps"] == 2
    assert run_jnst(folder, *TRAIN, *FEW, *checkpoint).returncode == 0
    whole, part = (read_painter(folder / name) for name in ("net.h5", "part.h5"))
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(part.arrays[name], array)


REGIONS = {"sea": "left", "gold": "rest"}


def test_pictures_of_a_network(folder, trained):
    ran = run_jnst(
        folder,
        *("fast", "a.png", "--network", "net.h5", "-o", "out.png", "--size", "64"),
        *("--style", "gold:3,sea:1", "--strength", "0.8", "--keep", "left.png"),
    )
    assert ran.returncode == 0, ran.stderr
    painted, content = (read_picture(folder / name, 64) for name in ("out.png", "a.png"))
    from jnst.cli.job import read_input

    seen = read_input(str(folder / "a.png"), 64, least=1).pixels
    network = np.clip(load_painter(folder / "net.h5")(seen, np.array([0.75, 0.25])), 0, 1)
    expected = seen + 0.8 * (network - seen)
    np.testing.assert_allclose(painted.pixels[:, 36:], expected[:, 36:], atol=0.6 / 255)
    np.testing.assert_allclose(painted.pixels[:, :28], seen[:, :28], atol=0.6 / 255)
    np.testing.assert_allclose(painted.alpha, content.alpha, atol=0.6 / 255)
    record = read_settings(folder / "out.png")
    assert record["options"]["style"] == {"gold": 0.75, "sea": 0.25}
    two = run_jnst(
        folder,
        *("fast", "a.png", "--network", "net.h5", "-o", "two.png", "--size", "64"),
        *("--style", "sea,gold", "--region", "left.png", "--region", "rest.png"),
    )
    assert two.returncode == 0, two.stderr
    masks = {name: load_mask(folder / f"{file}.png", 64) for name, file in REGIONS.items()}
    expected = paint_with(load_painter(folder / "net.h5"), seen, regions=masks)
    of_two = read_picture(folder / "two.png", 64).pixels
    np.testing.assert_allclose(of_two, expected, atol=0.6 / 255)
    assert list(read_settings(folder / "two.png")["options"]["style"]) == ["sea", "gold"]
    several = run_jnst(
        folder, "fast", "a.png", "sea.png", "--network", "net.h5", "-o", "many", "--size", "64"
    )
    assert several.returncode == 0 and "2 of 2 pictures" in several.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--network", "gold.png"], "gold.png is no file of a network of jnst's"),
        (["--network", "none.h5"], "none.h5 does not exist"),
        (["--network", "cache/vgg19.h5"], "holds a VGG network, and a trained network is wanted"),
        (["--network", "net.h5", "--style", "golf"], "did you mean 'gold'"),
        (["--network", "net.h5", "--style", "gold:0"], "every weight is 0"),
        (
            ["--network", "net.h5", "--matching", "statistics"],
            "--matching has no effect with --net",
        ),
        (["--network", "net.h5", "--colors", "grey"], "--colors must be one of style, free"),
        (["--network", "net.h5", "--keep", "rest"], "--keep rest needs at least one region"),
        (["--network", "net.h5", "--region", "m.png"], "one mask for each style with a weight"),
        (["--network", "net.h5", "--style-region", "m.png"], "--style-region has no effect with"),
        (["gold.png", "--style", "gold"], "--style chooses among the styles of a --network"),
    ],
)
def test_mistakes_with_networks_are_one_sentence(folder, trained, arguments, message):
    ran = run_jnst(folder, "fast", "a.png", *arguments, "-o", "no.png")
    assert ran.returncode == 2 and not (folder / "no.png").exists()
    assert message in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--photos", "a.png"], "--photos must be a folder of photographs; a.png is a file"),
        (["--photos", "nowhere"], "nowhere does not exist"),
        (["--photos", "empty"], "--photos empty holds no pictures"),
        (["--photos", "photos", "--crop", "512"], "holds no picture to train with: photos/broken"),
        (["--photos", "photos", "--steps", "0"], "--steps must be at least 1"),
        (["--photos", "photos", "--style-loss", "grams"], "--style-loss must be one of"),
        (["--photos", "photos", "-o", "net.png"], "-o must name a .h5 file"),
        (["--photos", "photos", "--resume"], "--resume needs --checkpoint"),
        (["--photos", "photos", "--weights", "net.h5"], "holds a trained network, not a VGG"),
        (["--photos", "photos", "--log", "gold.png"], "--log must be a .csv file, got gold.png"),
        (["--photos", "photos", "--quality", "good"], "--quality must be one of processor, gpu"),
        (["--photos", "photos", "--sample", "none.png"], "none.png"),
        (["--photos", "photos", "--preview", "70000"], "--preview must be at most 65535"),
        (["--photos", "photos", "--save-every", "0"], "--save-every must be at least 1"),
    ],
)
def test_mistakes_in_training_are_one_sentence(folder, trained, arguments, message):
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    ran = run_jnst(folder, "train", "gold.png", *arguments)
    assert ran.returncode == 2
    assert message in ran.stderr.splitlines()[-1], ran.stderr
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_large_photographs_are_scaled_down(folder):
    photos, problems = read_photographs(str(folder / "photos"), 64)
    assert [photo.shape for photo in photos] == [(180, 160, 3), (64, 80, 3)]
    assert [type(problem) for problem in problems] == [str, str]


@pytest.fixture
def along(folder, trained, monkeypatch):
    """The trained network in the place of those that come along."""
    from jnst.nn import painter_discovery

    (folder / "along").mkdir(exist_ok=True)
    (folder / "along" / "both.h5").write_bytes((folder / "net.h5").read_bytes())
    monkeypatch.setattr(painter_discovery, "FOLDER", folder / "along")


def test_networks_that_come_along_are_found_by_name(folder, along):
    few = "--size", "64"
    for network, blend in (("gold", None), ("both", "gold")):
        chosen = ("--style", blend) if blend else ()
        ran = run_jnst(folder, "fast", "a.png", "--network", network, *chosen, "-o", "1.png", *few)
        assert ran.returncode == 0, ran.stderr
        assert read_settings(folder / "1.png")["options"]["style"] == {"gold": 1.0}
        if blend is None:
            (folder / "1.png").rename(folder / "2.png")
    one, other = (read_picture(folder / name).pixels for name in ("1.png", "2.png"))
    np.testing.assert_allclose(one, other, atol=1.1 / 255)
    ran = run_jnst(folder, "fast", "a.png", "--network", "list", *few, "-o", "all.png")
    assert ran.returncode == 0 and "--network gold, --network sea" in ran.stderr
    assert jnst.load_image(folder / "all.png").shape[1] > 3 * 64


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.png", "--network", "golf"], "there is no network golf (did you mean 'gold'?)"),
        (["a.png", "--network", "list", "--strength", "1"], "--strength has no effect with --net"),
        (["a.png", "sea.png", "--network", "list"], "--network list shows one picture, got 2"),
    ],
)
def test_mistakes_with_their_names_are_one_sentence(folder, along, arguments, message):
    ran = run_jnst(folder, "fast", *arguments, "-o", "no.png")
    assert ran.returncode == 2 and not (folder / "no.png").exists()
    assert message in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr
