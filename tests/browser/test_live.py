"""The page of `jnst live` in a real browser, headless Chromium, whose camera shows a clip."""

import base64
import io

import av
import jax
import numpy as np
import pytest
from chromium import Chromium
from PIL import Image

from jnst.cli.live_server import Live
from jnst.cli.live_styles import Styles, landscape, styles_of_network
from jnst.image.frames import read_frame, write_frame
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture

SHAPE = 120, 160
CLIP = 240, 320
"""Height and width of the camera's pictures."""


class Watched:
    """The styles of a small network, and what they have painted."""

    def __init__(self):
        small = Architecture(channels=(4, 6, 8), residuals=1)
        painter = new_painter(jax.random.key(0), ["waves", "scream"], small)
        random = np.random.default_rng(0)
        for name, array in painter.arrays.items():
            if name.endswith(("/scale", "/shift")):
                painter.arrays[name] = 0.5 * random.normal(size=array.shape).astype(np.float32)
        painter.arrays["out/kernel"] = 10 * painter.arrays["out/kernel"]
        self.of_network = styles_of_network(painter, SHAPE)
        self.styles = Styles(self.of_network.samples, self.paint)
        self.done = []  # (frame, style, strength, picture)

    def paint(self, frame, style, strength):
        picture = self.of_network.paint(frame, style, strength)
        self.done = [*self.done[-40:], (frame, style, strength, picture)]
        return picture


def seen_by_camera():
    """The clip's only picture, which is told from its mirror image."""
    return landscape(*CLIP)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Clips of one picture lying on its side and one upright."""
    folder = tmp_path_factory.mktemp("clips")
    for name, picture in (
        ("lying", seen_by_camera()),
        ("upright", seen_by_camera().transpose(1, 0, 2)),
    ):
        (folder / f"{name}.mjpeg").write_bytes(2 * write_frame(picture))
    return folder


@pytest.fixture(scope="module")
def watched():
    return Watched()


@pytest.fixture
def page(watched):
    watched.done = []
    with Live(watched.styles, SHAPE) as page:
        yield page


@pytest.fixture
def camera(clips):
    return f"--use-file-for-fake-video-capture={clips / 'lying.mjpeg'}"


@pytest.fixture
def browser(tmp_path, camera):
    with Chromium(tmp_path, camera) as browser:
        yield browser


def start(browser, page, **window):
    browser.open(page.address, **window)
    browser.run("find('start').click()")
    browser.wait_for("find('message').hidden")


def shown(browser):
    """The pixels of the page's canvas, in [0, 1]."""
    data = browser.run("""new Promise(done => find('painting').toBlob(async blob => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result.split(',')[1]);
        reader.readAsDataURL(blob);
    }))""")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) / 255


def wait_for_paintings(browser, watched, style, strength):
    """Wait until frames of this style and strength are shown."""
    watched.done = []
    browser.wait_for("(window.seen = state.shown)")
    browser.wait_for("state.shown > window.seen + 2")
    newest = watched.done[-1]
    assert newest[1] == style and newest[2] == pytest.approx(strength)
    return newest


def test_a_frame_goes_in_and_a_painted_one_comes_out(browser, page, watched):
    start(browser, page)
    sent, _, _, painted = wait_for_paintings(browser, watched, "waves", 1)
    mirrored = read_frame(write_frame(landscape(*CLIP)[:, ::-1]), [CLIP])
    small = np.asarray(Image.fromarray((255 * mirrored).astype(np.uint8)).resize((160, 120))) / 255
    assert np.abs(sent - small).mean() < 0.03  # what the camera saw, mirrored
    assert np.abs(sent[:, ::-1] - small).mean() > 0.06
    assert np.abs(shown(browser) - painted).mean() < 0.02
    assert np.abs(shown(browser) - sent).mean() > 0.05
    rate = browser.run("find('rate').textContent")
    number, words, delay, unit = rate.replace("· ", "").split()
    assert (words, unit) == ("frames/s", "ms") and float(number) > 0 and float(delay) > 0


def test_style_strength_and_mirror_change_it(browser, page, watched):
    start(browser, page)
    waves = wait_for_paintings(browser, watched, "waves", 1)[3]
    browser.run("document.querySelectorAll('#styles label')[1].click()")
    scream = wait_for_paintings(browser, watched, "scream", 1)[3]
    assert np.abs(waves - scream).mean() > 0.02
    assert np.abs(shown(browser) - scream).mean() < 0.02
    browser.run("find('strength').value = 0; find('strength').dispatchEvent(new Event('input'))")
    sent, *_ = wait_for_paintings(browser, watched, "scream", 0)
    assert np.abs(shown(browser) - sent).mean() < 0.02
    assert browser.run("find('percent').textContent") == "0 %"
    browser.run("find('mirror').click()")
    turned, *_ = wait_for_paintings(browser, watched, "scream", 0)
    assert np.abs(turned - sent[:, ::-1]).mean() < 0.02 < np.abs(turned - sent).mean()
    browser.run("document.onkeydown({key: '1'})")
    wait_for_paintings(browser, watched, "waves", 0)


