"""`jnst video`: a clip in, a clip out, and one sentence for a mistake."""

import contextlib
import csv
import errno
import json
import os
import re
import signal
import subprocess
import time
from fractions import Fraction

import numpy as np
import pytest
from clips import Facts, write_clip
from commands import JNST, put_weights, run_jnst, variables
from motions import pan
from tiny import tiny_decoder

import jnst
from jnst.cli.video_report import Strip
from jnst.nn.decoder_file import write_decoder
from jnst.nn.painter_discovery import bundled, find_painter
from jnst.video.measuring import Row
from jnst.video.painted import PaintedFrame

EXACT = "--precision", "highest"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frames, style, weights_file):
    folder = tmp_path_factory.mktemp("video")
    write_clip(folder / "clip.mp4", frames)
    jnst.save_image(folder / "style.png", style)
    put_weights(folder, weights_file)
    write_decoder(folder / "cache" / "adain.h5", tiny_decoder())
    return folder


def video(folder, *arguments):
    return run_jnst(folder, "video", *arguments, *EXACT)


def test_a_clip_with_its_report(folder):
    ran = video(
        folder,
        *("clip.mp4", "style.png", "-o", "out.mp4", "--smooth", "0.5", "--matching", "statistics"),
        *("--report", "out.csv", "--strip", "out.png", "--compare"),
    )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stderr.splitlines()
    assert lines[0] == "14 frames of 128×96 px, 25 a second"
    assert "frame 14/14 · " in ran.stderr and " frames/s · 00:00 left" in ran.stderr
    assert lines[-2].startswith("wrote out.mp4: 14 frames in ")
    assert lines[-1].startswith("warp error ") and "over 8 frames" in lines[-1]
    assert lines[-1].count("frame by frame") == 2
    facts, before = Facts(folder / "out.mp4"), Facts(folder / "clip.mp4")
    assert len(facts.times) == 14 and abs(facts.sound - before.sound) < 1 / 25
    record = json.loads(facts.comment)["jnst video"]
    assert (record["clip"], record["style"]) == ("clip.mp4", "style.png")
    assert record["options"]["smooth"] == 0.5
    with open(folder / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14 and rows[0]["warp_error"] == "" and float(rows[9]["long_warp_error"]) > 0
    assert float(rows[5]["alone_warp_error"]) > float(rows[5]["warp_error"]) > 0
    strip = jnst.load_image(folder / "out.png")
    assert strip.shape == (3 * 96, 7 * 128, 3)  # every second of 14 frames


def test_a_folder_of_pictures_from_a_part_of_a_clip(folder):
    ran = video(
        folder, *("clip.mp4", "style.png", "-o", "out", "--start", "0.2", "--fps", "10", "--quiet")
    )
    assert ran.returncode == 0 and ran.stderr == ""
    pictures = sorted((folder / "out").glob("*.png"))
    assert [path.name for path in pictures] == [f"frame-{n:06d}.png" for n in (1, 2, 3, 4)]
    ran = run_jnst(folder, "info", "out/frame-000001.png")
    assert "clip.mp4" in ran.stdout


def test_optimised_frames(folder):
    ran = video(
        folder,
        *("clip.mp4", "style.png", "-o", "slow.mkv", "--method", "optimise", "--end", "0.12"),
        *("--steps", "4", "--frame-steps", "2", "--temporal", "100", "--size", "64"),
    )
    assert ran.returncode == 0, ran.stderr
    assert len(Facts(folder / "slow.mkv").times) == 3


def test_one_frame_without_sound(folder, frames):
    """There is nothing to compare it with, nor a later frame to learn from."""
    write_clip(folder / "one.mp4", frames[:1], sound=False)
    optimised = "--method", "optimise", "--steps", "4", "--passes", "3", "--size", "64"
    for name, options in (("one-fast.mp4", ()), ("one-slow.mp4", optimised)):
        line = "one.mp4", "style.png", "-o", name, "--report", "one.csv", "--strip", "one.png"
        ran = video(folder, *line, *options)
        assert ran.returncode == 0, ran.stderr
        *_, wrote, measures = ran.stderr.splitlines()
        assert wrote.startswith(f"wrote {name}: 1 frame in ")
        assert measures.startswith("sharpness ")
        facts = Facts(folder / name)
        assert len(facts.times) == 1 and not facts.has_sound
        assert len((folder / "one.csv").read_text().splitlines()) == 2


def test_a_full_disk_is_a_sentence(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jnst.video.folder_writing.save_image", full)
    ran = video(folder, "clip.mp4", "style.png", "-o", "full", "--quiet")
    assert ran.returncode == 2
    name = os.path.join("full", "frame-000001.png")
    assert ran.stderr == f"jnst video: error: {name} cannot be written (No space left on device)\n"


def test_a_network_that_comes_along_by_its_name(folder):
    name = next(iter(bundled()))
    line = "--network", name, "-o", "named.mkv", "--end", "0.08", "--size", "64"
    ran = run_jnst(folder, "video", "clip.mp4", *line)
    assert ran.returncode == 0, ran.stderr
    facts = Facts(folder / "named.mkv")
    found = find_painter(name)
    assert len(facts.times) == 2
    assert f'"weights": "{found.path.name} ' in facts.comment


def test_a_strip_does_not_keep_the_painters_state():
    empty = np.zeros((2, 2, 3), np.uint8)
    strip = Strip()
    strip.add(PaintedFrame(1, empty, Fraction(0), empty, None, Row(1, 0.0, 1), state=object()))
    assert strip.kept[0].state is None and strip.kept[0].picture is empty


def test_passes_are_told_and_counted(folder):
    ran = video(
        folder,
        *("clip.mp4", "style.png", "-o", "twice.mkv", "--method", "optimise", "--end", "0.12"),
        *("--steps", "4", "--frame-steps", "2", "--size", "64", "--passes", "2", "--preview"),
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^preview at http://127.0.0.1:\d+/$", ran.stderr, re.M)
    assert "pass 1/2 · frame 1/3\n" in ran.stderr and "pass 2/2 · frame 1/3 · " in ran.stderr
    assert len(Facts(folder / "twice.mkv").times) == 3


def test_what_was_readable_is_painted_and_said(folder):
    whole = write_clip(folder / "long.mp4", pan(50), sound=False).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    ran = video(folder, "cut.mp4", "style.png", "-o", "part.mp4", "--size", "64")
    assert ran.returncode == 0, ran.stderr
    assert "jnst video: cut.mp4: " in ran.stderr
    assert 5 < len(Facts(folder / "part.mp4").times) < 50


MISTAKES = [
    ("no.mp4 style.png", "no.mp4 does not exist"),
    ("style.png style.png", "style.png holds a still picture; jnst fast and jnst stylize"),
    ("text.mp4 style.png", "text.mp4 cannot be read as a video: invalid data found"),
    ("sound.mp4 style.png", "sound.mp4 holds no video"),
    ("clip.mp4", "give a picture whose style to use, or a --network"),
    ("clip.mp4 style.png -o clip.mp4", "clip.mp4 is the clip itself and would be overwritten"),
    ("linked.mp4 style.png -o clip.mp4", "clip.mp4 is the clip itself and would be overwritten"),
    ("own style.png -o own", "own is the clip itself and would be overwritten"),
    (
        "own style.png --strip own/frame-000001.png",
        "--strip own/frame-000001.png would lie among the frames of own",
    ),
    (
        "clip.mp4 style.png -o own --strip own/strip.png",
        "--strip own/strip.png would lie among the frames of own",
    ),
    ("empty.mp4 style.png", "empty.mp4 cannot be read as a video: invalid data found"),
    ("half.mp4 style.png", "half.mp4 holds no video"),
    ("http://127.0.0.1/clip.mp4 style.png", "http:/127.0.0.1/clip.mp4 does not exist"),
    ("clip.mp4 style.png -o -", "output - will not do: a video needs a file of its own"),
    ("clip.mp4 style.png -o cache", "cache is not empty and not of jnst video; choose another"),
    ("clip.mp4 style.png --codec aac", "--codec 'aac' is not one of video"),
    ("clip.mp4 style.png --fps nan", "--fps must be finite, got nan"),
    ("clip.mp4 style.png -o style.png", "output style.png is a single picture; give a video or"),
    ("clip.mp4 style.png -o out.avi", "the suffix of output out.avi must be one of .mp4"),
    ("clip.mp4 style.png --codec none", "--codec 'none' has no encoder here; try h264"),
    ("clip.mp4 style.png -o o.webm --codec h264", "a file .webm cannot hold h264; try .mkv"),
    ("clip.mp4 style.png --smooth 2", "--smooth must lie between 0 and 0.95, got 2"),
    ("clip.mp4 style.png --start 3", "--start: clip.mp4 has only 0.56 s"),
    ("clip.mp4 style.png --size 8", "--size must be at least 32, got 8"),
    ("clip.mp4 style.png --method slow", "--method must be one of fast, optimise, got 'slow'"),
    ("clip.mp4 style.png --steps 5", "--steps needs --method optimise"),
    ("clip.mp4 style.png --passes 2", "--passes needs --method optimise"),
    ("clip.mp4 style.png --method optimise --passes 0", "--passes must be at least 1, got 0"),
    (
        "clip.mp4 style.png --method optimise --passes 2 --resume",
        "--resume and --passes are mutually exclusive: a scene is painted whole",
    ),
    ("clip.mp4 style.png --preview 70000", "--preview must be at most 65535, got 70000"),
    ("clip.mp4 style.png --style waves", "--style chooses among the styles of a --network"),
    ("clip.mp4 style.png --report out.txt", "--report must be a .csv file, got out.txt"),
    ("clip.mp4 style.png --method optimise --smooth 0.5", "--smooth has no effect with --method"),
    (
        "clip.mp4 --network style.h5 --matching statistics",
        "--matching has no effect with --net",
    ),
]


@pytest.mark.parametrize("line, message", MISTAKES)
def test_mistakes(folder, line, message):
    (folder / "text.mp4").write_text("no video")
    if not (folder / "sound.mp4").exists():
        only_sound(folder / "sound.mp4")
    if not (folder / "own").exists():
        (folder / "own").mkdir()
        (folder / "own" / "video.json").write_text('{"video": {}}')
        (folder / "own" / "frame-000001.png").write_bytes((folder / "style.png").read_bytes())
        (folder / "linked.mp4").symlink_to("clip.mp4")
        (folder / "empty.mp4").touch()
        (folder / "half.mp4").write_bytes((folder / "clip.mp4").read_bytes()[:300])
    before = sorted(os.listdir(folder))
    ran = run_jnst(folder, "video", *line.split())
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"jnst video: error: {message}"), ran.stderr
    assert ran.stderr.count("\n") == 1 and sorted(os.listdir(folder)) == before


def only_sound(path):
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        for number in range(10):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, 1024 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_ctrl_c_leaves_what_can_be_played(folder):
    write_clip(folder / "longer.mp4", pan(80, step=0.5))
    command = [*JNST, "video", "longer.mp4", "style.png", "-o", "stopped.mp4", *EXACT]
    environment = os.environ | variables(folder)
    pipes = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, **pipes) as process:
        for line in process.stderr:
            if line.startswith("frame "):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130, said
    facts = Facts(folder / "stopped.mp4")
    assert 1 <= len(facts.times) <= 80
    assert abs(facts.sound - len(facts.times) / 25) < 0.05
    assert not list(folder.glob(".jnst-*"))


def stopped_after(patch, count):
    """Let Ctrl-C come after so many frames."""
    seen = []

    @contextlib.contextmanager
    def interrupts():
        yield lambda: len(seen) >= count or bool(seen.append(1)) or len(seen) >= count

    patch.setattr("jnst.cli.video.interrupts", interrupts)


def test_a_stopped_clip_goes_on_with_the_same_files_only(folder, monkeypatch, frames, style):
    write_clip(folder / "again.mp4", frames[:4], sound=False)
    jnst.save_image(folder / "again.png", style)
    jnst.save_image(folder / "palette.png", style)
    line = "again.mp4", "again.png", "--palette", "palette.png", "--size", "64", "-o", "same.mp4"
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        assert video(folder, *line).returncode == 130
    comment = json.loads(Facts(folder / "same.mp4").comment)["jnst video"]
    assert comment["options"]["palette"] == "palette.png"
    ran = run_jnst(folder, "video", *line, "--precision", "float32", "--resume")
    assert ran.returncode == 2 and "was stopped with another options" in ran.stderr
    for name in ("again.png", "palette.png"):
        before = (folder / name).read_bytes()
        jnst.save_image(folder / name, style[::-1])
        ran = video(folder, *line, "--resume")
        assert ran.returncode == 2 and "was stopped with another files' contents" in ran.stderr
        (folder / name).write_bytes(before)
    ran = video(folder, *line, "--end", "0.1", "--resume")
    assert ran.returncode == 2 and "stopped with another part (start, end, fps)" in ran.stderr
    write_clip(folder / "again.mp4", frames[1:5], sound=False)
    ran = video(folder, *line, "--resume")
    assert ran.returncode == 2 and "was stopped with another clip's file" in ran.stderr


@pytest.mark.parametrize("output", ["one.mp4", "pictures"])
def test_a_stopped_clip_goes_on(folder, monkeypatch, output):
    """With the frames that it would have had."""
    line = "clip.mp4", "style.png", "--report", "rows.csv"
    assert video(folder, *line, "-o", f"whole-{output}").returncode == 0
    with monkeypatch.context() as patch:
        stopped_after(patch, 6)
        assert video(folder, *line, "-o", output).returncode == 130
    (folder / output).rename(folder / "aside")
    if output == "one.mp4":  # in a folder of pictures the file that tells is gone with it
        ran = video(folder, *line, "-o", output, "--resume")
        assert ran.returncode == 2 and "one.mp4 is gone, whose frames" in ran.stderr
    (folder / "aside").rename(folder / output)
    ran = video(folder, *line, "-o", output, "--smooth", "0.1", "--resume")
    assert ran.returncode == 2 and "was stopped with another options" in ran.stderr
    ran = video(folder, *line, "-o", output, "--resume")
    assert ran.returncode == 0, ran.stderr
    assert "frame 14/14 · " in ran.stderr
    assert len((folder / "rows.csv").read_text().splitlines()) == 15
    if output == "one.mp4":
        whole, resumed = (Facts(folder / name) for name in ("whole-one.mp4", "one.mp4"))
        np.testing.assert_allclose(resumed.times, whole.times, atol=1e-6)
        assert abs(resumed.sound - whole.sound) < 1 / 25
        for one, other in zip(resumed.frames, whole.frames, strict=True):
            assert np.abs(one.astype(int) - other).mean() < 3  # they are compressed otherwise
        assert not (folder / "one.mp4.stopped.npz").exists()
    else:
        for number in range(1, 15):
            name = f"frame-{number:06d}.png"
            one, other = (jnst.load_image(folder / p / name) for p in (output, f"whole-{output}"))
            np.testing.assert_array_equal(one, other)
