"""`jnst live`: its page asked as a browser would, with small networks."""

import http.client
import io
import json
import re
import signal
import threading
import time
import urllib.parse

import jax
import numpy as np
import pytest
from commands import put_weights, run_jnst, start_jnst
from PIL import Image
from tiny import tiny_decoder, tiny_weights

import jnst
from jnst.cli import live_server
from jnst.cli.live_server import Live
from jnst.cli.live_styles import Styles, landscape, styles_of_network, styles_of_paintings
from jnst.feedforward import painting
from jnst.feedforward.adain import make_adain
from jnst.feedforward.transfer import check_manner
from jnst.image.frames import read_frame, write_frame
from jnst.nn.decoder_file import write_decoder
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture, PainterWeights, write_painter

SHAPE = 48, 64
CLIENT, OTHER = "0123456789abcdef", "fedcba9876543210"


def tiny_painter():
    """Of two styles that are told apart."""
    small = Architecture(channels=(4, 6, 8), residuals=1)
    painter = new_painter(jax.random.key(0), ["waves", "scream"], small)
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(size=array.shape, scale=0.5).astype(np.float32)
        if name.endswith(("/scale", "/shift"))
        else np.asarray(array)
        for name, array in painter.arrays.items()
    }
    arrays["out/kernel"] = 10 * arrays["out/kernel"]
    return painter.styles, small, arrays


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, weights_file):
    """A network's file, a painting, and AdaIN's weights in the cache folder."""
    folder = tmp_path_factory.mktemp("live")
    styles, architecture, arrays = tiny_painter()
    weights = PainterWeights(arrays=arrays, styles=styles, architecture=architecture, facts={})
    write_painter(folder / "style.h5", weights)
    jnst.save_image(folder / "painting.png", pictures[1])
    put_weights(folder, weights_file)
    write_decoder(folder / "cache" / "adain.h5", tiny_decoder())
    return folder


@pytest.fixture(scope="module")
def styles(folder):
    return styles_of_network(painting.load_painter(folder / "style.h5"), SHAPE)


@pytest.fixture
def page(styles):
    with Live(styles, SHAPE, strength=0.8) as page:
        yield page


@pytest.fixture(scope="module")
def frame():
    return write_frame(landscape(*SHAPE))


