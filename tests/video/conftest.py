"""Clips and networks that the tests share."""

import numpy as np
import pytest
from clips import write_clip
from motions import pan, scene
from tiny import tiny_decoder, tiny_weights

from jnst.feedforward.adain import make_adain


@pytest.fixture(scope="session")
def frames():
    return pan(14)


@pytest.fixture(scope="session")
def clip(tmp_path_factory, frames):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames)


@pytest.fixture(scope="session")
def style():
    return scene(3)[:90, :100].astype(np.float32)


@pytest.fixture(scope="session")
def adain():
    return make_adain(tiny_weights(), tiny_decoder(), precision="highest")
