"""Colour matching beside NumPy in float64, and whose colours the pictures come out in."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import put_weights, run_jnst

import jnst
from jnst.cli.job import read_palette
from jnst.cli.recolor import visible
from jnst.image.color import (
    METHODS,
    chrominance,
    color_map,
    keep_colors,
    luminance,
    match_colors,
    match_luminance,
)
from jnst.image.color_setting import COLORS
from jnst.image.color_transport import transport_colors
from jnst.image.inputs import resize
from jnst.image.pictures import read_picture, read_settings

LAYERS = {
    "content_layers": ["relu2_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "style_loss": "gram",
}
"""Few and shallow, which compile sooner and say enough of colours."""
QUICK = {"sizes": (64,), "steps": 60, "beta": 1000.0, **LAYERS}
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""https://en.wikipedia.org/wiki/YIQ, "From RGB to YIQ", the FCC's standard of NTSC."""


def moments(image):
    """Mean and covariance of the colours in float64."""
    colours = np.asarray(image, np.float64).reshape(-1, 3)
    return colours.mean(axis=0), np.cov(colours.T, bias=True)


def as_seen(picture):
    """Colours of a picture as one row, each as often as its alpha of 255 levels says."""
    often = np.rint(picture.alpha * 255).astype(int)
    return np.repeat(picture.pixels.reshape(-1, 3), often.ravel(), axis=0)[None]


def symmetric_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


@pytest.fixture(scope="module")
def coloured():
    """Two pictures whose colours are correlated, of different sizes."""
    rng = np.random.default_rng(7)
    mix = np.array([[0.20, 0.10, 0.02], [0.05, 0.15, 0.10], [0.01, 0.04, 0.12]])
    image = 0.5 + rng.uniform(-1, 1, (40, 50, 3)) @ mix
    reference = [0.6, 0.4, 0.3] + rng.uniform(-1, 1, (30, 70, 3)) @ mix.T[::-1] / 2
    return image.astype(np.float32), reference.astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_matched_colours_have_the_references_mean_and_covariance(coloured, pictures, method):
    for image, reference in (coloured, coloured[::-1], pictures):
        mean, covariance = moments(match_colors(image, reference, method=method))
        wanted_mean, wanted_covariance = moments(reference)
        np.testing.assert_allclose(mean, wanted_mean, atol=1e-5)
        np.testing.assert_allclose(covariance, wanted_covariance, atol=1e-5)


def test_the_maps_are_the_papers(coloured):
    (mean, covariance), (_, target) = map(moments, coloured)
    root, target_root = symmetric_root(covariance), symmetric_root(target)
    pca, shift = color_map(*coloured, method="pca")
    np.testing.assert_allclose(pca, target_root @ np.linalg.inv(root), atol=1e-4)
    np.testing.assert_allclose(pca @ mean + shift, moments(coloured[1])[0], atol=1e-5)
    # The roots are symmetric, which a product of two need not be: A Σ^½ is, and A is not.
    turned = np.asarray(pca) @ root
    np.testing.assert_allclose(turned, turned.T, atol=1e-5)
    lower = np.linalg.cholesky(target) @ np.linalg.inv(np.linalg.cholesky(covariance))
    cholesky, _ = color_map(*coloured, method="cholesky")
    np.testing.assert_allclose(cholesky, lower, atol=1e-4)


def test_pca_treats_the_channels_alike_and_cholesky_does_not(coloured):
    image, reference = coloured
    for method, least, most in (("pca", 0, 1e-4), ("cholesky", 0.01, 1)):
        usual = match_colors(image, reference, method=method)
        swapped = match_colors(image[..., ::-1], reference[..., ::-1], method=method)[..., ::-1]
        assert least <= np.abs(usual - swapped).max() <= most


