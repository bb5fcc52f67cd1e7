"""Make the pictures of docs/gallery.md, by running the commands that stand there.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_gallery.py          # all of them
    OPENBLAS_NUM_THREADS=1 python examples/images/make_gallery.py fast     # those so named

The page is the only list of them: a command there that writes NAME.png becomes gallery/NAME.jpg.
"""

import argparse
import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data
from pictures import lake, mosaic, pen
from PIL import Image

import jnst
from jnst.cli import main as run
from jnst.visualize.tables import Row, table_of

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "gallery.md"
SHORE = 0.58
"""Where the water of `pictures.lake` begins, as a share of the height from above."""


def commands() -> list[list[str]]:
    """The arguments of every `jnst` line of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("jnst ")]


def put_inputs(work: Path) -> None:
    """Write the pictures that the commands read."""
    shutil.copy(get_sample_data("grace_hopper.jpg", asfileobj=False), work / "portrait.jpg")
    shutil.copy(FOLDER / "style.jpg", work / "bay.jpg")
    for name, drawn in (("lake", lake), ("mosaic", mosaic), ("pen", pen)):
        jnst.save_image(work / f"{name}.png", drawn(384, 512).astype(np.float32))
    sky = np.zeros((384, 512, 3), np.float32)
    sky[: round(SHORE * 384)] = 1
    jnst.save_image(work / "sky.png", sky)
    jnst.save_image(work / "ground.png", 1 - sky)


def keep(path: Path, quality: int = 88) -> None:
    """Write a picture into the gallery as JPEG."""
    with Image.open(path) as picture:
        picture.convert("RGB").save(FOLDER / "gallery" / f"{path.stem}.jpg", quality=quality)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the pictures of docs/gallery.md.")
    parser.add_argument("names", nargs="*", help="parts of the names of those to make (all)")
    parser.add_argument("--inputs", type=Path, help="folder to leave the commands' inputs in")
    args = parser.parse_args()
    wanted = args.names
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if args.inputs:
            args.inputs.mkdir(parents=True, exist_ok=True)
            put_inputs(args.inputs)
        put_inputs(work)
        names = ["lake.png", "portrait.jpg", "bay.jpg", "mosaic.png", "pen.png"]
        row = Row("", [jnst.load_image(work / name, 256) for name in names], names)
        jnst.save_image(work / "inputs.png", table_of([row], edge=256))
        keep(work / "inputs.png")
        for arguments in commands():
            output = arguments[arguments.index("-o") + 1]
            if wanted and not any(word in output for word in wanted):
                continue
            code = run(
                [str(work / a) if (work / a).exists() or a == output else a for a in arguments]
            )
            if code:
                raise SystemExit(code)
            keep(work / output)
            print(f"wrote gallery/{Path(output).stem}.jpg", flush=True)


if __name__ == "__main__":
    main()
