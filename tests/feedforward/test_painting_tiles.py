"""Pictures in windows are those of one pass."""

import numpy as np
import pytest

import jnst
from jnst.feedforward import tiling


@pytest.fixture(scope="module")
def large():
    random = np.random.default_rng(5)
    rows, columns = np.mgrid[:149, :131] / 149
    content = np.stack([rows, columns, random.uniform(size=rows.shape)], -1)
    style = random.uniform(size=(120, 100, 3)) * (0.9, 0.5, 0.1)
    return content.astype(np.float32), style.astype(np.float32)


@pytest.mark.parametrize("matching", ["wasserstein", "statistics"])
def test_a_picture_in_windows_has_no_seams(adain, large, matching):
    whole = jnst.fast(adain, *large, matching=matching, tile=None)
    tiled = jnst.fast(adain, *large, matching=matching, tile=88)
    assert tiled.shape == whole.shape
    np.testing.assert_allclose(tiled, whole, atol=2e-3)
    assert np.abs(tiled - whole).mean() < 1e-5


def test_regions_in_windows(adain, large):
    content, style = large
    left = np.zeros(content.shape[:2], np.float32)
    left[:, :60] = 1
    of_style = np.ones((120, 100), np.float32)
    of_style[:60] = 0
    options = {"regions": [left, 1 - left], "style_regions": [of_style, None]}
    whole, tiled = (
        jnst.fast(adain, content, [style, 1 - style], tile=tile, **options) for tile in (None, 96)
    )
    np.testing.assert_allclose(tiled, whole, atol=2e-3)


def test_memory_decides(adain, large, monkeypatch):
    shape = large[0].shape
    assert tiling.edge_for("auto", adain, shape) is None
    assert tiling.edge_for(100, adain, shape) == 100 and tiling.edge_for(200, adain, shape) is None
    monkeypatch.setattr(tiling.memory, "free_bytes", lambda device: tiling.BYTES * 1000)
    assert tiling.edge_for("auto", adain, shape) == tiling.WINDOW
    with pytest.raises(ValueError, match=r"px needs .* GiB .* choose a smaller size, or tile"):
        jnst.fast(adain, *large, tile=None)


def test_edges_that_will_not_do_are_said(adain, large):
    least = tiling.least_edge(adain)
    jnst.fast(adain, *large, tile=least)
    with pytest.raises(ValueError, match=f"tile must be at least {least} px, got {least - 1}"):
        jnst.fast(adain, *large, tile=least - 1)
    with pytest.raises(TypeError, match="tile must be a whole number, 'auto' or None"):
        jnst.fast(adain, *large, tile=99.5)
