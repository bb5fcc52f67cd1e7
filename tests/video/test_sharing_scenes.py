"""Scenes painted at once: the pictures of one painter, in their order."""

import threading
import time

import jax
import numpy as np
import pytest
from clips import Facts, painted, stopped_after, timed, write_clip
from motions import pan

import jnst
from jnst.video.arbitrary import ArbitraryPainter
from jnst.video.clip import Window
from jnst.video.flow import dis_flow
from jnst.video.looking import as_image, in_scenes
from jnst.video.painted import Measured, Way
from jnst.video.painters import Prepared
from jnst.video.passes import SCENE_BYTES
from jnst.video.sharing import (
    DRAFT_BYTES,
    WAITING_BYTES,
    paint_scenes,
    scenes_at_once,
)
from jnst.video.stylization import one_pass_painter


@pytest.fixture(scope="module")
def scenes():
    """Frames of four scenes, of 3, 4, 1 and 3."""
    light = pan(11)
    dark = [255 - frame for frame in light]
    return [*light[:3], *dark[3:7], *light[7:8], *dark[8:]]


@pytest.fixture
def painter(adain, style):
    """Makes painters whose map to the style glides from frame to frame."""
    return lambda: one_pass_painter(adain, style, matching="statistics", colors="pca")


def shared(frames, painters, room=100, since=None, **measured):
    opening = Prepared(as_image(frames[0]), {})
    distances = sorted({*painters[0].distances, *([8] if measured.get("long") else [])})
    way = Way(dis_flow, distances, Measured(**measured))
    return paint_scenes(in_scenes(timed(frames)), opening, painters, way, room, since)


def alike(frames, expected):
    assert [frame.number for frame in frames] == [frame.number for frame in expected]
    for frame, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.picture, other.picture)
        np.testing.assert_array_equal(frame.row, other.row)


@pytest.mark.parametrize("count, room", [(2, 100), (3, 1), (5, 2)])
def test_several_painters_make_the_pictures_of_one(scenes, painter, count, room):
    expected = painted(scenes, painter(), compare=True)
    assert [frame.row.scene for frame in expected] == [1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 4]
    found = list(shared(scenes, [painter() for _ in range(count)], room, compare=True))
    alike(found, expected)
    assert found[-1].state is not None


@pytest.mark.parametrize("done", [2, 3, 5])
def test_a_stopped_clip_goes_on_within_a_scene_and_between_two(scenes, painter, done):
    whole = painted(scenes, painter())
    rest = list(shared(scenes, [painter(), painter()], since=stopped_after(whole[:done])))
    alike(rest, whole[done:])


def test_scenes_are_painted_at_the_same_time(scenes, painter):
    """The first frames of the first two scenes wait for each other."""
    both = threading.Barrier(2)
    first_two = iter(range(2))

    def meeting(begin):
        def waiting(frame):
            if next(first_two, None) is not None:
                both.wait(timeout=60)
            return begin(frame)

        return waiting

    painters = [painter(), painter()]
    for each in painters:
        each.begin = meeting(each.begin)
    assert len(list(shared(scenes, painters))) == 11


def test_what_goes_wrong_with_a_scene_is_raised(scenes, painter):
    good, bad = painter(), painter()

    def fail(frame):
        raise RuntimeError("as if")

    bad.begin = good.begin = fail
    with pytest.raises(RuntimeError, match="as if"):
        list(shared(scenes, [good, bad]))


def test_nothing_goes_on_once_nobody_wants_more(scenes, painter):
    before = threading.active_count()
    frames = shared(scenes, [painter(), painter()], room=2)
    next(frames)
    frames.close()
    assert threading.active_count() == before


def test_a_clip_stopped_where_scenes_wait_can_go_on(tmp_path, adain, style, scenes):
    """What had been painted of the scene by then is written too, for the state to go on with."""
    write_clip(tmp_path / "clip.mp4", scenes)
    result = jnst.video.stylize_video(
        adain,
        tmp_path / "clip.mp4",
        style,
        tmp_path / "out.mp4",
        devices=[jax.devices()[0]] * 2,
        callback=lambda frame: frame.number == 2,
    )
    assert result.stopped and 2 <= len(result.rows) <= 3
    assert len(Facts(tmp_path / "out.mp4").times) == len(result.rows)


def test_several_passes_of_several_scenes(tmp_path, tiny, style, scenes):
    write_clip(tmp_path / "clip.mp4", scenes)
    found = []
    for count in (1, 2):
        seen = []
        result = jnst.video.stylize_video(
            tiny,
            tmp_path / "clip.mp4",
            style,
            tmp_path / "out",
            window=Window(size=64, end=0.28),
            devices=[jax.devices()[0]] * count,
            callback=seen.append,
            steps=4,
            frame_steps=2,
            passes=2,
        )
        found.append([(frame.number, frame.nth, frame.draft) for frame in seen])
        found.append(np.array(result.rows))
    assert found[0] == found[2] and len(found[0]) == 3 * 7
    np.testing.assert_array_equal(found[1], found[3])


def test_as_many_scenes_at_once_as_there_is_memory_for(monkeypatch):
    monkeypatch.setattr("jnst.video.sharing.free_on_host", lambda: 32_000_000)
    assert scenes_at_once((100, 100), 4) == (4, int(8_000_000 / (WAITING_BYTES * 10_000)))
    one = 10_000 * 10 * (SCENE_BYTES + 2 * DRAFT_BYTES)
    assert scenes_at_once((100, 100), 4, 10, 2) == (8_000_000 // one, 8_000_000 // one * 10)
    assert scenes_at_once((100, 100), 4, 1000, 2) == (1, 1000)


@pytest.mark.parametrize("devices", [[], ["gpu:0"], [0]])
def test_devices_that_are_none(tmp_path, adain, style, clip, devices):
    with pytest.raises(TypeError, match="devices must be devices of JAX"):
        jnst.video.stylize_video(adain, clip, style, tmp_path / "out.mp4", devices=devices)
    assert not list(tmp_path.iterdir())


def test_painting_ends_soon_where_writing_is_slower(adain, style, tmp_path, monkeypatch):
    """The frames of a scene do not all come, though one always waits while another is written."""
    advance = ArbitraryPainter.advance

    def slowly(*arguments):
        time.sleep(0.1)
        return advance(*arguments)

    monkeypatch.setattr(ArbitraryPainter, "advance", slowly)
    write_clip(tmp_path / "clip.mp4", pan(40), sound=False)

    def slower(frame):
        time.sleep(0.2)
        return frame.number == 3

    result = jnst.video.stylize_video(
        adain,
        tmp_path / "clip.mp4",
        style,
        tmp_path / "out.mp4",
        window=Window(size=64),
        devices=[jax.devices()[0]] * 2,
        callback=slower,
        matching="statistics",
    )
    assert result.stopped and 3 <= len(result.rows) < 30
