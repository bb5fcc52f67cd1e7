"""How a picture is cut into tiles, for VGG-19."""

import itertools

import pytest

from jnst.execution.tile_layout import cover
from jnst.nn.blocks import VGG19_BLOCKS
from jnst.nn.geometry import vgg_geometry

GEOMETRY = vgg_geometry(VGG19_BLOCKS)
DEEP = ("relu4_2", "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
EXTENTS = [32, 176, 191, 192, 200, 207, 208, 255, 256, 301, 640, 1023, 1184, 1185, 4096, 5003]


@pytest.mark.parametrize("layers", [DEEP, ("relu3_1",), ("pool4",), ("conv1_1",)])
@pytest.mark.parametrize("over", [0, 1, 17, 400])
def test_tiles_cover_every_pixel_once_and_their_windows_hold_what_they_see(layers, over):
    cell, margin = GEOMETRY.stride(layers), GEOMETRY.halo(layers)
    most = GEOMETRY.least_window(layers) + over
    for height, width in itertools.product(EXTENTS, EXTENTS[::3]):
        if max(height, width) > 40 * (most - 2 * margin):
            continue  # more tiles than a test has time for
        tiles = cover(GEOMETRY, height, width, layers, most)
        assert max(tiles.window) <= most
        for axis, extent in enumerate((height, width)):
            window = tiles.window[axis]
            assert window == extent or (window < extent and window % cell == extent % cell)
            spans = sorted({spans[axis] for spans in tiles.spans})
            assert [spans[0].start, *(span.stop for span in spans)] == [
                *(span.start for span in spans),
                extent,
            ]
            assert spans[0].origin == spans[0].start == 0
            for span in spans:
                assert span.start < span.stop
                assert span.origin % cell == span.start % cell == 0
                assert 0 <= span.origin <= extent - window
                assert span.origin == 0 or span.origin + margin <= span.start
                assert span.stop == extent or span.stop + margin <= span.origin + window
        grid = {tuple(span.start for span in spans) for spans in tiles.spans}
        assert len(grid) == len(tiles.spans)
        ways = [len({spans[axis] for spans in tiles.spans}) for axis in (0, 1)]
        assert len(tiles.spans) == ways[0] * ways[1]


@pytest.mark.parametrize(
    ("layer", "wanted"),
    # Worked out by hand: 2·1, 2·2, 4·4, 4·8 and 16 pixels, in whole strides.
    [("relu1_1", 1), ("conv1_2", 2), ("pool1", 2), ("relu2_2", 6), ("relu3_1", 12), ("pool4", 64)],
)
def test_the_halo_is_what_a_position_sees(layer, wanted):
    assert GEOMETRY.halo([layer]) == wanted
    assert GEOMETRY.halo([layer, "relu1_1"]) == wanted


def test_the_halo_of_the_usual_layers():
    found = GEOMETRY.halo(DEEP), GEOMETRY.stride(DEEP), GEOMETRY.least_window(DEEP)
    assert found == (80, 16, 191)


def test_large_pictures_are_not_computed_many_times_over():
    assert cover(GEOMETRY, 4096, 4096, DEEP, 1024).overhead < 1.4
    assert cover(GEOMETRY, 1000, 1000, DEEP, 1024).overhead == 1
