"""What must hold on an accelerator as it does on a processor: the same pictures, however made.

With real weights where jnst finds some, as tests/gpu/measure.py sees to; on a processor with few
channels, which is enough to keep these tests in order.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg

ON_GPU = jax.default_backend() != "cpu"
EDGE = 128 if ON_GPU else 64
STEPS = 20
SAME = 5e-3 if ON_GPU else 1e-9
"""Between pictures of the same program, whose sums a GPU may take in another order each time."""
NEAR = 2e-2 if ON_GPU else 1e-2
"""Between pictures of different programs."""


@functools.cache
def network(precision: str):
    """VGG-19 by its real weights on an accelerator, else with few channels."""
    if ON_GPU:
        return make_vgg(open_weights(find_weights()), precision=precision)
    from tiny import tiny_vgg

    return tiny_vgg(precision=precision)


@pytest.fixture(scope="module")
def images():
    """A content with waves and grain, and a style of stripes and noise."""
    rows, columns = np.mgrid[:EDGE, :EDGE] / EDGE
    random = np.random.default_rng(2)
    content = np.stack([rows, columns, 0.5 + np.sin(9 * rows * columns) / 2], -1)
    content = (0.1 + 0.8 * content + random.uniform(-0.08, 0.08, content.shape)).clip(0, 1)
    style = random.uniform(size=(EDGE, EDGE, 3))
    style[:, ::4] = (0.9, 0.7, 0.1)
    return content.astype(np.float32), style.astype(np.float32)


def apart(one, other) -> float:
    """‖Δ‖ / ‖other‖."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize(("precision", "bound"), [("float32", 3e-3), ("bfloat16", 3e-2)])
def test_features_are_those_of_the_definition(images, precision, bound):
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    exact = network("highest")(images[0], layers)
    seen = network(precision)(images[0], layers)
    for layer in layers:
        assert apart(seen[layer].astype(jnp.float32), exact[layer]) < bound, layer


def test_the_definition_is_that_of_a_processor(images):
    """Both by the definition, the reference computed on the host."""
    layers = ("relu1_1", "relu3_1", "relu5_1")
    seen = network("highest")(images[0], layers)
    host = jax.devices("cpu")[0]
    with jax.default_device(host):
        on_host = network.__wrapped__("highest")
        model = jax.device_put(on_host, host)
        exact = model(jax.device_put(images[0], host), layers)
    for layer in layers:
        assert apart(seen[layer], exact[layer]) < 1e-5, layer


@pytest.mark.parametrize("style_loss", ["gram", "wasserstein"])
def test_the_precisions_agree_on_losses(images, style_loss):
    totals = {}
    for precision in ("highest", "bfloat16"):
        model = network(precision)
        result = jnst.stylize(
            model, *images, style_loss=style_loss, sizes=EDGE, steps=STEPS, finish=0
        )
        assert result.reason == "finished"
        totals[precision] = result.losses["total"]
    np.testing.assert_allclose(totals["bfloat16"], totals["highest"], rtol=0.05)


def test_a_run_ends_with_the_same_picture_twice(images):
    first, second = (
        jnst.stylize(network("bfloat16"), *images, sizes=EDGE, steps=STEPS, finish=0)
        for _ in range(2)
    )
    assert apart(first.image, second.image) < SAME


def test_a_run_that_goes_on_ends_as_one_that_never_stopped(images, tmp_path):
    file = tmp_path / "run.npz"
    options = {"sizes": EDGE, "steps": STEPS, "finish": 0}

    def stop(progress):
        return progress.step == STEPS // 2

    model = network("bfloat16")
    stopped = jnst.stylize(model, *images, checkpoint=file, callback=stop, **options)
    assert stopped.reason == "stopped" and stopped.steps == STEPS // 2
    resumed = jnst.stylize(model, *images, checkpoint=file, resume=True, **options)
    whole = jnst.stylize(model, *images, **options)
    assert apart(resumed.image, whole.image) < SAME


def test_cells_of_a_grid_are_runs(images):
    model, options = network("highest"), {"sizes": EDGE, "steps": STEPS, "finish": 0}
    grid = jnst.stylize_grid(model, *images, alpha=[1.0], beta=[1.0, 4.0], **options)
    for index, beta in enumerate((1.0, 4.0)):
        single = jnst.stylize(model, *images, beta=beta, **options)
        assert apart(grid.images[0, index], single.image) < NEAR


@pytest.mark.parametrize("style_loss", ["gram", "wasserstein"])
def test_tiles_make_the_whole_picture(images, style_loss):
    content, style = (np.concatenate([image] * (256 // EDGE), axis=1) for image in images)
    options = {"sizes": 256, "steps": 6, "finish": 0, "style_loss": style_loss}
    whole = jnst.stylize(network("highest"), content, style, tile=None, **options)
    tiled = jnst.stylize(network("highest"), content, style, tile=192, **options)
    assert apart(tiled.image, whole.image) < NEAR


def test_a_mesh_of_one_makes_the_same_picture(images):
    mesh = jax.make_mesh((1,), ("rows",), devices=jax.devices()[:1])
    options = {"sizes": EDGE, "steps": STEPS, "finish": 0}
    plain = jnst.stylize(network("highest"), *images, **options)
    meshed = jnst.stylize(network("highest"), *images, mesh=mesh, **options)
    assert apart(meshed.image, plain.image) < NEAR


def test_a_picture_by_adam_is_that_of_a_processor(images):
    """A few steps, before what rounds otherwise has grown."""
    options = {"sizes": EDGE, "steps": 5, "finish": 0, "style_loss": "gram", "optimizer": "adam"}
    there = jnst.stylize(network("highest"), *images, **options)
    host = jax.devices("cpu")[0]
    with jax.default_device(host):
        model = jax.device_put(network.__wrapped__("highest"), host)
        here = jnst.stylize(model, *images, **options)
    np.testing.assert_allclose(there.losses["total"], here.losses["total"], rtol=2e-3)
    assert apart(there.image, here.image) < 5e-3
