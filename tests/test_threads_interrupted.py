"""Ctrl-C while another thread works: what it does is awaited."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import signal, time
from jnst._threads import ahead

done = []

def items():
    yield 1
    time.sleep(0.6)
    done.append(2)
    yield 2

def press(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, press)
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.1)  # again and again
pressed = False
working = ahead(items())
assert next(working) == 1
try:
    working.close()
except KeyboardInterrupt:
    pressed = True
signal.setitimer(signal.ITIMER_REAL, 0)
print(pressed, done)
"""


@pytest.mark.skipif(os.name != "posix", reason="there are no timers that send signals")
def test_a_thread_is_awaited_however_often_ctrl_c_is_pressed():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert ran.stdout == "True [2]\n", ran.stderr
