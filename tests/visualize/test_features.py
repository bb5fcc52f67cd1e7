"""Feature maps: the arrays, their numbers, and the sheets on which a tile is the array itself."""

import base64
import csv
import io
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.visualize import LayerMaps, feature_maps
from jnst.visualize import features as features_module
from jnst.visualize.feature_folder import (
    PAGE,
    RECORD,
    SUMMARY,
    TABLE,
    FeatureOptions,
    check_folder,
    write_features,
)
from jnst.visualize.features import components_of
from jnst.visualize.layer_sheets import (
    GAP,
    SILENT,
    channel_sheet,
    component_colors,
    enlarged_to,
    gram_colors,
    heat_colors,
    heat_overlay,
    tile_factor,
)


def maps_of(values, layer="relu1_1"):
    return LayerMaps(layer, np.asarray(values, np.float32))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(12, 16, 5)).astype(np.float32)


def test_the_maps_are_those_of_the_network_in_its_order(tiny, pictures):
    layers = ["relu3_1", "conv1_2"]
    made = list(feature_maps(tiny, pictures[0], layers))
    assert [maps.layer for maps in made] == ["conv1_2", "relu3_1"]
    wanted = tiny(jnp.asarray(pictures[0]), layers)
    for maps in made:
        np.testing.assert_allclose(maps.values, wanted[maps.layer], rtol=1e-5, atol=1e-5)
    assert [m.layer for m in feature_maps(tiny, pictures[0])] == [f"relu{n}_1" for n in range(1, 6)]


def test_a_large_picture_is_looked_at_layer_by_layer(tiny, pictures, monkeypatch):
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    grouped = features_module.grouped
    assert grouped(tiny, pictures[0].shape, layers) == [layers]
    monkeypatch.setattr(features_module, "TOGETHER", 4 * 32 * 40 * 6 + 4 * 16 * 20 * 8)
    assert grouped(tiny, pictures[0].shape, layers) == [
        ("relu1_1",), ("relu2_1", "relu3_1"), ("relu4_1",)
    ]  # fmt: skip
    assert [m.layer for m in feature_maps(tiny, pictures[0], layers)] == list(layers)


