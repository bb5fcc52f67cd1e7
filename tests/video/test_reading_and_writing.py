"""Videos and folders in and out: frames, times, sound."""

import errno
import json
import os
from fractions import Fraction

import numpy as np
import pytest
from clips import RATE, Facts, write_clip
from motions import pan

import jnst
from jnst.video.clip import Window
from jnst.video.reading import open_clip
from jnst.video.resuming import stop_file
from jnst.video.writing import Encoding, check_video_output, open_writer


def copied(source, target, window=Window(), encoding=Encoding()):  # noqa: B008
    """Read a clip and write it as it is."""
    clip = open_clip(source, window)
    writer = open_writer(check_video_output(target, encoding), clip, encoding, {"a": 1})
    for timed in clip.frames():
        writer.write(timed.pixels, timed.time)
    writer.finish()
    return clip


def differences(ones, others):
    """The mean difference of the grey of each frame, as colours lose half their resolution."""
    pairs = zip(ones, others, strict=True)
    return np.array(
        [np.abs(one.mean(axis=-1) - other.mean(axis=-1)).mean() for one, other in pairs]
    )


def test_frames_times_and_sound_come_through(tmp_path, clip, frames):
    copied(clip, tmp_path / "out.mp4")
    before, after = Facts(clip), Facts(tmp_path / "out.mp4")
    assert after.codec == "h264" and after.shape == (96, 128)
    np.testing.assert_allclose(after.times, before.times, atol=1e-6)
    assert abs(after.sound - before.sound) < 1 / RATE
    assert differences(after.frames, frames).max() < 3
    shift = np.mean(after.frames) - np.mean(frames)
    assert abs(shift) < 0.5  # of 256 levels, after two encodings
    assert json.loads(after.comment) == {"jnst video": {"a": 1}}


def test_times_of_a_variable_rate_are_kept(tmp_path, frames):
    times = [0.0, 0.04, 0.2, 0.21, 0.5, 0.52]
    write_clip(tmp_path / "in.mp4", frames[:6], times)
    copied(tmp_path / "in.mp4", tmp_path / "out.mkv")
    np.testing.assert_allclose(Facts(tmp_path / "out.mkv").times, times, atol=1e-3)


def test_a_rate_of_ones_own_takes_what_is_shown_then(tmp_path, frames):
    times = [0.0, 0.1, 0.2, 0.5]
    write_clip(tmp_path / "in.mp4", frames[:4], times, sound=False)
    clip = open_clip(tmp_path / "in.mp4", Window(fps=10))
    read = list(clip.frames())
    assert [float(timed.time) for timed in read] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert np.array_equal(read[2].pixels, read[4].pixels)
    assert not np.array_equal(read[4].pixels, read[5].pixels)


def test_a_rate_above_the_clips_own_keeps_its_length(tmp_path, frames):
    write_clip(tmp_path / "in.mp4", frames[:5], sound=False)
    copied(
        tmp_path / "in.mp4", tmp_path / "even.mp4", Window(fps=RATE)
    )  # whose frames last as long
    for end, count in ((None, 20), (0.1, 10)):
        clip = open_clip(tmp_path / "even.mp4", Window(fps=100, end=end))
        read = list(clip.frames())
        assert not clip.problem and len(read) == clip.count == count
        assert np.array_equal(read[-1].pixels, read[count - 2].pixels)


def test_a_part_of_a_clip_with_its_sound(tmp_path, clip):
    window = Window(start=0.12, end=0.4)
    reader = copied(clip, tmp_path / "out.mp4", window)
    whole, part = Facts(clip), Facts(tmp_path / "out.mp4")
    assert len(part.times) == reader.count == 7
    assert part.times[0] == pytest.approx(0, abs=1e-6)
    assert differences(part.frames, whole.frames[3:10]).max() < 3
    assert abs(part.sound - 0.28) < 0.05


def test_sound_that_is_encoded_anew_is_whole(tmp_path, clip):
    """Decoder and encoder both hold back the end."""
    copied(clip, tmp_path / "out.webm")
    assert abs(Facts(tmp_path / "out.webm").sound - Facts(clip).sound) < 0.005