@pytest.mark.parametrize("method", METHODS)
def test_matching_there_and_back_is_the_same_picture(coloured, method):
    image, reference = coloured
    there = match_colors(image, reference, method=method)
    np.testing.assert_allclose(match_colors(there, image, method=method), image, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_grey_and_flat_pictures_stay_bounded(coloured, method):
    _, reference = coloured
    rng = np.random.default_rng(1)
    grey = np.repeat(rng.uniform(size=(40, 50, 1)), 3, axis=-1)
    rounding = rng.uniform(-1, 1, (40, 50, 3)) / 1000  # less than half a level of 8 bits
    mean, covariance = moments(reference)
    for image in (grey, grey + rounding, np.full((9, 9, 3), 0.3), rounding[:9] + 0.3):
        found, spread = moments(match_colors(image.astype(np.float32), reference, method=method))
        np.testing.assert_allclose(found, mean, atol=1e-5)
        # No colour varies more than the reference does in any direction.
        assert np.linalg.eigvalsh(covariance - spread).min() > -1e-5
    variances = moments(match_colors(grey.astype(np.float32), reference, method=method))[1]
    assert np.linalg.matrix_rank(variances, tol=1e-6) == 1
    # Whereas the colours of any picture can be made grey.
    made = match_colors(reference, grey.astype(np.float32), method=method)
    np.testing.assert_allclose(moments(made)[1], moments(grey)[1], atol=1e-5)
    assert np.ptp(np.asarray(made), axis=-1).max() < 1e-3


def test_leading_axes_are_kept(coloured):
    image, reference = coloured
    batch = jnp.stack([image, 1 - image])
    matched = match_colors(batch, jnp.stack([reference] * 2), method="cholesky")
    assert matched.dtype == jnp.float32
    for n in range(2):
        alone = match_colors(batch[n], reference, method="cholesky")
        np.testing.assert_allclose(matched[n], alone, atol=1e-5)


def test_the_moments_hold_over_a_million_pixels():
    rng = np.random.default_rng(2)
    image = rng.uniform(0.2, 0.9, (1000, 1000, 3)).astype(np.float32)
    reference = rng.uniform(0.5, 0.6, (64, 64, 3)).astype(np.float32)
    mean, covariance = moments(match_colors(image, reference))
    np.testing.assert_allclose(mean, moments(reference)[0], atol=1e-6)
    np.testing.assert_allclose(covariance, moments(reference)[1], atol=1e-7)


def test_an_unknown_method_is_named(coloured):
    with pytest.raises(ValueError, match="method must be one of pca, cholesky, got 'pac'"):
        match_colors(*coloured, method="pac")


@pytest.mark.parametrize("number", [0, 1])
def test_bytes_are_refused(pictures, number):
    images = list(pictures)
    images[number] = (255 * images[number]).astype(np.uint8)
    name = ("image", "reference")[number]
    with pytest.raises(TypeError, match=rf"{name} must hold floats in \[0, 1\], got uint8"):
        jnst.match_colors(*images)


def test_luminance_and_chrominance_are_those_of_yiq(coloured):
    image, reference = coloured
    yiq = image.astype(np.float64) @ TO_YIQ.T
    np.testing.assert_allclose(luminance(image), yiq[..., :1], atol=1e-6)
    np.testing.assert_allclose(chrominance(image), yiq[..., 1:], atol=1e-6)
    inside = 0.35 + image[:30] / 5, 0.35 + reference[:, :50] / 5
    kept = keep_colors(*inside)
    np.testing.assert_allclose(luminance(kept), luminance(inside[0]), atol=1e-6)
    np.testing.assert_allclose(chrominance(kept), chrominance(inside[1]), atol=1e-6)
    clipped = keep_colors(np.zeros((1, 1, 3)), np.array([[[0.9, 0.0, 0.0]]]))
    assert 0 <= clipped.min() < clipped.max() <= 1


def test_the_styles_luminance_gets_the_contents_mean_and_deviation(coloured):
    style, content = coloured
    matched = np.asarray(match_luminance(style, content), np.float64)
    wanted = content.astype(np.float64) @ TO_YIQ[0]
    assert matched.mean() == pytest.approx(wanted.mean(), abs=1e-5)
    assert matched.std() == pytest.approx(wanted.std(), abs=1e-5)
    flat = match_luminance(np.full((8, 8, 3), 0.2, np.float32), content)
    np.testing.assert_allclose(flat, wanted.mean(), atol=1e-5)


@pytest.fixture(scope="module")
def pair(pictures):
    """Content and style, the style a light blue one."""
    content, style = pictures
    return content, np.float32(0.7) + style * np.float32([0, 0, 0.3])


@pytest.fixture(scope="module")
def content(pair):
    """The content at the size of the pictures."""
    return np.asarray(resize(jnp.asarray(pair[0]), (51, 64)))


@pytest.fixture(scope="module")
def painted(model, pair):
    """The picture by `colors`."""
    return {
        colors: np.asarray(jnst.stylize(model, *pair, colors=colors, **QUICK).image)
        for colors in COLORS
    }


def off_chrominance(picture, content):
    """How far each pixel's chrominance is from the content's, where no channel was clipped."""
    inside = ((picture > 1e-3) & (picture < 1 - 1e-3)).all(axis=-1)
    assert inside.mean() > 0.4
    return np.abs((picture.astype(np.float64) - content) @ TO_YIQ[1:].T)[inside]


def mean_colour(picture):
    return np.asarray(picture, np.float64).mean(axis=(0, 1))


def test_luminance_alone_leaves_the_contents_chrominance(painted, content):
    assert off_chrominance(painted["luminance"], content).max() < 1e-5
    assert off_chrominance(painted["style"], content).mean() > 0.02
    light = painted["luminance"] @ TO_YIQ[0]
    assert np.abs(light - content @ TO_YIQ[0]).mean() > 0.01  # it is painted all the same


@pytest.mark.parametrize("colors", ["pca", "cholesky"])
def test_with_the_contents_colours_the_mean_colour_is_nearer_to_it(painted, content, colors):
    off = {
        name: np.linalg.norm(mean_colour(painted[name]) - mean_colour(content))
        for name in ("style", colors)
    }
    assert off[colors] < 0.6 * off["style"]


def test_cholesky_and_pca_paint_differently(painted):
    assert np.abs(painted["pca"] - painted["cholesky"]).mean() > 0.002


def test_a_palette_is_matched_before_the_style_is_looked_at(model, pair):
    run = QUICK | {"optimizer": "adam", "beta": 20.0}
    red = pair[1][:50] * np.float32([1.0, 0.3, 0.3])
    for colors, method in (("free", "pca"), ("cholesky", "cholesky")):
        with_palette = jnst.stylize(model, *pair, palette=red, colors=colors, **run).image
        # Compiled, as the run does it: what rounding there is, the steps would make more of.
        matched = jax.jit(partial(match_colors, method=method))(pair[1], red)
        style = jnp.clip(matched, 0, 1)
        by_hand = jnst.stylize(model, pair[0], style, colors="free", **run).image
        np.testing.assert_allclose(with_palette, by_hand, atol=1e-5)
    plain = jnst.stylize(model, *pair, colors="free", **run).image
    assert mean_colour(by_hand)[1] < mean_colour(plain)[1] - 0.1  # less green


def test_a_palette_that_gives_nothing_or_will_not_do_is_refused(model, pair):
    with pytest.raises(ValueError, match="palette has no effect with colors 'luminance'"):
        jnst.stylize(model, *pair, palette=pair[0], colors="luminance", **QUICK)
    with pytest.raises(ValueError, match="palette has no effect with colors 'luminance'"):
        jnst.stylize_grid(model, *pair, palette=pair[0], colors="luminance", **QUICK)
    with pytest.raises(ValueError, match=r"palette must have the shape \(H, W, 3\), got \(72,"):
        jnst.stylize(model, *pair, palette=pair[1][..., 0], **QUICK)
    with pytest.raises(
        ValueError, match=r"colors must be one of style, free, luminance, .*'luminanze'"
    ):
        jnst.Settings(colors="luminanze")


def test_what_a_callback_is_shown_is_what_comes_out(model, pair):
    seen = []
    sizes = {"sizes": (48, 64), "steps": 4, "colors": "luminance", **LAYERS}
    result = jnst.stylize(
        model, *pair, callback=lambda p: seen.append(np.asarray(p.picture())) and None, **sizes
    )
    assert {picture.shape for picture in seen} == {(38, 48, 3), (51, 64, 3)}
    np.testing.assert_allclose(seen[-1], result.image, atol=1e-6)
    small = np.asarray(resize(jnp.asarray(pair[0]), (38, 48)))
    assert off_chrominance(seen[0], small).max() < 1e-5


def test_tiles_and_rows_come_out_the_same(model, pair):
    content, style = (np.tile(picture, (2, 2, 1))[:96, :144] for picture in pair)
    settings = {"steps": 2, "sizes": (96,), "colors": "luminance"}
    whole = jnst.stylize(model, content, style, tile=None, **settings, **LAYERS).image
    tiled = jnst.stylize(model, content, style, tile=64, **settings, **LAYERS).image
    mesh = jax.make_mesh((1,), ("rows",))
    split = jnst.stylize(model, content, style, mesh=mesh, **settings, **LAYERS).image
    np.testing.assert_allclose(tiled, whole, atol=1e-4)
    np.testing.assert_allclose(split, whole, atol=1e-4)


@pytest.mark.parametrize("colors", ["luminance", "pca"])
def test_a_grids_cells_are_the_single_runs(model, pair, colors):
    """With two contents, each of which gives a style of its own to match."""
    contents, settings = (
        [pair[0], pair[0][::-1, :, ::-1] ** 2],
        {**QUICK, "steps": 4, "sizes": (48,)},
    )
    seen = []
    grid = jnst.stylize_grid(
        model,
        contents,
        pair[1],
        colors=colors,
        callback=lambda progress: seen.append(progress.pictures()) and None,
        **settings,
    )
    for n, content in enumerate(contents):
        single = jnst.stylize(model, content, pair[1], colors=colors, **settings).image
        np.testing.assert_allclose(grid.images[0, 0, n], single, atol=2e-3)
        np.testing.assert_allclose(seen[-1][n], single, atol=2e-3)
    assert np.abs(grid.images[0, 0, 0] - grid.images[0, 0, 1]).mean() > 0.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pair, weights_file):
    """A folder with content.png (a part of it transparent), style.png and grey.png."""
    folder = tmp_path_factory.mktemp("colours")
    put_weights(folder, weights_file)
    alpha = np.ones(pair[0].shape[:2])
    alpha[:, :40], alpha[:10] = 0.5, 0
    jnst.save_image(folder / "content.png", pair[0], alpha=alpha)
    jnst.save_image(folder / "style.png", pair[1])
    jnst.save_image(folder / "nothing.png", pair[1], alpha=np.zeros(pair[1].shape[:2]))
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_recolor_gives_the_visible_pixels_the_references_colours(folder, method):
    files = [str(folder / name) for name in ("style.png", "content.png", f"{method}.tiff")]
    done = run_jnst(folder, "recolor", *files[:2], "-o", files[2], "--method", method)
    assert done == (0, "", f"wrote {files[2]}: 64×72 px\n")
    reference = as_seen(read_picture(files[1]))
    wanted = match_colors(jnst.load_image(files[0]), reference, method=method)
    found = read_picture(files[2])
    np.testing.assert_allclose(found.pixels, np.clip(wanted, 0, 1), atol=0.6 / 255)
    assert read_settings(files[2])["method"] == method


