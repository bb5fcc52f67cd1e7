"""The command that measures an accelerator: it goes on where it stopped, and runs dry."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "gpu"


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import parts

    return parts


@pytest.fixture
def as_markdown(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    from tables import as_markdown

    return as_markdown


def fail():
    raise RuntimeError("out of memory\nand more")


def test_what_was_measured_is_not_measured_again_and_what_failed_is(parts, tmp_path):
    file = tmp_path / "steps.json"
    first = parts.Figures(file, float("inf"))
    assert first.take("one", lambda: {"ms": 1.5}) == {"ms": 1.5}
    assert first.take("two", fail) == {"error": "RuntimeError: out of memory"}
    second = parts.Figures(file, float("inf"))
    assert second.take("one", fail) == {"ms": 1.5}
    assert second.take("two", lambda: 2) == 2
    assert json.loads(file.read_text()) == {"one": {"ms": 1.5}, "two": 2}


def test_what_there_is_no_time_for_is_left_for_the_next_run(parts, tmp_path):
    figures = parts.Figures(tmp_path / "steps.json", time.time() + 5)
    assert figures.take("long", lambda: 1, seconds=60) is None
    assert figures.take("short", lambda: 1, seconds=1) == 1


def test_steps_are_set_beside_the_peak_and_pytorch(as_markdown):
    text = as_markdown(
        {
            "device": {"matrix peak, bfloat16, TFLOP/s": 800.0},
            "steps": {
                "512 px, bfloat16, gram, adam": {"ms": 1.0, "peak_gib": None},
                "16 × 256 px, bfloat16, default": {"error": "it did not fit"},
            },
            "torch": {"512 px, bfloat16, eager": {"ms": 3.0}},
        }
    )
    assert (
        "- 512 px, bfloat16, gram, adam: ms 1.0; 48% of the matrix peak; PyTorch eager × 3.00\n"
        in text
    )
    assert "- 16 × 256 px, bfloat16, default: error it did not fit\n" in text


def test_it_runs_dry_on_a_processor(tmp_path):
    command = ["bash", FOLDER / "run.sh", "--dry", "--output", tmp_path, "--parts", "device"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["device"]
    assert figures["about"]["platform"] == "cpu"
    assert figures["about"]["python"] == sys.version.split()[0]
    assert figures["host, ms a step"] > 0
    assert "## device" in (tmp_path / "figures.md").read_text()