def test_stripes_light_up_the_channel_of_their_direction(model):
    """Upright and lying stripes, and the channels of the real network that tell them apart."""
    upright = np.broadcast_to((np.arange(64) // 2 % 2)[None, :, None], (64, 64, 3)) * 1.0
    lying = upright.transpose(1, 0, 2)
    (of_upright,), (of_lying,) = (
        list(feature_maps(model, x, ["relu1_1"])) for x in (upright, lying)
    )
    kernel = np.asarray(model.conv1_1.kernel[...]).sum(axis=2)  # grey
    # How much a kernel changes across, summed down, and the other way round.
    direction = np.log(kernel.sum(axis=0).std(axis=0) / kernel.sum(axis=1).std(axis=0))
    contrast = [m.values[8:-8, 8:-8].var(axis=(0, 1)) + 1e-6 for m in (of_upright, of_lying)]
    answer = np.log(contrast[0] / contrast[1])
    assert np.corrcoef(direction, answer)[0, 1] > 0.6
    assert (answer[np.argsort(direction)[:6]] < -0.5).all()
    assert direction[np.argsort(answer)[-6:]].min() > 0


def test_numbers_of_a_layer(noise):
    values = np.maximum(noise, 0)
    values[..., 3] = 0
    maps = maps_of(values)
    assert maps.energy == pytest.approx(np.mean(values.astype(float) ** 2), rel=1e-5)
    assert maps.zeros == pytest.approx((values == 0).mean())
    assert maps.silent.tolist() == [False, False, False, True, False]
    assert maps.scale == pytest.approx(np.percentile(values, 99.5), rel=1e-6)
    assert maps_of(np.zeros((4, 4, 2))).scale == 1
    spiked = np.zeros((40, 40, 1))
    spiked[0, 0] = 7
    assert maps_of(spiked).scale == 7
    variances = values.var((0, 1))
    order = maps.ordered("variance")
    assert (np.diff(variances[order]) <= 0).all() and order[-1] == 3
    assert maps.ordered().tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="order must be one of number, variance"):
        maps.ordered("size")


def test_components_are_those_of_a_singular_value_decomposition(noise):
    mixed = noise @ np.diag([4, 2, 1, 0.5, 0.1]).astype(np.float32)
    found = maps_of(mixed).components()
    flat = mixed.reshape(-1, 5) - mixed.reshape(-1, 5).mean(0)
    _, _, axes = np.linalg.svd(flat.astype(float), full_matrices=False)
    for n in range(3):
        axis = axes[n] * np.sign(axes[n][np.abs(axes[n]).argmax()])
        np.testing.assert_allclose(found[..., n].ravel(), flat @ axis, atol=1e-4)
    one = maps_of(noise[..., :1]).components()
    assert one.shape == (12, 16, 3) and not one[..., 1:].any()


def test_the_gram_matrix_is_that_of_the_style_loss(noise):
    gram = jnst.gram_matrix(jnp.asarray(noise))
    np.testing.assert_allclose(maps_of(noise).gram(), gram, rtol=1e-4, atol=1e-5)


def test_a_tile_of_a_sheet_is_the_array(noise):
    values = np.maximum(noise, 0)
    maps = maps_of(values)
    sheet = channel_sheet([maps])
    factor = 2048 // (3 * 12)  # three rows of 12 positions
    half = GAP // 2
    for channel, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]):
        pitch = (sheet.shape[0] - half) // 3, 16 * factor + half
        y, x = half + row * pitch[0], half + column * pitch[1]
        tile = sheet[y : y + 12 * factor : factor, x : x + 16 * factor : factor]
        wanted = np.clip(values[..., channel] / maps.scale, 0, 1)
        np.testing.assert_allclose(tile, wanted[..., None].repeat(3, -1), atol=1e-6)
        block = sheet[y : y + factor, x : x + factor]
        assert (block == block[0, 0]).all()  # enlarged by repeating, not by smoothing


