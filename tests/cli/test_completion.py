"""What the Tab key offers, asked as a shell asks."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "line, offered",
    [
        ("jnst st", {"stylize"}),
        ("jnst stylize a.jpg b.jpg --tol", {"--tolerance"}),
        ("jnst convert a.pth --lineage ", {"caffe", "torchvision"}),
        ("jnst info --we", {"--weights"}),
    ],
)
def test_words_are_completed(tmp_path, line, offered):
    answer = tmp_path / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "jnst"], env={**os.environ, **asked}, check=True, capture_output=True
    )
    assert {word.strip() for word in answer.read_text().splitlines()} == offered