@pytest.mark.parametrize("method", [*METHODS, "transport"])
def test_recolor_goes_a_share_of_the_way(folder, method):
    both = "recolor", "style.png", "content.png", "--method", method, "--quiet", "-o"
    assert run_jnst(folder, *both, "half.tiff", "--share", "0.5") == (0, "", "")
    style, content = jnst.load_image(folder / "style.png"), read_picture(folder / "content.png")
    if method == "transport":
        wanted = transport_colors(style, visible("content.png", content), share=0.5)
    else:
        wanted = (style + match_colors(style, as_seen(content), method=method)) / 2
    found = read_picture(folder / "half.tiff")
    np.testing.assert_allclose(found.pixels, np.clip(wanted, 0, 1), atol=0.6 / 255)
    assert read_settings(folder / "half.tiff")["share"] == 0.5


def test_recolor_keeps_alpha_and_is_the_same_twice(folder):
    for name in ("once.png", "twice.png"):
        done = run_jnst(folder, "recolor", "content.png", "style.png", "--quiet", "-o", name)
        assert done == (0, "", "")
    assert (folder / "once.png").read_bytes() == (folder / "twice.png").read_bytes()
    alphas = [read_picture(folder / name).alpha for name in ("once.png", "content.png")]
    np.testing.assert_array_equal(*alphas)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--method", "pac"],
            "--method must be one of pca, cholesky, transport, got 'pac' (did you mean",
        ),
        (["--share", "1.5"], "--share must lie between 0 and 1, got 1.5"),
        (["-o", "style.png"], "style.png is the reference itself and would be overwritten"),
        (["-o", "content.png"], "content.png is the picture itself and would be overwritten"),
        (["-o", "out.bmp"], "the suffix of output out.bmp must be one of .png"),
    ],
)
def test_recolor_answers_a_mistake_in_one_line(folder, arguments, said):
    code, _, error = run_jnst(folder, "recolor", "content.png", "style.png", *arguments)
    assert code == 2
    assert error.startswith(f"jnst recolor: error: {said}") and error.count("\n") == 1
    code, _, error = run_jnst(folder, "recolor", "content.png", "nothing.png")
    assert code == 2
    assert "nothing.png is fully transparent" in error


