"""A process on each side of speed.py: requests come and answers go as lines of JSON."""

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any


def serve(prepare: Callable[..., Callable[[], None]], **others: Callable[..., Any]) -> None:
    """Answer requests until there are no more.

    Args:
      prepare: makes a function of a case, which makes one step and waits for it.
      **others: further things that can be asked for, by name.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing but answers goes to the parent
    cases: dict[str, Callable[[], None]] = {}

    def ready(name: str, **case: Any) -> float:
        began = time.perf_counter()
        cases[name] = prepare(**case)
        for _ in range(3):  # the first compiles, and some compilers take another look
            cases[name]()
            first = time.perf_counter() - began
            if first > 20:
                break
        return first

    def timed(name: str, steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            cases[name]()
        return (time.perf_counter() - began) / steps

    def forget() -> None:
        cases.clear()
        gc.collect()

    known = {"ready": ready, "timed": timed, "forget": forget, **others}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": known[request.pop("do")](**request)}
        except Exception as error:  # out of memory, no compiler: the table says so and goes on
            answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)
