"""`jnst dream` as a user has it."""

import contextlib
import csv
import io
import json
import sys

import av
import numpy as np
import pytest
from commands import run_jnst, variables

import jnst
from jnst.cli import main
from jnst.cli.preview import Preview
from jnst.image.pictures import read_picture, read_settings
from jnst.optim.minimization import Progress

QUICK = "--size", "64", "--steps", "2", "--layers", "relu3_1"


def test_a_run_and_its_like(folder):
    done = run_jnst(
        folder, "dream", "content.png", "-o", "out.png", "--size", "96", "--octaves", "2",
        "--ratio", "1.2", "--steps", "3", "--log", "dream.csv", "--save-every", "4",
        "--preset", "patterns", "--seed", "5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stderr.splitlines()
    assert "80×64 → 96×77 px · torchvision VGG" in first
    assert last.startswith("wrote out.png: 6 steps in") and "times the photograph's" in last
    record = read_settings(folder / "out.png")
    assert record["content"] == "content.png"
    assert record["options"]["layers"] == {"relu3_3": 1.0}
    assert record["options"]["seed"] == 5
    assert jnst.load_image(folder / "out-00004.png").shape == (77, 96, 3)
    with open(folder / "dream.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["size"] for row in rows] == ["80"] * 3 + ["96"] * 3
    assert float(rows[-1]["activation"]) < float(rows[3]["activation"]) < 0
    again = run_jnst(
        folder, "dream", "content.png", "-o", "again.png", "--like", "out.png", "--quiet"
    )
    assert (again.returncode, again.stderr) == (0, "")
    assert (folder / "again.png").read_bytes() == (folder / "out.png").read_bytes()


def test_like_gives_way_to_what_is_given(folder):
    run_jnst(folder, "dream", "content.png", "-o", "a.png", *QUICK, "--channels", "3+4", "--quiet")
    assert read_settings(folder / "a.png")["options"]["channels"] == [[3, 4]]
    done = run_jnst(
        folder, "dream", "content.png", "-o", "b.jpg", "--like", "a.png", "--strength", "2",
        "--quiet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    options = read_settings(folder / "b.jpg")["options"]
    assert options["channels"] == [[3, 4]] and options["layers"] == {"relu3_1": 1.0}
    assert options["strength"] == 2 and options["steps"] == 2
    done = run_jnst(
        folder, "dream", "content.png", "-o", "c.png", "--like", "a.png", "--layers", "relu2_1",
        "--quiet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_settings(folder / "c.png")["options"]["channels"] is None


def test_a_guide_is_recorded_and_found_beside_the_picture(folder, tmp_path):
    guided = "--guide", "style.png"
    done = run_jnst(folder, "dream", "content.png", "-o", "g.png", *QUICK, *guided, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_settings(folder / "g.png")["options"]["guide"] == "style.png"
    like = "--like", "g.png", "--quiet"
    again = run_jnst(folder, "dream", "content.png", "-o", "g2.png", *like)
    assert (again.returncode, again.stderr) == (0, "")
    assert (folder / "g2.png").read_bytes() == (folder / "g.png").read_bytes()
    plain = run_jnst(folder, "dream", "content.png", "-o", "g3.png", *like, "--guide", "none")
    assert plain.returncode == 0
    assert read_settings(folder / "g3.png")["options"]["guide"] is None
    (tmp_path / "g.png").write_bytes((folder / "g.png").read_bytes())
    lost = run_jnst(folder, "dream", "content.png", "--like", tmp_path / "g.png")
    assert lost.returncode == 0  # style.png is in the working directory
    moved = run_jnst(tmp_path, "dream", folder / "content.png", "--like", "g.png")
    assert moved.returncode == 2 and "there is no file 'style.png'" in moved.stderr


def test_alpha_is_kept(folder):
    alpha = np.linspace(0, 1, 64 * 80).reshape(64, 80)
    jnst.save_image(folder / "clear.png", jnst.load_image(folder / "content.png"), alpha=alpha)
    done = run_jnst(folder, "dream", "clear.png", "-o", "clear-out.png", *QUICK, "--quiet")
    assert done.returncode == 0, done.stderr
    wanted = read_picture(folder / "clear.png", 64).alpha
    np.testing.assert_allclose(read_picture(folder / "clear-out.png").alpha, wanted, atol=0.01)


class Bytes:
    """A text stream over bytes, as those of the interpreter are."""

    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)

    def flush(self):
        pass


def test_a_dream_goes_through_a_pipe(folder, monkeypatch, capsys):
    out = Bytes()
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        for name, value in variables(folder).items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", Bytes((folder / "content.png").read_bytes()))
        patch.setattr(sys, "stdout", out)
        assert main(["dream", "-", "-o", "-", *QUICK, "--quiet"]) == 0
        assert main(["dream", "content.png", "-o", "-", *QUICK, "--channels", "1,2"]) == 2
        assert "several dreams are a file each" in capsys.readouterr().err
    assert jnst.load_image(io.BytesIO(out.buffer.getvalue())).shape == (51, 64, 3)
    twice = run_jnst(folder, "dream", "-", "--guide", "-", *QUICK)
    assert twice.returncode == 2 and "cannot be photo and --guide" in twice.stderr


def test_a_log_that_cannot_be_written_does_not_cost_the_dream(folder, monkeypatch):
    from jnst.cli import dream

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(dream, "write_log", full)
    options = *QUICK, "--log", "lost.csv", "--quiet"
    done = run_jnst(folder, "dream", "content.png", "-o", "kept.png", *options)
    assert done.returncode == 0 and (folder / "kept.png").exists()
    assert "--log lost.csv could not be written (no space left)" in done.stderr


def test_several_layers_and_channels_are_a_sheet_and_files(folder):
    done = run_jnst(
        folder, "dream", "content.png", "-o", "many.png", "--size", "64", "--steps", "2",
        "--layers", "relu2_1", "--layers", "relu3_1", "--channels", "0,1+2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 dreams" in done.stderr.splitlines()[0]
    names = [f"relu{n}_1-{c}" for n in (2, 3) for c in ("0", "1+2")]
    for name in names:
        record = read_settings(folder / f"many-{name}.png")
        assert "+".join(map(str, record["options"]["channels"][0])) == name.split("-")[1]
    sheet = read_settings(folder / "many.png")
    assert sheet["options"]["dreams"] == [name.replace("-", " #") for name in names]
    assert jnst.load_image(folder / "many.png").shape[1] > 2 * 64


def test_a_zooming_dream_is_a_video_or_a_folder(folder):
    video = *QUICK, "--frames", "3", "--frame-steps", "1", "--rotate", "1"
    done = run_jnst(folder, "dream", "content.png", "-o", "out.mp4", *video)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[1] == "3 frames"
    assert done.stderr.splitlines()[-1].startswith("wrote out.mp4: 3 frames in")
    with av.open(folder / "out.mp4") as container:
        assert container.streams.video[0].frames == 3
        assert json.loads(container.metadata["comment"])["options"]["frames"] == 3
    done = run_jnst(folder, "dream", "content.png", "-o", "frames", *video, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "frames" / "frame-2.png").write_bytes(b"mine")
    fewer = *QUICK, "--frames", "2", "--quiet"
    assert run_jnst(folder, "dream", "content.png", "-o", "frames", *fewer).returncode == 0
    names = sorted(path.name for path in (folder / "frames").iterdir())
    assert names == ["dream.json", "frame-00001.png", "frame-00002.png", "frame-2.png"]
    done = run_jnst(folder, "dream", "frames/frame-00001.png", "-o", "frames", *fewer)
    assert done.returncode == 2 and "frame-00001.png is the photo itself" in done.stderr
    assert read_settings(folder / "frames" / "frame-00002.png")["options"]["frame_steps"] == 4


def test_without_pyav_a_video_is_refused_before_anything_is_dreamed(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    done = run_jnst(folder, "dream", "content.png", "-o", "no.mp4", "--frames", "3")
    assert done.returncode == 2 and 'pip install "jnst[video]"' in done.stderr
    assert not (folder / "no.mp4").exists()


@contextlib.contextmanager
def pressed_after(count):
    calls = 0

    def pressed():
        nonlocal calls
        calls += 1
        return calls >= count

    yield pressed


def test_ctrl_c_keeps_the_dream_so_far(folder, monkeypatch):
    from jnst.cli import dream

    monkeypatch.setattr(dream, "interrupts", lambda: pressed_after(2))
    done = run_jnst(
        folder, "dream", "content.png", "-o", "part.png", "--size", "80", "--layers", "relu2_1"
    )
    assert done.returncode == 130
    assert "wrote part.png: 2 steps" in done.stderr
    assert jnst.load_image(folder / "part.png").shape == (64, 80, 3)


def test_ctrl_c_keeps_the_frames_so_far(folder, monkeypatch):
    from jnst.cli import dream_video

    monkeypatch.setattr(dream_video, "interrupts", lambda: pressed_after(6))
    done = run_jnst(folder, "dream", "content.png", "-o", "part", *QUICK, "--frames", "9")
    assert done.returncode == 130, done.stderr
    frames = list((folder / "part").glob("frame-*.png"))
    assert 1 <= len(frames) < 9
    assert f"wrote part: {len(frames)} frames" in done.stderr


def test_ctrl_c_in_the_only_frame_is_told(folder, monkeypatch):
    from jnst.cli import dream_video

    monkeypatch.setattr(dream_video, "interrupts", lambda: pressed_after(2))
    done = run_jnst(folder, "dream", "content.png", "-o", "one", *QUICK, "--frames", "1")
    assert done.returncode == 130 and "wrote one: 1 frames" in done.stderr


def test_dreams_that_a_stop_left_out_have_no_file(folder, monkeypatch):
    from jnst.cli import dream

    monkeypatch.setattr(dream, "interrupts", lambda: pressed_after(2))
    done = run_jnst(
        folder, "dream", "content.png", "-o", "left.png", "--size", "64", "--steps", "2",
        "--layers", "relu2_1", "--layers", "relu3_1", "--layers", "relu2_1:2",
    )  # fmt: skip
    assert done.returncode == 2 and "must name each dream once" in done.stderr
    done = run_jnst(
        folder, "dream", "content.png", "-o", "left.png", "--size", "64", "--steps", "2",
        "--layers", "relu2_1", "--layers", "relu3_1",
    )  # fmt: skip
    assert done.returncode == 130
    assert sorted(path.name for path in folder.glob("left*.png")) == [
        "left-relu2_1.png",
        "left.png",
    ]
    assert read_settings(folder / "left.png")["options"]["dreams"] == ["relu2_1"]


def test_channels_and_guide_give_way_to_each_other_after_like(folder):
    look = *QUICK, "--quiet"
    run_jnst(folder, "dream", "content.png", "-o", "c.png", *look, "--channels", "3")
    done = run_jnst(
        folder, "dream", "content.png", "-o", "g.png", "--like", "c.png", "--guide", "style.png",
        "--quiet",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    options = read_settings(folder / "g.png")["options"]
    assert options["channels"] is None and options["guide"] == "style.png"
    done = run_jnst(
        folder,
        "dream",
        "content.png",
        "-o",
        "h.png",
        "--like",
        "g.png",
        "--channels",
        "2",
        "--quiet",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert read_settings(folder / "h.png")["options"]["guide"] is None


def test_files_beside_the_output_are_checked_before_anything_is_dreamed(folder):
    (folder / "x-relu3_1.png").mkdir()
    several = "--layers", "relu2_1", "--layers", "relu3_1", "--size", "64"
    done = run_jnst(folder, "dream", "content.png", "-o", "x.png", *several)
    assert done.returncode == 2 and "x-relu3_1.png is a folder" in done.stderr
    assert not (folder / "x-relu2_1.png").exists()


def test_the_preview_page_shows_the_response(folder):
    page = Preview([((64, 80), 3)], {"layers": ["relu3_1"]})
    page.server.stop()
    for step in (1, 2):
        page(
            Progress(
                step=step, steps=3, shape=(64, 80), losses={"response": np.float32(step)},
                picture=lambda: np.zeros((64, 80, 3)),
            )
        )  # fmt: skip
    assert page.report()["losses"] == {"response": 2.0}
    assert b"response" in page.svg("#000000") or len(page.svg("#000000")) > 2000
    done = run_jnst(folder, "dream", "content.png", "-o", "p.png", *QUICK, "--preview")
    assert done.returncode == 0 and "preview at http://127.0.0.1:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "relu5_7"], "--layers must be one of"),
        (["--channels", "99"], "--channels of relu5_1 are numbered from 0 to 9, got 99"),
        (["--channels", "x"], "'x' is not a whole number"),
        (["--layers", "relu2_1,relu3_1", "--channels", "1"], "channels are those of one layer"),
        (["--octaves", "0"], "--octaves must be at least 1, got 0"),
        (["--strength", "nan"], "--strength must be finite, got nan"),
        (["--ratio", "nan"], "--ratio must be finite"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--preset", "eye"], "--preset must be one of animals, eyes"),
        (["--preset", "eyes", "--like", "content.png"], "mutually exclusive"),
        (["--like", "content.png"], "no settings of jnst dream"),
        (["--tile", "40"], "--tile must be at least"),
        (["--size", "31"], "--size must be at least 32"),
        (["--seed", "-1"], "--seed must be at least 0"),
        (["--guide", "none.png"], "none.png cannot be read"),
        (["--guide", "style.png", "--channels", "1"], "mutually exclusive"),
        (["--zoom", "0.1"], "--zoom needs --frames"),
        (["--frames", "0"], "--frames must be at least 1"),
        (["--frames", "3", "--zoom", "1"], "--zoom must lie between 0 and 0.9"),
        (["--frames", "3", "-o", "x.png"], "x.png is a single picture"),
        (["--frames", "3", "-o", "x.mov"], "the suffix of a video must be one of .mp4, .mkv, .we"),
        (["--frames", "3", "-o", "x", "--fps", "9"], "--fps is of a video"),
        (["--frames", "3", "-o", "no/x"], "output folder no does not exist"),
        (["--frames", "3", "-o", "cache"], "is not empty and not of jnst dream"),
        (["--frames", "3", "--channels", "1,2", "-o", "x"], "--frames is for a single dream"),
        (["--channels", "1,2", "--preview"], "--preview is for a single dream"),
        (["--channels", ",".join(map(str, range(1025)))], "at most 1024 pictures, not 1025"),
        (["-o", "content.png"], "is the photo itself"),
        (["-o", "out.mp4"], "the suffix of output out.mp4 must be one of"),
        (["--log", "out.txt"], "--log must be a .csv file"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(folder, arguments, message):
    before = sorted(path.name for path in folder.iterdir())
    out = (
        [] if "-o" in arguments else ["-o", "never.png" if "--frames" not in arguments else "never"]
    )
    done = run_jnst(folder, "dream", "content.png", *arguments, *out, "--quiet")
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1], done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == before