def test_signed_maps_are_grey_where_they_are_0(noise):
    values = noise.copy()
    values[0, 0, 0] = 0
    sheet = channel_sheet([maps_of(values)], top=1)
    assert sheet[GAP // 2, GAP // 2, 0] == 0.5


def test_a_channel_can_be_scaled_by_itself(noise):
    values = np.maximum(noise, 0) * [1, 1, 1, 1, 0.001]
    faint = [
        channel_sheet([maps_of(values)], by_channel=by_channel)[-1500:, : 2048 // 2].max()
        for by_channel in (False, True)
    ]
    assert faint[1] == 1
    assert maps_of(values).scale > 100 * np.abs(values[..., 4]).max()


def test_silent_channels_are_marked():
    values = np.ones((8, 8, 4))
    values[..., 2] = 0
    sheet = channel_sheet([maps_of(values)])
    red = (np.abs(sheet - SILENT) < 1e-6).all(axis=-1)
    rows, columns = np.nonzero(red)
    assert red.any()
    assert rows.min() > sheet.shape[0] // 2 - 20 and columns.max() < sheet.shape[1] // 2 + 20


def test_a_sheet_by_variance_shows_the_first_ones(noise):
    values = np.maximum(noise, 0) * [0.1, 3, 0.2, 0.3, 2]
    top = channel_sheet([maps_of(values)], top=1, order="variance")
    alone = channel_sheet([LayerMaps("relu1_1", values[..., [1]].astype(np.float32))])
    factor = 2048 // 16
    half = GAP // 2
    area = np.s_[half : half + 12 * factor, half : half + 16 * factor]
    ratio = maps_of(values[..., [1]]).scale / maps_of(values).scale
    shown = np.minimum(alone[area] * ratio, 1)
    unclipped = alone[area] < 1
    np.testing.assert_allclose(top[area][unclipped], shown[unclipped], atol=1e-5)


def test_two_pictures_share_a_scale_side_by_side(noise):
    one, other = np.maximum(noise, 0), 2 * np.maximum(noise, 0)
    sheet = channel_sheet([maps_of(one), maps_of(other)], top=1)
    factor = 2048 // 32
    tile = sheet[GAP // 2 :: factor, GAP // 2 :: factor, 0][:12, :32]
    scale = maps_of(other).scale
    np.testing.assert_allclose(tile[:, :16], np.clip(one[..., 0] / scale, 0, 1), atol=1e-6)
    np.testing.assert_allclose(tile[:, 16:], np.clip(other[..., 0] / scale, 0, 1), atol=1e-6)


def test_a_sheet_has_no_ten_thousand_tiles():
    with pytest.raises(ValueError, match="a sheet shows at most 1024 pictures, not 2000"):
        channel_sheet([maps_of(np.zeros((2, 2, 2000)))])


def test_heat_rises_from_dark_to_light():
    colors = heat_colors(np.linspace(0, 1, 50)[None], 1.0)
    assert (np.diff(colors.sum(-1)[0]) > 0).all()
    np.testing.assert_array_equal(
        heat_colors(np.zeros((2, 2)), 0.0), heat_colors(np.zeros((2, 2)), 1)
    )
    photo = np.full((9, 14, 3), 0.5, np.float32)
    assert heat_overlay(np.eye(4), photo, 1.0).shape == photo.shape


def test_components_and_gram_matrices_of_two_pictures_mean_the_same(noise):
    one, other = maps_of(noise), maps_of(2 * noise[::-1])
    first, second = components_of([one, other])
    np.testing.assert_allclose(first, one.components(), atol=1e-5)
    np.testing.assert_allclose(
        second - mean_of(second), 2 * (first - mean_of(first))[::-1], atol=1e-4
    )
    colors = component_colors([first, second])
    np.testing.assert_array_equal(colors[0], component_colors([first])[0])
    assert np.abs(colors[1] - component_colors([second])[0]).max() > 0.1
    strong, weak = gram_colors([other.gram(), one.gram()])
    assert weak.mean() < strong.mean()
    assert np.abs(gram_colors([one.gram()])[0] - weak).max() > 0.1


def mean_of(components):
    return components.mean(axis=(0, 1))


def test_a_sheet_of_tall_maps_is_no_larger_than_one_of_wide_ones():
    for shape in ((2, 3000, 1), (3000, 2, 1)):
        sheet = channel_sheet([maps_of(np.ones(shape, np.float32))])
        assert max(sheet.shape) < 3500
    assert tile_factor(3000) == (1, 1) and tile_factor(12800) == (1, 3)


def test_positions_are_enlarged_as_rectangles():
    image = np.arange(12.0).reshape(2, 2, 3).astype(np.float32)
    large = enlarged_to(image, (5, 4))
    np.testing.assert_array_equal(large[0], image[0][[0, 0, 1, 1]])
    np.testing.assert_array_equal(large[:, 0, 0], [0, 0, 0, 6, 6])
    assert enlarged_to(np.zeros((40, 40, 3), np.float32), (8, 9)).shape == (8, 9, 3)


def test_components_and_gram_matrices_become_colours(noise):
    colors = component_colors([noise[..., :3]])[0]
    assert colors.min() >= 0 and colors.max() <= 1
    np.testing.assert_array_equal(component_colors([np.zeros((3, 3, 3))])[0], 0.5)
    assert gram_colors([maps_of(noise).gram()])[0].shape == (385, 385, 3)
    assert np.isfinite(gram_colors([np.zeros((4, 4))])[0]).all()


@pytest.fixture(scope="module")
def written(tmp_path_factory, tiny, pictures):
    folder = tmp_path_factory.mktemp("seen") / "out"
    options = FeatureOptions(layers=("relu1_1", "relu4_2"))
    record = {"jnst": "9", "content": "a<b>.png", "options": {"size": 80}}
    seen = []
    assert write_features(
        folder, tiny, pictures[0], other=pictures[1], options=options, record=record,
        callback=lambda *now: seen.append(now),
    )  # fmt: skip
    assert seen == [("relu1_1", 1, 2), ("relu4_2", 2, 2)]
    return folder


def test_the_folder_has_pictures_a_table_and_a_page(written):
    names = {path.name for path in written.iterdir()}
    assert {RECORD, TABLE, SUMMARY, PAGE, "channels-relu1_1.png", "difference-relu4_2.png"} <= names
    with open(written / TABLE) as file:
        rows = list(csv.DictReader(file))
    assert [(r["picture"], r["layer"]) for r in rows] == [
        ("photo", "relu1_1"), ("other", "relu1_1"), ("photo", "relu4_2"), ("other", "relu4_2")
    ]  # fmt: skip
    assert rows[0]["channels"] == "4" and float(rows[0]["energy"]) > 0
    assert json.loads((written / RECORD).read_text())["features"] == ["relu1_1", "relu4_2"]
    assert not list(written.parent.glob(".jnst-*"))


def test_the_page_needs_no_network_and_its_links_are_there(written):
    page = (written / PAGE).read_text()
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "a&lt;b&gt;.png" in page and "a<b>" not in page
    for link in re.findall(r'<figure><a href="([^"]+)"', page):
        assert (written / link).exists()
    thumbs = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(thumbs) == 2 * 8
    assert Image.open(io.BytesIO(base64.b64decode(thumbs[0]))).format == "JPEG"


def test_a_folder_of_ours_is_filled_anew_and_no_other(written, tiny, pictures, tmp_path):
    again = tmp_path / "again"
    write_features(again, tiny, pictures[0], options=FeatureOptions(layers=("relu1_1", "relu2_1")))
    assert (again / "channels-relu2_1.png").exists()
    (again / "holiday-relu2_1.png").write_bytes(b"mine")
    write_features(again, tiny, pictures[0], options=FeatureOptions(layers=("relu1_1",)))
    assert not (again / "channels-relu2_1.png").exists()
    assert (again / "holiday-relu2_1.png").read_bytes() == b"mine"
    assert not list(again.glob(".jnst-*"))
    (tmp_path / "other").mkdir()
    assert check_folder(tmp_path / "other") == tmp_path / "other"
    (tmp_path / "other" / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and not of jnst features"):
        check_folder(tmp_path / "other")
    with pytest.raises(ValueError, match="is a file"):
        check_folder(tmp_path / "other" / "diary.txt")
    with pytest.raises(ValueError, match="does not exist"):
        check_folder(tmp_path / "none" / "folder")


def test_what_is_stopped_or_fails_writes_nothing(tiny, pictures, tmp_path):
    stopped = write_features(
        tmp_path / "out", tiny, pictures[0], callback=lambda layer, number, total: number == 3
    )
    assert not stopped
    with pytest.raises(ValueError, match="layers must be one of"):
        write_features(tmp_path / "out", tiny, pictures[0], options=FeatureOptions(("relu7_1",)))
    assert list(tmp_path.iterdir()) == []


def test_a_long_strip_is_measured_before_it_is_looked_at(tiny):
    (maps,) = feature_maps(tiny, np.full((32, 1100, 3), 0.5), ["relu4_1"])
    assert maps.values.shape[:2] == (4, 137)


def test_what_does_not_fit_into_memory_is_a_sentence(tiny, pictures, monkeypatch):
    monkeypatch.setattr("jnst.execution.memory.SURELY_FITS", (32, 2**32))
    assert next(feature_maps(tiny, pictures[0], ["relu1_1"])).layer == "relu1_1"
    monkeypatch.setattr("jnst.execution.memory.free_bytes", lambda device: 2**18)
    with pytest.raises(ValueError, match=r"80×64 px needs .* GiB free; choose a smaller size"):
        feature_maps(tiny, pictures[0], ["relu1_1"])


def test_mistakes_are_sentences(tiny, pictures):
    with pytest.raises(ValueError, match="image of 40×31 px is too small for pool5"):
        feature_maps(tiny, np.zeros((31, 40, 3)), ["pool5"])
    with pytest.raises(TypeError, match="sequence of layer names"):
        feature_maps(tiny, pictures[0], "relu1_1")
    with pytest.raises(TypeError, match="model must be a backbone"):
        feature_maps(None, pictures[0])
