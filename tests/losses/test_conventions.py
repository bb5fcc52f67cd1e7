"""What holds for every public loss: types, shapes, strict modes of JAX, and higher derivatives."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unchecked import unchecked

import jnst
from jnst.losses.moments import moments
from jnst.losses.registry import STYLE_LOSSES, style_loss_named
from jnst.losses.sliced_wasserstein import sliced_wasserstein_loss

random = np.random.default_rng(11)
A, B = (jnp.asarray(random.uniform(size=(9, 10, 3)), jnp.float32) for _ in range(2))
LAYERS = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
WEIGHTS = jnst.LossWeights(1.0, 10.0, 0.1, {"relu2_1": 1.0}, {"relu1_1": 1.0, "relu2_1": 1.0}, 2.0)


def style_distance(name):
    kind = style_loss_named(name)

    def loss(a, b):
        seen, of_style = (
            kind.measure(x, None, key=jax.random.key(1), keep_rows=False) for x in (a, b)
        )
        return kind.distance(seen, kind.target(of_style), jax.random.key(2))

    return loss


LOSSES = {
    "gram_matrix": lambda a, b: jnst.gram_matrix(a),
    "content_loss": jnst.content_loss,
    "style_loss": lambda a, b: jnst.style_loss(jnst.gram_matrix(a), jnst.gram_matrix(b)),
    "total_variation": lambda a, b: jnst.total_variation(a),
    "matting_loss": lambda a, b: jnst.matting_loss(a, jnst.make_matting(b)),
    "moments": lambda a, b: moments(a).mean,
    **{name: style_distance(name) for name in STYLE_LOSSES},
}
"""Each as a function of two pictures, or arrays of features."""


@contextlib.contextmanager
def strictly():
    """Within it JAX neither promotes types nor adds axes by itself."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.mark.parametrize("name", LOSSES)
def test_strict_modes_change_nothing(name):
    gradient = jax.jit(jax.grad(lambda a, b: jnp.sum(LOSSES[name](a, b))))
    wanted = gradient(A, B)
    with strictly():
        np.testing.assert_allclose(gradient(A, B), wanted, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_float32_stays_float32_where_the_users_program_has_float64(name):
    usual = LOSSES[name](A, B)
    with jax.enable_x64(True):
        loss = LOSSES[name](A, B)
    assert loss.dtype == usual.dtype == jnp.float32
    np.testing.assert_allclose(loss, usual, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "matting_loss"])
def test_narrow_floats_are_summed_in_float32(name, dtype):
    a, b = (jnp.asarray(x, dtype) for x in (A, B))
    with strictly():
        loss = LOSSES[name](a, b)
    assert loss.dtype == jnp.float32
    wanted = LOSSES[name](*(jnp.asarray(x, jnp.float32) for x in (a, b)))
    np.testing.assert_allclose(loss, wanted, rtol=1e-2, atol=1e-3)


WHOLE = {"int64": np.int64, "uint8": np.uint8, "bool": bool}


@pytest.mark.parametrize("dtype", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("features", lambda x: jnst.gram_matrix(x)),
        ("features", lambda x: moments(x)),
        ("features", lambda x: jnst.content_loss(x, A)),
        ("target", lambda x: jnst.content_loss(A, x)),
        ("gram", lambda x: jnst.style_loss(x, A)),
        ("target", lambda x: jnst.style_loss(A[:, :9, 0], x)),
        ("image", lambda x: jnst.total_variation(x)),
        ("guide", lambda x: jnst.make_matting(x)),
        ("image", lambda x: jnst.matting_loss(x, jnst.make_matting(A))),
        ("features", lambda x: sliced_wasserstein_loss(x[0], A[0], jax.random.key(0))),
    ],
)
def test_arrays_that_hold_no_floats_are_refused(argument, call, dtype):
    with (
        unchecked(),
        pytest.raises(TypeError, match=f"^{argument} must hold floats, got {dtype.__name__}"),
    ):
        call(np.ones((9, 10, 3), dtype))


