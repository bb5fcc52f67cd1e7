"""Terminals of few signs, small palettes and sprites, hidden colours, caches and outputs."""

import io
import os
import stat
import sys
import warnings

import jax
import numpy as np
import pytest
from commands import run_jnst
from PIL import Image

import jnst
from jnst._files import atomic_write, check_output
from jnst.cli import main
from jnst.cli.compilation_cache import mend_silently
from jnst.cli.job import read_input, read_palette, read_seen
from jnst.cli.recolor import visible
from jnst.image.pictures import Picture

SHALLOW = (
    *("--content-layers", "relu2_1", "--style-layers", "relu1_1", "--style-loss", "gram"),
    *("--precision", "highest"),
)
"""Which compile in a second."""
QUICK = "--size", "48", "--steps", "1", *SHALLOW


# Terminals


class Terminal(io.TextIOWrapper):
    """A stream of an encoding, with what has been written to it."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    @property
    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


def said(monkeypatch, encoding, *arguments):
    """Run a command; return what it prints."""
    out, err = Terminal(encoding), Terminal(encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        assert (out.errors, err.errors) == ("strict", "strict")  # as before
    return code, out.text, err.text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp850", "cp1252", "koi8-r"])
@pytest.mark.parametrize("command", ["", "stylize", "grid", "recolor", "convert", "info"])
def test_help_is_printed_in_any_encoding(monkeypatch, encoding, command):
    code, out, err = said(monkeypatch, encoding, *command.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: jnst")


def test_errors_and_settings_are_printed_in_ascii(folder, monkeypatch):
    jnst.save_image(folder / "set.png", np.zeros((9, 9, 3)), settings={"jnst": "1", "options": {
        "content_layers": None, "style": "日本.png"}})  # fmt: skip
    monkeypatch.chdir(folder)
    code, out, _ = said(monkeypatch, "ascii", "info", "set.png")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()] == ["1", "-", "??.png"]
    jnst.save_image(folder / "dot.png", np.zeros((1, 1, 3)))
    code, _, err = said(monkeypatch, "ascii", "stylize", "dot.png", "style.png")
    assert code == 2 and "dot.png has only 1x1 px" in err
    code, _, err = said(monkeypatch, "utf-8", "stylize", os.fsdecode(b"caf\xe9.png"), "style.png")
    assert code == 2 and "caf?.png cannot be read" in err


# Small inputs


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (3, 1), (31, 2)])
def test_a_palette_may_have_any_size(folder, shape):
    colours = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    Image.fromarray(colours).save(folder / "palette.png")
    # Of its own pixels and no others, which enlarging it would make.
    np.testing.assert_array_equal(
        read_palette(str(folder / "palette.png"), 64), colours / np.float32(255)
    )
    options = *QUICK, "--palette", "palette.png", "-o", "out.png", "--quiet"
    assert run_jnst(folder, "stylize", "content.png", "style.png", *options) == (0, "", "")
    recolor = "recolor", "content.png", "palette.png", "-o", "out.png", "--quiet"
    assert run_jnst(folder, *recolor) == (0, "", "")


def test_sprites_are_enlarged_and_specks_refused(folder):
    for edge in (7, 8, 16):
        pixels = np.random.default_rng(edge).integers(0, 256, (edge, edge, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{edge}.png")
    for content, style in (("16.png", "style.png"), ("8.png", "16.png"), ("content.png", "8.png")):
        done = run_jnst(folder, "stylize", content, style, *QUICK, "-o", "out.png", "--quiet")
        assert done == (0, "", "")
    assert read_input(str(folder / "16.png"), 48).pixels.shape == (48, 48, 3)
    code, _, error = run_jnst(folder, "stylize", "7.png", "style.png", *QUICK)
    assert code == 2 and "7.png has only 7×7 px; both edges need at least 8 px" in error


# Hidden colours


@pytest.fixture(scope="module")
def hidden(folder):
    """Half white, and half magenta that is hardly there."""
    pixels = np.full((40, 48, 4), 255, np.uint8)
    pixels[:, 24:] = (255, 0, 255, 4)
    Image.fromarray(pixels).save(folder / "hidden.png")
    Image.fromarray(pixels * np.uint8([1, 1, 1, 0])).save(folder / "clear.png")
    return folder / "hidden.png"


def test_colours_that_nobody_sees_do_not_count(hidden):
    for read in (lambda: read_seen(str(hidden), 48), lambda: jnst.load_image(hidden)):
        assert np.abs(read() - 1).max() <= 4 / 255 + 1e-6
    content = read_input(str(hidden), 48)
    np.testing.assert_allclose(content.alpha[:, 24:], 4 / 255, atol=1e-6)
    assert np.abs(content.pixels - 1).max() < 0.07  # fading, since its alpha is kept
    # Seen 4 of 255 times, as against 255 of 255.
    share = (read_palette(str(hidden), 48)[..., 1] == 0).mean()
    assert abs(share - 4 / 259) < 1e-3


def test_colours_count_by_their_alpha():
    colours = np.zeros((1, 4, 3), np.float32)
    colours[0, :, 0] = (0.1, 0.2, 0.3, 0.4)
    picture = Picture(colours, np.float32([[1, 0.5, 0, 0.5]]))
    row = visible("a.png", picture, 8)[0, :, 0]
    np.testing.assert_allclose(np.sort(row), [0.1] * 4 + [0.2] * 2 + [0.4] * 2, atol=1e-6)
    whole = Picture(colours, np.float32([[1, 0, 1, 1]]))
    np.testing.assert_allclose(visible("a.png", whole)[0, :, 0], [0.1, 0.3, 0.4], atol=1e-6)


@pytest.mark.parametrize("place", ["content", "style", "--init", "--palette"])
def test_what_is_transparent_everywhere_is_refused(folder, hidden, place):
    files = {"content": "content.png", "style": "style.png"}
    more = [place, "clear.png"] if place.startswith("-") else []
    arguments = [*(files | {place: "clear.png"}).values()][:2]
    code, _, error = run_jnst(folder, "stylize", *arguments, *more, *QUICK)
    assert code == 2
    assert "clear.png is fully transparent and has no colours" in error


# The cache


@pytest.fixture
def cache(tmp_path):
    """JAX's cache in a folder of its own, where everything is kept."""
    names = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
    before = {name: getattr(jax.config, name) for name in names}
    from jax.experimental.compilation_cache import compilation_cache

    def use(folder, seconds):
        for name, value in zip(names, (folder, seconds), strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()

    use(str(tmp_path), 0.0)
    yield tmp_path
    use(*before.values())


@pytest.mark.parametrize("damage", [b"", b"x\x9c half", b"no program", None])
def test_a_damaged_entry_of_the_cache_is_made_anew_without_a_word(cache, damage):
    def mended(x):
        return x * 3 + 1

    def compiled():
        jax.clear_caches()
        return float(jax.jit(mended)(2.0))

    with warnings.catch_warnings():
        mend_silently()
        assert compiled() == 7
        (entry,) = cache.glob("jit_mended-*-cache")
        whole = entry.read_bytes()
        entry.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
        other = cache / "jit_other-0123-cache"
        other.write_bytes(b"")
        before = warnings.showwarning
        assert compiled() == 7
        assert warnings.showwarning is before
        assert len(entry.read_bytes()) > len(whole) // 2 + 10
        assert other.exists()
        with pytest.warns(UserWarning, match="another"):
            warnings.warn("another", stacklevel=1)


# Outputs


def test_links_and_modes_of_outputs_are_kept(tmp_path):
    target = tmp_path / "target.txt"
    target.write_text("before")
    target.chmod(0o640)
    (tmp_path / "link.txt").symlink_to("target.txt")
    with atomic_write(tmp_path / "link.txt") as temporary:
        temporary.write_text("after")
    assert (tmp_path / "link.txt").is_symlink()
    assert target.read_text() == "after"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    (tmp_path / "dangling.txt").symlink_to("made.txt")
    with atomic_write(tmp_path / "dangling.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "made.txt").read_text() == "new"
    (tmp_path / "lost.txt").symlink_to("nowhere/made.txt")
    with pytest.raises(ValueError, match=r"lost.txt is a link to a folder that does not exist"):
        check_output(tmp_path / "lost.txt")


def test_a_new_file_has_the_mode_of_the_mask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new.txt") as temporary:
            temporary.write_text("new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o640


def test_the_initial_image_is_not_overwritten(folder):
    before = (folder / "content.png").read_bytes()
    (folder / "init.png").write_bytes(before)
    options = "--init", "init.png", "-o", "init.png"
    code, _, error = run_jnst(folder, "stylize", "content.png", "style.png", *QUICK, *options)
    assert code == 2
    assert "init.png is the initial image itself and would be overwritten" in error
    assert (folder / "init.png").read_bytes() == before


def test_pictures_in_half_precision_are_painted(tiny, pictures):
    half = [np.asarray(jax.numpy.asarray(picture, jax.numpy.bfloat16)) for picture in pictures]
    quick = {"steps": 1, "sizes": 48, "content_layers": ["relu2_1"], "style_layers": ["relu1_1"]}
    result = jnst.stylize(tiny, *half, **quick)
    exact = jnst.stylize(tiny, *(p.astype(np.float32) for p in half), **quick)
    np.testing.assert_array_equal(result.image, exact.image)


def test_advice_names_options_of_the_command_only(folder, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("jnst.cli.recolor.read_picture", full)
    code, _, error = run_jnst(folder, "recolor", "content.png", "style.png")
    assert (code, error) == (1, "jnst recolor: error: memory ran out; close other programs\n")
