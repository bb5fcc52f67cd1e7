"""Make features.jpg, reconstruct.jpg and dream.jpg, the pictures of what the network sees.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_seen.py

The portrait is matplotlib's sample picture, the moonlit bay is painted by make_style.py.
"""

import tempfile
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

import jnst
from jnst.cli import main as run
from jnst.visualize.tables import Row, table_of

FOLDER = Path(__file__).parent
LAYERS = [f"relu{block}_1" for block in range(1, 6)]
PRESETS = ("patterns", "eyes", "animals")
WIDTH = 1000


def save(name: str, picture: np.ndarray, quality: int) -> None:
    """Write a sheet at the width of a page."""
    levels = Image.fromarray(np.rint(255 * picture).astype(np.uint8))
    height = round(levels.height * WIDTH / levels.width)
    levels.resize((WIDTH, height), Image.Resampling.LANCZOS).save(FOLDER / name, quality=quality)


def main() -> None:
    portrait, bay = get_sample_data("grace_hopper.jpg", asfileobj=False), FOLDER / "style.jpg"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run(["features", portrait, "-o", str(work / "seen")])
        rows = [
            Row(kind, [jnst.load_image(work / "seen" / f"{kind}-{n}.png") for n in LAYERS], LAYERS)
            for kind in ("mean", "components")
        ]
        save("features.jpg", table_of(rows, edge=240), 82)
        run(["reconstruct", portrait, str(bay), "-o", str(work / "figure.png")])
        save("reconstruct.jpg", jnst.load_image(work / "figure.png"), 85)
        dreams = [jnst.load_image(portrait, 512)]
        for preset in PRESETS:
            path = work / f"{preset}.png"
            run(["dream", portrait, "-o", str(path), "--preset", preset])
            dreams.append(jnst.load_image(path))
        save("dream.jpg", table_of([Row("", dreams, ["the photograph", *PRESETS])], edge=512), 82)


if __name__ == "__main__":
    main()
