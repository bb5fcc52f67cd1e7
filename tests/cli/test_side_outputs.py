"""What is written beside the picture, where that fails: the picture is there all the same."""

import errno
import os
import subprocess
import warnings

import pytest
from commands import JNST, run_jnst, variables

import jnst
from jnst.cli.broken_streams import LastingStream
from jnst.cli.side_outputs import SideOutputs
from jnst.optim.checkpoint import CheckpointWarning

QUICK = (
    *(
        "stylize",
        "content.png",
        "style.png",
        "--size",
        "48",
        "--steps",
        "2",
        "--style-loss",
        "gram",
    ),
    *("--content-layers", "relu2_1", "--style-layers", "relu1_1", "--style-loss", "gram"),
    *("--precision", "highest"),
)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def in_a_shell(folder, line):
    """The exit code of a line of bash, in which $JNST is the command."""
    command = " ".join((*JNST, *QUICK))
    return subprocess.run(
        ["bash", "-c", line.replace("$JNST", command)],
        cwd=folder,
        env={**os.environ, **variables(folder)},
        stdout=subprocess.DEVNULL,
        timeout=200,
    ).returncode


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("piped", "set -o pipefail; $JNST -o piped.png 2>&1 | head -1"),
        ("closed", "$JNST -o closed.png 2>&- >&- <&-"),
        ("full", "$JNST -o full.png 2>/dev/full"),
    ],
)
def test_progress_that_nobody_can_read_costs_nothing(folder, name, line):
    assert in_a_shell(folder, line) == 0
    assert jnst.load_image(folder / f"{name}.png").shape == (38, 48, 3)


@pytest.mark.parametrize(
    ("option", "broken"),
    [
        (["--log", "side.csv"], "jnst.cli.single.write_log"),
        (["--save-every", "1"], "jnst.cli.single.save_on_the_way"),
        (["--preview"], "jnst.cli.preview.Preview.__call__"),
        (["--checkpoint", "side.npz", "--checkpoint-every", "1"], "numpy.savez"),
    ],
)
def test_what_fails_beside_the_picture_is_said_once(folder, monkeypatch, option, broken):
    monkeypatch.setattr(broken, no_space)
    ran = run_jnst(folder, *QUICK, "-o", "side.png", "--quiet", *option)
    assert ran.returncode == 0, ran.stderr
    (said,) = [line for line in ran.stderr.splitlines() if "warning" in line]
    assert said.startswith("jnst stylize: warning: ") and "No space left on device" in said
    assert jnst.load_image(folder / "side.png").shape == (38, 48, 3)
    (folder / "side.png").unlink()
    assert not list(folder.glob("side*")) and not list(folder.glob(".jnst-*"))


@pytest.mark.parametrize(
    ("option", "broken"),
    [
        (["--log", "many.csv"], "jnst.cli.batch.write_rows"),
        (["--save-every", "1"], "jnst.cli.batch.Painter.save_on_the_way"),
        (["--preview"], "jnst.cli.preview.Preview.__call__"),
        (["--checkpoint", "many.npz", "--checkpoint-every", "1"], "numpy.savez"),
    ],
)
def test_the_same_for_several_contents(folder, monkeypatch, option, broken):
    monkeypatch.setattr(broken, no_space)
    several = QUICK[0], "content.png", *QUICK[1:]
    ran = run_jnst(folder, *several, "-o", "many", "--quiet", *option)
    assert ran.returncode == 0, ran.stderr
    assert sum("warning" in line for line in ran.stderr.splitlines()) == 1
    assert len(list((folder / "many").iterdir())) == 2


@pytest.mark.parametrize("broken", ["save_sheet", "save_trade_off", "csv.writer"])
def test_a_grid_without_its_table_or_sheet_has_its_pictures(folder, monkeypatch, broken):
    monkeypatch.setattr(f"jnst.grid.folder.{broken}", no_space)
    output = f"grid-{broken}"
    ran = run_jnst(folder, "grid", *QUICK[1:], "--beta", "1,2", "-o", output, "--quiet")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("warning") == 1
    assert len(list((folder / output).glob("alpha*.png"))) == 2


def test_other_warnings_are_shown_as_usual(capsys):
    side = SideOutputs("jnst")
    with warnings.catch_warnings(record=True) as seen, side.checkpoints():
        warnings.simplefilter("always")
        warnings.warn("something else", UserWarning, stacklevel=1)
        for _ in range(2):
            warnings.warn("run.npz could not be written", CheckpointWarning, stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["something else"]
    assert capsys.readouterr().err == "jnst: warning: run.npz could not be written\n"


def test_a_stream_that_breaks_stays_silent(tmp_path):
    stream = open(tmp_path / "closed", "w")  # noqa: SIM115
    lasting = LastingStream(stream)
    assert lasting.write("one") == 3
    stream.close()
    assert lasting.write("two") == 3
    lasting.flush()
    assert not lasting.isatty()
    assert (tmp_path / "closed").read_text() == "one"
