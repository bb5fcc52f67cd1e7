"""Frames a second of `jnst video`, by every method, each in a process of its own.

    python -m pip install -e ".[demo,video]"
    python tests/benchmarks/video.py --network style.h5 --output tests/benchmarks/video-cpu.json

The clip is made here: a photograph that a camera pans over. Each case is run twice, on few frames
and on more, and the time a frame is their difference, so that neither compiling nor loading counts.
Seconds of the processors are told beside those of the clock, since the machine may have had other
work; the memory is the most that the process held.
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
from datetime import date
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
from matplotlib.cbook import get_sample_data

from jnst.image.pictures import load_image

PAINTING = str(Path(__file__).parents[2] / "examples" / "images" / "style.jpg")
RATE = 25


def write_pan(path: Path, width: int, height: int, count: int) -> None:
    """Write a clip in which a photograph moves by two pixels a frame."""
    photo = load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), 2 * width)
    levels = np.rint(photo * 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            top, left = 40 + number, 2 * number % (levels.shape[1] - width)
            view = np.ascontiguousarray(levels[top : top + height, left : left + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())


def run(arguments: list[str], folder: str, cache: str) -> tuple[float, float, float]:
    """Run the command; return the seconds of the clock and of the processors, and GiB held."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
    command = [sys.executable, "-m", "jnst", "video", *arguments, "--quiet"]
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return wall, cpu, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", help="some of them (all)")
    parser.add_argument("--network", required=True, help="a network of jnst train")
    parser.add_argument("--output", help="JSON file to write")
    args = parser.parse_args()
    network = ["--network", os.path.abspath(args.network)]
    optimised = ["--method", "optimise", "--steps", "8", "--frame-steps", "20"]
    cases = {
        "network 320×240": ((320, 240), network, 10, 60),
        "network 512×384": ((512, 384), network, 10, 40),
        "statistics 512×384": ((512, 384), [PAINTING, "--matching", "statistics"], 4, 16),
        "wasserstein 512×384": ((512, 384), [PAINTING], 4, 16),
        "optimise 512×384, 20 steps a frame": ((512, 384), [PAINTING, *optimised], 2, 4),
    }
    result = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("jax", "jaxlib", "av")},
        "load_before": round(os.getloadavg()[0], 1),
        "cases": {},
    }
    print("| case | frames/s | seconds a frame | of the processors | GiB |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        cache = os.path.join(folder, "cache")
        for name in args.cases or cases:
            (width, height), arguments, few, more = cases[name]
            times = []
            for count in (few, few, more):  # the first fills the cache of compiled programs
                write_pan(Path(folder) / "clip.mp4", width, height, count)
                times.append(run(["clip.mp4", *arguments, "-o", "out.mp4"], folder, cache))
            wall, cpu = ((times[2][i] - times[1][i]) / (more - few) for i in (0, 1))
            held = max(seconds[2] for seconds in times)
            print(f"| {name} | {1 / wall:.2f} | {wall:.3f} | {cpu:.3f} | {held:.1f} |", flush=True)
            result["cases"][name] = {
                "seconds_a_frame": round(wall, 3),
                "processor_seconds_a_frame": round(cpu, 3),
                "gib": round(held, 1),
            }
            if args.output:  # after each case, as the last takes the longest
                text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
                Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
