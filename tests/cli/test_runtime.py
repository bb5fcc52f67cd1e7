"""What the commands run on."""

import os
import signal

import jax
import pytest

from jnst.cli.runtime import (
    BLAS_THREADS,
    CACHE,
    interrupts,
    use_compilation_cache,
    use_one_blas_thread,
)

MIN_SECONDS = "jax_persistent_cache_min_compile_time_secs"


def test_openblas_has_one_thread_unless_it_was_told_otherwise(monkeypatch):
    monkeypatch.setenv(BLAS_THREADS, "3")
    use_one_blas_thread()
    assert os.environ[BLAS_THREADS] == "3"
    monkeypatch.delenv(BLAS_THREADS)
    use_one_blas_thread()
    assert os.environ[BLAS_THREADS] == "1"


@pytest.fixture
def cache_of_jax():
    """JAX's cache as it is set, and set again after the test."""
    before = {name: getattr(jax.config, name) for name in (CACHE, MIN_SECONDS)}
    yield before
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_compilation_cache_lies_in_the_users_unless_jax_has_one(
    cache_of_jax, monkeypatch, tmp_path
):
    monkeypatch.setenv("JNST_CACHE", str(tmp_path))
    use_compilation_cache()
    assert {name: getattr(jax.config, name) for name in cache_of_jax} == cache_of_jax
    jax.config.update(CACHE, None)
    use_compilation_cache()
    assert getattr(jax.config, CACHE) == str(tmp_path / "xla")
    assert (tmp_path / "xla").is_dir()


@pytest.fixture
def handler():
    """Sets a handler of Ctrl-C for the test alone."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_remembered_once_and_then_interrupts(handler):
    handler(signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), interrupts() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_stays_ignored_as_under_nohup(handler):
    handler(signal.SIG_IGN)
    with interrupts() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert not interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
