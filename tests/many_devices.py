"""Run by test_sharding.py as a program of its own, with as many devices as XLA_FLAGS says.

Prints one JSON object: how far what several devices computed is from what one did.
"""

import functools
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

import jnst
from jnst.cli.program import main
from jnst.execution.devices import make_mesh, place, split, split_rows, whole
from jnst.losses.objectives import flat_loss_terms
from jnst.optim.minimization import init_state, minimize, step
from jnst.optim.optimizers import make_optimizer

stylize = functools.partial(jnst.stylize, style_loss="gram")
stylize_grid = functools.partial(jnst.stylize_grid, style_loss="gram")
"""By Gram matrices, which are quicker than the default where pictures are small."""

ROWS, COLUMNS = np.mgrid[:96, :64] / 64
CONTENT = np.stack([np.sin(7 * ROWS * COLUMNS) / 2 + 0.5, ROWS / 1.5, COLUMNS], -1)
STYLE = np.random.default_rng(3).uniform(size=(48, 56, 3)) ** 2


def distance(one, other):
    return float(np.linalg.norm(np.subtract(one, other)) / np.linalg.norm(one))


def grids(model):
    """A grid on all devices against the same on one: 9 cells, which 8 devices do not divide."""
    options = {"alpha": [0.5, 1.0, 2.0], "beta": [1, 10, 100], "sizes": (64,), "steps": 4}
    one, several = (
        stylize_grid(model, CONTENT, STYLE, mesh=make_mesh(devices), **options)
        for devices in (jax.devices()[:1], jax.devices())
    )
    alone = stylize(model, CONTENT, STYLE, alpha=2.0, beta=100, sizes=(64,), steps=4)
    return {
        "devices": jax.device_count(),
        "grid": max(
            distance(one.images[i], several.images[i]) for i in np.ndindex(one.images.shape[:2])
        ),
        "single": distance(alone.image, several.images[2, 2]),
        "losses": distance(one.losses["total"], several.losses["total"]),
    }


def rows(model, height, style=STYLE, **options):
    """A picture whose rows are split over all devices against the same on one device."""
    options |= {"sizes": (height,), "steps": 3}
    mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    one = stylize(model, CONTENT[:height], style, **options)
    several = stylize(model, CONTENT[:height], style, mesh=mesh, **options)
    return distance(one.image, several.image)


def regions(model):
    """The same with regions and something that is kept."""
    left = np.float32(COLUMNS[:77] < 0.5)
    layers = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
    masks = {"regions": [left, 1 - left], "keep": ROWS[:77] / 2, "colors": "luminance"}
    return rows(model, 77, [STYLE, 1 - STYLE], **masks, **layers)


def problem(model, content, optimizer, mesh):
    """What a step is given for a picture whose rows are split over the mesh, if there is one."""
    settings = jnst.Settings(
        optimizer=optimizer, content_layers=["relu3_2"], style_layers=["relu1_1", "relu3_1"]
    )
    layers = {
        "content_layers": [*settings.content_layers],
        "style_layers": [*settings.style_layers],
    }
    if mesh:
        model = model.over_devices()
    targets = jnst.make_targets(model, content, jnp.asarray(STYLE, content.dtype), **layers)
    leaves, structure = jax.tree.flatten(model)
    args = tuple(leaves), targets, settings.loss_weights()
    controls = jax.tree.map(content.dtype.type, settings.controls(20))
    transformation = make_optimizer(optimizer)
    state = init_state(content * 0.5 + 0.2, transformation)
    if mesh:
        args, controls = place((args, controls), whole(mesh))
        state = jax.tree.map(lambda leaf: place(leaf, split_rows(leaf, mesh)), state)
    names = {
        "objective": flat_loss_terms(structure, mesh and split(mesh)),
        "optimizer": transformation,
    }
    return (state, args, controls), names


def rows_in_float64(model, height, optimizer):
    """The same over 10 steps in float64, where rounding has no time to grow."""
    model = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), model)
    images = []
    for mesh in (None, make_mesh(jax.devices())):
        (state, args, controls), names = problem(
            model, jnp.asarray(CONTENT[:height]), optimizer, mesh
        )
        run = minimize(state=state, args=args, controls=controls, steps=10, **names)
        images.append(run.state.image)
    return distance(*images)


def memory(model, height, count):
    """Bytes of each device's temporary memory during a step, a picture's rows split over some."""
    content = jnp.zeros((height, 128, 3))
    arguments, names = problem(model, content, "adam", make_mesh(jax.devices()[:count]))
    return step.lower(*arguments, **names).compile().memory_analysis().temp_size_in_bytes


if __name__ == "__main__":
    if "grid" in sys.argv:
        sys.exit(main(sys.argv[1:]))
    network = jnst.load_vgg19(precision="highest")
    found = grids(network)
    # At some other betas rounding makes a maximum of nearly equal features fall the other way.
    found["rows"] = rows(network, 77, beta=7.0)
    found["regions"] = regions(network)
    found["memory"] = {h: [memory(network, h, n) for n in (1, 2, 4, 8)] for h in (512, 500)}
    jax.config.update("jax_enable_x64", True)
    found["rows_in_float64"] = {
        f"{height} {optimizer}": rows_in_float64(network, height, optimizer)
        for height, optimizer in ((96, "adam"), (77, "lbfgs"))
    }
    print(json.dumps(found))
