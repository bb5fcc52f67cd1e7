"""Signals that end a run, standard input and output, and threads."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from commands import JNST, run_jnst, start_jnst, variables
from PIL import Image

import jnst
from jnst.cli import main
from jnst.cli.signals import SIGNALS, exit_code, interrupts, received
from jnst.image.pictures import read_settings

SHALLOW = (
    *("--content-layers", "relu2_1", "--style-layers", "relu1_1", "--style-loss", "gram"),
    *("--precision", "highest"),
)
"""Which compile in a second."""
QUICK = "--size", "48", "--steps", "2", *SHALLOW
LONG = "--size", "48", "--steps", "1000000", *SHALLOW


def wait_for_steps(process):
    """Read what a run prints until it makes steps."""
    for line in process.stderr:
        if "steps/s" in line:
            return
    raise AssertionError("no step was made")


def name_of(number):
    return signal.Signals(number).name


@pytest.fixture(scope="module")
def runs(folder):
    """A run for each signal and one whose terminal goes, all of them making steps."""
    command = "stylize", "content.png", "style.png", *LONG, "-o"
    names = (*map(name_of, SIGNALS), "gone")
    runs = {name: start_jnst(folder, *command, f"{name}.png") for name in names}
    yield runs
    for process in runs.values():
        process.kill()
        process.stderr.close()
        process.wait()


@pytest.mark.parametrize("number", SIGNALS, ids=name_of)
def test_every_signal_writes_the_picture_and_gives_its_exit_code(folder, runs, number):
    process = runs[name_of(number)]
    wait_for_steps(process)
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait() == 128 + number
    assert "Traceback" not in rest
    assert jnst.load_image(folder / f"{name_of(number)}.png").shape == (38, 48, 3)
    assert not list(folder.glob(f".jnst-*{name_of(number)}*"))


def test_a_signal_while_a_terminal_has_gone_loses_nothing(folder, runs):
    """As when a window is closed: first what is printed fails, then SIGHUP comes."""
    process = runs["gone"]
    wait_for_steps(process)
    process.stderr.close()
    time.sleep(6)  # until the next line would be printed
    assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.wait(60)
    assert jnst.load_image(folder / "gone.png").shape == (38, 48, 3)


@pytest.mark.parametrize("number", SIGNALS[1:])
def test_a_signal_is_remembered_and_a_second_one_is_as_before(number):
    seen = []
    before = signal.signal(number, lambda *_: seen.append(1))
    try:
        received.clear()
        with interrupts() as interrupted:
            signal.raise_signal(number)
            assert interrupted() and not seen
            assert exit_code() == 128 + number
            signal.raise_signal(number)
            assert seen == [1]
        signal.raise_signal(number)
        assert seen == [1, 1]
    finally:
        signal.signal(number, before)
        received.clear()


def test_commands_run_in_another_thread(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name, value in variables(folder).items():
        monkeypatch.setenv(name, value)
    codes = []
    command = ["stylize", "content.png", "style.png", *QUICK, "-o", "thread.png", "--quiet"]
    thread = threading.Thread(target=lambda: codes.append(main(command)))
    thread.start()
    thread.join()
    assert codes == [0]
    run_jnst(folder, *command[:-2], "main.png", "--quiet")
    same = (jnst.load_image(folder / name) for name in ("thread.png", "main.png"))
    np.testing.assert_array_equal(*same)


def piped(folder, *arguments, data=b""):
    """Run `jnst` in a process of its own, with bytes on its standard input."""
    return subprocess.run(
        [*JNST, *arguments],
        cwd=folder,
        env={**os.environ, **variables(folder)},
        input=data,
        capture_output=True,
        check=False,
    )


def test_a_picture_goes_through_a_pipe(folder):
    data = (folder / "content.png").read_bytes()
    done = piped(folder, "stylize", "-", "style.png", *QUICK, "-o", "-", data=data)
    assert done.returncode == 0, done.stderr
    run_jnst(folder, "stylize", "content.png", "style.png", *QUICK, "-o", "file.png")
    found = jnst.load_image(io.BytesIO(done.stdout))
    np.testing.assert_allclose(found, jnst.load_image(folder / "file.png"), atol=1.1 / 255)
    assert Image.open(io.BytesIO(done.stdout)).format == "PNG"
    assert read_settings(io.BytesIO(done.stdout))["content"] == "-"
    assert not (folder / "-").exists()


class Stream:
    """A text stream over bytes, as those of the interpreter are."""

    def __init__(self, data=b"", terminal=False):
        self.buffer = io.BytesIO(data)
        self.buffer.isatty = lambda: terminal


@pytest.mark.parametrize("command", ["recolor", "style", "init", "palette", "region", "info"])
def test_any_picture_may_come_from_standard_input(folder, monkeypatch, command):
    monkeypatch.setattr(sys, "stdin", Stream((folder / "style.png").read_bytes()))
    stylize = "stylize", "content.png", "style.png", *QUICK, "-o", "any.png"
    arguments = {
        "recolor": ("recolor", "content.png", "-", "-o", "any.png"),
        "style": ("stylize", "content.png", "-", *QUICK, "-o", "any.png"),
        "init": (*stylize, "--init", "-"),
        "palette": (*stylize, "--palette", "/dev/stdin"),
        "region": (*stylize, "--style-region", "-"),
        "info": ("info", "-"),
    }[command]
    code, _, error = run_jnst(folder, *arguments)
    wanted = (2, "- has no jnst settings") if command == "info" else (0, "any.png")
    assert code == wanted[0], error
    assert wanted[1] in error


MISTAKES = {
    "twice": (["-", "-"], "standard input is one picture and cannot be content and style"),
    "and init": (["-", "style.png", "--init", "-"], "cannot be content and --init"),
    "several": (["-", "content.png", "style.png", "-o", "x"], "several contents need files"),
    "a folder": (["content.png", "style.png", "style.png", "-o", "-"], "need a folder for"),
    "save-every": (["-", "style.png", "-o", "-", "--save-every", "1"], "--save-every needs files"),
    "empty": (["-", "style.png"], "standard input is empty"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_with_streams_are_answered_in_one_line(folder, monkeypatch, name):
    arguments, said = MISTAKES[name]
    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(sys, "stdout", Stream())
    buffer = io.StringIO()
    monkeypatch.setattr(sys, "stderr", buffer)
    monkeypatch.chdir(folder)
    assert main(["stylize", *arguments]) == 2
    assert said in buffer.getvalue() and buffer.getvalue().count("\n") == 1


def test_a_terminal_is_no_picture(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stream(terminal=True))
    code, _, error = run_jnst(folder, "stylize", "-", "style.png")
    assert code == 2 and "standard input is a terminal" in error
    code, _, error = run_jnst(folder, "grid", "-", "style.png")
    assert code == 2 and "a grid needs files" in error
    monkeypatch.setattr(sys, "stdin", None)
    code, _, error = run_jnst(folder, "stylize", "-", "style.png")
    assert code == 2 and "standard input is closed" in error


def test_a_closed_output_is_told_in_one_line(folder):
    with subprocess.Popen(
        [*JNST, "recolor", "content.png", "style.png", "-o", "-", "--quiet"],
        cwd=folder,
        env={**os.environ, **variables(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        error = process.stderr.read().decode()
    assert process.returncode == 2
    assert error.count("\n") == 1 and "standard output was closed" in error
