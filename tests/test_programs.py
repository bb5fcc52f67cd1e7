"""Programs are compiled with the options of their device, and let go of where there are many."""

import gc
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst import _programs as programs

OPTIONS = {"xla_embed_ir_in_executable": True}
"""Any that a processor's compiler takes too, as one that GPUs have would do nothing here."""


@pytest.fixture
def options(monkeypatch):
    """As where the device is a GPU, whose options there are."""
    monkeypatch.setattr(programs, "GPU_OPTIONS", OPTIONS | {"xla_no_such_option": True})
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    forget = programs.compiler_options.cache_clear
    forget()
    yield OPTIONS
    forget()


def test_options_that_the_compiler_does_not_know_are_left_out(options):
    assert programs.compiler_options() == options


def test_a_program_is_compiled_with_the_options(options, monkeypatch):
    monkeypatch.setattr(programs, "compiler_options", lambda _: {"xla_no_such_option": True})
    double = programs.Programs(lambda x: 2 * x)
    with pytest.raises(RuntimeError, match="xla_no_such_option"):
        double(jnp.ones(2))


def test_within_another_program_it_is_a_part_of_that(options):
    double = programs.Programs(lambda x: 2 * x)
    assert jax.jit(lambda x: double(x) + 1)(1.0) == 3
    assert jax.eval_shape(double, jax.ShapeDtypeStruct((3,), jnp.float32)).shape == (3,)
    assert jax.vmap(double)(jnp.ones(3)).tolist() == [2, 2, 2]
    assert jax.grad(double)(1.0) == 2
    assert jax.jit(lambda: double(jnp.ones(2)))().tolist() == [2, 2]  # nothing of it is traced
    assert double(1.0) == 2


def test_a_whole_run_has_them(options, tiny, pictures):
    result = jnst.stylize(tiny, *pictures, sizes=(48, 64), steps=(2, 2))
    assert result.reason == "finished"
    grid = jnst.stylize_grid(tiny, *pictures, beta=[1.0, 2.0], sizes=48, steps=2)
    assert grid.images.shape[:2] == (1, 2)


def test_without_a_gpu_there_are_none():
    assert programs.compiler_options() is None


def test_quick_programs_have_theirs_unless_the_user_has_chosen(monkeypatch):
    programs.compiler_options.cache_clear()
    monkeypatch.setenv("XLA_FLAGS", "")
    assert programs.compiler_options(True) == programs.QUICK_OPTIONS
    quick = programs.Programs(lambda x: 2 * x, quick=True)
    assert quick(jnp.ones(2)).tolist() == [2, 2]
    programs.compiler_options.cache_clear()
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=2")
    assert programs.compiler_options(True) is None
    programs.compiler_options.cache_clear()


def test_few_programs_are_kept_by_each_function_and_by_all(monkeypatch):
    monkeypatch.setattr(programs, "MOST_OF_ALL", 5)
    double, triple = (programs.Programs(lambda x, n=n: n * x, most=3) for n in (2, 3))
    for size in range(1, 6):
        double(jnp.ones(size))
    assert (double.compiled(), double.made) == (3, 5)
    for size in range(1, 4):
        triple(jnp.ones(size))
    assert double.compiled() + triple.compiled() == 5  # the oldest, of either, went
    assert triple.compiled() == 3
    double(jnp.ones(5))  # is still there
    assert double.made == 5
    double(jnp.ones(3))  # is not
    assert double.made == 6
    assert double.compiled() + triple.compiled() == 5
    double.clear()
    assert double.compiled() == 0


def test_with_many_memory_maps_the_programs_of_earlier_runs_go(monkeypatch):
    kept, most = [], 65_530
    monkeypatch.setattr(programs.Path, "read_text", lambda path: str(most))
    monkeypatch.setattr(programs, "memory_maps", lambda: 4000 * sum(one.compiled() for one in kept))
    monkeypatch.setattr(programs, "_used", type(programs._used)())
    monkeypatch.setattr(programs, "ALWAYS", 0)
    double = programs.Programs(lambda x: 2 * x, most=9)
    kept.append(double)
    for size in (1, 2, 3, 4):
        double(jnp.ones(size))
    programs.spare_maps()  # 16,000 maps are many, but this run used all of them
    assert double.compiled() == 4
    double(jnp.ones(2))
    double(jnp.ones(5))
    programs.spare_maps()
    assert double.compiled() == 3  # 12,000: room enough
    made = double.made
    for size in (2, 5, 4):
        double(jnp.ones(size))
    assert double.made == made
    double(jnp.ones(1))  # the oldest, which went
    assert double.made == made + 1


