"""How long the three commands take that show what the network sees, each in a process of its own.

    python -m pip install -e ".[demo]"
    python tests/benchmarks/visualize.py --output tests/benchmarks/visualize-cpu.json

The first run of each fills the cache of compiled programs and is timed apart. Seconds of the
processors are told beside those of the clock, since the machine may have had other work.
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

from matplotlib.cbook import get_sample_data

PAINTING = Path(__file__).parents[2] / "examples" / "images" / "style.jpg"
CASES = {
    "features": ("512 px, 5 layers", 10, ["-o", "seen"]),
    "dream": ("512 px, relu5_1, 4 octaves × 10 steps", 60, ["-o", "dream.png"]),
    "reconstruct": ("256 px, 10 pictures × 100 steps", 300, [str(PAINTING), "-o", "figure.png"]),
}
"""Command: what it does, the seconds wanted on two cores, and arguments after the photograph."""


def timed(command: list[str], folder: str, cache: str) -> dict[str, float]:
    """Run a command; return the seconds of the clock and of the processors, and the load before."""
    load = os.getloadavg()[0]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "load_before": round(load, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--photo", help="the photograph (a bundled portrait)")
    parser.add_argument("--output", help="JSON file to write")
    args = parser.parse_args()
    photo = args.photo or get_sample_data("grace_hopper.jpg", asfileobj=False)
    result = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "cases": {},
    }
    print("| command | work | wanted | first run | again | processors |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as cache:
        for name in args.cases:
            work, wanted, arguments = CASES[name]
            runs = []
            for _ in range(2):
                with tempfile.TemporaryDirectory() as folder:
                    command = [sys.executable, "-m", "jnst", name, os.path.abspath(photo)]
                    runs.append(timed([*command, *arguments, "--quiet"], folder, cache))
            first, again = runs
            case = {"work": work, "wanted_s": wanted, "first": first, "again": again}
            result["cases"] |= {name: case}
            print(
                f"| {name} | {work} | {wanted} s | {first['wall_s']:.0f} s | "
                f"{again['wall_s']:.0f} s | {again['cpu_s']:.0f} s |",
                flush=True,
            )
    if args.output:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
