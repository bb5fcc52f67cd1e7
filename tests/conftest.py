"""What the tests share: the real weights, and networks small enough to be quick."""

import numpy as np
import pytest

import jnst
from jnst.cli.runtime import use_one_blas_thread
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.weights import write_weights

use_one_blas_thread()


@pytest.fixture(scope="session")
def real_weights(tmp_path_factory):
    """The paper's weights, from the extra, converted once for all tests into a folder of theirs."""
    patch = pytest.MonkeyPatch()
    patch.setenv("JNST_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
    patch.delenv("JNST_WEIGHTS", raising=False)
    yield open_weights(find_weights())
    patch.undo()


@pytest.fixture(scope="session")
def model(real_weights):
    """VGG-19 with the real weights, convolved by the definition, which compiles sooner."""
    return make_vgg(real_weights, precision="highest")


@pytest.fixture(scope="session")
def pictures():
    """Content and style, (64, 80, 3) and (72, 64, 3): smooth shapes and a rough texture."""
    rows, columns = np.mgrid[:64, :80] / 80
    content = np.stack([rows, columns, np.sin(9 * rows * columns) / 2 + 0.5], -1)
    texture = np.random.default_rng(3).uniform(size=(72, 64, 3))
    texture[:, ::4] = (0.9, 0.7, 0.1)
    return content.astype(np.float32), texture.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, real_weights):
    """A content and a style picture, and the weights in the cache folder."""
    folder = tmp_path_factory.mktemp("cli")
    for name, picture in zip(("content.png", "style.png"), pictures, strict=True):
        jnst.save_image(folder / name, picture)
    (folder / "cache").mkdir()
    write_weights(folder / "cache" / "vgg19.h5", real_weights)
    return folder