def test_two_dozen_programs_stay_and_at_last_all_goes(monkeypatch):
    cleared = []
    monkeypatch.setattr(programs.Path, "read_text", lambda path: "65530")
    monkeypatch.setattr(programs, "_used", type(programs._used)())
    monkeypatch.setattr(programs, "memory_maps", lambda: 30_000)
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    double = programs.Programs(lambda x: 2 * x, most=99)
    for size in range(1, 31):
        double(jnp.ones(size))
    for _ in range(2):  # the second run used none of them
        programs.spare_maps()
    assert double.compiled() == programs.ALWAYS == 24 and not cleared
    monkeypatch.setattr(programs, "memory_maps", lambda: 45_000)
    programs.spare_maps()
    assert cleared == [True]


@pytest.mark.skipif(not programs.Path("/proc/self/maps").exists(), reason="maps are Linux's")
def test_a_program_that_is_let_go_of_gives_its_memory_maps_back():
    long = programs.Programs(lambda x: jnp.sort(jnp.linalg.qr(jnp.sin(x) @ x)[0]))
    before = programs.memory_maps()
    long(jnp.ones((7, 7)))
    between = programs.memory_maps()
    long.clear()
    gc.collect()  # what JAX keeps of it may be a ring
    assert before < between > programs.memory_maps()


OPTIONS_OF_RUNS = {
    "default": {},
    "luminance": {"colors": "luminance"},
    "pca": {"colors": "pca"},
    "palette": {"palette": np.float32([[[0.9, 0.2, 0.1], [0.1, 0.3, 0.6]]])},
    "keep": {"keep": "left"},
    "regions": {"regions": "left, right", "keep": "rest"},
    "noise": {"init": "noise"},
    "noise in the style's colours": {"init": "style-noise"},
    "looked at": {"callback": lambda progress: progress.picture() is None},
}


EDGES = itertools.count(66)
"""Of pictures, each of which no test has seen; all have the canvas of 96×96 px."""


@pytest.mark.parametrize(
    ("paint", "run"),
    [
        *((jnst.stylize, name) for name in OPTIONS_OF_RUNS),
        *((jnst.stylize_grid, name) for name in ("luminance", "regions", "noise")),
    ],
)
def test_another_shape_compiles_nothing_but_what_is_let_go_of(tiny, pictures, caplog, paint, run):
    """What JAX compiles for single operations would stay for good, for every shape."""
    options = OPTIONS_OF_RUNS[run]
    options = options | {"sizes": (48, 96), "steps": (1, 1), "style_loss": "gram"}
    styles = list(pictures) if "regions" in options else pictures[1]
    if paint is jnst.stylize_grid:
        styles = [styles] if "regions" in options else styles
        options["beta"] = [1.0, 5.0]
    unseen = next(EDGES)
    for edge in (65, unseen):
        left = np.float32(np.mgrid[:edge, :96][1] < 32)
        masks = {"left": left, "left, right": [left, 1 - left]}
        given = {
            name: masks[value] if name in ("keep", "regions") and value in masks else value
            for name, value in options.items()
        }
        caplog.clear()
        with jax.log_compiles(), caplog.at_level("WARNING"):
            paint(tiny, np.full((edge, 96, 3), 0.5, np.float32), styles, **given)
            jnp.sinh(np.zeros((edge, unseen)))
    found = (re.search(r"XLA compilation of jit\((.*?)\)", r.getMessage()) for r in caplog.records)
    compiled = {match[1] for match in found if match}
    assert compiled - {owner.__name__ for owner, _ in programs._used} == {"sinh"}
