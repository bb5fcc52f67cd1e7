"""How long a step takes, and a picture from the shell: jnst beside PyTorch at its best.

    python -m pip install -e ".[demo,parity]"
    python tests/benchmarks/speed.py --output tests/benchmarks/speed-cpu.json

jnst and PyTorch each have a process; while one works, the other waits. Every configuration of a
case (a size and a batch) is warmed up, then they take turns, so that what else the machine does
weighs on all of them; of each the median counts. The work is the same: VGG-19 to relu5_1, content
loss at relu4_2, Gram losses at relu1_1 … relu5_1, the gradient by the pixels, one step of Adam.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parent
STYLE = FOLDER.parents[1] / "examples" / "images" / "style.jpg"
FLOP = 1.45e6
"""Of a step, for each pixel; two for a multiply-add."""
BASE = "torch, float32"
"""What the ratios compare with: PyTorch as it comes, channels last, TF32 where there is any."""


def configurations(platform: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each configuration's name, whose it is, and what the worker is told."""
    fast = {
        "jnst, float32": ("jnst", {"precision": "float32"}),
        "jnst, highest": ("jnst", {"precision": "highest"}),
        BASE: ("torch", {"precision": "float32"}),
        "torch, float32, compiled": ("torch", {"precision": "float32", "compiled": "default"}),
        "torch, bfloat16": ("torch", {"precision": "bfloat16"}),
    }
    if platform == "gpu":
        bfloat16 = {"precision": "bfloat16"}
        fast |= {
            "jnst, bfloat16": ("jnst", bfloat16),
            "torch, bfloat16, compiled": ("torch", {**bfloat16, "compiled": "default"}),
            "torch, bfloat16, reduce-overhead": (
                "torch",
                {**bfloat16, "compiled": "reduce-overhead"},
            ),
        }
    return fast


class Worker:
    """A process that answers requests; see worker.py."""

    def __init__(self, name: str):
        environment = os.environ | {"OMP_WAIT_POLICY": "passive"}  # waits without using a core
        self.process = subprocess.Popen(
            [sys.executable, FOLDER / f"speed_{name}.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, do: str, **request: Any) -> Any:
        """The answer; raises RuntimeError where the worker could not do it."""
        print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended; are the extras demo and parity installed?")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]


def main() -> None:
    args = parse()
    workers = {name: Worker(name) for name in ("jnst", "torch")}
    about = {name: worker.ask("about") for name, worker in workers.items()}
    device = about["jnst"]
    kinds = ("float32", "bfloat16") if device["platform"] == "gpu" else ("float32",)
    peaks = {kind: workers["jnst"].ask("peak", precision=kind) for kind in kinds}
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "device": device["device"],
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "torch")},
        "peak_tflops": {kind: round(peak / 1e12, 3) for kind, peak in peaks.items()},
        "host_ms": round(1e3 * workers["jnst"].ask("host"), 3),
        "cases": [],
    }
    configured = configurations(device["platform"])
    print(f"matrix peak {result['peak_tflops']} TFLOP/s, host {result['host_ms']} ms a step")
    for size in args.sizes:
        for batch in args.batches:
            if batch * size**2 <= args.most_pixels:
                case = measure(workers, configured, peaks, size, batch, args)
                result["cases"].append(case)
                show(case)
    for worker in workers.values():
        worker.process.stdin.close()
        worker.process.wait()
    if not args.no_pictures:
        result["picture"] = pictures(args.picture_size)
        print("time to picture:", json.dumps(result["picture"]))
    if args.output:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        Path(args.output).write_text(text, encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time jnst's and PyTorch's steps.")
    add = parser.add_argument
    add("--sizes", type=numbers, default=[256, 512, 1024, 2048], help="edges in pixels")
    add("--batches", type=numbers, default=[1, 4, 16], help="images at a time")
    add("--most-pixels", type=int, default=4 * 2**20, help="of a case; larger ones are left out")
    add("--repeats", type=int, default=5, help="turns of every configuration (5)")
    add("--seconds", type=float, default=1.0, help="that a turn takes at least (1)")
    add("--picture-size", type=int, default=256, help="of the time to picture (256)")
    add("--no-pictures", action="store_true", help="leave the time to picture out")
    add("--output", help="JSON file to write")
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def measure(workers, configured, peaks, size: int, batch: int, args) -> dict[str, Any]:
    """The median milliseconds of a step under every configuration, or what prevented it."""
    rows: dict[str, dict[str, Any]] = {}
    steps: dict[str, int] = {}
    for name, (whose, options) in configured.items():
        try:
            first = workers[whose].ask("ready", name=name, size=size, batch=batch, **options)
            once = workers[whose].ask("timed", name=name, steps=1)
        except RuntimeError as error:
            rows[name] = {"error": str(error)}
            continue
        steps[name] = max(1, round(args.seconds / once))
        rows[name] = {"first_s": round(first, 1)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(args.repeats):
        for name in sorted(steps, reverse=turn % 2 == 1):
            ask = workers[configured[name][0]].ask
            times[name].append(ask("timed", name=name, steps=steps[name]))
    for worker in workers.values():
        worker.ask("forget")
    for name, seconds in times.items():
        row, options = rows[name], configured[name][1]
        row["ms"] = round(1e3 * median(seconds), 2)
        kind = "bfloat16" if options["precision"] == "bfloat16" else "float32"
        if kind in peaks:
            work = FLOP * batch * size**2 / median(seconds)
            row["of_peak"] = round(work / peaks[kind], 3)
        if BASE in times:
            pairs = zip(times[BASE], seconds, strict=True)
            row["times_torch"] = round(median(base / own for base, own in pairs), 2)
    return {"size": size, "batch": batch, "rows": rows}


def show(case: dict[str, Any]) -> None:
    """A case as a table of Markdown."""
    print(f"\n{case['batch']} × {case['size']} px | ms a step | × {BASE} | of the matrix peak")
    print("|---|---|---|---|")
    for name, row in case["rows"].items():
        if "error" in row:
            print(f"| {name} | {row['error']} | | |")
        else:
            share = f"{row['of_peak']:.0%}" if "of_peak" in row else ""
            print(f"| {name} | {row['ms']:.1f} | {row.get('times_torch', '')} | {share} |")
    sys.stdout.flush()


def pictures(size: int) -> dict[str, dict[str, float]]:
    """Seconds from the shell to the first step and to the picture.

    Both before and after jnst's cache of compiled programs is filled.
    """
    from matplotlib.cbook import get_sample_data

    content = get_sample_data("grace_hopper.jpg", asfileobj=False)
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"JNST_CACHE": folder}
        jnst = [sys.executable, "-m", "jnst"]
        # Converts the weights, which is done once on a machine.
        subprocess.run([*jnst, "info"], env=environment, check=True, stdout=subprocess.DEVNULL)
        for turn in ("cold", "warm"):
            output = Path(folder) / f"{turn}.png"
            command = [*jnst, "stylize", content, STYLE, "-o", output, "--size", str(size)]
            command += "--style-loss", "gram"
            began, first = time.perf_counter(), None
            process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
            for line in process.stderr:
                if first is None and line.startswith("step "):
                    first = time.perf_counter() - began
            if process.wait():
                raise SystemExit("jnst stylize failed; run it by itself to see why")
            done = time.perf_counter() - began
            times[turn] = {"first_step_s": round(first, 1), "picture_s": round(done, 1)}
    return times


if __name__ == "__main__":
    main()
