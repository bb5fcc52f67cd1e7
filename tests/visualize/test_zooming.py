"""The zooming dream, and frames as a video."""

import itertools
import sys

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.optim import step as step_module
from jnst.visualize import dream, dream_frames
from jnst.visualize.movies import check_movie, is_movie, write_movie
from jnst.visualize.zooming import toned, zoomed

OPTIONS = {"layers": ["relu2_1"], "octaves": 1, "steps": 3, "jitter": 4}


def smooth(height=48, width=64):
    rows, columns = np.mgrid[:height, :width]
    wave = np.sin(rows / 9) * np.cos(columns / 11) / 2 + 0.5
    return np.stack([wave, wave**2, 1 - wave], -1).astype(np.float32)


def test_nothing_moves_without_zoom_and_rotation():
    np.testing.assert_allclose(zoomed(smooth(), 0.0, 0.0), smooth(), atol=1e-6)


def test_a_zoom_enlarges_about_the_centre():
    rows, columns = np.mgrid[:48, :64]
    y, x = 23.5 + 0.8 * (rows - 23.5), 31.5 + 0.8 * (columns - 31.5)
    wave = np.sin(y / 9) * np.cos(x / 11) / 2 + 0.5
    wanted = np.stack([wave, wave**2, 1 - wave], -1)
    np.testing.assert_allclose(zoomed(smooth(), 0.2, 0.0), wanted, atol=2e-3)


def test_a_quarter_turn_is_that_of_numpy():
    square = smooth(40, 40)
    turned = np.asarray(zoomed(square, 0.0, 90.0))
    np.testing.assert_allclose(turned, np.rot90(square, 1), atol=1e-4)
    np.testing.assert_allclose(zoomed(turned, 0.0, -90.0), square, atol=1e-4)


def test_frames_keep_the_mean_and_gain_no_contrast():
    photo = smooth()
    mean, deviation = photo.mean((0, 1)), photo.std((0, 1))
    garish = np.clip(0.2 + 1.3 * (photo - 0.5), 0, 1)
    made = np.asarray(toned(garish, mean, deviation / 2))
    np.testing.assert_allclose(made.mean((0, 1)), mean, atol=1e-3)
    np.testing.assert_allclose(made.std((0, 1)), deviation / 2, atol=1e-3)
    faint = mean + 0.1 * (photo - mean)
    np.testing.assert_allclose(toned(faint, mean, deviation), faint, atol=1e-5)


def test_every_frame_is_dreamed_from_the_one_before(tiny, pictures):
    photo = pictures[0]
    frames = list(dream_frames(tiny, photo, 3, zoom=0.1, frame_steps=2, **OPTIONS))
    assert [frame.shape for frame in frames] == [photo.shape] * 3
    first = dream(tiny, photo, key=jax.random.fold_in(jax.random.key(0), 0), **OPTIONS)
    np.testing.assert_allclose(frames[0], first.image, atol=1e-6)
    for before, after in itertools.pairwise(frames):
        start = zoomed(jnp.asarray(before), 0.1, 0.0)
        start = np.asarray(toned(start, photo.mean((0, 1)), photo.std((0, 1))))
        change = np.abs(after - start)
        assert 0.001 < change.mean() < 3 * 2 * 1.5 / 255
        border = np.concatenate([change[:4].ravel(), change[-4:].ravel()]).mean()
        assert border < 3 * change.mean()  # the border does not flicker more than the picture


def test_all_frames_are_computed_by_the_programs_of_the_first(tiny, pictures):
    frames = dream_frames(tiny, pictures[0], 4, rotate=1.0, frame_steps=2, **OPTIONS)
    next(frames)
    next(frames)
    before = step_module.step.made, zoomed.made
    assert len(list(frames)) == 2
    assert (step_module.step.made, zoomed.made) == before


def test_the_callback_ends_the_run_with_what_is_there(tiny, pictures):
    count = 0

    def callback(progress):
        nonlocal count
        count += 1
        return count == 4

    frames = list(dream_frames(tiny, pictures[0], 9, callback=callback, **OPTIONS))
    assert len(frames) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0}, "frames must be at least 1"),
        ({"zoom": 1.0}, "zoom must lie between 0 and 0.9"),
        ({"zoom": float("nan")}, "zoom must be finite"),
        ({"rotate": 181.0}, "rotate must lie between"),
        ({"frame_steps": 0}, "frame_steps must be at least 1"),
        ({"layers": ["relu0"]}, "layers must be one of"),
    ],
)
def test_mistakes_are_sentences_before_the_first_frame(tiny, pictures, arguments, message):
    with pytest.raises(ValueError, match=message):
        dream_frames(tiny, pictures[0], **{"frames": 2} | arguments)


def test_frames_become_a_video_that_shows_them(tmp_path):
    frames = [smooth(49, 64) * level for level in (0.2, 0.5, 0.8)]
    path = tmp_path / "out.mp4"
    assert write_movie(path, iter(frames), fps=12, comment="how") == 3
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.height, stream.width) == (12, 50, 64)
        assert container.metadata["comment"] == "how"
        shown = [frame.to_ndarray(format="rgb24") / 255 for frame in container.decode(stream)]
    for frame, wanted in zip(shown, frames, strict=True):
        assert np.abs(frame[:49] - wanted).mean() < 0.03
    with pytest.raises(ValueError, match="there are no frames"):
        write_movie(tmp_path / "none.mp4", iter([]))
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


def test_without_pyav_a_sentence_says_how_to_do_without(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"jnst\[video\].*name of a folder"):
        check_movie(tmp_path / "out.mp4")


def test_what_is_no_video_is_told(tmp_path):
    assert is_movie("a.MP4") and not is_movie("a.png") and not is_movie("frames")
    with pytest.raises(ValueError, match=r"the suffix of output .* must be one of \.mp4"):
        check_movie(tmp_path / "out.avi")
    with pytest.raises(ValueError, match="fps must lie between"):
        check_movie(tmp_path / "out.mp4", 0.0)
