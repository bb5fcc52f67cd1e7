"""What the tests share: the cache of compiled programs, weights, pictures, and folders of them."""

import ctypes
import gc
import os
import shutil
import signal
import tempfile

import jax
import numpy as np
import pytest
from commands import put_weights
from tiny import tiny_vgg, write_tiny_weights

import jnst
from jnst._programs import memory_maps
from jnst.cli.runtime import use_one_blas_thread
from jnst.cli.signals import SIGNALS
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.weights import read_weights, write_weights

use_one_blas_thread()

COMPILE_QUICKLY = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    *["--xla_cpu_use_fusion_emitters=false"][: jax.__version_info__ < (0, 11)],
)
"""Flags of XLA with which programs compile in a quarter of the time and run slower, which on the
small pictures of tests is much the better bargain. Later versions of XLA refuse the last one."""
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *COMPILE_QUICKLY]).strip()

MANY_MAPS = 6000
CACHE_FOLDER = "JAX_COMPILATION_CACHE_DIR"
MIN_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def answer_signals():
    """Let the commands that tests start answer signals, which they inherit as ignored otherwise.

    Those of a shell script's background jobs are, and SIGHUP is under nohup.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            ctrl_c = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if ctrl_c else signal.SIG_DFL)


def pytest_configure(config):
    """Compile every program once in a run of the tests, whichever process needs it.

    The workers of pytest-xdist and the commands that tests start inherit the environment.
    """
    answer_signals()
    if CACHE_FOLDER not in os.environ:
        os.environ[CACHE_FOLDER] = folder = tempfile.mkdtemp(prefix="jnst-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ.setdefault(MIN_SECONDS, "0.3")
    # JAX has been imported, and with that has read the environment, before this is called.
    jax.config.update("jax_compilation_cache_dir", os.environ[CACHE_FOLDER])
    seconds = float(os.environ[MIN_SECONDS])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """After a module, let go of what JAX has compiled once that is much, and of its memory.

    A process of the whole suite would end with 30,000 memory maps and 6 GB. What the next modules
    need again comes from the cache.
    """
    yield
    if memory_maps() > MANY_MAPS:
        jax.clear_caches()
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)


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


@pytest.fixture(scope="session")
def real_weights_file(tmp_path_factory, real_weights):
    """A weights file of jnst's with the paper's weights."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.h5"
    write_weights(path, real_weights)
    return path


@pytest.fixture(scope="session")
def tiny():
    """A network with VGG-19's layers and few channels, convolved by the definition."""
    return tiny_vgg()


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory):
    """The weights file that the commands find in `folder`: of a network with few channels."""
    return write_tiny_weights(tmp_path_factory.mktemp("tiny") / "vgg19.h5")


@pytest.fixture(scope="session")
def file_weights(weights_file):
    """What is in that file."""
    return read_weights(weights_file)


@pytest.fixture(scope="session")
def file_model(file_weights):
    """The network with those weights, as with --precision highest."""
    return make_vgg(file_weights, precision="highest")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, weights_file):
    """A content and a style picture, and the weights in the cache folder."""
    return fill(tmp_path_factory.mktemp("cli"), pictures, weights_file)


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory, pictures, real_weights_file):
    """As `folder`, always with the paper's weights."""
    return fill(tmp_path_factory.mktemp("real"), pictures, real_weights_file)


def fill(folder, pictures, weights):
    """Put the pictures and the weights into the folder."""
    for name, picture in zip(("content.png", "style.png"), pictures, strict=True):
        jnst.save_image(folder / name, picture)
    put_weights(folder, weights)
    return folder
