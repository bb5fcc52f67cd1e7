"""Warping, flow, masks and cuts on clips of which everything is known."""

import itertools

import cv2
import numpy as np
import pytest
from motions import moved, pan, scene, with_occluder

from jnst.video.flow import Motion, dis_flow, motion_between, reliability
from jnst.video.scenes import is_cut
from jnst.video.warping import warp

MOTIONS = {
    "pan": {"shift": (3.4, -2.2)},
    "zoom": {"zoom": 0.96},
    "rotate": {"degrees": 2.0},
}


@pytest.fixture(params=MOTIONS, scope="module")
def pair(request):
    return moved(**MOTIONS[request.param])


@pytest.mark.parametrize("cubic, most", [(True, 0.7), (False, 1.6)])
def test_a_frame_is_the_earlier_one_warped_by_the_true_flow(pair, cubic, most):
    """To interpolation: less than a level and a half of 255 on average, of frames of 8 bits."""
    earlier, frame = (image.astype(np.float32) / 255 for image in (pair.earlier, pair.frame))
    error = np.abs(np.asarray(warp(earlier, pair.flow, cubic=cubic)) - frame)
    assert error[~pair.hidden].mean() * 255 < most
    apart = np.abs(earlier - frame)[~pair.hidden].mean()
    assert error[~pair.hidden].mean() < apart / 10


def test_warping_is_that_of_opencv():
    """Linearly, for any flow; OpenCV rounds places to 1/32 of a pixel."""
    random = np.random.default_rng(0)
    image = random.uniform(size=(20, 30, 3)).astype(np.float32)
    flow = random.integers(-160, 160, (20, 30, 2)).astype(np.float32) / 32
    y, x = np.mgrid[:20, :30].astype(np.float32)
    x, y = (np.clip(p, 0, n) for p, n in ((x + flow[..., 0], 29), (y + flow[..., 1], 19)))
    expected = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(warp(image, flow, cubic=False), expected, atol=1e-5)


def test_cubic_warping_is_that_of_keys():
    """A quadratic is met exactly, away from the border."""
    y, x = np.mgrid[:20, :30].astype(np.float32)
    image = (0.01 * x**2 + 0.02 * x * y - 0.015 * y**2)[..., None]
    flow = np.broadcast_to(np.float32([0.3, -0.6]), (20, 30, 2))
    moved_x, moved_y = x + np.float32(0.3), y - np.float32(0.6)
    expected = 0.01 * moved_x**2 + 0.02 * moved_x * moved_y - 0.015 * moved_y**2
    inside = np.s_[3:-3, 3:-3]
    np.testing.assert_allclose(warp(image, flow)[..., 0][inside], expected[inside], atol=1e-4)


def test_the_flow_is_found_to_half_a_pixel(pair):
    flow = dis_flow(pair.frame, pair.earlier)
    error = np.linalg.norm(flow - pair.flow, axis=-1)
    assert error[~pair.hidden].mean() < 0.5


def test_what_was_hidden_is_found():
    pair = with_occluder()
    motion = motion_between(pair.earlier, pair.frame)
    assert pair.hidden.sum() > 200
    assert (~motion.reliable)[pair.hidden].mean() > 0.9
    assert motion.reliable[~pair.hidden].mean() > 0.8


def test_what_came_into_the_picture_is_found():
    pair = moved(shift=(6.0, 0.0))
    motion = motion_between(pair.earlier, pair.frame)
    assert (~motion.reliable)[pair.hidden].mean() > 0.9
    assert motion.reliable[~pair.hidden].mean() > 0.9


def test_reliability_has_the_constants_of_the_paper():
    """Both flows disagree by d: hidden where d² > 0.01 (|f|² + |b|²) + 0.5."""
    backward = np.broadcast_to(np.float32([4.0, 0.0]), (40, 60, 2)).copy()
    for apart, reliable in ((0.85, True), (0.95, False)):  # the limit is 0.9055 and 0.9073
        forward = np.broadcast_to(np.float32([-4.0 + apart, 0.0]), (40, 60, 2)).copy()
        inside = reliability(backward, forward)[:, :55]
        assert inside.all() if reliable else not inside.any()


def test_a_still_does_not_move():
    pair = moved(shift=(3.0, 0.0))
    motion = motion_between(pair.frame, pair.frame)
    assert motion.reliable.all() and not motion.flow.any()


@pytest.mark.parametrize(
    "found, message",
    [
        (np.zeros((4, 4, 2)), r"shape \(96, 128, 2\), got shape \(4, 4, 2\)"),
        (np.full((96, 128, 2), np.nan), "got values that are not finite"),
    ],
)
def test_a_flow_that_is_none(found, message):
    pair = moved(shift=(3.0, 0.0))
    with pytest.raises(ValueError, match=message):
        motion_between(pair.earlier, pair.frame, lambda *_: found)


def test_a_flow_of_any_precision_will_do():
    pair = moved(shift=(3.0, 0.0))

    def doubled(first, second):
        return dis_flow(first, second).astype(np.float64)

    motion, expected = (motion_between(pair.earlier, pair.frame, f) for f in (doubled, dis_flow))
    np.testing.assert_array_equal(motion.flow, expected.flow)


def test_softened_masks_keep_off_what_is_not_reliable():
    reliable = np.ones((40, 60), bool)
    reliable[10:20, 20:30] = False
    soft = Motion(np.zeros((40, 60, 2), np.float32), reliable).soft()
    assert soft[~reliable].max() < 0.2 and soft[30:, 40:].min() == 1
    assert 0 < soft[15, 32] < soft[15, 36] <= 1


def test_cuts_are_found_and_pans_are_none():
    frames = pan(8, step=6.0)
    other = np.rint(np.roll(scene(1), 60, axis=0)[:96, :128] ** 2 * 255).astype(np.uint8)
    assert not any(is_cut(*pair) for pair in itertools.pairwise(frames))
    assert is_cut(frames[0], other) and is_cut(other, frames[0])
