"""The restricted unpickler: tensors and dictionaries come out, and nothing else happens."""

import copyreg
import io
import os
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_files import Call, Encoder, Name, Ordered, Raw, Stored, Window, window

from jnst.convert.pickles import Storage, View, unpickle
from jnst.convert.tensors import Fault


def load(tree: Any, legacy: bool = True) -> Any:
    return unpickle(io.BytesIO(Encoder(legacy).pickle(tree)))


TENSOR = Window(Stored(np.zeros(10, np.float32)), (2, 3), (3, 1), offset=4)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("rebuild", ["_rebuild_tensor", "_rebuild_tensor_v2"])
def test_a_tensor_becomes_a_view(legacy, rebuild):
    tree = load({"a": Window(TENSOR.stored, (2, 3), (3, 1), 4, rebuild=rebuild)}, legacy)
    assert tree == {"a": View(Storage("0", "float32", 10), 4, (2, 3), (3, 1))}


def test_a_parameter_is_its_tensor():
    parameter = Call(Name("torch._utils", "_rebuild_parameter"), (TENSOR, True, Ordered({})))
    assert load([parameter]) == load([TENSOR])


def test_storages_are_collected_by_key():
    storages: dict[str, Storage] = {}
    tree = {"a": TENSOR, "b": window(np.zeros(3, np.int64), "LongStorage"), "c": TENSOR}
    unpickle(io.BytesIO(Encoder(False).pickle(tree)), storages)
    assert storages == {"0": Storage("0", "float32", 10), "1": Storage("1", "int64", 3)}


def test_a_legacy_view_shifts_its_tensor():
    shifted = Window(TENSOR.stored, (2, 2), (2, 1), 1, view=("7", 5, 5))
    assert load(shifted) == View(Storage("0", "float32", 10), 6, (2, 2), (2, 1))


def test_an_ordered_dict_keeps_its_items_and_drops_its_attributes():
    tree = load(Ordered({"a": 1, "b": 2}))
    assert list(tree.items()) == [("a", 1), ("b", 2)]
    assert not hasattr(tree, "_metadata")


def test_python_2_makes_an_ordered_dict_of_pairs():
    tree = Call(Name("collections", "OrderedDict"), ([["a", 1], ["b", 2]],))
    assert load(tree) == {"a": 1, "b": 2}


def payloads(marker: Path) -> dict[str, bytes]:
    """Every way in which a pickle can call `os.system`: each would make the file `marker`."""
    command = f"touch {marker}"
    text = b"X" + len(command).to_bytes(4, "little") + command.encode()
    short = [b"\x8c" + bytes([len(word)]) + word for word in (b"os", b"system")]
    return {
        "REDUCE": b"cos\nsystem\n(" + text + b"tR",
        "INST": b"(" + text + b"ios\nsystem\n",
        "OBJ": b"(cos\nsystem\n" + text + b"o",
        "NEWOBJ": b"cos\nsystem\n(" + text + b"t\x81",
        "NEWOBJ_EX": b"cos\nsystem\n(" + text + b"t}\x92",
        "STACK_GLOBAL": short[0] + short[1] + b"\x93(" + text + b"tR",
    }


@pytest.mark.parametrize("opcode", payloads(Path()))
def test_what_a_file_would_call_is_refused_by_name(opcode, tmp_path):
    marker = tmp_path / "marker"
    payload = payloads(marker)[opcode]
    named = {op.name for op, _, _ in pickletools.genops(payload + b".")}
    assert opcode in named
    with pytest.raises(Fault, match=r"names (os|posix)\.system, which is refused"):
        load({"state_dict": Raw(payload)})
    assert not marker.exists()


@pytest.mark.parametrize(
    "module, name",
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "OrderedDict.update"),
        ("collections", "namedtuple"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ],
)
def test_only_listed_names_are_known(module, name):
    with pytest.raises(Fault, match=f"names {module}.{name}, which is refused"):
        load(Name(module, name))


def test_a_whole_model_is_refused_with_advice():
    with pytest.raises(Fault, match=r"torchvision\.models\.vgg\.VGG.*save its state_dict\(\)"):
        load(Call(Name("torchvision.models.vgg", "VGG")))


def test_the_extension_registry_is_no_way_round(monkeypatch):
    """A global in copyreg's cache would be handed out without a question to `find_class`."""
    monkeypatch.setitem(copyreg._extension_cache, 7, os.system)
    for name, opcodes in [("EXT1", b"\x82\7"), ("EXT2", b"\x83\7\0"), ("EXT4", b"\x84\7\0\0\0")]:
        with pytest.raises(Fault, match=f"its pickle uses {name}"):
            load(Raw(opcodes))


