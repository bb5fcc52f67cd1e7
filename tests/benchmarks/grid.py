"""A grid of alpha and beta against as many single runs: what does one compiled program save?

    python -m pip install -e ".[demo]"
    python tests/benchmarks/grid.py --output tests/benchmarks/grid-cpu.json

Both run in this process, in turns, so that what else the machine does weighs on both. The first
call of each, which compiles, is timed apart.
"""

import argparse
import json
import platform
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

import jax
import numpy as np
from matplotlib.cbook import get_sample_data

import jnst

STYLE = Path(__file__).parents[2] / "examples" / "images" / "style.jpg"
TARGETS = {"gpu": 0.6, "cpu": 1.0}
"""The share of the single runs' time that a grid should take at most."""

GRAM = {"style_loss": "gram"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a grid against as many single runs.")
    parser.add_argument("--size", type=int, default=256, help="long edge in pixels (256)")
    parser.add_argument("--steps", type=int, default=20, help="updates of each run (20)")
    parser.add_argument("--cells", type=int, default=4, help="alphas, and betas (4)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each (3)")
    parser.add_argument("--batch", default="auto", help="cells at a time (auto)")
    parser.add_argument("--output", help="JSON file to write")
    args = parser.parse_args()

    content = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), args.size)
    style = jnst.load_image(STYLE, args.size)
    model = jnst.load_vgg19()
    alphas = np.geomspace(0.5, 4, args.cells).tolist()
    betas = np.geomspace(1, 100, args.cells).tolist()
    batch = args.batch if args.batch == "auto" else int(args.batch)

    def grid() -> None:
        jnst.stylize_grid(
            model, content, style, alpha=alphas, beta=betas, steps=args.steps, batch=batch, **GRAM
        )

    def single(alpha: float, beta: float) -> None:
        result = jnst.stylize(
            model, content, style, alpha=alpha, beta=beta, steps=args.steps, **GRAM
        )
        result.image.block_until_ready()

    def singles() -> None:
        for alpha in alphas:
            for beta in betas:
                single(alpha, beta)

    first_single, warm_single = (seconds(lambda: single(1.0, 10.0)) for _ in range(2))
    first_grid = seconds(grid)
    turns = []
    for turn in range(args.repeats):
        both = {"grid": grid, "singles": singles}
        order = sorted(both, reverse=turn % 2 == 1)
        turns.append({name: seconds(both[name]) for name in order})
        print(f"turn {turn + 1}: " + ", ".join(f"{n} {s:.1f} s" for n, s in turns[-1].items()))
    ratio = median(turn["grid"] / turn["singles"] for turn in turns)

    device = jax.devices()[0]
    target = TARGETS.get(device.platform)
    result = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "device": f"{jax.device_count()} × {device.device_kind}",
        "processor": platform.processor() or platform.machine(),
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "picture": f"{content.shape[1]}×{content.shape[0]} px, {args.steps} steps",
        "cells": args.cells**2,
        "turns": [{name: round(s, 2) for name, s in sorted(turn.items())} for turn in turns],
        "grid_to_singles": round(ratio, 3),
        "target": target,
        "compilation": {
            "single": round(first_single - warm_single, 2),
            "grid": round(first_grid - median(turn["grid"] for turn in turns), 2),
        },
    }
    if device.platform == "cpu":
        result["gpu"] = "none was at hand; the command above measures it where there is one"
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if args.output:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        Path(args.output).write_text(text, encoding="utf-8")


def seconds(run) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
