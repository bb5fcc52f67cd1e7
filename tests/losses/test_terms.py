"""Terms of one's own: what they must have, and that they work wherever ours do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.execution.tile_layout import cover
from jnst.execution.windows import Look, add_up, places_of, views_of
from jnst.losses.style import StyleTerm
from jnst.losses.terms import PIXELS, Scalar, Term, View, static

QUICK = {
    "content_layers": ["relu1_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "style_loss": "gram",
    "steps": 4,
}


@jnst.term
class Activity(jnst.Term):
    """How far a layer's mean activity, weighted by place, is from one that is wanted."""

    name = "activity"
    layers = ("relu2_1",)
    places: jax.Array
    wanted: Scalar
    weight: Scalar = 1.0

    def statistics(self, features, positions=None):
        of_layer = features["relu2_1"]
        height, width = of_layer.shape[-3:-1]
        count = positions["relu2_1"] if positions else height * width
        return jnp.sum(self.places[..., None] * of_layer, axis=(-3, -2)) / count

    def loss(self, statistics):
        return jnp.mean(jnp.square(statistics - self.wanted), axis=-1)

    def at(self, view):
        return dataclasses.replace(self, places=view.cut(self.places, "relu2_1"))


@jnst.term
class Brightness(jnst.Term):
    """The squared distance of the mean pixel value from one that is wanted."""

    name = "brightness"
    layers = (PIXELS,)
    wanted: Scalar
    weight: Scalar = 1.0

    def statistics(self, features, positions=None):
        return jnp.mean(features[PIXELS], axis=(-3, -2, -1))

    def loss(self, statistics):
        return jnp.square(statistics - self.wanted)


def make_activity(model, content):
    """A term for the content at each size, as `stylize` asks for it."""
    height, width = content.shape[0] // 2, content.shape[1] // 2
    places = jnp.linspace(0, 1, height * width, dtype=jnp.float32).reshape(height, width)
    return Activity(places=places, wanted=np.float32(0.7), weight=np.float32(20))


def test_a_term_is_a_pytree_whose_static_fields_are_its_structure():
    @jnst.term
    class Powered(Term):
        name = "powered"
        power: int = static(default=2)
        weight: Scalar = 1.0

    assert jax.tree.leaves(Powered()) == [1.0]
    assert jax.tree.structure(Powered()) != jax.tree.structure(Powered(power=3))
    doubled = jax.tree.map(lambda leaf: 2 * leaf, Powered(power=3))
    assert (doubled.power, doubled.weight) == (3, 2.0)
    with pytest.raises(AttributeError):
        doubled.weight = 1.0


def test_a_view_cuts_in_whole_strides():
    view = View(origin=(4, 8), shape=(8, 16), strides={"relu2_1": 2, "relu3_1": 4})
    values = jnp.arange(400.0).reshape(20, 20)
    np.testing.assert_array_equal(view.cut(values, "relu2_1"), values[2:6, 4:12])
    np.testing.assert_array_equal(view.cut(values, "relu3_1"), values[1:3, 2:6])


def test_statistics_of_tiles_add_up_to_those_of_the_picture(tiny, pictures):
    content = jnp.asarray(np.tile(pictures[0], (2, 2, 1))[:90, :110])
    own = make_activity(tiny, content)
    tiles = cover(tiny.geometry, 90, 110, ("relu2_1",), 48)
    assert len(tiles.spans) > 2
    windows = [Look(tiny, (own.at(v),)) for v in views_of(tiles, tiny, ["relu2_1"])]
    (added,) = add_up(content, windows, places_of(tiles), tiles.window)
    whole = own.statistics(tiny(content, ["relu2_1"]))
    np.testing.assert_allclose(added, whole, rtol=1e-4, atol=1e-6)


def test_stylize_takes_them_whole_in_tiles_and_in_a_grid(tiny, pictures):
    content, style = pictures
    options = QUICK | {"sizes": (80,), "colors": "free"}
    terms = [make_activity, Brightness(wanted=np.float32(0.9), weight=np.float32(30))]
    whole = jnst.stylize(tiny, content, style, terms=terms, tile=None, **options)
    losses = whole.losses
    assert set(losses) == {"content", "style", "variation", "activity", "brightness", "total"}
    weighed = (
        losses["content"]
        + 2.5 * losses["style"]
        + 0.1 * losses["variation"]
        + 20 * losses["activity"]
        + 30 * losses["brightness"]
    )
    np.testing.assert_allclose(losses["total"], weighed, rtol=1e-4)
    first = make_activity(tiny, content)
    features = tiny(jnp.asarray(content), ["relu2_1"])
    assert losses["activity"][0] == pytest.approx(float(first.loss(first.statistics(features))))
    without = jnst.stylize(tiny, content, style, tile=None, **options)
    assert whole.image.mean() > without.image.mean() + 0.005  # it pulls
    tiled = jnst.stylize(tiny, content, style, terms=terms, tile=48, **options)
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-3)
    for name, values in losses.items():
        np.testing.assert_allclose(tiled.losses[name], values, rtol=1e-3, atol=1e-7)
    grid = jnst.stylize_grid(tiny, content, style, beta=[2.5, 50.0], terms=terms, **options)
    np.testing.assert_allclose(grid.images[0, 0], whole.image, atol=1e-3)
    np.testing.assert_allclose(grid.losses["activity"][0, 0], losses["activity"], rtol=1e-3)


def test_a_factory_is_asked_at_each_size(tiny, pictures):
    asked = []

    def make(model, content):
        asked.append(content.shape)
        return Brightness(wanted=np.float32(0.5))

    jnst.stylize(tiny, *pictures, terms=[make], **QUICK | {"sizes": (40, 80)})
    assert asked[-1] == (64, 80, 3) and (32, 32, 3) in asked  # coarse: whole strides


@pytest.mark.parametrize("name", ["content", "style", "variation", "total"])
def test_names_that_are_taken_are_refused(tiny, pictures, name):
    @jnst.term
    class Named(Brightness):
        pass

    Named.name = name
    with pytest.raises(ValueError, match=f"terms must have different names.*{name}"):
        jnst.stylize(tiny, *pictures, terms=[Named(wanted=0.5)], **QUICK | {"sizes": (40,)})


def test_two_terms_of_ones_own_must_differ_in_name(tiny, pictures):
    two = [Brightness(wanted=0.2), Brightness(wanted=0.8)]
    with pytest.raises(ValueError, match="terms must have different names"):
        jnst.stylize(tiny, *pictures, terms=two, **QUICK | {"sizes": (40,)})


def test_what_is_no_term_is_refused(tiny, pictures):
    run = dict(QUICK, sizes=(40,))
    with pytest.raises(TypeError, match=r"terms must be a list of jnst\.Term objects, got"):
        jnst.stylize(tiny, *pictures, terms=Brightness(wanted=0.5), **run)
    with pytest.raises(TypeError, match=r"terms must be jnst\.Term objects or functions"):
        jnst.stylize(tiny, *pictures, terms=["brightness"], **run)
    with pytest.raises(TypeError, match=r"terms must be jnst\.Term objects or make some, got 3"):
        jnst.stylize(tiny, *pictures, terms=[lambda model, content: 3], **run)


def test_a_style_loss_says_what_it_measures():
    with pytest.raises(NotImplementedError):
        StyleTerm.measure(jnp.ones((2, 2, 3)), None, key=None, keep_rows=False)
