"""The page of --preview in a real browser, headless Chromium, while the real command runs."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.weights import write_weights

STEPS = 400


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
def run(tmp_path, pictures, real_weights):
    """A run that has begun to serve its page: (process, address)."""
    for name, picture in zip(("content.png", "style.png"), pictures, strict=True):
        jnst.save_image(tmp_path / name, picture)
    (tmp_path / "cache").mkdir()
    write_weights(tmp_path / "cache" / "vgg19.h5", real_weights)
    command = (
        "-m", "jnst", "stylize", "content.png", "style.png", "--size", "64", "--precision",
        "highest", "--steps", str(STEPS), "--quiet", "--preview",
    )  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        cwd=tmp_path,
        env={**os.environ, "JNST_CACHE": str(tmp_path / "cache"), "TORCH_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, process.stderr.readline().removeprefix("preview at ").strip()
        finally:
            process.kill()


def test_the_page_shows_the_run_to_its_end_and_then_the_command_ends(run, tmp_path):
    """A browser that stays until it is told of the end has seen all; virtual time waits for
    every answer, so that its budget is that of the pauses between questions."""
    process, address = run
    shot = tmp_path / "running.png"
    browser(tmp_path, address, "--virtual-time-budget=15000", f"--screenshot={shot}")
    assert np.asarray(Image.open(shot)).std() > 5
    while process.poll() is None:
        try:
            page = browser(tmp_path, address, "--virtual-time-budget=5000", "--dump-dom")
        except subprocess.CalledProcessError:
            break
        if "Finished" in page or "chrome-error" in page or "neterror" in page:
            break
        assert re.search(r"<title>(\d+ %|finished) – jnst</title>", page)
        assert re.search(rf"step \d+ of {STEPS} · 80 × 64 px", page) or "waiting for" in page
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
