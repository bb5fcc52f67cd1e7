"""The page of --preview, asked as a browser would."""

import builtins
import io
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.cli import preview
from jnst.cli import program as cli
from jnst.cli.curves import draw_curves
from jnst.cli.preview import Preview, check_preview
from jnst.optim.minimization import Progress
from jnst.transfer.settings import Settings

PLAN = [((32, 40), 2), ((64, 80), 3)]
SVG = "{http://www.w3.org/2000/svg}"


def get(page, path, **headers):
    """(type, body) of what the page sends."""
    request = urllib.request.Request(page.address + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Content-Type"], response.read()


def state(page):
    return json.loads(get(page, "state.json")[1])


def progress(step, shape, level=0.5):
    values = {"content": 0.0, "style": 2.0 / step, "variation": 0.1, "total": 20.0 / step}
    losses = {term: jnp.float32(value) for term, value in values.items()}
    return Progress(step, 5, shape, losses, lambda: jnp.full((*shape, 3), level))


@pytest.fixture
def page():
    with Preview(PLAN, {"beta": 10.0, "style_layers": {"relu1_1": 0.25}, "note": "<b>"}) as page:
        yield page


def test_the_page_shows_the_settings_and_asks_nobody_else(page):
    kind, body = get(page, "")
    text = body.decode()
    assert kind == "text/html; charset=utf-8"
    assert '<th scope="row">beta</th><td>10</td>' in text
    assert "<td>relu1_1 0.25</td>" in text
    assert "&lt;b&gt;" in text
    assert not re.search(r"https?://", text)


def test_the_state_follows_the_run(page):
    begun = state(page)
    assert (begun["state"], begun["step"], begun["picture"]) == ("starting", 0, 0)
    assert begun["seconds_left"] is None
    for step in (1, 2):
        page(progress(step, (32, 40)))
    page(progress(3, (64, 80)))
    now = state(page)
    assert (now["state"], now["step"], now["steps"]) == ("running", 3, 5)
    assert (now["width"], now["height"]) == (80, 64)
    assert now["losses"]["total"] == pytest.approx(20 / 3)


def test_the_time_left_counts_steps_by_their_pixels(page, monkeypatch):
    """Of 5 steps with work 2 × 1 + 3 × 4 = 14, done 1 + 1: a second each leaves 12 seconds."""
    clock = iter([100.0, 101.0])
    monkeypatch.setattr(preview.time, "monotonic", lambda: next(clock))
    page(progress(1, (32, 40)))
    page(progress(2, (32, 40)))
    assert page.left == pytest.approx(12)


def test_the_picture_is_the_one_of_the_run(page):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(page, "picture.png")
    state(page)
    page(progress(1, (32, 40), level=0.2))
    kind, body = get(page, "picture.png")
    picture = Image.open(io.BytesIO(body)).convert("RGB")
    assert kind == "image/png"
    assert picture.size == (40, 32)
    assert (np.asarray(picture) == round(0.2 * 255)).all()


def test_a_large_picture_is_sent_smaller(page, monkeypatch):
    monkeypatch.setattr(preview, "LARGEST_SHOWN", 20)
    state(page)
    page(progress(1, (32, 40)))
    assert Image.open(io.BytesIO(get(page, "picture.png")[1])).size == (20, 16)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_curves_have_a_line_for_each_loss_above_0(page, steps):
    for step in range(1, steps + 1):
        page(progress(step, (32, 40) if step < 3 else (64, 80)))
    kind, body = get(page, "curves.svg?theme=dark")
    root = ElementTree.fromstring(body)
    assert kind.startswith("image/svg+xml")
    assert root.tag == f"{SVG}svg"
    for term, colour in preview.CURVES.items():  # the content's is 0 all the time
        assert (colour in body.decode()) == (steps > 0 and term in ("total", "style"))


def test_curves_fall_on_a_logarithmic_scale():
    """Losses of 1000, 100, 10 lie at equal distances."""
    values = [(4 - power, dict.fromkeys(preview.CURVES, 10.0**power)) for power in (3, 2, 1)]
    text = draw_curves(values, [], "#333333").decode()
    path = re.search(r'<path d="([^"]*)"[^>]*stroke: #d1495b', text)[1]
    heights = [float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
    assert len(heights) == 3
    assert heights[0] < heights[1] < heights[2]  # downwards on the screen
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], rel=1e-3)