@pytest.mark.parametrize("argument", ["content", "style", "image"])
def test_pictures_of_bytes_are_refused(tiny, argument):
    pictures = {"content": A, "style": B, "image": A} | {argument: np.ones((9, 10, 3), np.uint8)}
    with unchecked(), pytest.raises(TypeError, match=f"^{argument} must hold floats, got uint8"):
        made = jnst.make_targets(
            tiny, pictures["content"], pictures["style"], **LAYERS, photorealism=True
        )
        jnst.objective(pictures["image"], (tiny, made, WEIGHTS))


@pytest.mark.parametrize("shape", [(9, 1, 3), (1, 9, 10, 3), (10, 9, 3), (3,), ()])
def test_shapes_that_differ_are_not_broadcast(shape):
    other = np.ones(shape, np.float32)
    with (
        unchecked(),
        pytest.raises(ValueError, match=r"target must have the shape of features, \(9"),
    ):
        jnst.content_loss(A, other)
    with unchecked(), pytest.raises(ValueError, match=r"target must have the shape of gram, \(9"):
        jnst.style_loss(A, other)


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_forward_and_of_second_order_agree_with_differences(name):
    with jax.enable_x64(True):
        a, b, v = (jnp.asarray(random.uniform(size=(5, 6, 3))) for _ in range(3))

        def loss(x):
            return jnp.sum(LOSSES[name](x, b) * (1 if name == "gram_matrix" else 3))

        @jax.jit
        def derivatives(a, v):
            step = 1e-5
            ahead, behind = (jax.value_and_grad(loss)(a + s * v) for s in (step, -step))
            gradient, product = jax.jvp(jax.grad(loss), (a,), (v,))
            return (
                [jax.jvp(loss, (a,), (v,))[1], jnp.vdot(gradient, v)],
                [product, jax.grad(lambda x: jnp.vdot(jax.grad(loss)(x), v))(a)],
                (ahead[0] - behind[0]) / (2 * step),
                (ahead[1] - behind[1]) / (2 * step),
            )

        slopes, products, slope, product = jax.device_get(derivatives(a, v))
    np.testing.assert_allclose(slopes, slope, rtol=1e-5, atol=1e-8)
    scale = 1 + np.abs(product).max()
    for second in products:  # forward over reverse, reverse over reverse
        np.testing.assert_allclose(second / scale, product / scale, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "regions"), [("gram", False), ("wasserstein", True), ("sliced-wasserstein", True)]
)
def test_the_objective_has_them_too_and_keeps_to_strict_modes(tiny, pictures, name, regions):
    content, style = (jnp.asarray(picture[:24, :32]) for picture in pictures)
    mask = jnp.asarray(np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32))
    masks = {"regions": mask, "keep": 1 - mask} if regions else {}
    with strictly():
        made = jnst.make_targets(
            tiny, content, style, style_loss=name, photorealism=True, **LAYERS, **masks
        )

        @jax.jit
        def derivatives(x, v, made):
            def loss(x):
                return jnst.objective(x, (tiny, made, WEIGHTS))

            gradient, forward = jax.jvp(jax.grad(loss), (x,), (v,))
            backward = jax.grad(lambda x: jnp.vdot(jax.grad(loss)(x), v))(x)
            return jnp.vdot(gradient, v), jax.jvp(loss, (x,), (v,))[1], forward, backward

        x, v = content * 0.9, jnp.asarray(random.normal(size=content.shape), jnp.float32)
        reverse, forward, *second = derivatives(x, v, made)
    assert float(forward) == pytest.approx(float(reverse), rel=1e-3)
    assert np.isfinite(second[0]).all() and np.abs(second[0]).max() > 0
    scale = np.abs(second[0]).max()
    np.testing.assert_allclose(second[0] / scale, second[1] / scale, atol=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_stylize_keeps_to_strict_modes(tiny, pictures, optimizer):
    options = {"sizes": (40,), "steps": 3, "optimizer": optimizer, "colors": "luminance"}
    usual = jnst.stylize(tiny, *pictures, **options)
    with strictly():
        result = jnst.stylize(tiny, *pictures, **options)
    np.testing.assert_allclose(result.image, usual.image, atol=1e-4)
