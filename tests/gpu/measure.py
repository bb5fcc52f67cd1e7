"""Every figure of an accelerator, in one command, in a given time.

    bash tests/gpu/run.sh --minutes 8 --weights FOLDER --output FOLDER
    bash tests/gpu/run.sh --dry

Each part (parts.py) is a process of its own, so that each begins with empty memory and none can
take another along. A part writes its figures as it goes; the same command again leaves out what is
there already, and takes up where the time ran out. What comes of it: figures.json and figures.md.

The weights folder holds vgg19.h5 and adain.h5, as these commands make them (26 and 14 MB):

    jnst convert vgg_normalised.pth -o FOLDER/vgg19.h5 --dtype float16 --to conv5_1
    jnst convert decoder.pth -o FOLDER/adain.h5

With --dry, processors do the same with a tiny network and tiny pictures: it is for finding mistakes
before a GPU's time is spent on them, and its figures mean nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tables import as_markdown

ROOT = Path(__file__).parents[2]
PARTS = (
    "device",
    "steps",
    "profile",
    "shell",
    "tests",
    "grid",
    "fast",
    "torch",
    "large",
)
"""In the order in which they are made."""
GRACE = 20
"""Seconds that a part may go on when the time is up, to finish the figure it is at."""


def main() -> None:
    args = parse()
    output = Path(args.output).resolve()
    parts = output / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **surroundings(args, output)}
    deadline = time.time() + 60 * args.minutes
    for name in args.parts:
        if (left := deadline - time.time()) < 5:
            print(f"no time left for {name}; the same command goes on with it")
            break
        print(f"== {name} ({left:.0f} s left)", flush=True)
        command = [sys.executable, Path(__file__).with_name("parts.py"), name]
        began = time.time()
        own = min(deadline, began + 60 * args.most)
        command += [parts / f"{name}.json", "--deadline", str(own), *["--dry"][: args.dry]]
        try:
            subprocess.run(command, env=environment, timeout=own - began + GRACE, cwd=ROOT)
        except subprocess.TimeoutExpired:
            print(f"{name} was ended, as the time is up")
        print(f"{name} took {time.time() - began:.0f} s", flush=True)
    figures: dict[str, Any] = {}
    for name in PARTS:
        if (file := parts / f"{name}.json").exists():
            figures[name] = json.loads(file.read_text(encoding="utf-8"))
    text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    (output / "figures.json").write_text(text, encoding="utf-8")
    table = as_markdown(figures)
    (output / "figures.md").write_text(table, encoding="utf-8")
    print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--minutes", type=float, default=8.0, help="how long it may take (8)")
    add("--most", type=float, default=60.0, help="minutes of each part at most (no limit)")
    add("--weights", help="folder with vgg19.h5 and adain.h5; else those that jnst finds")
    add("--output", default="gpu-figures", help="folder to write to (gpu-figures)")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="which, in this order (all)")
    add("--dry", action="store_true", help="tiny sizes on a processor, to find mistakes")
    return parser.parse_args()


def surroundings(args: argparse.Namespace, output: Path) -> dict[str, str]:
    """Variables of the parts: a cache of their own, with the weights in it."""
    cache = output / "cache"
    cache.mkdir(exist_ok=True)
    variables = {"JNST_CACHE": str(cache)}
    if args.dry:
        tests = str(ROOT / "tests")
        sys.path.insert(0, tests)
        variables |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{tests}"}
        from tiny import tiny_decoder, write_tiny_weights

        from jnst.nn.decoder_file import write_decoder

        write_tiny_weights(cache / "vgg19.h5")
        write_decoder(cache / "adain.h5", tiny_decoder())
    elif args.weights:
        for name in ("vgg19.h5", "adain.h5"):
            link = cache / name
            link.unlink(missing_ok=True)
            link.symlink_to((Path(args.weights) / name).resolve(strict=True))
    return variables


if __name__ == "__main__":
    main()
