"""Memory that is freed and needed again."""

import os
import subprocess
import sys

import pytest

from jnst._malloc import VARIABLES, keep_memory

PROGRAM = """
import ctypes, resource, sys, threading
from jnst._malloc import keep_memory

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def take():
    block = library.malloc(100 << 20)
    library.memset(block, 1, 100 << 20)
    library.free(block)

def faults():
    thread = threading.Thread(target=take)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    assert keep_memory()
take()
print(min(faults() for _ in range(3)))
"""


def glibc():
    return sys.platform.startswith("linux") and "glibc" in os.confstr("CS_GNU_LIBC_VERSION")


@pytest.mark.skipif(not glibc(), reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_the_system():
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    pages = {}
    for way in ("keep", "give back"):
        command = [sys.executable, "-c", PROGRAM, way]
        pages[way] = int(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
    assert pages["give back"] > 20_000
    assert pages["keep"] < 1000


@pytest.mark.skipif(not glibc(), reason="the C library is not glibc")
@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_environment_says_is_left_alone(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert keep_memory() is False
