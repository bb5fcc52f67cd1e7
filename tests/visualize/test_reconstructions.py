"""Reconstructions: from every layer, as one batch what descends alike."""

import numpy as np
import pytest

from jnst.visualize import reconstruct
from jnst.visualize.rebuilding import psnr
from jnst.visualize.reconstruction_cells import cells_of, depth_of, grouped_cells


@pytest.fixture(scope="module")
def made(tiny, pictures):
    steps = []
    result = reconstruct(
        tiny, *pictures, content_layers=["conv1_2", "conv4_2", "conv5_2"],
        style_layers=["relu1_1", "relu4_1"], steps=60, callback=steps.append,
    )  # fmt: skip
    return result, steps


def test_there_are_two_rows_of_pictures(made, pictures):
    result, _ = made
    assert list(result.content) == ["conv1_2", "conv4_2", "conv5_2"]
    assert list(result.style) == ["relu1_1", "relu4_1"]
    assert result.style["relu4_1"].layers == ("relu1_1", "relu4_1")
    assert result.reason == "finished"
    for one in (*result.content.values(), *result.style.values()):
        assert one.image.shape == pictures[0].shape
        assert one.image.min() >= 0 and one.image.max() <= 1
        assert set(one.losses) == {one.kind, "variation", "total"}
        assert one.losses[one.kind][-1] < 0.5 * one.losses[one.kind][0]
        assert len(one.losses["total"]) == 60


def test_what_is_rebuilt_is_less_like_the_photograph_the_deeper_the_layer(made, pictures):
    result, _ = made
    near = [one.psnr for one in result.content.values()]
    assert near[0] > near[1] > near[2]
    for one in result.content.values():
        assert one.psnr == pytest.approx(psnr(np.asarray(one.image), pictures[0]), abs=1e-3)
    assert all(one.psnr is None for one in result.style.values())


def test_the_callback_is_told_of_the_run_as_a_whole(made):
    _, steps = made
    assert [progress.step for progress in steps] == list(range(1, len(steps) + 1))
    assert {progress.steps for progress in steps} == {len(steps)}
    assert len(steps) % 60 == 0


def test_alone_a_picture_comes_out_as_in_a_batch(tiny, pictures):
    both = reconstruct(
        tiny, *pictures, content_layers=["conv1_2"], style_layers=["relu1_1"], steps=5
    )
    alone = reconstruct(tiny, pictures[0], content_layers=["conv1_2"], steps=5)
    ours, theirs = both.content["conv1_2"].image, alone.content["conv1_2"].image
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_cells_that_descend_alike_are_one_batch(tiny):
    cells = cells_of(["conv1_2", "conv2_2", "conv5_2"], ["relu1_1", "relu5_1"])
    names = [[c.name for c in group] for group in grouped_cells(tiny.geometry, cells, False)]
    assert names == [
        ["content-conv1_2", "style-relu1_1"], ["content-conv2_2"],
        ["content-conv5_2", "style-relu5_1"],
    ]  # fmt: skip
    together = grouped_cells(tiny.geometry, cells, True)
    assert [len(group) for group in together] == [3, 2]
    assert [depth_of(tiny.geometry, cell) for cell in cells] == [0, 1, 4, 0, 4]


def test_the_callback_ends_the_run_with_the_finished_batches(tiny, pictures):
    made = reconstruct(
        tiny, pictures[0], content_layers=["conv1_2", "conv5_2"], steps=4,
        callback=lambda progress: progress.step == 6,
    )  # fmt: skip
    assert made.reason == "stopped" and list(made.content) == ["conv1_2"]


def test_what_does_not_fit_into_memory_is_a_sentence(tiny, pictures, monkeypatch):
    monkeypatch.setattr("jnst.visualize.rebuilding.SURELY_FITS", 64)
    monkeypatch.setattr("jnst.execution.memory.free_bytes", lambda device: 2**18)
    with pytest.raises(ValueError, match=r"80×64 px needs .* GiB free; choose a smaller size"):
        reconstruct(tiny, pictures[0], content_layers=["conv1_2"], steps=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"content_layers": ["conv1_9"]}, "content_layers must be one of .*did you mean 'conv"),
        ({"style_layers": []}, "style_layers must name at least one layer"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"content": np.full((8, 64, 3), 0.5)}, "content of 64×8 px is too small for conv5"),
        ({"callback": "loud"}, "callback must be a function"),
    ],
)
def test_mistakes_are_sentences(tiny, pictures, arguments, message):
    given = {"content": pictures[0], "style": pictures[1]} | arguments
    with pytest.raises((ValueError, TypeError), match=message):
        reconstruct(tiny, **given)
