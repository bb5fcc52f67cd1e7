"""`python -m jnst.convert` and `jnst convert`: one line of result, or one sentence of error."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import h5py
import numpy as np
import pytest
from commands import default_interrupts
from tiny import tiny_weights
from torch_files import adain_tree, legacy_bytes, torchvision_tree, write, zip_bytes
from weight_server import Handler, Server, ranged, serving

from jnst.convert import command
from jnst.convert.command import main
from jnst.nn.weights import read_weights, write_weights

pytestmark = pytest.mark.usefixtures("narrow")

MODULE = (sys.executable, "-m", "jnst.convert")
JNST = (
    sys.executable,
    "-c",
    "import sys, jnst.cli; sys.exit(jnst.cli.main())",
    "convert",
)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder; not there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("JNST_CACHE", str(folder))
    return folder


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file(tmp_path, cache, capsys):
    source = write(tmp_path / "vgg_normalised.pth", legacy_bytes(adain_tree()))
    output = tmp_path / "out.h5"
    assert main([str(source), "-o", str(output)]) == 0
    done = capsys.readouterr()
    assert done.err == ""
    assert done.out.startswith(
        f"wrote {output}: VGG-19, caffe lineage, from vgg_normalised.pth (sha256 "
    )
    assert done.out.endswith("…)\n") and done.out.count("\n") == 1
    with h5py.File(output) as file:
        assert file.attrs["source"] == "vgg_normalised.pth"
        assert file["conv5_4/kernel"].shape == (3, 3, 10, 10)
    assert files(tmp_path) == ["out.h5", "vgg_normalised.pth"]


def test_the_cache_is_the_default(tmp_path, cache, capsys):
    source = write(tmp_path / "x.pth", zip_bytes(torchvision_tree()))
    assert main([str(source), "--lineage", "torchvision"]) == 0
    assert f"wrote {cache / 'vgg19.h5'}: VGG-19, torchvision lineage" in capsys.readouterr().out


def test_the_network_of_a_file_names_the_output(tmp_path, cache, capsys):
    source = write(tmp_path / "x.pth", zip_bytes(torchvision_tree("vgg16")))
    assert main([str(source), "--lineage", "torchvision"]) == 0
    assert f"wrote {cache / 'vgg16.h5'}: VGG-16, torchvision" in capsys.readouterr().out
    assert main([str(source), "--lineage", "torchvision", "--network", "vgg16"]) == 0
    assert files(cache) == ["vgg16.h5"]
    with h5py.File(cache / "vgg16.h5") as file:
        assert file.attrs["network"] == "vgg16"
        assert "VGG-16 weights by" in file.attrs["attribution"]


def test_a_source_in_the_outputs_place(tmp_path, cache, capsys):
    cache.mkdir()
    source = write(cache / "vgg16.h5", zip_bytes(torchvision_tree("vgg16")))
    assert main([str(source), "--lineage", "caffe"]) == 2
    assert f"output {source} is the source itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "give either a SOURCE file or --download"),
        (["x.pth", "--download"], "give either a SOURCE file or --download"),
        (["x.pth", "--url", "https://example.org/x.pth"], "--url goes with --download"),
        (["none.pth"], "none.pth does not exist"),
        (["."], ". is a folder; give the name of a file"),
        (["text.pth"], "text.pth is neither a PyTorch, nor a safetensors, nor an HDF5 file"),
        (["x.pth", "-o", "none/out.h5"], "output folder none does not exist; create it first"),
        (["x.pth", "-o", "x.pth"], "output x.pth is the source itself; give another name"),
        (["x.pth"], "x.pth does not tell the lineage of its weights; give lineage"),
        (
            ["x.pth", "--lineage", "caffe", "--network", "vgg16"],
            "x.pth holds VGG-19, which is not --network vgg16",
        ),
        (["--download", "--url", "ftp://a/b"], "url must begin with https:// or http://"),
    ],
)
def test_mistakes(arguments, message, tmp_path, cache, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "text.pth", b"some text")
    write(tmp_path / "x.pth", zip_bytes(torchvision_tree()))
    before = files(tmp_path)
    assert main(arguments) == 2
    done = capsys.readouterr()
    assert done.out == ""
    assert done.err.startswith(f"jnst convert: error: {message}")
    assert done.err.count("\n") == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize("command", [MODULE, JNST])
def test_as_a_program(command, tmp_path, cache):
    source = write(tmp_path / "cut.pth", legacy_bytes(adain_tree())[:5000])
    arguments = [*command, source, "-o", tmp_path / "out.h5"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"jnst convert: error: {source} is damaged or truncated")
    assert done.stderr.count("\n") == 1
    assert files(tmp_path) == ["cut.pth"]


def test_a_failure_while_writing_leaves_nothing(tmp_path, cache, capsys, monkeypatch):
    def fail(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    source = write(tmp_path / "x.pth", legacy_bytes(adain_tree()))
    output = write(tmp_path / "out.h5", b"what stood there")
    monkeypatch.setattr(h5py.Group, "create_group", fail)
    assert main([str(source), "-o", str(output)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert output.read_bytes() == b"what stood there"
    assert files(tmp_path) == ["out.h5", "x.pth"]


@pytest.mark.parametrize("keep", [[], ["--keep"]])
def test_download(keep, server, tmp_path, cache, capsys):
    server.behaviours = [ranged(legacy_bytes(adain_tree()))]
    url = server.url.rpartition("/")[0] + "/weights.pth"
    assert main(["--download", "--url", url, *keep]) == 0
    done = capsys.readouterr()
    assert done.out.startswith(f"wrote {cache / 'vgg19.h5'}: VGG-19, caffe lineage")
    assert done.err.splitlines()[0] == f"downloading {url}"
    assert files(cache) == (["downloads/weights.pth"] if keep else []) + ["vgg19.h5"]
    if keep:  # what was kept stays, and is not fetched again
        assert main(["--download", "--url", url]) == 0
        assert files(cache) == ["downloads/weights.pth", "vgg19.h5"]
        assert len(server.ranges) == 1


def test_download_of_vgg16(server, tmp_path, cache, capsys, monkeypatch):
    """torchvision's address, which is answered by the server of this test."""
    server.behaviours = [ranged(zip_bytes(torchvision_tree("vgg16")))]
    asked = []

    def fetch(url, progress):
        asked.append(url)
        return fetch_for_real(f"{server.url.rpartition('/')[0]}/weights.pth", progress=progress)

    fetch_for_real = command.download
    monkeypatch.setattr(command, "download", fetch)
    options = ["--download", "--network", "vgg16", "--lineage", "torchvision"]
    assert main(options) == 0
    assert asked == ["https://download.pytorch.org/models/vgg16-397923af.pth"]
    assert f"wrote {cache / 'vgg16.h5'}: VGG-16" in capsys.readouterr().out
    assert files(cache) == ["vgg16.h5"]


