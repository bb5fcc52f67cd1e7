"""Frames optimised one after another, with a network of few channels."""

from fractions import Fraction

import numpy as np
import pytest
from clips import Facts
from motions import pan

import jnst
from jnst.optim.step import step
from jnst.transfer.settings import Settings
from jnst.video.clip import Timed, Window
from jnst.video.flow import dis_flow
from jnst.video.measuring import mean_of
from jnst.video.optimising import OptimisingPainter
from jnst.video.painting import Measured, looked_through, painted_frames


def painted(frames, painter, **measured):
    timed = [Timed(frame, Fraction(number, 25)) for number, frame in enumerate(frames)]
    looked = looked_through(timed, sorted(painter.distances), dis_flow)
    found = painted_frames(looked, painter, Measured(**measured))
    return [frame._replace(row=frame.row.fetched()) for frame in found]


@pytest.fixture(scope="module")
def rows(tiny, style):
    """With the temporal term and without it."""
    found = {}
    for temporal in (0.0, 200.0):
        painter = OptimisingPainter(tiny, [style], Settings(steps=20), steps=8, temporal=temporal)
        before = step.made
        results = painted(pan(5), painter, compare=temporal > 0)
        found[temporal] = [frame.row for frame in results], step.made - before
    return found


def test_frames_are_steadier_than_one_by_one(rows):
    with_term, _ = rows[200.0]
    assert mean_of(with_term, "warp_error") < mean_of(with_term, "alone_warp_error") / 4


def test_the_temporal_term_steadies(rows):
    steady, loose = (mean_of(rows[weight][0], "warp_error") for weight in (200.0, 0.0))
    assert steady < 0.8 * loose


def test_one_compiled_step_serves_all_later_frames(rows):
    """The first frame has steps of its own, and with another weight nothing is compiled."""
    assert rows[0.0][1] <= 3 and rows[200.0][1] == 0


def test_what_older_frames_know_counts_where_the_last_does_not(tiny, style):
    """c_long = max(c_j − Σ_{k<j} c_k, 0): the weights never sum to more than 1."""
    painter = OptimisingPainter(tiny, [style], Settings(steps=2), steps=1, distances=(1, 2))
    frames = pan(3, step=6.0)
    timed = [Timed(frame, Fraction(number, 25)) for number, frame in enumerate(frames)]
    first, second, third = (f.prepared for f in looked_through(timed, [1, 2], dis_flow))
    state = painter.advance(painter.begin(first), second)
    assert len(state.before) == 2
    _, trusted = painter._known(state, third)
    newest = third.motions[1].soft()
    assert trusted.min() >= 0 and trusted.max() <= 1 + 1e-6
    assert np.all(np.asarray(trusted) >= newest - 1e-6)
    assert trusted.sum() > newest.sum()


def test_a_video_in_one_call(tmp_path, tiny, style, clip):
    result = jnst.video.stylize_video(
        tiny,
        clip,
        style,
        tmp_path / "out.mp4",
        window=Window(end=0.12),
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
        ({"beta": -1.0}, "beta must be at least 0, got -1"),
    ],
)
def test_settings_that_will_not_do(tmp_path, tiny, style, clip, settings, message):
    with pytest.raises(ValueError, match=message):
        jnst.video.stylize_video(tiny, clip, style, tmp_path / "out.mp4", **settings)
