"""Files told apart by content; HDF5 and safetensors; what is no weight file at all."""

import subprocess
import sys
import tarfile

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from torch_files import write

from jnst.convert.sources import open_source
from jnst.convert.tensors import Fault

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([1.5, -2.0], np.float16),
    "c": np.array([1e-300, 7.0]),
    "d": np.array([1, 2, 3]),
}


def contents(path) -> dict[str, np.ndarray]:
    with open_source(path) as tensors:
        return {key: tensor.read() for key, tensor in tensors.items()}


def make_hdf5(path) -> None:
    with h5py.File(path, "w") as file:
        for name, array in ARRAYS.items():
            file[f"group/{name}:0"] = array
        file["big-endian"] = np.array([1.0, 2.0], ">f4")
        file["empty"] = h5py.Empty("f4")


def test_hdf5(tmp_path):
    path = tmp_path / "weights.pth"  # the suffix says nothing
    make_hdf5(path)
    with open_source(path) as tensors:
        assert tensors["group/b:0"].dtype == "float16"
        assert tensors["big-endian"].dtype == "float32"
        np.testing.assert_array_equal(tensors["big-endian"].read(), [1, 2])
        for name, array in ARRAYS.items():
            tensor = tensors[f"group/{name}:0"]
            assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name)
            np.testing.assert_array_equal(tensor.read(), array)
    with h5py.File(path, "a"):  # it has been closed
        pass


def test_hdf5_damaged(tmp_path):
    make_hdf5(tmp_path / "x.h5")
    whole = (tmp_path / "x.h5").read_bytes()
    for length in range(8, len(whole) - 1, 97):
        with pytest.raises(Fault, match="damaged or truncated HDF5"):
            contents(write(tmp_path / "cut.h5", whole[:length]))


def test_safetensors(tmp_path):
    path = tmp_path / "weights.h5"  # the suffix says nothing
    arrays = {**ARRAYS, "e": np.array([1.0, 3.140625], ml_dtypes.bfloat16)}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "pt"})
    with open_source(path) as tensors:
        assert list(tensors) == ["a", "b", "c", "d", "e"]
        assert [t.dtype for t in tensors.values()][:3] == ["float32", "float16", "float64"]
        assert tensors["e"].dtype == "bfloat16"
        for name, array in arrays.items():
            assert tensors[name].shape == array.shape
            np.testing.assert_array_equal(tensors[name].read().astype(array.dtype), array)


def test_safetensors_damaged(tmp_path):
    whole = safetensors.numpy.save(ARRAYS)
    for length in range(9, len(whole)):
        with pytest.raises(Fault, match="damaged or truncated safetensors"):
            contents(write(tmp_path / "cut.safetensors", whole[:length]))


def test_safetensors_without_its_library(tmp_path, monkeypatch):
    safetensors.numpy.save_file(ARRAYS, tmp_path / "x.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(Fault, match=r'pip install "jnst\[safetensors\]"'):
        contents(tmp_path / "x.safetensors")


def test_what_is_no_weight_file(tmp_path):
    path = tmp_path / "x.pth"
    for data, message in [
        (b"", "is empty"),
        (b"P", "neither a PyTorch, nor a safetensors, nor an HDF5 file"),
        (b"some text that is long enough", "neither a PyTorch"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
    ]:
        with pytest.raises(Fault, match=message):
            contents(write(path, data))
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "storages")
    with pytest.raises(Fault, match=r"tar file, as PyTorch wrote before 0\.1\.10"):
        contents(path)
    with pytest.raises(Fault, match="is a folder"):
        contents(tmp_path)
    with pytest.raises(Fault, match="does not exist"):
        contents(tmp_path / "none.pth")
    with pytest.raises(Fault, match="cannot be read: Not a directory"):
        contents(path / "under a file")


def test_nothing_heavy_is_imported():
    """Converting needs neither PyTorch nor tqdm nor safetensors; they are not even looked for."""
    heavy = ("torch", "tqdm", "safetensors")
    code = f"import sys, jnst.convert; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