def test_a_download_of_something_else(server, tmp_path, cache, capsys):
    server.behaviours = [ranged(b"<!DOCTYPE html>")]
    url = server.url.rpartition("/")[0] + "/weights.pth"
    assert main(["--download", "--url", url]) == 2
    assert "weights.pth is a web page, not a weight file" in capsys.readouterr().err


def test_progress_in_lines(server, tmp_path, cache, capsys):
    server.behaviours = [ranged(bytes(40 << 20))]
    url = server.url.rpartition("/")[0] + "/weights.pth"
    assert main(["--download", "--url", url, "--lineage", "caffe"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 12
    assert lines[-2] == "40 of 40 MiB"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_progress_on_a_terminal(server, tmp_path, cache):
    import pty
    import termios

    server.behaviours = [ranged(b"text" * 1000)]
    url = server.url.rpartition("/")[0] + "/weights.pth"
    outside, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, 80))
    done = subprocess.run([*MODULE, "--download", "--url", url], stderr=inside, check=False)
    os.close(inside)
    shown = os.read(outside, 100_000).decode()
    os.close(outside)
    assert done.returncode == 2
    assert "weights.pth: 100%" in shown


def test_ctrl_c_while_downloading(server, tmp_path, cache):
    def stall(handler: Handler) -> None:
        handler.head(200, Content_Length=1000)
        handler.wfile.write(b"x" * 100)
        handler.wfile.flush()
        time.sleep(2)

    server.behaviours = [stall]
    arguments = [*MODULE, "--download", "--url", server.url]
    with (
        default_interrupts(),
        subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process,
    ):
        begun = time.monotonic()
        part = cache / "downloads" / f"{server.url.rpartition('/')[2]}.part"
        while not part.exists() and time.monotonic() < begun + 20:
            time.sleep(0.02)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "jnst convert: interrupted"
    assert "Traceback" not in err
    assert part.read_bytes() == b"x" * 100


def test_what_is_deeper_than_a_layer_is_left_out_and_half_the_room_is_taken(tmp_path, cache):
    source = write(tmp_path / "vgg_normalised.pth", legacy_bytes(adain_tree()))
    whole, part = tmp_path / "whole.h5", tmp_path / "part.h5"
    assert main([str(source), "-o", str(whole)]) == 0
    options = ["--to", "conv5_1", "--dtype", "float16"]
    assert main([str(source), "-o", str(part), *options]) == 0
    ours, theirs = read_weights(part), read_weights(whole)
    assert list(ours.layers) == list(theirs.layers)[:13] and ours.blocks[-1][0] == 1
    assert (ours.lineage, ours.sha256) == (theirs.lineage, theirs.sha256)
    for name, arrays in ours.layers.items():
        for array, other in zip(arrays, theirs.layers[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, other, rtol=6e-4, atol=1e-7)
    with h5py.File(part) as file:
        assert file["conv5_1/kernel"].dtype == np.float16


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "relu5_1"], "--to must be one of conv1_1"),
        (["--to", "conv6_1"], "--to must be one of conv1_1"),
    ],
)
def test_a_layer_that_there_is_not_is_named(tmp_path, cache, capsys, options, said):
    source = write(tmp_path / "vgg_normalised.pth", legacy_bytes(adain_tree()))
    assert main([str(source), "-o", str(tmp_path / "out.h5"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--download", "--to", "conv3_1"], "name a file of its own with -o"),
        (["--download", "--to", "conv9_1", "-o", "out.h5"], "--to must be one of conv1_1"),
    ],
)
def test_a_part_of_a_network_is_checked_before_it_is_fetched(
    tmp_path, cache, capsys, monkeypatch, options, said
):
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    assert said in capsys.readouterr().err
    assert files(tmp_path) == []


def test_weights_beyond_float16_are_refused(tmp_path):
    weights = tiny_weights()
    kernel, bias = weights.layers["conv1_1"]
    layers = weights.layers | {"conv1_1": (kernel, bias + np.float32(1e5))}
    with pytest.raises(ValueError, match="do not fit in float16; keep float32"):
        write_weights(tmp_path / "out.h5", replace(weights, layers=layers), "float16")
    assert not list(tmp_path.iterdir())
