"""The preview page of `jnst video`."""

import io
import json
import urllib.request

import numpy as np
from PIL import Image

from jnst.cli.preview import Preview
from jnst.cli.video_preview import FramePreview
from jnst.video.measuring import Row
from jnst.video.painted import PaintedFrame


def get(page, path):
    with urllib.request.urlopen(page.page.address + path, timeout=10) as response:
        return response.read()


def frame(number, level, **more):
    pixels = np.full((32, 40, 3), level, np.uint8)
    row = Row(number, number / 25, 1, warp_error=0.01 * number)
    return PaintedFrame(number, pixels, number / 25, pixels, None, row, **more)


def test_frames_are_shown_as_they_come(monkeypatch):
    monkeypatch.setattr("jnst.cli.preview.PICTURE_SECONDS", 0.0)
    monkeypatch.setattr("jnst.cli.preview.PICTURE_SHARE", 0.0)
    monkeypatch.setattr("jnst.cli.preview.WATCHED_SECONDS", 1.0)
    with FramePreview({"clip": "clip.mp4"}, 0, (32, 40), 3, "frame") as page:
        text = get(page, "").decode()
        assert "<td>clip.mp4</td>" in text and "waiting for the first frame" in text
        assert json.loads(get(page, "state.json"))["steps"] == 3
        for number in (1, 2):
            page(frame(number, 50 * number))
            state = json.loads(get(page, "state.json"))
            assert (state["step"], state["picture"]) == (number, number)
            shown = np.asarray(Image.open(io.BytesIO(get(page, "picture.png"))).convert("RGB"))
            assert shown.shape == (32, 40, 3) and (shown == 50 * number).all()
        assert state["losses"] == {"warp error": np.float32(0.01)}
        assert b"<svg" in get(page, "curves.svg")
        page.finish(stopped=True)
        assert json.loads(get(page, "state.json"))["state"] == "stopped"


def test_pictures_of_all_passes_count_and_finished_ones_do_not():
    with FramePreview({}, 0, (32, 40), 4, "picture") as page:
        for nth in (1, 2):
            for number in (1, 2):
                page(frame(number, 0, nth=nth, draft=True))
        page(frame(1, 0, nth=2))
        assert page.page.step == page.page.steps == 4


def test_no_time_left_is_told_where_nobody_knows_how_many_there_will_be():
    with FramePreview({}, 0, (32, 40), None, "frame") as page:
        for number in (1, 2, 3):
            page(frame(number, 0))
        state = json.loads(get(page, "state.json"))
        assert (state["steps"], state["seconds_left"]) == (0, None)


def test_steps_are_still_called_steps():
    with (
        Preview([((32, 40), 2)], {}) as page,
        urllib.request.urlopen(page.address, timeout=10) as response,
    ):
        assert "waiting for the first step" in response.read().decode()