def test_losses_that_are_not_finite_are_no_numbers_in_json(page):
    losses = dict.fromkeys(("content", "style", "variation", "total"), jnp.float32(np.nan))
    page(progress(1, (32, 40))._replace(losses=losses))
    assert state(page)["losses"]["total"] is None
    ElementTree.fromstring(get(page, "curves.svg")[1])


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::1", "192.168.1.2"])
def test_other_hosts_are_refused(page, host):
    for path in ("", "state.json", "picture.png", "curves.svg"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(page, path, Host=host)


def test_names_of_this_machine_are_served(page):
    for host in ("localhost", "LOCALHOST:9000", "[::1]:80", "127.0.0.1"):
        assert get(page, "state.json", Host=host)


def test_nothing_can_be_written_and_nobody_else_can_connect(page):
    for path in ("", "state.json", "picture.png", "curves.svg"):
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(page.address + path, data=b"x", timeout=10)
    assert page.server.server.socket.getsockname()[0] == "127.0.0.1"


def test_no_picture_is_taken_unless_somebody_asks_and_one_a_second_at_most(page):
    taken = []

    def counted(step):
        given = progress(step, (32, 40))
        return given._replace(picture=lambda: taken.append(step) or given.picture())

    page(counted(1))
    assert taken == []
    state(page)
    page(counted(2))
    page(counted(3))
    assert taken == [2]
    page.taken -= 1.1
    page(counted(4))
    assert taken == [2, 4]
    page.taken, page.asked = page.taken - 1.1, page.asked - 6
    page(counted(5))
    assert taken == [2, 4]


def test_a_call_does_not_read_the_losses(page):
    """Reading would make the device wait."""

    class Loss:
        def __float__(self):
            raise AssertionError("read within the callback")

    losses = dict.fromkeys(("content", "style", "variation", "total"), Loss())
    given = progress(1, (32, 40))._replace(losses=losses)
    began = time.perf_counter()
    for _ in range(1000):
        page(given)
    assert (time.perf_counter() - began) / 1000 < 1e-3


def test_the_end_waits_until_the_last_picture_has_been_fetched(page):
    state(page)
    page(progress(5, (64, 80)))
    ended = threading.Thread(target=page.finish, args=(np.full((64, 80, 3), 0.75), "finished"))
    ended.start()
    while state(page)["state"] != "finished":
        pass
    assert ended.is_alive()
    get(page, "curves.svg")
    assert ended.is_alive()
    picture = Image.open(io.BytesIO(get(page, "picture.png")[1])).convert("RGB")
    assert (np.asarray(picture) == round(0.75 * 255)).all()
    ended.join(2)
    assert not ended.is_alive()


def test_the_end_does_not_wait_where_nobody_watches_nor_for_ever(page, monkeypatch):
    began = time.perf_counter()
    page.finish(np.zeros((64, 80, 3)), "finished")
    assert time.perf_counter() - began < 0.5
    monkeypatch.setattr(preview, "WATCHED_SECONDS", 0.2)
    state(page)
    page.missing = {"picture"}
    began = time.perf_counter()
    page.finish(np.zeros((64, 80, 3)), "finished")
    assert 0.15 < time.perf_counter() - began < 2


def test_a_real_run_is_shown_and_comes_out_the_same(file_model, pictures):
    options = Settings(sizes=48, steps=4)
    plan = options.plan(64, 80)
    seen = {}

    with Preview(plan, {}) as page:

        def callback(now):
            state(page)
            page(now)
            seen[now.step] = get(page, "picture.png")[1]

        run = {"sizes": 48, "steps": 4}
        result = jnst.stylize(file_model, *pictures, callback=callback, **run)
        page.missing = set()
        page.fetched.set()
        page.finish(result.image, result.reason)
        last = np.asarray(Image.open(io.BytesIO(get(page, "picture.png")[1])).convert("RGB"))
        values = page.read_losses()
    assert last == pytest.approx(np.asarray(result.image) * 255, abs=0.51)
    assert [step for step, _ in values] == [1, 2, 3]  # that of the last step is told nobody
    for step, losses in values:
        assert losses["total"] == pytest.approx(result.losses["total"][step - 1])
    assert len(seen) == 4
    alone = jnst.stylize(file_model, *pictures, **run)
    np.testing.assert_array_equal(np.asarray(result.image), np.asarray(alone.image))


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("70000", "--preview must be at most 65535, got 70000"),
        ("-1", "--preview must be at least 0, got -1"),
        ("photo.jpg", "'photo.jpg' is not a port number"),
    ],
)
def test_ports_that_are_none_are_told_in_one_line(port, said, capsys):
    try:
        code = cli.main(["stylize", "a.png", "b.png", f"--preview={port}"])
    except SystemExit as error:  # of the parser
        code = error.code
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_port_in_use_is_told():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ValueError, match=r"port \d+ of 127.0.0.1 cannot be used: Address already"),
    ):
        Preview(PLAN, {}, taken.getsockname()[1])


@pytest.mark.parametrize("missing", ["flask", "matplotlib.figure"])
def test_a_missing_library_is_told_with_the_extra_that_has_it(missing, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == missing:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r'pip install "jnst\[preview\]"'):
        check_preview(0)
