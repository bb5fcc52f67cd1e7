"""Foreign VGG files -> `Weights`: every layout, lineage and fault."""

import hashlib

import h5py
import numpy as np
import pytest
import safetensors.numpy
from tiny import TINY
from torch_files import (
    CAFFE_MEAN,
    CAFFE_SWAP,
    FORMATS,
    TORCHVISION,
    Ordered,
    adain_tree,
    classifiers,
    legacy_bytes,
    torch_tree,
    torchvision_tree,
    values,
    vgg,
    write,
    zip_bytes,
)

from jnst import convert
from jnst.convert import reader
from jnst.convert.layouts import best_layout, layouts
from jnst.nn.blocks import convolutions
from jnst.nn.weights import Weights, write_weights

pytestmark = pytest.mark.usefixtures("narrow")


EXPECTED = {
    network: {
        name: (np.ascontiguousarray(values(kernel).transpose(2, 3, 1, 0)), values(bias))
        for name, (kernel, bias) in vgg(network).items()
    }
    for network in TINY
}
"""What the tests' networks are in jnst: (3, 3, in, out) kernels, here still as trained for BGR."""

both = pytest.mark.parametrize("network", TINY)


def check(weights: Weights, lineage: str, network: str = "vgg19") -> None:
    assert (weights.lineage, weights.network) == (lineage, network)
    assert weights.blocks == TINY[network]
    assert list(weights.layers) == list(EXPECTED[network])
    for name, (kernel, bias) in weights.layers.items():
        wanted, wanted_bias = EXPECTED[network][name]
        if lineage == "caffe" and name == "conv1_1":
            wanted = wanted[:, :, [2, 1, 0]]
        assert kernel.dtype == bias.dtype == np.float32
        assert kernel.flags.c_contiguous
        np.testing.assert_array_equal(kernel, wanted)
        np.testing.assert_array_equal(bias, wanted_bias)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("lineage", ["torchvision", "caffe"])
@both
def test_torchvision(form, lineage, network, tmp_path):
    data = FORMATS[form](torchvision_tree(network) | classifiers())
    path = write(tmp_path / "weights.pth", data)
    weights = convert.read(path, lineage=lineage)
    check(weights, lineage, network)
    assert weights.source == "weights.pth"
    assert weights.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "tree",
    [
        {f"module.{key}": tensor for key, tensor in torchvision_tree().items()},
        {f"_orig_mod.{key}": tensor for key, tensor in torchvision_tree().items()},
        {f"model._orig_mod.module.{key}": tensor for key, tensor in torchvision_tree().items()},
        {f"net.net.vgg.{key}": tensor for key, tensor in torchvision_tree().items()},
        {"state_dict": {f"model.{key}": tensor for key, tensor in torchvision_tree().items()}},
        {"epoch": 3, "state_dict": torchvision_tree()},
        torch_tree("{}", TORCHVISION["vgg19"]),
        Ordered(torchvision_tree()),
    ],
    ids=[
        *("DataParallel", "compiled", "several wrappers", "one wrapper twice", "Lightning"),
        *("checkpoint", "features alone", "OrderedDict"),
    ],
)
def test_variants_of_torchvision(tree, tmp_path):
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    check(convert.read(path, lineage="torchvision"), "torchvision")


def test_features_of_vgg16_alone(tmp_path):
    path = write(tmp_path / "x.pth", zip_bytes(torch_tree("{}", TORCHVISION["vgg16"], "vgg16")))
    check(convert.read(path, lineage="torchvision"), "torchvision", "vgg16")


@pytest.mark.parametrize("lineage", [None, "caffe"])
@both
def test_gatys(lineage, network, tmp_path):
    tree = torch_tree("{}", convolutions(TINY[network]), network)
    path = write(tmp_path / "vgg_conv.pth", legacy_bytes(tree))
    check(convert.read(path, lineage=lineage), "caffe", network)


@both
def test_adain(network, tmp_path):
    path = write(tmp_path / "vgg_normalised.pth", legacy_bytes(adain_tree(network=network)))
    check(convert.read(path), "caffe", network)


@pytest.mark.parametrize(
    "tree",
    [
        adain_tree(swap=CAFFE_SWAP[::-1].copy()),
        adain_tree(swap=CAFFE_SWAP / 255),
        adain_tree(mean=CAFFE_MEAN[::-1].copy()),
        adain_tree(mean=CAFFE_MEAN + 0.1),
    ],
)
def test_adain_with_other_preprocessing(tree, tmp_path):
    path = write(tmp_path / "x.pth", legacy_bytes(tree))
    with pytest.raises(ValueError, match=r"x\.pth has a first layer that is not Caffe's"):
        convert.read(path)


