"""Files are written whole or not at all, and the cache folder is where the user wants it."""

import os
import stat
from pathlib import Path

import pytest

from jnst._files import atomic_write, cache_folder, check_output


def test_the_file_appears_whole_with_the_usual_permissions(tmp_path):
    path = tmp_path / "file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("all")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "all"
    assert list(tmp_path.iterdir()) == [path]
    reference = tmp_path / "reference"
    reference.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(reference.stat().st_mode)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder; give the name of a file"):
        check_output(tmp_path)
    with pytest.raises(ValueError, match="does not exist; create it first"):
        check_output(tmp_path / "none" / "file.png")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is not a regular file; give another name"):
        check_output(tmp_path / "pipe")
    with pytest.raises(ValueError, match="folder /proc cannot be written to"):
        check_output("/proc/file.png")  # where not even root may


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("JNST_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("JNST_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "jnst"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "jnst"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "jnst"
