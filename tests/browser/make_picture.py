"""Make examples/images/live.jpg: the page of `jnst live`, on a screen and on a telephone.

    python -m pip install -e ".[demo,preview]"
    python tests/browser/make_picture.py

The camera shows matplotlib's sample portrait; the moonlit bay is painted by make_style.py.
"""

import tempfile
from pathlib import Path

from chromium import Chromium
from matplotlib.cbook import get_sample_data
from PIL import Image

import jnst
from jnst.cli.live_server import Live
from jnst.cli.live_styles import read_paintings, styles_of_paintings
from jnst.feedforward.transfer import check_manner
from jnst.image.frames import write_frame

IMAGES = Path(__file__).parents[2] / "examples" / "images"
SHAPE = 360, 480
WINDOWS = {"screen": (1200, 844, False), "telephone": (390, 844, True)}
HEIGHT = 620
"""Of the picture."""


def main() -> None:
    portrait = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), 600)
    width = portrait.shape[1]
    views = {
        "screen": portrait[: width * 3 // 4],
        "telephone": portrait[:, width // 2 - 225 :][:, :450],
    }
    manner = check_manner("wasserstein", 1.0, None, 1.0, "style")._replace(tile=None)
    paintings = read_paintings([str(IMAGES / "style.jpg")], max(SHAPE), 1.0)
    paintings = {"moonlit bay": paintings["style"]}
    styles = styles_of_paintings(jnst.load_adain(), paintings, SHAPE, manner)
    shots = []
    with Live(styles, SHAPE) as page, tempfile.TemporaryDirectory() as folder:
        for name, (across, down, phone) in WINDOWS.items():
            clip, shot = Path(folder) / f"{name}.mjpeg", Path(folder) / f"{name}.png"
            clip.write_bytes(2 * write_frame(views[name]))
            camera = f"--use-file-for-fake-video-capture={clip}"
            with Chromium(Path(folder) / name, camera) as browser:
                browser.open(page.address, across, down, phone)
                browser.run("find('inset').click()")
                browser.run("find('start').click()")
                browser.wait_for("state.shown > 4", 180)
                browser.screenshot(shot)
            image = Image.open(shot).convert("RGB")
            shots.append(image.resize((round(HEIGHT * image.width / image.height), HEIGHT)))
    gap = 20
    whole = Image.new("RGB", (sum(s.width for s in shots) + gap, HEIGHT), "white")
    whole.paste(shots[0], (0, 0))
    whole.paste(shots[1], (shots[0].width + gap, 0))
    whole.save(IMAGES / "live.jpg", quality=85)


if __name__ == "__main__":
    main()
