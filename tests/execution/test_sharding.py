"""Several devices and several processes: the pictures of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jnst
from jnst.execution.devices import checked_mesh

PROGRAM = Path(__file__).parents[1] / "many_devices.py"


def start(devices, *arguments):
    """The program under test, with a number of virtual devices on the processor."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    # Collectives that run side by side each hold a thread a device; with few they wait for ever.
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "NPROC": "32"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def found():
    """What four devices computed, beside one."""
    process = start(4)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def test_a_grid_on_four_devices_is_the_grid_on_one(found):
    assert found["devices"] == 4
    assert found["grid"] < 1e-4
    assert found["losses"] < 1e-4


def test_a_cell_on_one_of_four_devices_is_the_single_run(found):
    assert found["single"] < 1e-4


def test_a_picture_split_by_rows_is_the_picture_of_one_device(found):
    assert found["rows"] < 1e-5
    assert found["regions"] < 1e-5


def test_scenes_on_four_devices_are_those_of_one(found):
    assert found["scenes"] <= 1


def test_a_longer_run_differs_by_nothing_but_rounding(found):
    assert set(found["rows_in_float64"]) == {"adam", "lbfgs"}
    assert max(found["rows_in_float64"].values()) < 1e-12


def test_the_memory_of_each_device_falls_with_their_number(found):
    one, two, four = found["memory"]
    assert two < 0.8 * one
    assert four < 0.75 * two


def test_two_processes_make_the_grid_of_one(weights_file, tmp_path, pictures, monkeypatch):
    monkeypatch.setenv("JNST_WEIGHTS", str(weights_file))
    for name, image in zip(("content.png", "style.png"), pictures, strict=True):
        jnst.save_image(tmp_path / name, image)
    inputs = str(tmp_path / "content.png"), str(tmp_path / "style.png")
    options = "--beta", "1,100", "--size", "64", "--steps", "4", "--quiet"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    several = [
        start(1, "grid", *inputs, *options, "-o", str(tmp_path / "two"), "--distributed", where)
        for where in (f"127.0.0.1:{port},2,0", f"127.0.0.1:{port},2,1")
    ]
    for process in several:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    alone = start(1, "grid", *inputs, *options, "-o", str(tmp_path / "one"))
    _, errors = alone.communicate(timeout=300)
    assert alone.returncode == 0, errors
    names = {path.name for path in (tmp_path / "two").iterdir()}
    assert names == {path.name for path in (tmp_path / "one").iterdir()}
    for name in ("alpha1_beta1.png", "alpha1_beta100.png"):
        one, two = (jnst.load_image(tmp_path / folder / name) for folder in ("one", "two"))
        assert np.abs(one - two).max() <= 1.5 / 255  # rounding, seen as a level of 8 bits


def test_a_mesh_is_jaxs():
    with pytest.raises(TypeError, match=r"mesh must be a jax.sharding.Mesh, got 4"):
        checked_mesh(4)
    assert checked_mesh(None) is None
    assert checked_mesh(jax.make_mesh((1, 1), ("a", "b"))).size == 1
