"""The page of --preview in a real browser, headless Chromium, while the real command runs."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from commands import start_jnst
from PIL import Image

STEPS = 60


def browser(folder, address, *options):
    """Chromium's standard output after it has shown the page."""
    executable = shutil.which("chromium")
    assert executable, "the tests in this folder need Chromium: apt-get install chromium"
    arguments = (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", f"--user-data-dir={folder / 'profile'}", *options,
    )  # fmt: skip
    return subprocess.run(
        [executable, *arguments, address], capture_output=True, text=True, timeout=120, check=True
    ).stdout


@pytest.fixture
def run(folder):
    """A run that has begun to serve its page: (process, address)."""
    command = (
        "stylize", "content.png", "style.png", "--size", "64", "--precision", "highest",
        "--steps", str(STEPS), "--quiet", "--preview",
    )  # fmt: skip
    with start_jnst(folder, *command) as process:
        try:
            yield process, process.stderr.readline().removeprefix("preview at ").strip()
        finally:
            process.kill()


def test_the_page_shows_the_run_to_its_end_and_then_the_command_ends(run, tmp_path):
    """In virtual time the browser's pauses between two requests cost nothing.

    So it comes again until it is told of the end, for which the command waits.
    """
    process, address = run
    heading, shot = "", tmp_path / "shot.png"
    browser(tmp_path, address, "--virtual-time-budget=3000", f"--screenshot={shot}")
    assert np.asarray(Image.open(shot).convert("L")).std() > 5  # not an empty page
    while heading != "Finished":
        page = browser(tmp_path, address, "--virtual-time-budget=30000", "--dump-dom")
        heading = re.search(r'<h1 id="state"[^>]*>([^<]*)<', page)[1]
        assert heading in ("Starting", "Running", "Finished")
    assert "<title>finished – jnst</title>" in page
    assert f"step {STEPS} of {STEPS} · 64 × 51 px · loss" in page
    assert re.search(r'<img id="picture"[^>]* src="[^"]*/picture.png', page)
    assert re.search(r'<img id="curves"[^>]* src="[^"]*/curves.svg', page)
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
