"""`jnst.fast` with few channels: sizes, transformations, blends, regions, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst


def painted(adain, pictures, **options):
    return np.asarray(jnst.fast(adain, *pictures, **options))


@pytest.mark.parametrize("shape", [(64, 80), (61, 75), (8, 9), (40, 13)])
def test_any_size(adain, pictures, shape):
    content = np.ascontiguousarray(pictures[0][: shape[0], : shape[1]])
    image = painted(adain, (content, pictures[1]))
    assert image.shape == content.shape
    assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1


def test_a_multiple_of_the_stride_is_not_continued(adain, pictures):
    image = jnp.asarray(pictures[0])
    direct = adain.encoder(image, ("relu4_1",))["relu4_1"]
    np.testing.assert_array_equal(adain.features(image), direct)
    # Features see 30 px beyond their own: the first three rows nothing of what was continued.
    np.testing.assert_allclose(adain.features(image[:61])[:3], direct[:3], atol=1e-5)


def test_strength_0_decodes_the_photograph(adain, pictures):
    content = jnp.asarray(pictures[0])
    expected = np.clip(adain.picture(adain.features(content), content.shape[:2]), 0, 1)
    np.testing.assert_allclose(painted(adain, pictures, strength=0.0), expected, atol=1e-5)
    assert np.abs(painted(adain, pictures) - expected).max() > 0.05


def test_matchings_differ(adain, pictures):
    mixed = painted(adain, pictures)
    np.testing.assert_array_equal(mixed, painted(adain, pictures, matching="mixed"))
    for matching in ("statistics", "wasserstein"):
        assert np.abs(painted(adain, pictures, matching=matching) - mixed).max() > 0.01


def test_it_is_mapped_over_strengths(adain, pictures):
    strengths = jnp.array([0.0, 0.4, 1.0])
    several = jax.vmap(lambda s: jnst.fast(adain, *pictures, strength=s))(strengths)
    for strength, image in zip(strengths, several, strict=True):
        alone = painted(adain, pictures, strength=float(strength))
        np.testing.assert_allclose(image, alone, atol=1e-4)


def test_it_is_compiled_and_differentiated(adain, pictures):
    def brightness(content, style):
        return jnp.mean(jnst.fast(adain, content, style))

    content, style = (jnp.asarray(picture[:32, :32]) for picture in pictures)
    value, gradients = jax.jit(jax.value_and_grad(brightness, (0, 1)))(content, style)
    np.testing.assert_allclose(value, brightness(content, style), atol=1e-4)
    for gradient in gradients:
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_a_style_of_weight_0_does_not_count(adain, pictures):
    content, style = pictures
    alone = painted(adain, pictures)
    other = style[::-1, ::-1] ** 2
    beside = painted(adain, (content, [style, other]), style_weights=[3, 0])
    np.testing.assert_allclose(beside, alone, atol=1e-4)
    both = painted(adain, (content, [style, other]))
    assert np.abs(both - alone).max() > 1e-3


def test_regions_and_what_is_kept(adain, pictures):
    content, style = pictures
    left = np.zeros(content.shape[:2], np.float32)
    left[:, :40] = 1
    image = painted(adain, pictures, regions=left, keep="rest")
    np.testing.assert_array_equal(image[:, 40:], content[:, 40:])
    assert np.abs(image[:, :40] - content[:, :40]).max() > 0.05
    two = painted(adain, (content, [style, 1 - style]), regions=[left, 1 - left])
    # Far from the border each side is as it is without the other.
    first = painted(adain, pictures, regions=left)
    np.testing.assert_allclose(two[:, :8], first[:, :8], atol=1e-4)


def test_colors_of_the_content(adain, pictures):
    content = pictures[0]
    kept = painted(adain, pictures, colors="luminance")
    from jnst.image.color import chrominance

    inside = (kept > 0.01).all(-1) & (kept < 0.99).all(-1)
    assert inside.any()
    np.testing.assert_allclose(chrominance(kept)[inside], chrominance(content)[inside], atol=1e-4)
    recoloured = painted(adain, pictures, palette=content)
    assert np.abs(recoloured - painted(adain, pictures)).max() > 1e-3


@pytest.mark.parametrize(
    "options, message",
    [
        ({"matching": "statistic"}, "matching must be one of .*did you mean 'statistics'"),
        ({"strength": 1.5}, "strength must lie between 0 and 1"),
        ({"style_weights": [1, 2]}, "style_weights must have a weight for each"),
        ({"style_scale": 0}, "style_scale must lie between"),
        ({"colors": "none"}, "colors must be one of"),
        ({"colors": "luminance", "palette": np.zeros((9, 9, 3))}, "palette has no effect"),
        ({"keep": np.ones((64, 80))}, "keep leaves nothing to paint"),
    ],
)
def test_what_will_not_do_is_said(adain, pictures, options, message):
    with pytest.raises(ValueError, match=message):
        jnst.fast(adain, *pictures, **options)


def test_a_picture_that_will_not_do_is_said(adain, pictures):
    with pytest.raises(TypeError, match="content must hold floats"):
        jnst.fast(adain, (255 * pictures[0]).astype(np.uint8), pictures[1])
    with pytest.raises(ValueError, match="style must have the shape"):
        jax.jit(lambda style: jnst.fast(adain, pictures[0], style))(jnp.ones((8, 8)))