@pytest.mark.parametrize("suffix, codec", [(".webm", "vp9"), (".mkv", "h264"), (".mov", "h264")])
def test_other_formats(tmp_path, clip, suffix, codec):
    """WebM cannot hold AAC: the sound is encoded anew."""
    copied(clip, tmp_path / f"out{suffix}")
    facts = Facts(tmp_path / f"out{suffix}")
    assert facts.codec == codec and len(facts.times) == 14
    assert abs(facts.sound - 14 / RATE) < 0.05


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_clips_of_a_turned_camera_come_out_upright(tmp_path, frames, degrees, mirrored):
    write_clip(tmp_path / "in.mp4", frames[:2], sound=False, turn=(degrees, mirrored))
    expected = [np.rot90(frame, degrees // 90) for frame in frames[:2]]
    if mirrored:
        expected = [frame[:, ::-1] for frame in expected]
    clip = copied(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert clip.shape == expected[0].shape[:2]
    facts = Facts(tmp_path / "out.mp4")
    assert facts.shape == clip.shape
    assert differences(facts.frames, expected).max() < 3


def test_ten_bits_and_size(tmp_path, frames):
    write_clip(tmp_path / "in.mkv", frames[:3], pixel_format="yuv420p10le", sound=False)
    clip = open_clip(tmp_path / "in.mkv", Window(size=64))
    assert clip.shape == (48, 64)
    (first, *_) = clip.frames()
    assert first.pixels.shape == (48, 64, 3) and first.pixels.dtype == np.uint8
    expected = frames[0].reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
    assert differences([first.pixels], [expected]) < 2


def test_odd_edges_are_repeated(tmp_path, frames):
    odd = [np.ascontiguousarray(frame[:95, :127]) for frame in frames[:3]]
    write_clip(tmp_path / "in.mkv", odd, codec="ffv1", pixel_format="bgr0", sound=False)
    clip = copied(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert clip.shape == (95, 127)
    assert Facts(tmp_path / "out.mp4").shape == (96, 128)


def test_colours_survive(tmp_path):
    """A red, encoded by the colours of HD video, which the file says."""
    red = np.full((96, 128, 3), (200, 30, 30), np.uint8)
    write_clip(tmp_path / "in.mkv", [red] * 3, codec="ffv1", pixel_format="bgr0", sound=False)
    copied(tmp_path / "in.mkv", tmp_path / "out.mp4")
    (timed, *_) = open_clip(tmp_path / "out.mp4").frames()
    assert np.abs(timed.pixels.astype(int) - red).max() <= 4


def test_a_folder_of_pictures_in_the_order_of_their_numbers(tmp_path, frames):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (10, 9, 2):
        jnst.save_image(folder / f"shot-{number}.png", frames[number].astype(np.float32) / 255)
    copied(folder, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == [
        *("frame-000001.png", "frame-000002.png", "frame-000003.png", "video.json")
    ]
    for place, number in enumerate((2, 9, 10), start=1):
        picture = jnst.load_image(tmp_path / "out" / f"frame-{place:06d}.png")
        np.testing.assert_allclose(picture * 255, frames[number], atol=1e-3)
    clip = open_clip(tmp_path / "out", Window(fps=10))
    assert [timed.time for timed in clip.frames()] == [0, Fraction(1, 10), Fraction(2, 10)]


def test_pictures_of_a_folder_that_cannot_be_read_are_left_out_and_told(tmp_path, frames):
    for number, frame in enumerate(frames[:4]):
        jnst.save_image(tmp_path / f"{number}.png", frame / np.float32(255))
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    clip = open_clip(tmp_path)
    assert [timed.time for timed in clip.frames()] == [Fraction(n, 24) for n in (0, 2, 3)]
    assert clip.problem.startswith("frames left out, as they cannot be read: 1; ")
    assert "1.png" in clip.problem


def test_a_shorter_run_removes_pictures_of_a_longer_one(tmp_path, clip):
    copied(clip, tmp_path / "out")
    stop_file(tmp_path / "out").write_bytes(b"of another run")
    copied(clip, tmp_path / "out", Window(end=0.1))
    assert not stop_file(tmp_path / "out").exists()
    assert len(list((tmp_path / "out").glob("frame-*.png"))) == 3


@pytest.mark.parametrize("kept", [1, 2, 5])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_are_kept_come_before_the_rest(tmp_path, clip, suffix, kept):
    """Even where a Matroska file or an encoder that begins anew has other times of decoding."""
    reader, output = open_clip(clip), tmp_path / f"out{suffix}"
    frames = list(reader.frames())
    for first, last in ((0, kept), (kept, len(frames))):
        writer = open_writer(output, reader, Encoding(), {}, first)
        for timed in frames[first:last]:
            writer.write(timed.pixels, timed.time)
        writer.finish()
    facts = Facts(output)
    np.testing.assert_allclose(facts.times, [float(timed.time) for timed in frames], atol=1e-3)
    assert differences(facts.frames, [timed.pixels for timed in frames]).max() < 3


def test_what_is_readable_of_a_truncated_file_is_read(tmp_path):
    whole = write_clip(tmp_path / "in.mp4", pan(50), sound=False).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    clip = open_clip(tmp_path / "cut.mp4")
    count = len(list(clip.frames()))
    assert 5 < count < 45
    assert "missing" in clip.problem or "decoded" in clip.problem


def test_nothing_is_left_of_what_was_not_finished(tmp_path, clip):
    reader = open_clip(clip)
    (tmp_path / "out.mp4").write_bytes(b"before")
    writer = open_writer(tmp_path / "out.mp4", reader, Encoding(), {})
    for timed in list(reader.frames())[:3]:
        writer.write(timed.pixels, timed.time)
    writer.discard()
    assert os.listdir(tmp_path) == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"before"


MISTAKES = [
    (Window(start=2.0), "start: .* has only 0.56 s"),
    (Window(start=0.3, end=0.2), "end must be after start, 0.3 s, got 0.2 s"),
    (Window(fps=0), "fps must lie between 0.1 and 240, got 0"),
    (Window(size=8), "size must be at least 32, got 8"),
]


@pytest.mark.parametrize("window, message", MISTAKES)
def test_windows_that_are_none(clip, window, message):
    with pytest.raises(ValueError, match=message):
        open_clip(clip, window)


def test_outputs_that_cannot_be(tmp_path):
    (tmp_path / "link.mp4").symlink_to("/dev/full")
    with pytest.raises(ValueError, match="output - will not do: a video needs a file of its own"):
        check_video_output("-", Encoding())
    for name, encoding, message in (
        ("out.mp4", Encoding(codec="h26x"), "codec 'h26x' has no encoder here; try h264, h265"),
        ("out.webm", Encoding(codec="h264"), "a file .webm cannot hold h264; try .mkv"),
        ("out.avi", Encoding(), "the suffix of output .* must be one of .mp4"),
        ("out.png", Encoding(), "out.png is a single picture; give a video or a folder"),
        ("out.mp4", Encoding(quality=52), "quality must be at most 51, got 52"),
        ("out.webm", Encoding(quality=99), "quality must be at most 63, got 99"),
        ("out.mp4", Encoding(codec="mpeg4", quality=2), "quality has no effect with mpeg4; it is"),
        ("out.mp4", Encoding(pixel_format="yuv"), "pixel_format must be one of .*yuv420p"),
        ("no/out.mp4", Encoding(), "output folder .*no does not exist"),
        ("/dev/full", Encoding(), "/dev/full is a file; give the name of a folder"),
        ("link.mp4", Encoding(), "output .*link.mp4 is not a regular file"),
    ):
        with pytest.raises(ValueError, match=message):
            check_video_output(tmp_path / name, encoding)


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", ".jnst-123.mp4")


@pytest.mark.parametrize("name", ["out.mp4", "out.webm"])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, clip, monkeypatch, name):
    """FFmpeg buffers what it writes: the first call may fail, or only the last one.

    In WebM sound is encoded anew, and that encoder is still to be emptied.
    """
    reader = open_clip(clip)
    frames = list(reader.frames())
    (tmp_path / name).write_bytes(b"before")
    for fails in ("write", "finish"):
        writer = open_writer(tmp_path / name, reader, Encoding(), {})
        with pytest.raises(ValueError, match=rf"/{name} cannot be written \(No space left"):
            if fails == "write":
                monkeypatch.setattr(writer, "container", Container(writer.container))
            for timed in frames:
                writer.write(timed.pixels, timed.time)
            monkeypatch.setattr(writer, "container", Container(writer.container))
            writer.finish()
        if writer.sound:
            writer.sound.container = writer.container
        writer.discard()
        assert os.listdir(tmp_path) == [name]
        assert (tmp_path / name).read_bytes() == b"before"


class Container:
    """PyAV's, on a full disk."""

    mux = full

    def __init__(self, container):
        self.close = container.close


def test_a_full_disk_in_a_folder(tmp_path, clip, monkeypatch):
    reader = open_clip(clip)
    writer = open_writer(tmp_path / "out", reader, Encoding(), {})
    first, *_ = reader.frames()
    monkeypatch.setattr("jnst.video.folder_writing.save_image", full)
    with pytest.raises(ValueError, match=r"/out/frame-000001\.png cannot be written \(No space"):
        writer.write(first.pixels, first.time)


def test_damaged_frames_are_told(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    for place in np.random.default_rng(0).integers(len(data) // 2, len(data) - 10, 200):
        data[place] ^= 255
    (tmp_path / "in.mp4").write_bytes(bytes(data))
    reader = open_clip(tmp_path / "in.mp4")
    assert 1 <= len(list(reader.frames())) <= 14
    assert "damaged frames: " in reader.problem or "decoded" in reader.problem


def test_a_name_with_a_colon_is_a_file(tmp_path, clip, monkeypatch):
    """FFmpeg takes what comes before it for a protocol, and would ask the network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "clip.mp4").write_bytes(clip.read_bytes())
    assert open_clip("http:/clip.mp4").count == 14
    with pytest.raises(ValueError, match=r"^https:/127\.0\.0\.1/clip\.mp4 does not exist$"):
        open_clip("https://127.0.0.1/clip.mp4")


def test_one_frame_is_a_video(tmp_path, frames):
    write_clip(tmp_path / "in.mp4", frames[:1], sound=False)
    copied(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert len(Facts(tmp_path / "out.mp4").times) == 1


def test_a_folder_that_lacks_a_frame_does_not_go_on(tmp_path, clip):
    open_writer(tmp_path / "out", open_clip(clip), Encoding(), {})
    with pytest.raises(ValueError, match=r"out lacks frame-000001\.png, which was painted before"):
        open_writer(tmp_path / "out", open_clip(clip), Encoding(), {}, 2)


def test_a_folder_without_a_frame_is_not_left(tmp_path, clip):
    open_writer(tmp_path / "out", open_clip(clip), Encoding(), {}).discard()
    assert not (tmp_path / "out").exists()


def test_frames_whose_times_begin_again_are_told(tmp_path, frames):
    """As of two streams, one after the other in a file."""
    many = [frame for frame in frames for _ in range(3)]
    for name in ("one.ts", "two.ts"):
        write_clip(tmp_path / name, many, sound=False)
    both = (tmp_path / "one.ts").read_bytes() + (tmp_path / "two.ts").read_bytes()
    (tmp_path / "both.ts").write_bytes(both)
    clip = open_clip(tmp_path / "both.ts")
    count = len(list(clip.frames()))
    assert 40 <= count <= 42 and clip.problem.startswith("frames left out, as their times begin")


def test_frames_that_change_their_shape_are_told(tmp_path, frames):
    write_clip(tmp_path / "one.ts", frames, sound=False)
    times = [1 + number / RATE for number in range(len(frames))]
    turned = [frame.transpose(1, 0, 2).copy() for frame in frames]
    write_clip(tmp_path / "two.ts", turned, times, sound=False)
    both = (tmp_path / "one.ts").read_bytes() + (tmp_path / "two.ts").read_bytes()
    (tmp_path / "both.ts").write_bytes(both)
    clip = open_clip(tmp_path / "both.ts")
    assert len(list(clip.frames())) > len(frames)
    assert clip.problem == "its frames change their shape; all were brought to that of the first"
