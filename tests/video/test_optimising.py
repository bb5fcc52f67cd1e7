"""Frames optimised one after another, with a network of few channels."""

import jax
import numpy as np
import pytest
from clips import Facts, painted, stopped_after, timed
from motions import dimmed, pan

import jnst
from jnst.optim.step import step
from jnst.transfer.settings import Settings
from jnst.video.clip import Window
from jnst.video.flow import dis_flow
from jnst.video.looking import in_scenes, looked_through
from jnst.video.measuring import mean_of
from jnst.video.optimising import TEMPORAL, OptimisingPainter


def small(frames):
    """Frames of the size that the command's tests have, too: what is compiled serves both."""
    return [frame[:48, :64].copy() for frame in frames]


@pytest.fixture(scope="module")
def rows(tiny, style):
    """Without the temporal term, with it as usual, and with four times its weight."""
    found = {}
    for temporal in (0.0, TEMPORAL, 4 * TEMPORAL):
        painter = OptimisingPainter(tiny, [style], Settings(steps=20), steps=8, temporal=temporal)
        before = step.made
        results = painted(small(pan(5)), painter, compare=temporal == TEMPORAL)
        found[temporal] = [frame.row for frame in results], step.made - before
    return found


def test_frames_are_steadier_than_one_by_one(rows):
    with_term, _ = rows[TEMPORAL]
    assert mean_of(with_term, "warp_error") < mean_of(with_term, "alone_warp_error") / 4


def test_the_temporal_term_steadies(rows):
    loose, usual, steady = (mean_of(found, "warp_error") for found, _ in rows.values())
    assert usual < 0.8 * loose and steady < 0.65 * loose


def test_one_compiled_step_serves_all_later_frames(rows):
    """The first frame has steps of its own, and with another weight nothing is compiled."""
    assert rows[0.0][1] <= 3 and rows[TEMPORAL][1] == rows[4 * TEMPORAL][1] == 0


def test_what_older_frames_know_counts_where_the_last_does_not(tiny, style):
    """c_long = min(c_j, 1 − Σ_{k<j} c_long_k): the weights never sum to more than 1."""
    painter = OptimisingPainter(tiny, [style], Settings(steps=2), steps=1, distances=(1, 2))
    frames = small(pan(3, step=6.0))
    looked = looked_through(in_scenes(timed(frames)), [1, 2], dis_flow)
    first, second, third = (frame.prepared for frame in looked)
    state = painter.advance(painter.begin(first), second)
    assert len(state.before) == 2
    _, trusted = painter._known(state, third)
    newest = third.motions[1].soft()
    assert trusted.min() >= 0 and trusted.max() <= 1 + 1e-6
    assert np.all(np.asarray(trusted) >= newest - 1e-6)
    assert trusted.sum() > newest.sum()


def test_what_the_first_frame_decides_outlives_a_stop(tiny, style):
    """The styles' colours and the units are not those of the frame that goes on."""
    frames = dimmed(small(pan(4)))

    def painter():
        return OptimisingPainter(tiny, [style], Settings(steps=4, colors="pca"), steps=2)

    whole = painted(frames, painter())
    rest = painted(frames, painter(), since=stopped_after(whole[:2]))
    assert [frame.number for frame in rest] == [3, 4]
    for one, other in zip(rest, whole[2:], strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)


def test_the_units_are_those_of_the_first_frame(tiny, style):
    def units(frames):
        painter = OptimisingPainter(tiny, [style], Settings(steps=2), steps=1)
        painted(frames, painter)
        return jax.tree.leaves(painter.parts["units"])

    frames = dimmed(small(pan(2)))
    several, one = units(frames), units(frames[:1])
    np.testing.assert_array_equal(np.stack(several), np.stack(one))


def test_a_video_in_one_call(tmp_path, tiny, style, clip):
    result = jnst.video.stylize_video(
        tiny,
        clip,
        style,
        tmp_path / "out.mp4",
        window=Window(end=0.12, size=64),
        steps=4,
        frame_steps=2,
        beta=3.0,
        colors="pca",
    )
    assert len(result.rows) == 3
    assert len(Facts(tmp_path / "out.mp4").times) == 3


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"frame_steps": 0}, "frame_steps must be at least 1, got 0"),
        ({"temporal": -1.0}, "temporal must be at least 0, got -1"),
        ({"passes": 0}, "passes must be at least 1, got 0"),
        ({"beta": -1.0}, "beta must be at least 0, got -1"),
    ],
)
def test_settings_that_will_not_do(tmp_path, tiny, style, clip, settings, message):
    with pytest.raises(ValueError, match=message):
        jnst.video.stylize_video(tiny, clip, style, tmp_path / "out.mp4", **settings)


@pytest.fixture(scope="module")
def passed(tiny, style):
    """Drafts and finished frames of two passes over a clip, and over one that ends otherwise."""
    first, second = small(pan(4, step=4.0)), small(pan(3, step=4.0))
    painter = OptimisingPainter(tiny, [style], Settings(steps=20), steps=8, passes=2)
    return [painted(frames, painter) for frames in (first, [*second, second[2][::-1].copy()])]


def test_passes_go_forward_and_backward_and_come_out_in_order(passed):
    results = passed[0]
    assert [frame.number for frame in results] == [1, 2, 3, 4, 4, 3, 2, 1, 1, 2, 3, 4]
    assert [frame.nth for frame in results] == 4 * [1] + 8 * [2]
    assert [frame.draft for frame in results] == 8 * [True] + 4 * [False]
    measured = [np.isfinite(frame.row.warp_error) for frame in results]
    assert measured == 3 * [False, True, True, True]
    for draft, frame in zip(results[7:3:-1], results[8:], strict=True):
        np.testing.assert_array_equal(draft.picture, frame.picture)


def test_the_pass_backward_tells_a_frame_of_later_ones(passed):
    """The first frame of two clips is painted alike in a pass forward, and not in one backward."""
    (first, *_, again), (other, *_, other_again) = ([r[0], r[7]] for r in passed)
    np.testing.assert_array_equal(first.picture, other.picture)
    assert np.abs(np.asarray(again.picture, int) - other_again.picture).max() > 2


def test_a_clip_stopped_within_a_pass_has_its_latest_drafts(tmp_path, tiny, style, clip):
    seen = []

    def stop(frame):
        seen.append((frame.nth, frame.number, frame.draft))
        return len(seen) == 4

    result = jnst.video.stylize_video(
        tiny,
        clip,
        style,
        tmp_path / "out",
        window=Window(end=0.12, size=64),
        callback=stop,
        steps=4,
        frame_steps=2,
        passes=3,
    )
    assert seen == [(1, 1, True), (1, 2, True), (1, 3, True), (2, 3, True)]
    assert result.stopped and [row.frame for row in result.rows] == [1, 2, 3]
    assert len(list((tmp_path / "out").glob("frame-*.png"))) == 3


def test_a_scene_too_long_for_several_passes(tmp_path, tiny, style, clip, monkeypatch):
    monkeypatch.setattr("jnst.video.passes.free_on_host", lambda: 3_000_000)
    with pytest.raises(ValueError, match="a scene of 14 frames of 128×96 px needs"):
        jnst.video.stylize_video(tiny, clip, style, tmp_path / "out.mp4", passes=2)
    assert not list(tmp_path.iterdir())
