"""Run by test_sharding.py as a program of its own, with as many devices as XLA_FLAGS says.

Prints one JSON object: how far what several devices computed is from what one did.
"""

import functools
import json
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tiny import tiny_vgg

import jnst
from jnst.cli.program import main
from jnst.execution.devices import make_mesh
from jnst.image.pictures import load_image, save_image
from jnst.optim.descent import Schedule, descend
from jnst.optim.step import step
from jnst.transfer.inputs import Inputs
from jnst.transfer.job import Job
from jnst.transfer.levels import Level
from jnst.transfer.painting import execution_of, on_mesh

stylize = functools.partial(jnst.stylize, style_loss="gram", finish=0)
stylize_grid = functools.partial(jnst.stylize_grid, style_loss="gram", finish=0)
"""By Gram matrices, which are quicker than the default where pictures are small, and without the
finish, which amplifies rounding."""

ROWS, COLUMNS = np.mgrid[:96, :64] / 64
CONTENT = np.stack([np.sin(7 * ROWS * COLUMNS) / 2 + 0.5, ROWS / 1.5, COLUMNS], -1)
STYLE = np.random.default_rng(3).uniform(size=(48, 56, 3)) ** 2
ODD = 77
"""A height that the devices do not divide."""
TALL = 500


def distance(one, other):
    return float(np.linalg.norm(np.subtract(one, other)) / np.linalg.norm(one))


def grids(model):
    """A grid on all devices against the same on one: 9 cells, which 4 devices do not divide."""
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


def rows(model, style=STYLE, **options):
    """A picture whose rows are split over all devices against the same on one device.

    Without a mesh it would be worked at in another shape.
    """
    options |= {"sizes": (ODD,), "steps": 3}
    one, several = (
        np.asarray(stylize(model, CONTENT[:ODD], style, mesh=make_mesh(devices), **options).image)
        for devices in (jax.devices()[:1], jax.devices())
    )
    return distance(one, several)


def regions(model):
    """The same with regions and something that is kept."""
    left = np.float32(COLUMNS[:ODD] < 0.5)
    layers = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
    masks = {"regions": [left, 1 - left], "keep": ROWS[:ODD] / 2, "colors": "luminance"}
    return rows(model, [STYLE, 1 - STYLE], **masks, **layers)


def execution(model, content, optimizer, mesh):
    """The step of a picture whose rows are split over a mesh, if there is one, and its start."""
    settings = jnst.Settings(
        optimizer=optimizer,
        content_layers=["relu3_2"],
        style_layers=["relu1_1", "relu3_1"],
        style_loss="gram",
    )
    level = Level(shape=content.shape[:2], steps=20)
    job = Job(
        inputs=Inputs(model, content, (jnp.asarray(STYLE, content.dtype),)),
        content=content,
        settings=settings,
        levels=[level],
        start=content * 0.5 + 0.2,
        own=(),
        key=jax.random.key(0),
    )
    if mesh:
        job = on_mesh(job, mesh)
    made = execution_of(job, level, mesh)
    made.dtype = content.dtype
    return made, made.begin(job.start), made.controls(settings.controls(level.steps))


def rows_in_float64(model, optimizer):
    """The same over 10 steps in float64, where rounding has no time to grow."""
    model = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), model)
    images = []
    for mesh in (None, make_mesh(jax.devices())):
        made, state, controls = execution(model, jnp.asarray(CONTENT[:ODD]), optimizer, mesh)
        run = descend(made, state, controls, Schedule(steps=10))
        assert run.state.image.dtype == jnp.float64
        images.append(run.state.image)
    return distance(*images)


def scenes(model):
    """A clip of three scenes painted on all devices against the same on one, in 8 bits."""
    ramp = np.rint(255 * CONTENT[:64]).astype(np.uint8)
    clip = [*2 * [ramp], *2 * [255 - ramp], *2 * [ramp]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clip").mkdir()
        for number, frame in enumerate(clip):
            save_image(folder / "clip" / f"{number}.png", frame / np.float32(255))
        found = []
        for devices in (jax.devices()[:1], None):
            output, options = folder / "out", {"steps": 3, "frame_steps": 2, "style_loss": "gram"}
            jnst.video.stylize_video(
                model, folder / "clip", STYLE, output, devices=devices, **options
            )
            found.append([load_image(path) for path in sorted(output.glob("frame-*.png"))])
    assert [len(pictures) for pictures in found] == [6, 6]
    return 255 * float(np.abs(np.subtract(*found)).max())


def memory(model, count):
    """Bytes of each device's temporary memory during a step, a picture's rows split over some."""
    content = jnp.zeros((TALL, 128, 3))
    made, state, controls = execution(model, content, "adam", make_mesh(jax.devices()[:count]))
    program = step.lower(
        state, made.leaves, controls, objective=made.objective, optimizer=made.optimizer
    )
    return program.compile().memory_analysis().temp_size_in_bytes


if __name__ == "__main__":
    if "grid" in sys.argv:
        sys.exit(main(sys.argv[1:]))
    network = tiny_vgg()
    found = grids(network)
    found["rows"] = rows(network)
    found["regions"] = regions(network)
    found["scenes"] = scenes(network)
    found["memory"] = [memory(network, count) for count in (1, 2, 4)]
    jax.config.update("jax_enable_x64", True)
    found["rows_in_float64"] = {name: rows_in_float64(network, name) for name in ("adam", "lbfgs")}
    print(json.dumps(found))
