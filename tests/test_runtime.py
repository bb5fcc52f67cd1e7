"""What the commands run on."""

import os

from jnst.runtime import BLAS_THREADS, use_one_blas_thread


def test_openblas_has_one_thread_unless_it_was_told_otherwise(monkeypatch):
    for told, wanted in ((None, "1"), ("3", "3")):
        monkeypatch.setenv(BLAS_THREADS, told or "")
        if told is None:
            monkeypatch.delenv(BLAS_THREADS)
        use_one_blas_thread()
        assert os.environ[BLAS_THREADS] == wanted
