"""README and docs: their Python runs, their commands parse, their links lead somewhere.

Python runs with a network of few channels, on small pictures, for few steps. The blocks of a page
run one after another, as a reader would type them; `reader` has what some pages take as given.
"""

import functools
import re
import shlex
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import shrink_networks, tiny_decoder, tiny_weights, write_tiny_weights

import jnst
import jnst.feedforward
import jnst.visualize
from jnst.cli.program import build_parser
from jnst.feedforward.adain import make_adain
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture

REPOSITORY = Path(__file__).parents[1]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!`)\[[^\]\[]*\]\(([^)\s]+)\)")
SMALL = Architecture(channels=(4, 6, 8), residuals=1)
QUICKLY = {"steps": 1, "style_loss": "gram", "optimizer": "adam"}
FEWER = {
    (jnst, "stylize"): QUICKLY,
    (jnst, "stylize_grid"): QUICKLY,
    (jnst, "minimize"): {"steps": 1},
    (jnst.feedforward, "train"): {
        **{"steps": 1, "batch": 1, "crop": 64, "style_size": 64},
        "architecture": SMALL,
    },
    (jnst.visualize, "reconstruct"): {
        "steps": 1,
        "content_layers": ["conv4_2"],
        "style_layers": ["relu3_1"],
    },
    (jnst.visualize, "dream"): {"steps": 1, "octaves": 1},
    (jnst.visualize, "dream_frames"): {"steps": 1, "octaves": 1, "frame_steps": 1},
}
"""What the runs of pages are cut down to."""
EDGE = 32
"""Long edge of the pictures, in pixels; deep layers need as much."""

by_name = functools.partial(pytest.mark.parametrize, "page", ids=lambda page: page.name)


def blocks(page, *languages):
    """The contents of a page's fenced blocks in one of the languages."""
    text = page.read_text(encoding="utf-8")
    for indent, language, block in FENCE.findall(text):
        if language in languages:
            yield "".join(line.removeprefix(indent) for line in block.splitlines(keepends=True))


def commands(page):
    """The arguments of every `jnst …` in the page's blocks of commands, pipes and comments off."""
    for block in blocks(page, "", "sh", "bash"):
        for line in block.splitlines():
            for part in re.split(r"\s\|\s|\s>\s|&&", line):
                if part.strip().startswith("jnst "):
                    yield shlex.split(part, comments=True)[1:]


def test_pages_are_found():
    assert {"README.md", "fast.md", "python.md"} <= {page.name for page in PAGES}


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_bytes()) <= 8 * 1024


@by_name([page for page in PAGES if any(commands(page))])
def test_commands_parse(page):
    for arguments in commands(page):
        args, rest = build_parser().parse_known_args(arguments)
        assert not rest, arguments
        assert callable(args.run)


def anchors(page):
    """The ids that the headings of a page have, on the site and on most hosts of repositories."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
    yield from re.findall(r"^::: (\S+)", text, re.MULTILINE)


@by_name(PAGES)
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in set(anchors(target)), link


@by_name(PAGES)
def test_extras_exist(page):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"""(?:\.|jnst)\[([\w,]+)\]["'`]""", page.read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= set(
        project["optional-dependencies"]
    )


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """The names that a page may take as given, in a folder with the files that pages name."""
    monkeypatch.chdir(tmp_path)
    shrink_networks(monkeypatch)
    monkeypatch.setenv("JNST_WEIGHTS", str(write_tiny_weights(tmp_path / "vgg19.h5")))
    random = np.random.default_rng(0)
    for name in ("photo", "painting", "other", "third", "starry", "scream"):
        jnst.save_image(f"{name}.jpg", random.uniform(size=(EDGE, EDGE, 3)).astype(np.float32))
    jnst.save_image("sky.png", np.eye(EDGE, dtype=np.float32)[..., None].repeat(3, -1))
    small = new_painter(jax.random.key(0), ["waves"], SMALL)
    load_image, load_vgg19 = jnst.load_image, jnst.load_vgg19
    frames = jnst.visualize.dream_frames
    adain = make_adain(tiny_weights(), tiny_decoder(), precision="highest")
    for owner, name, replacement in (
        (jnst, "load_image", lambda path, size=None: load_image(path, EDGE)),
        (jnst, "load_vgg19", lambda **o: load_vgg19(**o | {"precision": "highest"})),
        (jnst, "load_adain", lambda: adain),
        (jnst.feedforward, "load_painter", lambda path: small),
        (
            jnst.visualize,
            "dream_frames",
            lambda model, photo, count, **o: frames(model, photo, 2, **o),
        ),
    ):
        monkeypatch.setattr(owner, name, replacement)
    for (owner, name), few in FEWER.items():
        monkeypatch.setattr(owner, name, cut_down(getattr(owner, name), few))
    photo, painting = jnst.load_image("photo.jpg"), jnst.load_image("painting.jpg")
    levels = (255 * photo).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    return {
        "jnst": jnst,
        "model": jnst.load_vgg19(),
        "photo": photo,
        "painting": painting,
        "content": photo,
        "photos": [levels, levels[::-1]],
    }


def cut_down(function, few):
    """The function with these options, whatever else it is given."""
    return lambda *args, **options: function(*args, **options | few)


def film(monkeypatch):
    """Put a clip of three small frames into the folder; clips are painted whole."""
    import jnst.video
    from jnst.visualize.movies import write_movie

    shades = (0.2, 0.5, 0.8)
    write_movie("clip.mp4", [np.full((48, 64, 3), shade, np.float32) for shade in shades])
    function = jnst.video.stylize_video
    monkeypatch.setattr(
        jnst.video, "stylize_video", cut_down(function, {"window": jnst.video.Window()})
    )


@by_name([page for page in PAGES if any(blocks(page, "python"))])
def test_python_runs(page, reader, monkeypatch):
    shown = dict(reader)
    if page.name == "video.md":
        film(monkeypatch)
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), shown)
