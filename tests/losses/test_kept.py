"""What is kept of the content, and the rest that no region covers."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from painted_regions import HOLE, LAYERS, LEFT, OTHER, QUICK, RIGHT, SOFT, losses_and_gradient

import jnst
from jnst.image.masks import check_masks, resize_mask
from jnst.transfer.settings import Settings


@pytest.mark.parametrize(
    "settings", [{"colors": "luminance"}, {"tile": 48}, {"init": "noise", "sizes": (48, 80)}]
)
def test_what_is_kept_is_the_content_to_the_bit(tiny, pictures, settings):
    content, style = pictures
    options = QUICK | {"gamma": 1.0, "keep": HOLE} | settings
    seen = []
    result = jnst.stylize(
        tiny, content, style, callback=lambda p: seen.append(p.picture()), **options
    )
    inside = HOLE == 1
    for image in (result.image, seen[-1]):
        np.testing.assert_array_equal(np.asarray(image)[inside], content[inside])
    assert np.abs(result.image - content)[~inside].mean() > 0.005


def test_the_rest_is_what_no_region_covers(tiny, pictures):
    content, styles = pictures[0], [pictures[1], OTHER]
    regions = [LEFT * SOFT, HOLE]
    run = functools.partial(jnst.stylize, tiny, content, styles, **QUICK)
    covered = np.clip(LEFT * SOFT + HOLE, 0, 1)
    shared = [np.where(covered > 0, mask / np.maximum(covered, 1e-9), 0.5) for mask in regions]
    result = run(regions=regions, keep="rest")
    same = run(regions=shared, keep=1 - covered)
    np.testing.assert_allclose(result.image, same.image, atol=1e-5)
    outside = covered == 0
    np.testing.assert_array_equal(np.asarray(result.image)[outside], content[outside])
    assert np.abs(result.image - content)[~outside].mean() > 0.01


def test_towards_the_rest_a_style_fades_once():
    regions = [LEFT * SOFT / 2, (1 - LEFT) * SOFT]
    masks = check_masks((64, 80, 3), [(72, 64, 3)] * 2, regions, None, "rest")
    np.testing.assert_allclose(masks.painted((64, 80)), regions, atol=1e-6)
    np.testing.assert_allclose(1 - masks.keep, sum(regions), atol=1e-6)
    one = check_masks((64, 80, 3), [(72, 64, 3)], [HOLE], None, "rest")
    small = resize_mask(HOLE, (23, 29))  # where a pixel of the edge is partly inside
    assert ((small > 0) & (small < 1)).any()
    np.testing.assert_allclose(one.painted((23, 29))[0], small, atol=1e-4)


def test_a_soft_edge_of_what_is_kept_lets_both_be_seen(tiny, pictures):
    content, style = pictures
    heard = []
    jnst.stylize(
        tiny,
        content,
        style,
        init=np.ones_like(content),
        keep=SOFT,
        learning_rate=1e-6,
        averaging=0,
        callback=lambda progress: heard.append(progress.picture()),
        **QUICK | {"steps": 1},
    )
    expected = SOFT[..., None] * content + (1 - SOFT[..., None])
    np.testing.assert_allclose(heard[0], expected, atol=1e-4)


def test_the_objective_sees_the_composite_and_not_what_lies_behind_it(tiny, pictures):
    content, style = pictures
    behind = np.random.default_rng(6).uniform(size=content.shape).astype(np.float32)
    make = functools.partial(jnst.make_targets, tiny, content, [style, OTHER], **LAYERS)
    weights = Settings(gamma=1.0, **LAYERS).loss_weights()
    kept = losses_and_gradient(tiny, behind, make(regions=[LEFT, RIGHT], keep=SOFT), weights)
    seen = SOFT[..., None] * content + (1 - SOFT[..., None]) * behind
    painted = [LEFT * (1 - SOFT), RIGHT * (1 - SOFT)]
    plain = losses_and_gradient(tiny, seen, make(regions=painted), weights)
    for term, value in plain[0].items():
        np.testing.assert_allclose(kept[0][term], value, rtol=1e-5)
    scale = jnp.abs(plain[1]).max()
    expected = (1 - SOFT[..., None]) * plain[1] / scale
    np.testing.assert_allclose(kept[1] / scale, expected, atol=1e-5)