@pytest.mark.parametrize(
    "target",
    [
        Name("torch", "FloatStorage"),
        Name("torch._utils", "_rebuild_tensor_v2"),
        TENSOR,
        TENSOR.stored,
    ],
)
@pytest.mark.parametrize("attribute", ["__call__", "name", "shape", "storage", "__class__", "new"])
@pytest.mark.parametrize("slots", [True, False])
def test_build_changes_nothing(target, attribute, slots):
    encoder = Encoder(legacy=True)
    state = {attribute: 5}
    opcodes = encoder._encode(target) + encoder._encode((None, state) if slots else state) + b"b"
    with pytest.raises(Fault, match="damaged"):
        load(Raw(opcodes))
    assert load(TENSOR) == View(Storage("0", "float32", 10), 4, (2, 3), (3, 1))


def test_storage_classes_cannot_be_called():
    with pytest.raises(Fault, match=r"it calls torch\.FloatStorage"):
        load(Call(Name("torch", "FloatStorage"), (1000,)))


@pytest.mark.parametrize(
    "shape, strides, offset, message",
    [
        ((2, 3), (3, 1), 5, "beyond its storage"),
        ((11,), (1,), 0, "beyond its storage"),
        ((2,), (10,), 0, "beyond its storage"),
        ((1,), (1,), 10, "beyond its storage"),
        ((2**40, 2**40), (1, 1), 0, "beyond its storage"),
        ((0,), (1,), 11, "beyond its storage"),
        ((2,), (1,), -1, "malformed"),
        ((2,), (-1,), 5, "malformed"),
        ((-2,), (1,), 5, "malformed"),
        ((2**63,), (0,), 0, "malformed"),
        ((True,), (1,), 0, "malformed"),
        (("2",), (1,), 0, "malformed"),
        ("22", (1, 1), 0, "malformed"),
        (None, (1,), 0, "malformed"),
        ((2,), (1,), None, "malformed"),
        ((2, 2), (1,), 0, "2 sizes and 1 strides"),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(shape, strides, offset, message):
    with pytest.raises(Fault, match=message):
        load(Window(TENSOR.stored, shape, strides, offset))


@pytest.mark.parametrize("view", [("7", 5, 6), ("7", -1, 2), ("7", 11, 0), ("7", "0", 1)])
def test_a_view_beyond_its_storage_is_refused(view):
    with pytest.raises(Fault, match="impossible size"):
        load(Window(TENSOR.stored, (1,), (1,), view=view))


def test_a_tensor_of_no_storage_is_refused():
    with pytest.raises(Fault, match="malformed tensor"):
        load(Window(None, (1,), (1,)))
    with pytest.raises(Fault, match="malformed parameter"):
        load(Call(Name("torch._utils", "_rebuild_parameter"), ("no tensor", True, None)))


PID = ("storage", Name("torch", "FloatStorage"), "0", "cpu", 4, None)


@pytest.mark.parametrize(
    "pid",
    [
        "a string",
        ("module", *PID[1:]),
        (*PID[:1], "FloatStorage", *PID[2:]),
        (*PID[:1], Name("torch._utils", "_rebuild_tensor"), *PID[2:]),
        (*PID[:2], 0, *PID[3:]),
        (*PID[:4], -4, None),
        (*PID[:4], (4.0).hex(), None),
        (*PID[:4], 2**63, None),
        (*PID[:5], ("7", 0)),
        (*PID, None),
    ],
)
def test_a_malformed_storage_is_refused(pid):
    with pytest.raises(Fault, match=r"malformed storage|impossible size"):
        load(Raw(Encoder(True)._encode(pid) + b"Q"))


def test_a_storage_has_one_type_and_length():
    other = (*PID[:4], 5, None)
    with pytest.raises(Fault, match="describes its storage 0 twice"):
        load([Raw(Encoder(True)._encode(pid) + b"Q") for pid in (PID, other)])


@pytest.mark.parametrize(
    "opcodes, message",
    [
        (b"X\xff\xff\xff\xffabc", "damaged or truncated"),
        (b"\x8e" + (2**62).to_bytes(8, "little") + b"abc", "damaged or truncated"),
        (b"\x96" + (2**33).to_bytes(8, "little") + b"abc", "BYTEARRAY8|damaged or truncated"),
        (b"Nr\xff\xff\xff\x7f", "impossible memo index 2147483647"),
        (b"Np2147483647\n", "impossible memo index 2147483647"),
        (b"Np-1\n", "impossible memo index -1"),
    ],
)
def test_huge_claims_cost_no_memory(opcodes, message):
    with pytest.raises(Fault, match=message):
        load(Raw(opcodes))


def test_the_file_is_left_at_the_end_of_the_pickle():
    file = io.BytesIO(Encoder(True).pickle({"a": 1}) + b"more")
    assert unpickle(file) == {"a": 1}
    assert file.read() == b"more"
