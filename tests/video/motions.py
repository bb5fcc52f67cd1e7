"""Clips of known motion: a photograph that is panned, zoomed, rotated, and hidden in part."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

HEIGHT, WIDTH = 96, 128
LARGE_SHAPE = 400, 480


def scene(seed=0):
    """A picture of the spectrum that photographs have, 1/f, and nothing finer than 5 pixels."""
    down, right = np.fft.fftfreq(LARGE_SHAPE[0]), np.fft.rfftfreq(LARGE_SHAPE[1])
    frequency = np.hypot(down[:, None], right)
    size = np.exp(-((frequency * 5) ** 2)) / np.maximum(frequency, 1 / 200)
    noise = np.random.default_rng(seed).standard_normal((3, *LARGE_SHAPE))
    waves = np.fft.irfft2(np.fft.rfft2(noise) * size, LARGE_SHAPE)
    waves = waves.mean(axis=0) + 0.4 * waves  # mostly light and dark
    waves = np.moveaxis(waves / waves.std(), 0, -1)
    return np.clip(0.5 + 0.15 * waves, 0, 1)


LARGE = scene()


def dimmed(frames, last=0.5):
    """Frames of which each is darker than the one before it."""
    levels = np.linspace(1, last, len(frames))
    return [
        np.rint(frame * level).astype(np.uint8) for frame, level in zip(frames, levels, strict=True)
    ]


class Pair(NamedTuple):
    """Two frames, with 8 bits, and what is known of them.

    Attributes:
      earlier, frame: the frames.
      flow: from each pixel of the frame to where it was.
      hidden: what is seen of the frame was not in the earlier one.
    """

    earlier: np.ndarray
    frame: np.ndarray
    flow: np.ndarray
    hidden: np.ndarray


def view(matrix):
    """The photograph seen through an affine map of the frame's pixels (x, y, 1)."""
    x, y = matrix @ pixels()
    colours = [map_coordinates(LARGE[..., colour], (y, x), order=5) for colour in range(3)]
    image = np.stack(colours, axis=-1).reshape(HEIGHT, WIDTH, 3)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def pixels():
    """(x, y, 1) of every pixel of a frame."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x.ravel(), y.ravel(), np.ones(x.size)])


def affine(shift=(0.0, 0.0), zoom=1.0, degrees=0.0):
    """A map of the frame into the middle of the photograph, about the frame's middle."""
    angle = np.deg2rad(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    place = np.array([240.0, 200.0]) + shift - turn @ middle
    return np.concatenate([turn, place[:, None]], axis=1)


def moved(**motion):
    """Two frames between which the camera moves."""
    before, after = affine(), affine(**motion)
    there = np.linalg.inv(before[:, :2]) @ (after @ pixels() - before[:, 2:])
    flow = (there - pixels()[:2]).T.reshape(HEIGHT, WIDTH, 2)
    x, y = there.reshape(2, HEIGHT, WIDTH)
    hidden = (x < 0) | (y < 0) | (x > WIDTH - 1) | (y > HEIGHT - 1)
    return Pair(view(before), view(after), flow.astype(np.float32), hidden)


def with_occluder(step=7, edge=32):
    """A square of another part of the photograph that moves to the right before it."""
    background = view(affine())
    square = np.rint(LARGE[:edge, :edge] * 255).astype(np.uint8)
    frames, covered = [], []
    for left in (40, 40 + step):
        frame, mask = background.copy(), np.zeros((HEIGHT, WIDTH), bool)
        frame[30 : 30 + edge, left : left + edge] = square
        mask[30 : 30 + edge, left : left + edge] = True
        frames.append(frame)
        covered.append(mask)
    flow = np.where(covered[1][..., None], np.float32([-step, 0]), np.float32([0, 0]))
    return Pair(frames[0], frames[1], flow, covered[0] & ~covered[1])


def pan(count, step=1.5):
    """Frames of a camera that moves to the right."""
    return [view(affine(shift=(step * number, 0.0))) for number in range(count)]
