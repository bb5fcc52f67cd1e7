"""What the converter says of files that it cannot use: all of it, in one sentence."""

import h5py
import numpy as np
import pytest
from tiny import tiny_weights
from torch_files import (
    Name,
    Stored,
    Window,
    classifiers,
    legacy_bytes,
    torchvision_tree,
    vgg,
    window,
    write,
    zip_bytes,
)

from jnst import convert
from jnst.nn.weights import write_weights

pytestmark = pytest.mark.usefixtures("narrow")


def test_an_unknown_lineage(tmp_path):
    with pytest.raises(ValueError, match=r"lineage must be one of torchvision, caffe, got 'cafe'"):
        convert.read(tmp_path / "none", lineage="cafe")


def test_all_faults_are_told_together(tmp_path):
    tree = torchvision_tree()
    del tree["features.5.bias"], tree["features.34.weight"]
    tree["features.7.weight"] = window(np.zeros((6, 6, 5, 5), np.float32))
    tree["features.10.bias"] = window(np.zeros(8, np.int64), "LongStorage")
    tree["features.12.bias"] = window(np.full(8, np.nan, np.float32))
    tree["features.14.bias"] = window(np.full(8, 1e300), "DoubleStorage")
    tree["features.1.running_mean"] = window(np.zeros(64, np.float32))
    path = write(tmp_path / "x.pth", zip_bytes(tree | classifiers()))
    with pytest.raises(ValueError) as caught:
        convert.read(path, lineage="torchvision")
    assert str(caught.value) == (
        f"{path} is no whole VGG-19 in the layout of torchvision; "
        "missing: features.5.bias, features.34.weight; "
        "unexpected: features.1.running_mean; "
        "misshapen: features.7.weight (6, 6, 5, 5) instead of (6, 6, 3, 3); "
        "not floating point: features.10.bias int64; "
        "not finite: features.12.bias, features.14.bias"
    )


def test_long_lists_are_cut(tmp_path):
    tree = {f"features.{index}.weight": window(np.zeros(1, np.float32)) for index in range(40, 60)}
    tree["features.0.bias"] = window(np.zeros(4, np.float32))
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    with pytest.raises(ValueError, match=r"missing: .* and 17 more; unexpected: .* and 12 more$"):
        convert.read(path)


def test_another_network(tmp_path):
    tree = {
        "layer1.0.conv1.weight": window(np.zeros(1, np.float32)),
        "fc.bias": vgg()["conv1_1"][1],
    }
    path = write(tmp_path / "resnet.pth", zip_bytes(tree))
    with pytest.raises(
        ValueError, match=r"tensors are layer1\.0\.conv1\.weight, fc\.bias$"
    ) as caught:
        convert.read(path)
    assert "resnet.pth is no VGG-16 or VGG-19 in a known layout (torchvision, " in str(caught.value)


@pytest.mark.parametrize("lost, title", [("features.26", "VGG-16"), ("features.30", "VGG-19")])
def test_which_network_a_broken_file_was(lost, title, tmp_path):
    tree = torchvision_tree("vgg16" if title == "VGG-16" else "vgg19")
    del tree[f"{lost}.weight"]
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    message = f"is no whole {title} in the layout of torchvision; missing: {lost}.weight$"
    with pytest.raises(ValueError, match=message):
        convert.read(path)


def test_a_file_of_jnst_itself(tmp_path):
    path = tmp_path / "vgg19.h5"
    write_weights(path, tiny_weights())
    with pytest.raises(ValueError, match=r"vgg19\.h5 is in jnst's own format already"):
        convert.read(path)
    with h5py.File(path, "a") as file:
        file.attrs["format"], file.attrs["version"] = "jnst-vgg19", 1
    with pytest.raises(ValueError, match=r"vgg19\.h5 is in jnst's own format already"):
        convert.read(path)


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


def test_a_tensor_that_claims_to_be_huge_is_never_made(tmp_path):
    """4 EiB by strides of 0: compared by shape."""
    tree = torchvision_tree()
    tree["features.0.weight"] = Window(Stored(np.zeros(1, np.float32)), (2**30, 2**30), (0, 0))
    path = write(tmp_path / "x.pth", zip_bytes(tree))
    with pytest.raises(ValueError, match=r"misshapen: features\.0\.weight"):
        convert.read(path)
