"""PyTorch's checkpoints of both formats, sound, odd, cut and garbled."""

import contextlib
import struct
import zipfile

import numpy as np
import pytest
from torch_files import FORMATS, Call, Name, Ordered, Stored, Window, values, window, write
from torch_files import legacy_bytes as legacy
from torch_files import zip_bytes as zipped

from jnst.convert.sources import open_source
from jnst.convert.tensors import Fault

TYPES = {
    "HalfStorage": ("float16", "<f2"),
    "FloatStorage": ("float32", "<f4"),
    "DoubleStorage": ("float64", "<f8"),
    "BoolStorage": ("bool", "?"),
    "ByteStorage": ("uint8", "u1"),
    "CharStorage": ("int8", "i1"),
    "ShortStorage": ("int16", "<i2"),
    "IntStorage": ("int32", "<i4"),
    "LongStorage": ("int64", "<i8"),
}

SMALL = {
    "a.weight": window(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "a.bias": window(np.array([0.5, -1.5], np.float64), "DoubleStorage"),
}


def contents(path) -> dict[str, np.ndarray]:
    with open_source(path) as tensors:
        return {key: tensor.read() for key, tensor in tensors.items()}


@pytest.fixture(params=FORMATS)
def form(request):
    return FORMATS[request.param]


@pytest.mark.parametrize("kind", TYPES)
def test_every_element_type(form, kind, tmp_path):
    name, code = TYPES[kind]
    array = np.array([[0, 1, 2], [3, 100, 5]]).astype(code)
    path = write(tmp_path / "x.pth", form({"x": window(array, kind)}))
    with open_source(path) as tensors:
        assert (tensors["x"].shape, tensors["x"].dtype) == ((2, 3), name)
        np.testing.assert_array_equal(tensors["x"].read(), array)


def test_bfloat16_is_the_upper_half_of_float32(form, tmp_path):
    wanted = np.array([1.0, -2.5, 3.140625, 1e-30, np.inf], np.float32)
    wanted = (wanted.view(np.uint32) & 0xFFFF0000).view(np.float32)
    halves = (wanted.view(np.uint32) >> 16).astype("<u2")
    path = write(tmp_path / "x.pth", form({"x": window(halves, "BFloat16Storage")}))
    with open_source(path) as tensors:
        assert tensors["x"].dtype == "bfloat16"
        read = tensors["x"].read()
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, wanted)


def test_storages_shared_shifted_and_strided(form, tmp_path):
    stored = Stored(np.arange(100, dtype=np.float32))
    tree = {
        "rows": Window(stored, (3, 4), (4, 1), offset=20),
        "columns": Window(stored, (4, 3), (1, 4), offset=20),
        "every third": Window(stored, (5,), (3,), offset=1),
        "broadcast": Window(stored, (2, 3), (0, 1), offset=97),
        "one": Window(stored, (), (), offset=99),
        "empty": Window(stored, (0, 5), (5, 1), offset=100),
    }
    found = contents(write(tmp_path / "x.pth", form(tree)))
    assert list(found) == list(tree)
    for key, tensor in tree.items():
        np.testing.assert_array_equal(found[key], values(tensor))
    assert found["columns"][1, 2] == 29  # 20 + 1 + 2 * 4


def test_legacy_views_begin_within_their_storage(tmp_path):
    stored = Stored(np.arange(30, dtype=np.float64), "DoubleStorage")
    tree = {"x": Window(stored, (2, 2), (2, 1), offset=1, view=("5", 10, 6))}
    found = contents(write(tmp_path / "x.pth", legacy(tree)))
    np.testing.assert_array_equal(found["x"], [[11, 12], [13, 14]])


def test_big_endian_zips(tmp_path):
    tree = {"x": window(np.array([1.5, 2.5], ">f4"))}
    path = write(tmp_path / "x.pth", zipped(tree, extra={"byteorder": b"big"}))
    np.testing.assert_array_equal(contents(path)["x"], [1.5, 2.5])


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_of_a_training_run_holds_a_state_dict(form, name, tmp_path):
    optimizer = {"state": {0: SMALL["a.bias"]}, "lr": "0.1"}
    path = write(tmp_path / "x.pth", form({"epoch": 3, name: SMALL, "optimizer": optimizer}))
    assert list(contents(path)) == list(SMALL)


@pytest.mark.parametrize("tree", [7, [SMALL["a.bias"]], {"a": 1}, {}, {1: SMALL["a.bias"]}])
def test_other_objects_hold_no_state_dict(form, tree, tmp_path):
    path = write(tmp_path / "x.pth", form(tree))
    with pytest.raises(Fault, match="holds no state dict"), open_source(path):
        pass


@pytest.mark.parametrize("folder", ["archive/", "", "vgg19/"])
def test_a_zip_may_have_any_folder(folder, tmp_path):
    assert list(contents(write(tmp_path / "x.bin", zipped(SMALL, folder)))) == list(SMALL)


def test_the_suffix_says_nothing(form, tmp_path):
    assert list(contents(write(tmp_path / "weights.h5", form(SMALL)))) == list(SMALL)


