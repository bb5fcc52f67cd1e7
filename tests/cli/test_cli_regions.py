"""Regions on the command line: the masks that are read, carried, brought back and refused."""

import shutil

import numpy as np
import pytest
from commands import put_weights, run_jnst
from PIL import Image

import jnst
from jnst.cli.options import choose
from jnst.cli.program import build_parser
from jnst.image.pictures import load_mask, read_settings

LAYERS = [
    "--content-layers",
    "relu2_1",
    "--style-layers",
    "relu1_1,relu2_1",
    "--style-loss",
    "gram",
]
"""Which are soon compiled."""
QUICK = "--size", "80", "--steps", "3", "--quiet", "--precision", "highest", *LAYERS
MASKS = "--region", "left.png", "--region", "right.png", "--keep", "hole.png"
SETTINGS = {
    "content_layers": ["relu2_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "style_loss": "gram",
    "steps": 3,
    "sizes": 80,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, weights_file, pictures):
    folder = tmp_path_factory.mktemp("regions")
    put_weights(folder, weights_file)
    content, style = pictures
    jnst.save_image(folder / "content.png", content)
    jnst.save_image(folder / "style.png", style)
    jnst.save_image(folder / "other.png", 1 - style)
    left, hole = np.zeros((2, 64, 80), np.float32)
    left[:, :40], hole[20:44, 30:60] = 1, 1
    for name, mask in {"left": left, "right": 1 - left, "hole": hole}.items():
        jnst.save_image(folder / f"{name}.png", np.repeat(mask[..., None], 3, axis=-1))
    Image.fromarray(np.uint8(255 * left[:, :64])).save(folder / "narrow.png")
    Image.fromarray(np.zeros((64, 80), np.uint8)).save(folder / "black.png")
    return folder


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_regions_are_painted_recorded_and_brought_back(folder, file_model):
    inputs = "content.png", "style.png", "--add-style", "other.png"
    of_styles = "--style-region", "all", "--style-region", "style-part.png"
    part = np.zeros((72, 64), np.float32)
    part[:36] = 1
    Image.fromarray(np.uint8(255 * part)).save("style-part.png")
    assert (
        run_jnst(folder, "stylize", *inputs, *MASKS, *of_styles, *QUICK, "-o", "out.png").returncode
        == 0
    )
    options = read_settings("out.png")["options"]
    assert options["region"] == ["left.png", "right.png"]
    assert (options["style_region"], options["keep"]) == (["all", "style-part.png"], "hole.png")
    alone = jnst.stylize(
        file_model,
        jnst.load_image("content.png", 80),
        [jnst.load_image(name, 80) for name in ("style.png", "other.png")],
        regions=[load_mask("left.png"), load_mask("right.png")],
        style_regions=[None, part],
        keep=load_mask("hole.png"),
        **SETTINGS,
    )
    painted, content = (np.asarray(Image.open(name)) for name in ("out.png", "content.png"))
    np.testing.assert_allclose(painted / 255, alone.image, atol=1.5 / 255)
    inside = load_mask("hole.png") == 1
    np.testing.assert_array_equal(painted[inside], content[inside])
    assert np.abs(painted[~inside].astype(int) - content[~inside]).mean() > 2
    assert (
        run_jnst(
            folder, "stylize", *inputs, "--like", "out.png", "-o", "again.png", "--quiet"
        ).returncode
        == 0
    )
    assert (folder / "again.png").read_bytes() == (folder / "out.png").read_bytes()


def run(folder, *arguments):
    """A command that succeeds."""
    done = run_jnst(folder, *arguments)
    assert done.returncode == 0, done.stderr


def arguments(given):
    """The arguments of `jnst stylize`."""
    return build_parser().parse_args(["stylize", *given])


def test_masks_of_other_styles_are_not_brought_back(folder):
    alpha = np.full((64, 80, 3), 0.5)
    options = {"region": ["left.png", "right.png"], "style_region": ["all"], "keep": "hole.png"}
    jnst.save_image("made.png", alpha, settings={"jnst": "", "options": options})
    given = "content.png", "style.png", "--like", "made.png"
    chosen, _ = choose(arguments(given))
    wanted = {"region": None, "style_region": ["all"], "keep": "hole.png"}
    assert {name: chosen[name] for name in wanted} == wanted
    chosen, _ = choose(arguments([*given, "--add-style", "other.png"]))
    assert chosen["region"] == options["region"]


def test_what_like_has_can_be_left_out(folder):
    options = {
        **{"region": ["lost.png"], "keep": "rest", "palette": "lost.png"},
        **{"add_style": ["lost.png", "other.png"], "style_weights": [1.0, 2.0, 3.0]},
    }
    jnst.save_image("made.png", np.full((64, 80, 3), 0.5), settings={"options": options})
    given = ["content.png", "style.png", "--like", "made.png"]
    for name in ("add-style", "palette", "region"):  # each in its turn is missed
        with pytest.raises(ValueError, match=f"there is no file 'lost.png', its --{name}"):
            choose(arguments(given))
        given += [f"--{name}", "none"]
    chosen, settings = choose(arguments(given))
    assert {name: chosen[name] for name in options.keys() & chosen} == {
        **{"region": None, "keep": None, "palette": None, "add_style": ()},
    }
    assert settings.style_weights is None


def test_the_masks_of_like_may_lie_beside_it(folder, monkeypatch):
    options = {"region": ["left.png"], "keep": "rest", "add_style": [], "palette": "other.png"}
    jnst.save_image("made.png", np.full((64, 80, 3), 0.5), settings={"options": options})
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    given = ["../content.png", "../style.png", "--like", "../made.png"]
    chosen, _ = choose(arguments(given))
    assert chosen["region"] == ["../left.png"]
    assert (chosen["keep"], chosen["palette"]) == ("rest", "../other.png")


def test_the_rest_can_be_kept(folder):
    given = "content.png", "style.png", "--region", "left.png", "--keep", "rest"
    run(folder, "stylize", *given, *QUICK, "-o", "rest.png")
    assert read_settings("rest.png")["options"]["keep"] == "rest"
    painted, content = (np.asarray(Image.open(name)) for name in ("rest.png", "content.png"))
    np.testing.assert_array_equal(painted[:, 40:], content[:, 40:])
    assert np.abs(painted[:, :40].astype(int) - content[:, :40]).mean() > 2


def test_a_grid_has_the_regions_in_every_cell_and_knows_its_masks(folder):
    inputs = "content.png", "style.png", "--add-style", "other.png"
    options = *inputs, *MASKS, *QUICK
    run(folder, "grid", *options, "--beta", "5,50", "-o", "grid")
    run(folder, "stylize", *options, "--beta", "50", "-o", "cell.png")
    cell, single = (np.asarray(Image.open(p)) for p in ("grid/alpha1_beta50.png", "cell.png"))
    np.testing.assert_allclose(cell / 255, single / 255, atol=1.5 / 255)
    carried = read_settings("grid/alpha1_beta50.png")["options"]
    assert carried["region"] == ["left.png", "right.png"]
    shutil.copy("left.png", "kept.png")
    shutil.copy("right.png", "left.png")
    refused = run_jnst(folder, "grid", *options, "--beta", "5,50", "-o", "grid")
    assert refused.returncode == 2
    assert "masks" in refused.stderr
    shutil.copy("kept.png", "left.png")


MISTAKES = {
    # arguments after CONTENT and STYLE: what the one line must say
    "number": (
        ["--region", "left.png", "--region", "right.png"],
        "--region must have a mask for each style image (1), got 2",
    ),
    "number of style masks": (
        ["--add-style", "other.png", "--style-region", "all"],
        "--style-region must have a mask for each style image (2), got 1",
    ),
    "proportions": (
        ["--region", "narrow.png"],
        "--region narrow.png must have the aspect ratio of the content, 80×64 px, got 64×64 px",
    ),
    "proportions of a style": (
        ["--style-region", "left.png"],
        "--style-region left.png must have the aspect ratio of its style image",
    ),
    "empty": (["--region", "black.png"], "--region black.png covers nothing"),
    "nothing left": (
        ["--region", "left.png", "--keep", "left.png"],
        "--region left.png covers nothing but what is kept",
    ),
    "keep": (["--keep", "black.png"], "--keep black.png covers nothing"),
    "no rest": (["--keep", "rest"], "--keep rest needs at least one region"),
    "missing": (["--keep", "none.png"], "none.png cannot be read (No such file"),
    "over a mask": (["--keep", "hole.png", "-o", "hole.png"], "hole.png is the mask itself"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(folder, mistake):
    arguments, said = MISTAKES[mistake]
    before = sorted(folder.rglob("*"))
    done = run_jnst(folder, "stylize", "content.png", "style.png", "--size", "80", *arguments)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("given", [("--region", "left.png"), ("--keep", "hole.png")])
def test_of_several_contents_those_that_masks_do_not_fit_are_left_out(folder, given, tmp_path):
    several = "stylize", "other.png", "content.png", "style.png", "-o", tmp_path / "all"
    ran = run_jnst(folder, *several, *QUICK, *given)  # other.png has another shape
    assert ran.returncode == 1
    (said,) = ran.stderr.splitlines()
    assert said.startswith("jnst stylize: ") and "other.png" in said and given[1] in said
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["content.png"]
    strict = run_jnst(folder, *several, *QUICK, *given, "--strict")
    assert strict.returncode == 2 and "other.png" in strict.stderr


def test_several_contents_take_the_masks_of_another_picture(folder, tmp_path):
    jnst.save_image(tmp_path / "third.png", jnst.load_image(folder / "content.png")[:, ::-1])
    run(folder, "stylize", "content.png", "style.png", *QUICK, "--keep", "hole.png")
    several = "stylize", "content.png", tmp_path / "third.png", "style.png", "-o", tmp_path / "all"
    run(folder, *several, "--like", "stylized.png", "--quiet")
    inside = load_mask("hole.png") == 1
    for content in (folder / "content.png", tmp_path / "third.png"):
        painted, before = (
            jnst.load_image(path) for path in (tmp_path / "all" / content.name, content)
        )
        assert (np.abs(painted - before)[inside] < 0.5 / 255).all()
    run(folder, *several, "--like", "stylized.png", "--keep", "none", "--quiet")
    assert (np.abs(painted - jnst.load_image(tmp_path / "all" / "third.png"))[inside] > 0).any()


def test_a_mask_is_grey_times_alpha_upright_and_scaled_without_ringing(tmp_path):
    grey = np.zeros((60, 80), np.uint8)
    grey[:, 40:] = 255
    alpha = np.full((60, 80), 255, np.uint8)
    alpha[30:] = 51
    Image.fromarray(np.stack([grey, grey, grey, alpha], -1)).save(tmp_path / "mask.png")
    mask = load_mask(tmp_path / "mask.png")
    assert (mask.dtype, mask.shape) == (np.float32, (60, 80))
    np.testing.assert_allclose(mask, grey / 255 * (alpha / 255), atol=1e-6)
    small = load_mask(tmp_path / "mask.png", 40)
    assert small.shape == (30, 40)
    assert set(np.unique(small[:14, 22:])) == {1}
    assert set(np.unique(small[:, :18])) == {0}
    assert load_mask(tmp_path / "mask.png", 500).shape == (60, 80)  # no larger than it is
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.fromarray(grey).save(tmp_path / "turned.png", exif=exif)
    turned = load_mask(tmp_path / "turned.png")
    np.testing.assert_array_equal(turned, np.rot90(grey, -1) / np.float32(255))
