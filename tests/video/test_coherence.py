"""Painting a clip in one pass: stills stay still, moving strokes move, cuts begin afresh."""

import dataclasses
import json
import os

import jax
import numpy as np
import pytest
from clips import Facts, painted, stopped_after
from motions import affine, dimmed, pan, scene, view

import jnst
from jnst.feedforward.painting import shares_of
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture
from jnst.video.measuring import mean_of
from jnst.video.network import NetworkPainter
from jnst.video.painting import paint_clip
from jnst.video.reading import open_clip
from jnst.video.resuming import Stop
from jnst.video.stylization import one_pass_painter
from jnst.video.writing import Encoding, open_writer


@pytest.fixture(scope="module")
def network():
    """Not trained; its last layer is scaled up, as it would paint next to nothing but grey."""
    architecture = Architecture(channels=(4, 6, 8), residuals=1)
    painter = new_painter(jax.random.key(1), ["waves"], architecture)
    kernel = 20 * painter.arrays["out/kernel"]
    return dataclasses.replace(painter, arrays={**painter.arrays, "out/kernel": kernel})


def painters(adain, style, network, smooth):
    yield one_pass_painter(adain, style, matching="wasserstein", smooth=smooth)
    yield one_pass_painter(adain, style, matching="statistics", smooth=smooth)
    yield NetworkPainter(network, shares_of(network, None), smooth=smooth)


def test_a_still_clip_stays_still(adain, style, network):
    frames = [pan(1)[0]] * 24  # beyond the frame at which the maps are renewed
    for painter in painters(adain, style, network, 0.7):
        pictures = [np.asarray(f.picture, int) for f in painted(frames, painter)]
        assert max(np.abs(p - pictures[0]).max() for p in pictures) <= 1


def test_frames_are_steadier_than_one_by_one(adain, style, frames):
    painter = one_pass_painter(adain, style, matching="statistics", smooth=0.7)
    rows = [f.row for f in painted(frames, painter, compare=True)]
    assert mean_of(rows, "warp_error") < mean_of(rows, "alone_warp_error") / 3
    # A random decoder draws noise that lies still on the grid, and less of that is kept than of
    # the strokes of a trained one.
    assert mean_of(rows, "sharpness") > 0.6 * mean_of(rows, "alone_sharpness")


def test_without_smoothing_the_first_frame_is_that_of_fast(adain, style, frames):
    """And later ones differ only by the statistics, which are fixed."""
    painter = one_pass_painter(adain, style, matching="statistics", smooth=0.0)
    first = painted(frames[:2], painter)[0].picture
    content = frames[0].astype(np.float32) / 255
    expected = jnst.fast(adain, content, style, matching="statistics")
    np.testing.assert_allclose(np.asarray(first) / 255, expected, atol=0.6 / 255)


def test_the_clip_comes_out_where_strength_is_0(network, frames):
    painter = NetworkPainter(network, shares_of(network, None), strength=0.0, smooth=0.0)
    for frame, result in zip(frames, painted(frames, painter), strict=True):
        assert np.abs(np.asarray(result.picture, int) - frame).max() <= 1


def test_a_cut_begins_afresh(adain, style, frames):
    other = np.rint(scene(1)[:96, :128] ** 2 * 255).astype(np.uint8)
    painter = one_pass_painter(adain, style, matching="statistics", smooth=0.9)
    *_, last = painted([*frames[:3], other], painter, compare=True)
    assert last.row.scene == 2 and np.isnan(last.row.warp_error)
    assert np.array_equal(last.picture, last.alone)


def test_the_looks_of_the_first_frame_outlive_a_stop(adain, style, frames):
    other = np.rint(scene(1)[:96, :128] ** 2 * 255).astype(np.uint8)
    clip = [*dimmed(frames[:4]), other]

    def painter():
        return one_pass_painter(adain, style, matching="statistics", colors="pca")

    whole = painted(clip, painter())
    rest = painted(clip, painter(), since=stopped_after(whole[:3]))
    assert [(frame.number, frame.row.scene) for frame in rest] == [(4, 1), (5, 2)]
    for one, expected in zip(rest, whole[3:], strict=True):
        np.testing.assert_array_equal(one.picture, expected.picture)


def test_what_was_hidden_is_not_dragged_along(network):
    """Where the camera uncovers a strip, the picture is the frame's own."""
    frames = [view(affine(shift=(8.0 * number, 0))) for number in range(2)]
    painter = NetworkPainter(network, shares_of(network, None), smooth=0.9)
    *_, last = painted(frames, painter, compare=True)
    new = np.abs(np.asarray(last.picture, int) - last.alone)[:, -6:]
    assert new.mean() < 1


def test_a_video_in_one_call(tmp_path, adain, style, clip):
    seen = []
    result = jnst.video.stylize_video(
        adain,
        clip,
        style,
        tmp_path / "out.mp4",
        measured=jnst.video.Measured(long=True),
        callback=seen.append,
        colors="luminance",
        smooth=np.float32(0.5),
    )
    facts, before = Facts(tmp_path / "out.mp4"), Facts(clip)
    np.testing.assert_allclose(facts.times, before.times, atol=1e-6)
    assert abs(facts.sound - before.sound) < 1 / 25
    assert json.loads(facts.comment)["jnst video"]["smooth"] == 0.5
    assert [frame.number for frame in seen] == list(range(1, 15))
    assert not result.stopped and not result.problem
    assert np.isfinite([row.warp_error for row in result.rows[1:]]).all()
    assert [np.isfinite(row.long_warp_error) for row in result.rows] == [False] * 8 + [True] * 6


def test_a_clip_that_is_stopped_can_be_played(tmp_path, adain, style, clip):
    def stop(frame):
        return frame.number == 5

    result = jnst.video.stylize_video(adain, clip, style, tmp_path / "out.mp4", callback=stop)
    facts = Facts(tmp_path / "out.mp4")
    assert result.stopped and len(facts.times) == 5 and abs(facts.sound - 0.2) < 0.05


def test_an_error_leaves_nothing(tmp_path, adain, style, clip):
    def fail(frame):
        raise RuntimeError("as if")

    with pytest.raises(RuntimeError, match="as if"):
        jnst.video.stylize_video(adain, clip, style, tmp_path / "out.mp4", callback=fail)
    assert os.listdir(tmp_path) == []


def test_a_state_that_does_not_fit_leaves_nothing(tmp_path, adain, style, clip):
    reader = open_clip(clip)
    painter = one_pass_painter(adain, style)
    writer = open_writer(tmp_path / "out.mp4", reader, Encoding(), {})
    with pytest.raises(ValueError, match="leaves"):
        paint_clip(reader, [painter], writer, since=Stop(2, [], [np.zeros(3), np.zeros(())]))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"smooth": 1.0}, "smooth must lie between 0 and 0.95, got 1"),
        ({"matching": "gram"}, "matching must be one of mixed, wasserstein, .*got 'gram'"),
        ({"smoth": 0.5}, "the name of a setting must be one of smooth, .*did you mean 'smooth'"),
    ],
)
def test_settings_that_will_not_do(tmp_path, adain, style, clip, settings, message):
    with pytest.raises(ValueError, match=message):
        jnst.video.stylize_video(adain, clip, style, tmp_path / "out.mp4", **settings)
    assert os.listdir(tmp_path) == []
