"""Time, memory and memory maps of many pictures of different shapes in one process.

    python tests/benchmarks/many_pictures.py --pictures 300 --way command   # or stylize, grid

Pictures of 64 to 96 px with random edges are painted at two sizes, two steps each, by the real
network. Prints a line every ten pictures, and at the end a line of JSON.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np

import jnst
from jnst._programs import memory_maps
from jnst.execution.batch import batched_step
from jnst.optim.step import step

SIZES = 48, 96


def memory() -> float:
    """Resident memory of this process in GiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**30


def pictures(count: int) -> list[np.ndarray]:
    """Random pictures, each of a shape of its own."""
    random = np.random.default_rng(0)
    shapes = random.permutation([(h, w) for h in range(64, 97) for w in range(64, 97)])[:count]
    return [random.uniform(size=(*shape, 3)).astype(np.float32) for shape in shapes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--way", choices=("command", "stylize", "grid"), default="command")
    args = parser.parse_args()
    style = np.random.default_rng(1).uniform(size=(72, 96, 3)).astype(np.float32)
    contents = pictures(args.pictures)
    began, seen = time.monotonic(), []

    def note(count: int) -> None:
        seen.append((count, memory_maps(), memory()))
        if count % 10 == 0:
            seconds = time.monotonic() - began
            print(f"{count}: {memory_maps()} maps, {memory():.2f} GiB, {seconds:.0f} s", flush=True)

    if args.way == "command":
        folder = Path(tempfile.mkdtemp())
        for number, content in enumerate(contents):
            jnst.save_image(folder / f"{number}.png", content)
        jnst.save_image(folder / "style.png", style)
        run_command(folder, note)
    else:
        model = jnst.load_vgg19()
        for count, content in enumerate(contents, start=1):
            options = {"sizes": SIZES, "steps": (2, 2)}
            if args.way == "stylize":
                jnst.stylize(model, content, style, **options)
            else:
                jnst.stylize_grid(model, content, style, beta=[1, 10], **options)
            note(count)
    later = [entry for entry in seen if entry[0] >= min(30, len(seen))]
    print(
        json.dumps(
            {
                "way": args.way,
                "pictures": args.pictures,
                "seconds a picture": round((time.monotonic() - began) / args.pictures, 2),
                "most maps": max(entry[1] for entry in later),
                "most GiB": round(max(entry[2] for entry in later), 2),
                "programs of the step": step.made + batched_step.made,
            }
        )
    )


def run_command(folder: Path, note) -> None:
    """`jnst stylize` over the folder, counting pictures as they are written."""
    from jnst.cli import batch, main

    count, write = 0, batch.save_image

    def counted(*arguments, **options):
        nonlocal count
        write(*arguments, **options)
        count += 1
        note(count)

    batch.save_image = counted
    files = [str(path) for path in sorted(folder.glob("[0-9]*.png"))]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        sizes = ",".join(map(str, SIZES))
        options = ["--sizes", sizes, "--steps", "2,2", "-o", str(folder / "out")]
        code = main(["stylize", *files, str(folder / "style.png"), *options])
    print(said.getvalue().splitlines()[-1], f"exit code {code}")


if __name__ == "__main__":
    main()
