"""The real command, killed and started again."""

import csv
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import environment

from jnst.cli.options import choose
from jnst.cli.program import build_parser, main

RUN = ["stylize", "content.png", "style.png", "--sizes", "40,56", "--steps", "60,90",
       "--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1",
       "--precision", "highest"]  # fmt: skip
KEEP = ["--checkpoint", "run.npz", "--checkpoint-every", "1"]


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "jnst", *arguments],
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder, *arguments):
    process = start(folder, *arguments)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def steps_saved(folder):
    """How many steps the file holds, every byte of which is read and checked."""
    path = folder / "run.npz"
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    assert len(arrays["losses.total"]) == arrays["steps_made"].sum()
    return int(arrays["steps_made"].sum())


def first_step(said):
    return int(re.search(r"^step (\d+)/150", said, re.MULTILINE)[1])


def test_killed_at_any_moment_the_same_command_ends_in_the_same_picture(folder):
    code, said = finish(folder, *RUN, "-o", "whole.png")
    assert code == 0, said
    again = [*RUN, "-o", "killed.png", *KEEP, "--resume"]
    moments, saved = random.Random(5), 0
    for kill in (signal.SIGKILL, signal.SIGINT):
        process = start(folder, *again)
        wanted = saved + moments.randint(1, 30)
        while process.poll() is None and steps_saved(folder) < wanted:
            time.sleep(moments.uniform(0.02, 0.08))
        process.send_signal(kill)
        _, said = process.communicate(timeout=60)
        assert process.returncode == (130 if kill == signal.SIGINT else -signal.SIGKILL), said
        assert first_step(said) == saved + 1  # nothing was lost but what came after the last save
        assert steps_saved(folder) >= wanted
        saved = steps_saved(folder)
    assert saved < 150
    code, said = finish(folder, *again, "--log", "killed.csv")
    assert code == 0, said
    assert first_step(said) == saved + 1
    assert "150 steps in" in said
    assert (folder / "killed.png").read_bytes() == (folder / "whole.png").read_bytes()
    with open(folder / "killed.csv") as file:
        assert [row["size"] for row in csv.DictReader(file)] == ["40"] * 60 + ["56"] * 90


def test_a_size_that_converges_is_said_logged_and_carried(folder):
    options = "--sizes", "40", "--steps", "90", "--tolerance", "1", "--log", "early.csv"
    code, said = finish(folder, *RUN, *options, "-o", "early.png")
    assert code == 0, said
    assert re.search(r"wrote early.png: 22 steps in \d+ s, loss [\d.]+, converged$", said)
    assert (folder / "early.csv").read_text().count("\n") == 23
    like = ["stylize", "content.png", "style.png", "--like", str(folder / "early.png")]
    _, settings = choose(build_parser().parse_args(like))
    assert settings.tolerance == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume"], "--resume needs a --checkpoint"),
        (["--checkpoint", "there.npz"], "checkpoint there.npz exists already; resume it or give"),
        (["--checkpoint", "x.png", "-o", "x.png"], "--checkpoint x.png is where another output"),
        (["--checkpoint-every", "0"], "--checkpoint-every must be at least 1"),
        (["--tolerance", "2"], "--tolerance must lie between 0 and 1, got 2"),
    ],
)
def test_what_will_not_do_is_one_line(folder, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JNST_CACHE", str(folder / "cache"))
    (folder / "there.npz").write_text("mine")
    assert main([*RUN, *arguments]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and said in told
    assert (folder / "there.npz").read_text() == "mine"
