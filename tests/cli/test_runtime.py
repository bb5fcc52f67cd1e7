"""What the commands run on."""

import os

from jnst.cli.runtime import BLAS_THREADS, use_one_blas_thread


def test_openblas_has_one_thread_unless_it_was_told_otherwise(monkeypatch):
    monkeypatch.setenv(BLAS_THREADS, "3")
    use_one_blas_thread()
    assert os.environ[BLAS_THREADS] == "3"
    monkeypatch.delenv(BLAS_THREADS)
    use_one_blas_thread()
    assert os.environ[BLAS_THREADS] == "1"