def test_the_command_line_paints_with_colors_and_like_carries_them(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def run(*arguments):
        return run_jnst(folder, *arguments).returncode

    layers = ["--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1"]
    layers += ["--style-loss", "gram", "--optimizer", "adam"]
    quick = ["content.png", "style.png", "--size", "48", "--steps", "2", "--quiet", *layers]
    quick += ["--precision", "highest"]
    grid = ["grid", *quick, "--beta", "10,20", "--colors", "cholesky", "--palette", "style.png"]
    assert run("stylize", *quick, "--colors", "luminance", "-o", "light.png") == 0
    assert run("stylize", *quick, "--like", "light.png", "-o", "again.png") == 0
    assert (folder / "light.png").read_bytes() == (folder / "again.png").read_bytes()
    assert read_settings("again.png")["options"]["colors"] == "luminance"
    light, content = (jnst.load_image(name, 48) for name in ("light.png", "content.png"))
    assert off_chrominance(light[10:], content[10:]).max() < 1 / 255  # rounded to 8 bits

    assert run(*grid, "-o", "grid") == 0
    cell = "grid/alpha1_beta10.png"
    options = read_settings(cell)["options"]
    assert (options["colors"], options["palette"]) == ("cholesky", "style.png")
    assert run("stylize", *quick, "--like", cell, "-o", "single.png") == 0
    single, cell = map(jnst.load_image, ("single.png", cell))
    np.testing.assert_allclose(single, cell, atol=2.1 / 255)
    assert run(*grid, "-o", "grid", "--palette", "content.png") == 2  # another grid


def test_what_nobody_sees_of_a_palette_has_no_say(folder):
    seen = read_picture(folder / "content.png", 48)
    hidden = seen.alpha == 0
    assert hidden.mean() > 0.1
    palette = read_palette(str(folder / "content.png"), 48)
    assert palette.shape == seen.pixels.shape
    for found, wanted in zip(moments(palette), moments(as_seen(seen)), strict=True):
        np.testing.assert_allclose(found, wanted, atol=0.002)
    assert np.abs(moments(palette)[0] - moments(seen.pixels)[0]).max() > 0.02  # white is hidden
    opaque = read_picture(folder / "style.png", 48).pixels
    np.testing.assert_array_equal(read_palette(str(folder / "style.png"), 48), opaque)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--colors", "lum"],
            "--colors must be one of style, free, luminance, cholesky, pca, got 'lum'",
        ),
        (["--colors", "luminance", "--palette", "style.png"], "--palette has no effect with"),
        (["--palette", "none.png"], "none.png cannot be read"),
        (["--palette", "nothing.png"], "nothing.png is fully transparent and has no colours"),
        (["--palette", "style.png", "-o", "style.png"], "style.png is the style itself and"),
        (["--palette", "p.png", "-o", "p.png"], "p.png is the palette itself and"),
    ],
)
def test_mistakes_on_the_command_line_are_answered_in_one_line(folder, arguments, said):
    jnst.save_image(folder / "p.png", np.full((40, 40, 3), 0.5))
    command = "stylize", "content.png", "style.png", "--size", "48", *arguments
    code, _, error = run_jnst(folder, *command)
    assert code == 2
    assert error.startswith(f"jnst stylize: error: {said}") and error.count("\n") == 1, error
