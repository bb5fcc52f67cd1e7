"""Our own pictures to try style transfer on: a lake as content, a mosaic and a drawing as styles.

Each is a function of its height and width in pixels and shows the same at every size. They are
drawn from noise alone; make_pairs.py uses them.
"""

import numpy as np
from PIL import Image

Array = np.ndarray


def clouds(shape: tuple[int, int], grain: int, seed: int) -> Array:
    """Fractal noise of about unit range, whose largest lumps are a `grain`-th of the height."""
    height, width = shape
    random, total = np.random.default_rng(seed), np.zeros(shape)
    for octave in range(7):
        rows = grain * 2**octave
        columns = max(2, rows * width // height)
        lumps = Image.fromarray(random.normal(size=(rows, columns)).astype(np.float32))
        total += np.asarray(lumps.resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    return total


def ridge(width: int, peaks: int, seed: int) -> Array:
    """The outline of mountains: folded noise along one line, in [0, 1]."""
    random, line = np.random.default_rng(seed), np.zeros(width)
    for octave in range(7):
        knots = random.uniform(-1, 1, peaks * 2**octave + 2)
        places = np.linspace(0, len(knots) - 1, width)
        line += (1 - np.abs(np.interp(places, np.arange(len(knots)), knots))) / 2.2**octave
    return (line - line.min()) / np.ptp(line)


def lake(height: int, width: int) -> Array:
    """A photograph's stand-in: clouds, three ranges, their reflection, and a meadow in front."""
    shape, down = (height, width), np.linspace(0, 1, height)[:, None]
    blue, haze, white = np.array([[0.30, 0.48, 0.76], [0.87, 0.82, 0.76], [0.98, 0.95, 0.92]])
    fade = np.clip(down / 0.55, 0, 1)[..., None]
    cover = np.clip(0.55 * clouds(shape, 3, seed=1) - 0.1, 0, 0.9)[..., None]
    image = (blue * (1 - fade) + haze * fade) * (1 - cover) + white * cover
    shore = int(0.58 * height)
    for level, (foot, rise, colour) in enumerate(
        [
            (0.57, 0.36, (0.50, 0.56, 0.68)),
            (0.585, 0.22, (0.30, 0.37, 0.42)),
            (0.59, 0.09, (0.13, 0.24, 0.15)),
        ]
    ):
        outline = foot - rise * ridge(width, 4 + 5 * level, seed=11 + level)
        depth, rock = down - outline, clouds(shape, 9, seed=21 + level)
        light = np.clip(1 + 6 * np.gradient(rock, axis=1) + 0.12 * rock, 0.5, 1.5)
        snow = np.clip((0.09 - depth) / 0.05 + 0.7 * rock, 0, 1) * (level < 2)
        paint = np.array(colour) * (1 - snow[..., None]) + white * snow[..., None]
        image = np.where((depth > 0)[..., None], paint * light[..., None], image)
    rows = np.arange(shore, height)
    ripples = clouds((len(rows), width), 30, seed=31) * np.linspace(1, 7, len(rows))[:, None]
    columns = np.clip(np.arange(width) + ripples, 0, width - 1).astype(int)
    mirrored = image[(2 * shore - rows - 1)[:, None], columns]
    image[shore:] = 0.72 * mirrored + np.array([0.02, 0.09, 0.13])
    meadow = down > 0.84 + 0.10 * ridge(width, 2, seed=41)[::-1] * np.linspace(1, 0.2, width)
    blades = clouds(shape, 40, seed=42)[..., None]
    grass = np.array([0.33, 0.38, 0.13]) * (1 + 0.35 * blades)
    return np.clip(np.where(meadow[..., None], grass, image), 0, 1)


def mosaic(height: int, width: int) -> Array:
    """Stones of a few warm and cold colours around a sun, in dark mortar."""
    random, edge = np.random.default_rng(3), width / 40
    rows, columns = int(height / edge) + 3, int(width / edge) + 3
    corners = np.moveaxis(np.mgrid[:rows, :columns], 0, -1) - 1
    cells = corners + random.uniform(0.15, 0.85, (rows, columns, 2))
    y, x = np.mgrid[:height, :width] / edge
    nearest, second = np.full((2, height, width), np.inf)
    chosen = np.zeros((height, width, 2))
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            centre = cells[y.astype(int) + 1 + down, x.astype(int) + 1 + across]
            far = np.hypot(y - centre[..., 0], x - centre[..., 1])
            closer = far < nearest
            second = np.where(closer, nearest, np.minimum(second, far))
            chosen = np.where(closer[..., None], centre, chosen)
            nearest = np.minimum(nearest, far)
    rays = np.hypot(chosen[..., 0] - 0.35 * height / edge, chosen[..., 1] - 0.6 * width / edge)
    angle = np.arctan2(chosen[..., 0] - 0.35 * height / edge, chosen[..., 1] - 0.6 * width / edge)
    paints = np.array(
        [
            [0.98, 0.86, 0.45],
            [0.93, 0.60, 0.16],
            [0.78, 0.23, 0.13],
            [0.12, 0.42, 0.47],
            [0.05, 0.20, 0.36],
        ]
    )
    tone = rays / 6 + 0.55 * np.sin(7 * angle) + 0.5 * np.sin(chosen @ [12.9, 78.2])
    stones = paints[np.clip(tone, 0, 4.99).astype(int)] * (
        0.86 + 0.28 * (second - nearest)[..., None]
    )
    mortar = np.clip((second - nearest) / 0.12 - 0.5, 0, 1)[..., None]
    return np.clip(stones * mortar + np.array([0.10, 0.08, 0.09]) * (1 - mortar), 0, 1)


def pen(height: int, width: int) -> Array:
    """Ink on paper: four directions of wavering hatches, each where it is dark enough for it."""
    shape = (height, width)
    tone = 0.5 + 0.33 * clouds(shape, 3, seed=5)
    y, x = np.mgrid[:height, :width]
    period = width / 90
    wave = 1.3 * clouds(shape, 3, seed=6)
    ink = np.zeros(shape)
    for number, angle in enumerate(np.radians([38, -42, 80, 5])):
        along = (x * np.sin(angle) + y * np.cos(angle)) / period + wave
        broken = 0.35 * clouds(shape, 14, seed=7 + number)
        wanted = np.clip((0.78 - 0.19 * number - tone) * 3 + broken, 0, 1)
        ink = np.maximum(ink, np.clip(2.2 * (np.cos(2 * np.pi * along) - 1 + 0.9 * wanted), 0, 1))
    paper = np.array([0.94, 0.90, 0.80]) + 0.012 * clouds(shape, 50, seed=8)[..., None]
    return np.clip(
        paper * (1 - ink[..., None]) + np.array([0.13, 0.09, 0.14]) * ink[..., None], 0, 1
    )