def test_cuts_are_noticed(form, tmp_path):
    whole = form(SMALL)
    for length in (*range(1, len(whole), 3), len(whole) - 1):
        path = write(tmp_path / "cut.pth", whole[:length])
        with pytest.raises(Fault, match=r"truncated|damaged|neither"):
            contents(path)


def test_a_garbled_byte_is_a_fault_or_harmless(form, tmp_path):
    whole = bytearray(form({**SMALL, "c": Call(Name("collections", "OrderedDict"))}))
    random = np.random.default_rng(0)
    for position in range(0, len(whole), 2):
        garbled = whole.copy()
        garbled[position] ^= int(random.integers(1, 256))
        path = write(tmp_path / "garbled.pth", bytes(garbled))
        with contextlib.suppress(Fault):
            contents(path)


def test_a_zip_checks_what_it_reads(tmp_path):
    whole = zipped(SMALL)
    middle = whole.index(np.float32(7).tobytes() + np.float32(8).tobytes())
    garbled = whole[:middle] + b"\1" + whole[middle + 1 :]
    with pytest.raises(Fault, match="damaged or truncated zip: Bad CRC-32"):
        contents(write(tmp_path / "x.pth", garbled))


def test_storages_of_a_wrong_length(form, tmp_path):
    for length in (1, 3, 2**40):
        stored = Stored(np.zeros(2, np.float32), length=length)
        path = write(tmp_path / "x.pth", form({"x": Window(stored, (1,), (1,))}))
        with pytest.raises(Fault, match="is damaged"):
            contents(path)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = write(tmp_path / "x.pth", legacy(SMALL))
    with open_source(path) as tensors:
        with path.open("r+b") as file:
            file.truncate(len(path.read_bytes()) - 20)
        with pytest.raises(Fault, match="is truncated"):
            tensors["a.bias"].read()


def test_only_what_is_asked_for_is_read(tmp_path):
    big = np.full(1000, 7, np.float32)
    whole = zipped({**SMALL, "big": window(big)})
    path = write(tmp_path / "x.pth", whole.replace(big.tobytes(), bytes(big.nbytes)))
    with open_source(path) as tensors:
        with pytest.raises(Fault, match="Bad CRC-32"):
            tensors["big"].read()
        np.testing.assert_array_equal(tensors["a.weight"].read(), values(SMALL["a.weight"]))


def test_pickles_of_others(tmp_path):
    path = tmp_path / "x.pth"
    plain = legacy(SMALL)[2:]
    for data, message in [
        (b"\x80\x02}.", "not one that torch.save wrote"),
        (b"\x80\x02]q\x00.", "not one that torch.save wrote"),
        (legacy(SMALL).replace(b"\x8a\x02\xe9\x03", b"\x8a\x02\xe8\x03"), "another version"),
        (plain, "neither a PyTorch"),
    ]:
        with pytest.raises(Fault, match=message):
            contents(write(path, data))


def test_keys_that_do_not_fit_the_storages(tmp_path):
    whole = legacy({"x": window(np.zeros(2, np.float32))})
    keys = b"\x80\x02](X\x01\x00\x00\x000e."
    assert whole.count(keys) == 1
    for other in (b"].", b"](X\x01\x00\x00\x001e.", b"](K\x00e.", b"N."):
        path = write(tmp_path / "x.pth", whole.replace(keys, b"\x80\x02" + other))
        with pytest.raises(Fault, match="list of storages does not fit"):
            contents(path)


def test_zips_of_others(tmp_path):
    for extra, message in [
        ({"constants.pkl": b"", "code/x.py": b""}, "TorchScript"),
        ({"more/data.pkl": b""}, "not one that torch.save wrote"),
        ({"model.weights.h5": b""}, "Keras archive"),
    ]:
        path = write(tmp_path / "x.pth", zipped(SMALL, extra=extra))
        with pytest.raises(Fault, match=message):
            contents(path)
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(Fault, match=r"not one that torch\.save wrote"):
        contents(tmp_path / "x.npz")


def test_compressed_zips(tmp_path):
    write(tmp_path / "x.pth", zipped(SMALL))
    with (
        zipfile.ZipFile(tmp_path / "x.pth") as stored,
        zipfile.ZipFile(tmp_path / "y.pth", "w", zipfile.ZIP_DEFLATED) as deflated,
    ):
        for name in stored.namelist():
            deflated.writestr(name, stored.read(name))
    with pytest.raises(Fault, match="compressed or damaged zip"):
        contents(tmp_path / "y.pth")


def test_the_format_by_hand(tmp_path):
    """The legacy format spelt out once, so that the writer of these tests is tested, too."""
    head = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03." + b"\x80\x02}."
    tree = (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
        b"ctorch\nFloatStorage\nX\x02\x00\x00\x0042X\x03\x00\x00\x00cpuK\x03NtQK\x01K\x02\x85K\x01"
        b"\x85\x89NtRs."
    )
    keys = b"\x80\x02]X\x02\x00\x00\x0042a."
    data = head + tree + keys + struct.pack("<q3f", 3, 1.5, 2.5, 3.5)
    np.testing.assert_array_equal(contents(write(tmp_path / "x.pth", data))["w"], [2.5, 3.5])


def test_an_ordered_state_dict(form, tmp_path):
    assert list(contents(write(tmp_path / "x.pth", form(Ordered(SMALL))))) == list(SMALL)
