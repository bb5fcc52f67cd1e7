"""jnst's weights file: what is in it, and what is refused."""

import shutil

import h5py
import numpy as np
import pytest
from tiny import TINY, shrink_networks, tiny_weights, write_tiny_weights

from jnst.nn.blocks import VGG19_BLOCKS, convolutions
from jnst.nn.lineages import LINEAGES
from jnst.nn.weights import is_weights_file, read_weights, write_weights


@pytest.fixture
def weights_file(tmp_path):
    """Of a network that is none of the known ones."""
    return write_tiny_weights(tmp_path / "tiny.h5")


def check_same(read, wanted):
    assert (read.lineage, read.source, read.sha256) == (
        wanted.lineage,
        wanted.source,
        wanted.sha256,
    )
    assert read.blocks == wanted.blocks
    assert list(read.layers) == list(wanted.layers)
    for name, (kernel, bias) in wanted.layers.items():
        np.testing.assert_array_equal(read.layers[name][0], kernel)
        np.testing.assert_array_equal(read.layers[name][1], bias)


def test_what_is_written_is_read(weights_file):
    read = read_weights(weights_file)
    check_same(read, tiny_weights())
    assert (read.network, read.title) == ("vgg", "VGG")


@pytest.mark.parametrize(("network", "title"), [("vgg16", "VGG-16"), ("vgg19", "VGG-19")])
def test_the_networks_are_known_by_their_blocks(network, title, tmp_path, monkeypatch):
    shrink_networks(monkeypatch)
    write_weights(tmp_path / "x.h5", tiny_weights(network=network))
    read = read_weights(tmp_path / "x.h5")
    check_same(read, tiny_weights(network=network))
    assert (read.network, read.title) == (network, title)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["network"] == network
        assert file.attrs["attribution"].startswith(f"{title} weights by Karen Simonyan")


def test_files_of_the_first_version_are_vgg19(tmp_path, monkeypatch):
    """They have another name of the format, and neither network nor blocks."""
    shrink_networks(monkeypatch)
    monkeypatch.setattr("jnst.nn.weights.VGG19_BLOCKS", TINY["vgg19"])
    path = write_tiny_weights(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file.attrs["format"], file.attrs["version"] = "jnst-vgg19", 1
        del file.attrs["network"], file.attrs["blocks"]
    assert is_weights_file(path)
    read = read_weights(path)
    check_same(read, tiny_weights())
    assert read.network == "vgg19"


def test_the_file_says_what_it_is_and_whose(real_weights, tmp_path):
    write_weights(tmp_path / "vgg19.h5", real_weights)
    check_same(read_weights(tmp_path / "vgg19.h5"), real_weights)
    with h5py.File(tmp_path / "vgg19.h5") as file:
        attributes = dict(file.attrs)
        assert list(file) == list(convolutions(VGG19_BLOCKS))
        assert file["conv3_1/kernel"].shape == (3, 3, 128, 256)
        assert file["conv3_1/bias"].dtype == np.float32
    assert attributes["format"] == "jnst-weights"
    assert attributes["version"] == 2
    assert attributes["network"] == "vgg19"
    assert attributes["blocks"].tolist() == [[2, 64], [2, 128], [4, 256], [4, 512], [4, 512]]
    assert attributes["licence"] == "CC BY 4.0"
    assert "Simonyan" in attributes["attribution"]
    assert attributes["source"] == "vgg_normalised.pth"
    assert attributes["sha256"].startswith("804ca283")
    np.testing.assert_allclose(attributes["mean"], LINEAGES["caffe"].mean)
    np.testing.assert_allclose(attributes["std"], LINEAGES["caffe"].std)


def test_the_same_weights_make_the_same_bytes(weights_file, tmp_path):
    write_tiny_weights(tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == weights_file.read_bytes()


def damaged(weights_file, path, damage):
    shutil.copy(weights_file, path)
    with h5py.File(path, "a") as file:
        damage(file)
    return path


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.__delitem__("conv3_2"), "conv3_2"),
        (lambda f: f["conv1_1"].__delitem__("bias"), "bias"),
        (
            lambda f: f["conv1_1/kernel"].__setitem__((0, 0, 0, 0), np.nan),
            "kernel holds NaN",
        ),
        (lambda f: f.attrs.__setitem__("lineage", "cafe"), "(did you mean 'caffe'?)"),
        (lambda f: f.attrs.__delitem__("lineage"), "damaged"),
        (lambda f: f.attrs.__setitem__("version", 9), "has format version 9, and this jnst reads"),
        (lambda f: f.attrs.__setitem__("version", 1), "has format version 1, and this jnst reads"),
        (lambda f: f.attrs.__setitem__("network", "vgg6"), "(did you mean 'vgg16'?)"),
        (lambda f: f.attrs.__delitem__("network"), "must be one of vgg16, vgg19, vgg, got None"),
        (lambda f: f.attrs.__setitem__("network", "vgg19"), "its blocks are ((2, 4), (2, 6)"),
        (lambda f: f.attrs.__delitem__("blocks"), "must be pairs of the convolutions and channels"),
        (lambda f: f.attrs.__setitem__("blocks", [[2, 0]]), "the blocks in "),
        (lambda f: f.attrs.__setitem__("blocks", [[2, 4], [2, 5]]), "conv2_1/kernel has the shape"),
        (lambda f: f.attrs.__setitem__("blocks", [[3, 4]]), "conv1_3"),
        (lambda f: f.attrs.__setitem__("format", "other"), "not a weights file of jnst"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(weights_file, tmp_path, damage, said):
    path = damaged(weights_file, tmp_path / "bad.h5", damage)
    with pytest.raises(ValueError) as raised:
        read_weights(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_all_misshapen_arrays_are_listed_together(weights_file, tmp_path):
    def misshape(file):
        for name in ("conv2_1", "conv4_3"):
            del file[name]["bias"]
            file[name]["bias"] = np.zeros(7, np.float32)

    path = damaged(weights_file, tmp_path / "bad.h5", misshape)
    with pytest.raises(ValueError, match=r"conv2_1/bias .*\(7,\), not \(6,\); conv4_3/bias"):
        read_weights(path)


def test_a_truncated_file_is_named(weights_file, tmp_path):
    path = tmp_path / "short.h5"
    path.write_bytes(weights_file.read_bytes()[:10_000])
    with pytest.raises(ValueError, match=r"short\.h5 is damaged"):
        read_weights(path)