def test_a_picture_and_a_recording_are_saved(browser, page, tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    browser.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    start(browser, page)
    browser.run("find('snapshot').click()")
    browser.run("find('record').click()")
    browser.wait_for("find('recorded').textContent === '0:02'")
    assert browser.run("find('record').getAttribute('aria-pressed')") == "true"
    browser.run("find('record').click()")
    browser.wait_for("find('recorded').hidden")

    def saved(pattern):
        (path,) = folder.glob(pattern)
        return path

    for _ in range(100):
        if len([p for p in folder.iterdir() if p.suffix in (".png", ".mp4", ".webm")]) == 2:
            break
        browser.run("new Promise(done => setTimeout(done, 100))")
    picture = np.asarray(Image.open(saved("jnst-waves-*.png")).convert("RGB")) / 255
    assert picture.shape == (*SHAPE, 3) and picture.std() > 0.05
    with av.open(str(saved("jnst-waves-*.*[4m]"))) as film:
        frames = [frame.to_ndarray(format="rgb24") / 255 for frame in film.decode(video=0)]
    assert len(frames) > 2 and frames[-1].shape == (*SHAPE, 3)
    assert np.abs(frames[-1] - picture).mean() < 0.06


def test_a_camera_that_is_held_upright_is_painted_upright(page, clips, tmp_path, watched):
    camera = f"--use-file-for-fake-video-capture={clips / 'upright.mjpeg'}"
    with Chromium(tmp_path, camera) as browser:
        start(browser, page, width=390, height=844, phone=True)
        sent, *_ = wait_for_paintings(browser, watched, "waves", 1)
        assert sent.shape[:2] == SHAPE[::-1]
        assert shown(browser).shape[:2] == SHAPE[::-1]


def test_one_page_at_a_time_and_the_next_goes_on_by_itself(browser, page, camera, tmp_path):
    start(browser, page)
    with Chromium(tmp_path / "other", camera) as other:
        other.open(page.address)
        other.run("find('start').click()")
        other.wait_for("find('headline').textContent === 'Another page is being painted'")
        assert browser.run("find('message').hidden")
        browser.open("about:blank")  # which frees the place at once
        other.wait_for("find('message').hidden")


def test_the_camera_can_be_stopped_and_started_again(browser, page, watched):
    start(browser, page)
    browser.run("find('stop').click()")
    browser.wait_for("find('headline').textContent === 'The camera is off' && !state.onTheWay")
    assert browser.run("camera.srcObject") is None
    watched.done = []
    browser.run("new Promise(done => setTimeout(done, 500))")
    assert watched.done == []
    assert page.seat.client == ""
    browser.run("find('start').click()")
    browser.wait_for("find('message').hidden")
    wait_for_paintings(browser, watched, "waves", 1)


def test_a_server_that_has_ended_is_told(browser, watched):
    with Live(watched.styles, SHAPE) as page:
        start(browser, page)
    browser.wait_for("find('headline').textContent === 'jnst does not answer'")
    with Live(watched.styles, SHAPE, port=page.server.port):
        browser.wait_for("find('message').hidden")


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_a_foreign_page_gets_nothing(browser, page, watched, mode):
    """Of the origin null; one without CORS sends its request without asking first."""
    browser.open("data:text/html,<p>foreign")
    address = f"{page.address}frame?client=0123456789abcdef&style=waves&strength=1"
    body = list(write_frame(landscape(*SHAPE)))
    failed = browser.run(f"""fetch({address!r}, {{method: 'POST', mode: {mode!r},
        body: new Uint8Array({body})}}).then(() => '', error => error.name)""")
    assert failed == "TypeError"
    assert watched.done == []
    assert page.seat.client == ""


@pytest.mark.parametrize(
    "window",
    [
        {"width": 1280, "height": 800},
        {"width": 390, "height": 844, "phone": True},
        {"width": 844, "height": 390, "phone": True},
        {"width": 320, "height": 568, "phone": True},
    ],
    ids=lambda window: f"{window['width']}x{window['height']}",
)
def test_everything_is_within_the_window(browser, page, window, tmp_path):
    start(browser, page, **window)
    browser.run("find('inset').click()")
    outside = browser.run("""
        [...document.querySelectorAll('#stage, #painting, #camera, #styles, #strength, button')]
        .filter(part => part.offsetParent).map(part => [part.id, part.getBoundingClientRect()])
        .filter(([, box]) => box.left < 0 || box.top < 0 || box.right > innerWidth
            || box.bottom > innerHeight || box.width < 30 || box.height < 20)
        .map(([id, box]) => id + JSON.stringify(box))""")
    assert outside == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    browser.screenshot(tmp_path / "shot.png")
    assert np.asarray(Image.open(tmp_path / "shot.png").convert("L")).std() > 5
