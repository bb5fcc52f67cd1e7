"""How long the three commands take that show what the network sees, each in a process of its own.

python tests/benchmarks/visualize.py PHOTO PAINTING                 # all, with warm caches
python tests/benchmarks/visualize.py PHOTO PAINTING --cold dream    # what is compiled included
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

CASES = {
    "features": ("512 px, 5 layers", 10, ["{photo}", "-o", "seen", "--size", "512"]),
    "dream": ("512 px, relu5_1, 4 octaves × 10", 60, ["{photo}", "-o", "dream.png"]),
    "reconstruct": ("256 px, 10 pictures", 300, ["{photo}", "{painting}", "-o", "figure.png"]),
}
"""Command: what it does, the seconds wanted on two cores, and its arguments."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photo")
    parser.add_argument("painting")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], default=list(CASES))
    parser.add_argument("--cold", action="store_true", help="compile everything anew")
    args = parser.parse_args()
    files = {name: os.path.abspath(getattr(args, name)) for name in ("photo", "painting")}
    print("| command | work | wanted | wall | CPU |\n| --- | --- | --- | --- | --- |")
    for name in args.cases:
        work, wanted, arguments = CASES[name]
        command = [sys.executable, "-m", "jnst", name, *(a.format(**files) for a in arguments)]
        with tempfile.TemporaryDirectory() as folder:
            changed = {"JAX_COMPILATION_CACHE_DIR": folder} if args.cold else {}
            for warm in (True, False):  # the first fills the cache
                if warm and args.cold:
                    continue
                before, began = os.times(), time.perf_counter()
                subprocess.run(
                    [*command, "--quiet"], cwd=folder, env={**os.environ, **changed}, check=True
                )
            after = os.times()
        cpu = after.children_user + after.children_system
        cpu -= before.children_user + before.children_system
        wall = time.perf_counter() - began
        print(f"| {name} | {work} | {wanted} s | {wall:.0f} s | {cpu:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
