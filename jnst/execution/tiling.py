"""The gradient of a picture of any size, in the memory of one tile, and exact.

Terms see the picture only through their statistics, and those are sums over positions. So one pass
over the tiles adds them up,

    S_t = Σ_tiles S_t(tile),   D_t = ∂(weight_t · loss_t) / ∂S_t

and a second adds up the gradients of

    Σ_t ⟨D_t, S_t(tile)⟩

with D held fixed, which by the chain rule is the gradient of the whole picture. Of terms whose loss
is linear in their statistics, as the content term's is, D is known from the start, and the second
pass alone will do. Terms of the pixels need no network and are taken of the whole. A tile's
features count only in its own region, so that none counts twice; its gradient reaches into the
halo.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.stages import Compiled
from jaxtyping import Array, Bool, Float, Key

from jnst._programs import Programs, program
from jnst.execution.tile_layout import Tiles
from jnst.execution.windows import Look, Place, Window, add_up, cut_out, looks, places_of
from jnst.losses.arrays import summed
from jnst.losses.jitter import shifted
from jnst.losses.objectives import Objective, total_of
from jnst.losses.regions import Kept, by_image, composed
from jnst.losses.terms import PIXELS, Statistics, Term
from jnst.optim.step import Controls, State, apply_gradient
from jnst.optim.whole import Whole, as_array


class Tiled(Whole):
    """The step of a picture in tiles.

    Args:
      objective: what is minimised. Of terms that look at layers of the network, what has a place
        for every position may be missing.
      windows: for each tile, the terms that look at layers of the network, as `Term.at` gives them;
        their arrays may be on the host, since together they may take more memory than the device
        has.
      tiles: of the picture.
      optimizer: an Optax transformation without a line search.
    """

    def __init__(
        self,
        objective: Objective,
        windows: Sequence[tuple[Term, ...]],
        tiles: Tiles,
        optimizer: optax.GradientTransformation,
    ):
        objective = jax.tree.map(lambda leaf: as_array(leaf, jnp.float32), objective)
        self.tiles, self.optimizer, self.dtype = tiles, optimizer, jnp.float32
        self.kept, self.places = objective.kept, places_of(tiles)
        self.jitter = objective.jitter
        self.looking = tuple(term for term in objective.terms if looks(term))
        self.of_pixels = tuple(term for term in objective.terms if not looks(term))
        model = objective.model
        self.first = [
            Look(model, tuple(term for term in terms if not term.linear)) for terms in windows
        ]
        self.second = [Look(model, terms) for terms in windows]

    def advance(self, state: State, controls: Controls) -> tuple[State, dict[str, Array], Array]:
        """Make one step; see `jnst.optim.descent.Execution`."""
        image, window = compose(state.image, self.kept), self.tiles.window
        jitters = self.jitter is not None and controls.key is not None
        shift = self.jitter, controls.key, state.steps
        if jitters:
            image = shift_view(image, *shift)
        seen = add_up(image, self.first, self.places, window)
        slopes, losses = slopes_of(self.looking, seen, self._linear_zeros(image))
        gradient, linear = jnp.zeros_like(image), self._linear_zeros(image)
        for look, place in zip(self.second, self.places, strict=True):
            gradient, linear = add_gradient(
                (gradient, linear),
                look.leaves,
                image,
                place,
                slopes,
                reduce=look.reduce,
                is_linear=self.is_linear,
                window=window,
            )
        if jitters:
            gradient = gradient_before_shift(gradient, *shift)
        terms = self.looking, self.of_pixels, self.kept
        sums = losses, linear
        return finish(state, gradient, sums, terms, controls, optimizer=self.optimizer)

    @property
    def is_linear(self) -> tuple[bool, ...]:
        """Whether each of the terms that look at layers is linear."""
        return tuple(term.linear for term in self.looking)

    def _linear_zeros(self, image: Array) -> tuple[Statistics, ...]:
        """The statistics of nothing, of the linear terms."""
        each = self.second[0].zeros(image, self.tiles.window)
        return tuple(of_term for of_term, yes in zip(each, self.is_linear, strict=True) if yes)

    def programs(self, state: State, controls: Controls) -> tuple[Compiled, Compiled]:
        """The programs of a tile's gradient and of the step's end, from shapes; a run uses them."""
        image, window = state.image, self.tiles.window
        seen = jax.eval_shape(lambda: self.first[0].zeros(image, window))
        linear = jax.eval_shape(lambda: self._linear_zeros(image))
        slopes, losses = jax.eval_shape(slopes_of, self.looking, seen, linear)
        at_tile = add_gradient.lower(
            (image, linear),
            self.second[0].leaves,
            image,
            jax.ShapeDtypeStruct((2, 3), jnp.int32),
            slopes,
            reduce=self.second[0].reduce,
            is_linear=self.is_linear,
            window=window,
        ).compile()
        terms = self.looking, self.of_pixels, self.kept
        at_end = finish.lower(
            state, image, (losses, linear), terms, controls, optimizer=self.optimizer
        ).compile()
        return at_tile, at_end


compose = Programs(composed)


@program()
def shift_view(
    image: Float[Array, "H W 3"], jitter: Array, key: Key[Array, ""], steps: Array
) -> Float[Array, "H W 3"]:
    """The image as the network sees it at a step that jitters."""
    return shifted(image, jitter, jax.random.fold_in(key, steps))


@program()
def gradient_before_shift(
    gradient: Float[Array, "H W 3"], jitter: Array, key: Key[Array, ""], steps: Array
) -> Float[Array, "H W 3"]:
    """The gradient by the image of what was computed by its shifted view."""

    def shift(image: Array) -> Array:
        return shift_view.function(image, jitter, key, steps)

    return jax.linear_transpose(shift, gradient)(gradient)[0]


@program()
def slopes_of(
    terms: tuple[Term, ...], seen: tuple[Statistics, ...], linear_zeros: tuple[Statistics, ...]
) -> tuple[tuple[Statistics, ...], dict[str, Array]]:
    """Differentiate the weighted sum by the statistics of each term.

    Args:
      terms: those of layers.
      seen: the statistics of those that are not linear.
      linear_zeros: statistics of nothing, of the others.

    Returns:
      D, and {term: loss} of the terms that are not linear.
    """
    given, zeros = iter(seen), iter(linear_zeros)
    statistics = tuple(next(zeros) if term.linear else next(given) for term in terms)

    def total(statistics: tuple[Statistics, ...]) -> tuple[Array, dict[str, Array]]:
        losses = {t.name: t.loss(of_term) for t, of_term in zip(terms, statistics, strict=True)}
        return total_of(terms, losses), {t.name: losses[t.name] for t in terms if not t.linear}

    return jax.grad(total, has_aux=True)(statistics)


@program(static_argnames=("reduce", "is_linear", "window"), donate_argnames=("so_far",))
def add_gradient(
    so_far: tuple[Float[Array, "H W 3"], tuple[Statistics, ...]],
    leaves: tuple[Array, ...],
    image: Float[Array, "H W 3"],
    place: Place,
    slopes: tuple[Statistics, ...],
    *,
    reduce: Callable[..., Any],
    is_linear: tuple[bool, ...],
    window: Window,
) -> tuple[Float[Array, "H W 3"], tuple[Statistics, ...]]:
    """The second pass over one tile: gradient, and statistics of linear terms, so far."""
    gradient, linear = so_far

    def surrogate(pixels: Array) -> tuple[Array, tuple[Statistics, ...]]:
        parts = reduce(pixels, leaves, place, image.shape)
        products = jax.tree.map(lambda slope, part: jnp.sum(slope * part), slopes, parts)
        return summed(jax.tree.leaves(products)), tuple(
            part for part, yes in zip(parts, is_linear, strict=True) if yes
        )

    part, of_tile = jax.grad(surrogate, has_aux=True)(cut_out(image, place, window))
    there = place[0, 0], place[1, 0], jnp.zeros((), place.dtype)  # of one type, with x64 too
    part += cut_out(gradient, place, window)
    gradient = jax.lax.dynamic_update_slice(gradient, part, there)
    return gradient, jax.tree.map(jnp.add, linear, of_tile)


@program(static_argnames=("optimizer",), donate_argnames=("state",))
def finish(
    state: State,
    gradient: Float[Array, "H W 3"],
    sums: tuple[dict[str, Array], tuple[Statistics, ...]],
    terms: tuple[tuple[Term, ...], tuple[Term, ...], Kept | None],
    controls: Controls,
    *,
    optimizer: optax.GradientTransformation,
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """The step, once the tiles have been gone through.

    Args:
      state: before the step.
      gradient: of the terms that look at layers, by the picture.
      sums: their losses, but for those of linear terms; the statistics of these.
      terms: those that look at layers, those of the pixels, and what is kept.
      controls: the numbers that steer the run.
      optimizer: an Optax transformation.
    """
    looking, of_pixels, kept = terms
    losses, linear = dict(sums[0]), iter(sums[1])
    losses |= {term.name: term.loss(next(linear)) for term in looking if term.linear}

    def pixel_terms(image: Array) -> tuple[Array, dict[str, Array]]:
        features = {PIXELS: composed(image, kept)}
        of_terms = {term.name: term.loss(term.statistics(features)) for term in of_pixels}
        return total_of(of_pixels, of_terms), of_terms

    slope, of_terms = jax.grad(pixel_terms, has_aux=True)(state.image)
    losses |= of_terms
    losses["total"] = total_of(looking + of_pixels, losses)
    gradient = by_image(gradient, kept) + slope
    return apply_gradient(state, losses, gradient, controls, optimizer, _no_line_search)


def _no_line_search(image: Array, *, learning_rate: Any = None) -> Array:
    """For Optax to call; it would take as many passes over the tiles as there are trials."""
    raise ValueError(
        "optimizer must do without a line search where the picture is worked at in tiles; "
        "choose another one, or a size that needs no tiles"
    )
