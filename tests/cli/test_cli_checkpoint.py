"""The command, killed and started again."""

import csv
import random
import re
import signal
import time

import numpy as np
import pytest
from commands import run_jnst, start_jnst

from jnst.cli.options import choose
from jnst.cli.program import build_parser

RUN = ["stylize", "content.png", "style.png", "--sizes", "40,56", "--steps", "60,90",
       "--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1",
       "--style-loss", "gram",
       "--precision", "highest"]  # fmt: skip
KEEP = ["--checkpoint", "run.npz", "--checkpoint-every", "1"]


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
    whole = run_jnst(folder, *RUN, "-o", "whole.png")
    assert whole.returncode == 0, whole.stderr
    again = [*RUN, "-o", "killed.png", *KEEP, "--resume"]
    moments, saved = random.Random(5), 0
    for kill in (signal.SIGKILL, signal.SIGINT):
        process = start_jnst(folder, *again)
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
    done = run_jnst(folder, *again, "--log", "killed.csv")
    assert done.returncode == 0, done.stderr
    assert first_step(done.stderr) == saved + 1
    assert "150 steps in" in done.stderr
    assert (folder / "killed.png").read_bytes() == (folder / "whole.png").read_bytes()
    with open(folder / "killed.csv") as file:
        assert [row["size"] for row in csv.DictReader(file)] == ["40"] * 60 + ["56"] * 90


def test_a_size_that_converges_is_said_logged_and_carried(folder):
    options = "--sizes", "40", "--steps", "90", "--tolerance", "1", "--log", "early.csv"
    done = run_jnst(folder, *RUN, *options, "-o", "early.png")
    assert done.returncode == 0, done.stderr
    assert re.search(r"wrote early.png: 22 steps in \d+ s, loss [\d.]+, converged$", done.stderr)
    assert (folder / "early.csv").read_text().count("\n") == 23
    like = ["stylize", "content.png", "style.png", "--like", str(folder / "early.png")]
    _, settings = choose(build_parser().parse_args(like))
    assert settings.tolerance == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume"], "--resume needs --checkpoint"),
        (["--checkpoint", "there.npz"], "checkpoint there.npz exists already; resume it or give"),
        (
            ["--checkpoint", "x.png", "-o", "x.png"],
            "--checkpoint x.png is also the name of another output",
        ),
        (["--checkpoint-every", "0"], "--checkpoint-every must be at least 1"),
        (["--tolerance", "2"], "--tolerance must lie between 0 and 1, got 2"),
    ],
)
def test_what_will_not_do_is_one_line(folder, arguments, said):
    (folder / "there.npz").write_text("mine")
    done = run_jnst(folder, *RUN, *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and said in done.stderr
    assert (folder / "there.npz").read_text() == "mine"
