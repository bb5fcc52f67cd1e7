"""Frames a second of `jnst live`: asked by HTTP, one frame at a time, and by its page in a browser.

    python -m pip install -e ".[demo,preview]"
    python tests/benchmarks/live.py --network style.h5 --output tests/benchmarks/live-cpu.json

Each case is the real command in a process of its own. The browser is headless Chromium, whose
camera shows a clip, on the same cores. Without --network one of random weights is used, whose work
is the same. Seconds of the server's processors are told beside the rates, as is the machine's load
before each case, since the machine may have had other work.
"""

import argparse
import http.client
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnst.cli.live_styles import frame_shape, landscape
from jnst.image.frames import write_frame
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture, PainterWeights, write_painter

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "browser"))
from chromium import Chromium  # noqa: E402

PAINTING = FOLDER.parents[1] / "examples" / "images" / "style.jpg"
PICTURES = 25
"""Of the clip: a second of it."""


def network_file(folder: str) -> str:
    """A network of the usual size, with random weights."""
    architecture = Architecture()
    painter = new_painter(jax.random.key(0), ["random"], architecture)
    arrays = {name: np.asarray(array) for name, array in painter.arrays.items()}
    path = Path(folder) / "random.h5"
    weights = PainterWeights(arrays=arrays, styles=("random",), architecture=architecture, facts={})
    write_painter(path, weights)
    return str(path)


def moving(count: int, shape: tuple[int, int]) -> list[bytes]:
    """Frames of a picture that is moved along."""
    wide = landscape(shape[0], 2 * shape[1])
    steps = np.linspace(0, shape[1], count).astype(int)
    return [write_frame(wide[:, step : step + shape[1]]) for step in steps]


class Served:
    """The command with these arguments, while the context is open."""

    def __init__(self, arguments: list[str]):
        command = [sys.executable, "-m", "jnst", "live", *arguments, "--port", "0", "--quiet"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        self.line = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", self.line)
        if not found:
            raise SystemExit(self.line)
        self.port = int(found[1])

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


def asked(served: Served, frames: list[bytes], style: str, seconds: float) -> dict[str, float]:
    """Post frames, each once the one before has come back."""
    query = f"/frame?client=0123456789abcdef&style={style}"
    took: list[float] = []
    before, began = served.processor_seconds(), time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        connection = http.client.HTTPConnection("127.0.0.1", served.port)
        connection.request("POST", query, frames[len(took) % len(frames)])
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
        connection.close()
        took.append(time.perf_counter() - now)
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.request("POST", "/leave?client=0123456789abcdef")
    connection.getresponse()
    return {
        "frames_a_second": round(len(took) / sum(took), 1),
        "delay_ms": round(1000 * statistics.median(took)),
        "cpu_ms_a_frame": round(1000 * (served.processor_seconds() - before) / len(took)),
    }


def in_browser(served: Served, clip: Path, seconds: float) -> dict[str, float]:
    """Let the page run; count what it shows."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Chromium(Path(folder), f"--use-file-for-fake-video-capture={clip}") as browser,
    ):
        browser.open(f"http://127.0.0.1:{served.port}/")
        browser.run("window.count = 0; show = (old => p => { count += 1; old(p); })(show)")
        browser.run("find('start').click()")
        browser.wait_for("count > 4", 120)
        before = browser.run("count")
        began = time.perf_counter()
        time.sleep(seconds)
        count, delay = browser.run("[count, state.delay]")
        rate = (count - before) / (time.perf_counter() - began)
    return {"frames_a_second": round(rate, 1), "delay_ms": round(delay)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", help="of jnst train (one of random weights)")
    parser.add_argument("--painting", default=str(PAINTING), help="for AdaIN (the example's)")
    parser.add_argument("--clip", type=Path, help="MJPEG file that the camera shows (a landscape)")
    parser.add_argument("--size", type=int, default=320, help="long edge of the frames (320)")
    parser.add_argument("--seconds", type=float, default=10, help="for each measurement (10)")
    parser.add_argument("--no-browser", action="store_true", help="leave the browser out")
    parser.add_argument("--output", help="JSON file to write")
    args = parser.parse_args()
    height, width = frame_shape(args.size)
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "device": jax.devices()[0].device_kind,
        "versions": {name: version(name) for name in ("jax", "jaxlib", "numpy", "pillow", "flask")},
        "frame": f"{width}×{height}",
        "cases": {},
    }
    print(f"frames of {width}×{height} px\n")
    print("| paints | by HTTP | delay | processors | in the browser | delay | load before |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        clip = args.clip or Path(folder) / "clip.mjpeg"
        if not args.clip:
            clip.write_bytes(b"".join(moving(PICTURES, (2 * height, 2 * width))))
        network = args.network or network_file(folder)
        cases = {
            "trained network": ["--network", network],
            "AdaIN, statistics": [args.painting, "--matching", "statistics"],
            "AdaIN, wasserstein": [args.painting, "--matching", "wasserstein"],
        }
        for name, arguments in cases.items():
            with Served([*arguments, "--size", str(args.size)]) as served:
                load = round(os.getloadavg()[0], 1)
                style = first_style(served)
                http_ = asked(served, moving(PICTURES, (height, width)), style, args.seconds)
                case: dict[str, Any] = {"load_before": load, "http": http_}
                shown = ["–", "–"]
                if not args.no_browser:
                    case["browser"] = in_browser(served, clip, args.seconds)
                    shown = [
                        f"{case['browser']['frames_a_second']} /s",
                        f"{case['browser']['delay_ms']} ms",
                    ]
            result["cases"] |= {name: case}
            rate, delay, cpu = http_.values()
            row = [name, f"{rate} /s", f"{delay} ms", f"{cpu} ms", *shown, str(load)]
            print(f"| {' | '.join(row)} |", flush=True)
    if args.output:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        Path(args.output).write_text(text, encoding="utf-8")


def first_style(served: Served) -> str:
    """The name of the first style on the page."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    found = re.search(r'<script id="setup"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found
    return str(json.loads(found[1])["styles"][0]["name"])


if __name__ == "__main__":
    main()