def ask(page, path, method="GET", body=None, **headers):
    """(status, headers, body) of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server.port, timeout=60)
    connection.request(method, f"/{path}", body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def post(page, frame, *, headers=None, **query):
    chosen = {"client": CLIENT, "style": "waves", "strength": 1} | query
    path = f"frame?{urllib.parse.urlencode(chosen)}"
    return ask(page, path, "POST", frame, **(headers or {}))


def test_the_page_has_the_styles_and_asks_nobody_else(page):
    status, headers, body = ask(page, "")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = body.decode()
    setup = json.loads(re.search(r'<script id="setup"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    assert (setup["width"], setup["height"], setup["strength"]) == (64, 48, 0.8)
    assert [style["name"] for style in setup["styles"]] == ["waves", "scream"]
    assert all(style["picture"].startswith("data:image/jpeg;") for style in setup["styles"])
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"http://(127\.0\.0\.1|localhost)", "", text))
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("style, strength", [("waves", 1.0), ("scream", 1.0), ("scream", 0.4)])
def test_a_frame_comes_back_painted(page, styles, style, strength, upright):
    image = landscape(*SHAPE[::-1]) if upright else landscape(*SHAPE)
    sent = write_frame(image)
    status, headers, body = post(page, sent, style=style, strength=strength)
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    seen = read_frame(sent, page.shapes)
    expected = styles.paint(seen, style, strength)
    np.testing.assert_array_equal(
        read_frame(body, page.shapes), read_frame(write_frame(expected), page.shapes)
    )
    assert np.abs(expected - seen).mean() > 0.02  # it is painted indeed
    assert re.fullmatch(r"wait;dur=[\d.]+, paint;dur=[\d.]+", headers["Server-Timing"])


def test_strength_0_is_the_photograph_and_styles_differ(styles):
    image = landscape(*SHAPE)
    np.testing.assert_allclose(styles.paint(image, "waves", 0.0), image, atol=1e-6)
    waves, scream = (styles.paint(image, name, 1.0) for name in ("waves", "scream"))
    assert np.abs(waves - scream).mean() > 0.02


def test_no_style_and_no_strength_compiles_anything_anew(page, frame):
    assert post(page, frame)[0] == 200
    before = painting._painted.made
    for style in ("waves", "scream"):
        for strength in (0, 0.31, 1):
            assert post(page, frame, style=style, strength=strength)[0] == 200
    assert painting._painted.made == before


def test_paintings_are_painted_with_as_jnst_fast_does(pictures):
    model = make_adain(tiny_weights(), tiny_decoder(), precision="highest")
    content, style = pictures
    manner = check_manner("statistics", 1.0, None, 1.0, "style")._replace(tile=None)
    paintings = {"one": style, "other": content[::-1]}
    styles = styles_of_paintings(model, paintings, content.shape[:2], manner)
    for name, painted in paintings.items():
        expected = jnst.fast(model, content, painted, matching="statistics", strength=0.7)
        np.testing.assert_allclose(styles.paint(content, name, 0.7), expected, atol=1e-5)
    assert styles.samples["one"].shape == (64, 64, 3)


def png():
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "body, query, code, said",
    [
        (b"", {}, 400, "the frame is empty"),
        (b"hello", {}, 400, "the frame is a text, not a picture"),
        (b"\xff\xd8\xff" + bytes(99), {}, 400, "the frame is damaged"),
        (png(), {}, 400, "the frame must be a JPEG, got PNG"),
        (write_frame(np.zeros((30, 30, 3))), {}, 400, "must have 64×48 or 48×64 px, got 30×30"),
        (bytes(2**16 + 1), {}, 413, "a frame must have at most 65,536 bytes"),
        (None, {"style": "wave"}, 400, "style must be one of waves, scream, got 'wave' (did you"),
        (None, {"strength": "1.5"}, 400, "strength must lie between 0 and 1, got 1.5"),
        (None, {"strength": "nan"}, 400, "strength must be finite"),
        (None, {"strength": "much"}, 400, "strength must be a number, got 'much'"),
        (None, {"client": "<b>"}, 400, "client must be the page's name"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_the_server_lives_on(
    page, frame, body, query, code, said
):
    status, headers, answer = post(page, frame if body is None else body, **query)
    assert (status, headers["Content-Type"]) == (code, "application/json")
    (error,) = json.loads(answer).values()
    assert said in error and "\n" not in error
    assert post(page, frame)[0] == 200


def test_other_paths_and_methods_are_refused(page):
    assert ask(page, "frame")[0] == 405
    assert ask(page, "", "POST", b"x")[0] == 405
    status, _, body = ask(page, "../../etc/passwd")
    assert status == 404 and "error" in json.loads(body)


def test_a_mistake_does_not_take_the_seat(page, frame):
    assert post(page, b"hello", client=OTHER)[0] == 400
    assert not page.seat.client
    assert post(page, frame)[0] == 200


@pytest.mark.parametrize("path, method", [("", "GET"), (f"leave?client={CLIENT}", "POST")])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:80",
        "evil.example@127.0.0.1",
        "127.0.0.1:eighty",
        "[localhost]",
        "[::1",
        "",
    ],
)
def test_other_hosts_are_refused(page, path, method, host):
    status, _, body = ask(page, path, method, Host=host)
    assert status == 403 and b"this machine only" in body


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}"]
)
def test_a_foreign_origin_gets_nothing(page, frame, origin):
    origin = origin.format(port=page.server.port)
    for answer in (
        ask(page, "", Origin=origin),
        post(page, frame, headers={"Origin": origin}),
        ask(page, f"leave?client={CLIENT}", "POST", Origin=origin),
    ):
        status, headers, body = answer
        assert status == 403
        assert json.loads(body) == {"error": "this server answers its own page only"}
        assert "Access-Control-Allow-Origin" not in headers
    assert not page.seat.client  # none has taken the place


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:80", "[::1]:8765"])
def test_the_page_is_served_under_a_forwarded_port(page, frame, host):
    """As by `ssh -L 9000:127.0.0.1:8765`."""
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert post(page, frame, headers=headers)[0] == 200
    assert page.server.server.socket.getsockname()[0] == "127.0.0.1"


def test_one_page_at_a_time(page, frame, monkeypatch):
    assert post(page, frame)[0] == 200
    status, _, body = post(page, frame, client=OTHER)
    assert status == 409
    assert json.loads(body)["error"] == "another page is being painted; close it to paint here"
    assert ask(page, f"leave?client={OTHER}", "POST")[0] == 204  # is not the other's to free
    assert post(page, frame, client=OTHER)[0] == 409
    assert ask(page, f"leave?client={CLIENT}", "POST")[0] == 204
    assert post(page, frame, client=OTHER)[0] == 200
    monkeypatch.setattr(live_server, "SILENT_SECONDS", 0.05)
    assert post(page, frame, client=OTHER)[0] == 200
    time.sleep(0.1)  # a page that has gone without a word loses its place
    assert post(page, frame)[0] == 200


class Slow:
    """A style that paints when it is told to."""

    def __init__(self):
        self.began, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.styles = Styles({"slow": np.zeros((8, 8, 3), np.float32)}, self.paint)

    def paint(self, frame, name, strength):
        self.began.release()
        assert self.go_on.acquire(timeout=30)
        return frame


def send_each(page, slow, frame, count):
    """Post frames, each once the one before has arrived; their threads and answers."""
    answers, threads = {}, []
    for number in range(count):
        post_it = lambda n=number: answers.__setitem__(n, post(page, frame, style="slow"))  # noqa: E731
        threads.append(threading.Thread(target=post_it))
        threads[-1].start()
        if number == 0:
            assert slow.began.acquire(timeout=30)
        while page.turns.newest <= number:
            time.sleep(0.01)
    return threads, answers


def test_of_frames_that_wait_only_the_newest_is_painted(frame):
    slow = Slow()
    with Live(slow.styles, SHAPE) as page:
        threads, answers = send_each(page, slow, frame, 4)
        slow.go_on.release(2)
        for thread in threads:
            thread.join(30)
    assert [answers[number][0] for number in range(4)] == [200, 204, 204, 200]
    assert answers[1][2] == b""


def test_a_long_painting_keeps_the_place(frame, monkeypatch):
    """As while a program is compiled."""
    monkeypatch.setattr(live_server, "SILENT_SECONDS", 0.0)
    slow = Slow()
    with Live(slow.styles, SHAPE) as page:
        threads, answers = send_each(page, slow, frame, 1)
        assert post(page, frame, style="slow", client=OTHER)[0] == 409
        slow.go_on.release()
        threads[0].join(30)
        assert answers[0][0] == 200


def test_the_end_waits_for_the_frame_that_is_being_painted(frame):
    slow = Slow()
    with Live(slow.styles, SHAPE) as page:
        threads, answers = send_each(page, slow, frame, 2)
        threading.Timer(0.3, slow.go_on.release).start()
    assert not page.turns.painting.locked()
    for thread in threads:
        thread.join(30)
    assert [answers[number][0] for number in range(2)] == [200, 503]
    with pytest.raises(OSError):
        post(page, frame)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("arguments", [["--network", "style.h5"], ["painting.png"]])
def test_the_command_serves_until_a_signal_comes(folder, arguments, number, code):
    process = start_jnst(folder, "live", *arguments, "--size", "64", "--port", "0")
    try:
        assert process.stderr.readline().startswith("getting ready to paint frames of 64×48 px on")
        line = process.stderr.readline()
        port = int(
            re.fullmatch(r"live at http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", line)[1]
        )
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        style = "waves" if "--network" in arguments else "painting"
        query = urllib.parse.urlencode({"client": CLIENT, "style": style})
        connection.request("POST", f"/frame?{query}", write_frame(landscape(*SHAPE)))
        answer = connection.getresponse()
        assert (answer.status, len(read_frame(answer.read(), [SHAPE]))) == (200, 48)
        process.send_signal(number)
        assert re.fullmatch(r"ended after \d+ s\n", process.stderr.read())
        assert process.wait(30) == code
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "give a painting, or several to pick from, or a --network"),
        (["painting.png", "--network", "style.h5"], "--network has styles of its own"),
        (["nothing.png"], "nothing.png cannot be read (No such file or directory)"),
        (["style.h5"], "style.h5 is an HDF5 file, not a picture"),
        (["--network", "painting.png"], "painting.png is no file of a network"),
        (["--network", "style.h5", "--matching", "statistics"], "--matching has no effect with"),
        (["--network", "style.h5", "--style-scale", "2"], "--style-scale has no effect with"),
        (["painting.png", "--matching", "ot"], "--matching must be one of mixed, wasserstein"),
        (["painting.png", "--style-scale", "99"], "--style-scale must lie between 0.1 and 10"),
        (["painting.png", "--size", "32"], "--size must be at least 64, got 32"),
        (["painting.png", "--size", "4000"], "--size must be at most 1920, got 4000"),
        (["painting.png", "--strength", "2"], "--strength must lie between 0 and 1, got 2"),
        (["painting.png", "--port", "70000"], "--port must be at most 65535, got 70000"),
        (["painting.png", "--decoder", "painting.png"], "painting.png is neither a PyTorch"),
    ],
)
def test_mistakes_are_one_sentence(folder, arguments, said):
    ran = run_jnst(folder, "live", *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr


def test_a_port_in_use_is_told_before_anything_is_read(folder, page):
    ran = run_jnst(folder, "live", "nothing.png", "--port", page.server.port)
    assert ran.returncode == 2
    assert f"port {page.server.port} of 127.0.0.1 cannot be used" in ran.stderr