@both
def test_safetensors(network, tmp_path):
    """As timm saves them."""
    arrays = {key: values(tensor) for key, tensor in torchvision_tree(network).items()}
    path = tmp_path / "timm.safetensors"
    others = {"head.fc.bias": np.zeros(3), "pre_logits.fc1.weight": np.zeros((4, 10, 7, 7))}
    safetensors.numpy.save_file(arrays | others, path)
    check(convert.read(path, lineage="torchvision"), "torchvision", network)


def keras_file(path, network: str, kernel: str, bias: str, fills, others=()) -> None:
    with h5py.File(path, "w") as file:
        for (k, b), fill in zip(EXPECTED[network].values(), fills, strict=True):
            file[kernel.format(fill)], file[bias.format(fill)] = k, b
        for other in others:
            file[other] = np.ones(2)


COUNTS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
BLOCKS = {
    network: [
        f"block{block}_conv{index}"
        for block, count in enumerate(counts, start=1)
        for index in range(1, count + 1)
    ]
    for network, counts in COUNTS.items()
}
CLASSES = {
    network: ["conv2d", *(f"conv2d_{number}" for number in range(1, sum(counts)))]
    for network, counts in COUNTS.items()
}
KERAS = {
    "keras-applications": ("{0}/{0}_W_1:0", "{0}/{0}_b_1:0", BLOCKS),
    "TF-Keras": ("{0}/{0}/kernel:0", "{0}/{0}/bias:0", BLOCKS),
    "whole TF-Keras model": (
        "model_weights/{0}/{0}/kernel:0",
        "model_weights/{0}/{0}/bias:0",
        BLOCKS,
    ),
    "whole Keras 3 model": ("model_weights/{0}/{0}/kernel", "model_weights/{0}/{0}/bias", BLOCKS),
    "Keras 3": ("layers/{}/vars/0", "layers/{}/vars/1", BLOCKS),
    "Keras 3 by class": ("layers/{}/vars/0", "layers/{}/vars/1", CLASSES),
    "TF-Keras 2.12": (
        "_layer_checkpoint_dependencies/{}/vars/0",
        "_layer_checkpoint_dependencies/{}/vars/1",
        CLASSES,
    ),
}


@pytest.mark.parametrize("kind", KERAS)
@both
def test_keras(kind, network, tmp_path):
    path = tmp_path / "x.h5"
    kernel, bias, fills = KERAS[kind]
    keras_file(
        path,
        network,
        kernel,
        bias,
        fills[network],
        others=[
            "fc1/fc1_W_1:0",
            "predictions/predictions/bias:0",
            "layers/dense_1/vars/0",
            "model_weights/fc2/fc2/kernel:0",
            "optimizer/vars/0",
            "optimizer_weights/Adam/kernel:0",
        ],
    )
    check(convert.read(path), "caffe", network)


@pytest.mark.parametrize("known, other", [("torchvision", "caffe"), ("caffe", "torchvision")])
def test_known_files_tell_their_lineage(known, other, tmp_path, monkeypatch):
    data = zip_bytes(torchvision_tree())
    path = write(tmp_path / "any name.pth", data)
    with pytest.raises(ValueError, match=r"does not tell the lineage.*torchvision.*caffe"):
        convert.read(path)
    monkeypatch.setitem(reader.KNOWN_FILES, hashlib.sha256(data).hexdigest()[:8], known)
    check(convert.read(path), known)
    check(convert.read(path, lineage=known), known)
    with pytest.raises(ValueError, match=f"{known} lineage, so lineage must not be '{other}'"):
        convert.read(path, lineage=other)


def test_the_published_files_that_are_known():
    assert reader.KNOWN_FILES == {
        "dcbb9e9d": "torchvision",
        "397923af": "torchvision",
        "00b39a1b": "caffe",
        "d01eb7cb": "caffe",
        "74e45263": "caffe",
    }


def test_layouts_tell_their_lineage(tmp_path):
    path = write(tmp_path / "x.pth", legacy_bytes(adain_tree()))
    with pytest.raises(ValueError, match=r"x\.pth holds weights of the caffe lineage"):
        convert.read(path, lineage="torchvision")


def test_the_same_file_makes_the_same_bytes(tmp_path):
    path = write(tmp_path / "x.pth", legacy_bytes(adain_tree()))
    written = []
    for name in ("a.h5", "b.h5"):
        write_weights(tmp_path / name, convert.read(path))
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_layouts_are_whole_and_distinct():
    assert len(layouts()) == 9 * len(TINY)
    for layout in layouts():
        names = convolutions(TINY[layout.network.name])
        assert list(layout.keys) == list(names)
        extra = 2 if layout.preprocessing else 0
        assert len(layout.used()) == 2 * len(names) + extra
        assert set(layout.shapes()) == layout.used()
        assert best_layout(layout.used()) is layout
        assert not any(key.startswith(layout.ignored) for key in layout.used())
    adain = next(
        layout for layout in layouts() if (layout.name, layout.network.name) == ("AdaIN", "vgg19")
    )
    assert best_layout({key for key in adain.used() if int(key.split(".")[0]) <= 31}) is adain
