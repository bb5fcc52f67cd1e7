"""Paint the demo style picture: a moonlit bay, in thick, directional strokes of a few colours.

Nothing is drawn but brush strokes. Each passage of the picture (sky, moon, hills, water, field,
tree) has a *stream*, a function whose level lines the brush follows, and a *tone*, which picks
paint from that passage's ramp of palette colours. Big strokes go down first, small ones last, and
the thickness of the paint is kept, so that a raking light can be cast over it at the end.

Run it as ``python examples/images/make_style.py [OUT]``; OUT is style.jpg beside this script
unless given. It needs NumPy and Pillow, and always paints the same picture.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Array = np.ndarray
SEED = 1889
WIDTH, HEIGHT = 1024, 819
FINE = 2  # strokes are laid on a canvas this many times finer, then reduced: smooth edges
SPACING = 0.65  # distance between the samples of a stroke, in fine pixels: under 1, so no holes
STEPS = 8  # points that a stroke is traced through, to either side of its middle
SMOOTH = 0.75  # cosine of the sharpest bend of a stroke from one such point to the next

PALETTE = """
    ink=0b1230 prussian=12275c ultramarine=1d3f96 cobalt=2f66bd cerulean=5a9bd0 turquoise=8cc6c4
    mint=c6dcae lemon=f4e58a cadmium=f3bf36 ochre=cf8a25 sienna=8a4a20 white=fbf6dc
    viridian=1d5a58 sap=4b7a45 pine=10302f violet=54407f
"""


def table(text: str) -> list[list[float]]:
    """Return rows of numbers from text: commas between rows, blanks between numbers."""
    return [[float(number) for number in row.split()] for row in text.split(",")]


# The composition, in units of the picture's width: x runs from 0 to 1 and y, downwards, to 0.8.
SHORE, CHURCH = 0.535, 0.548
HOUSES = (0.452, 0.479, 0.511, 0.530, CHURCH, 0.572, 0.606, 0.633, 0.671)
LIGHTS = table(  # the moon, then the stars: x, y and radius of the disc
    ".290 .195 .046, .075 .075 .013, .105 .335 .011, .485 .075 .016, .500 .345 .009,"
    ".735 .070 .010, .930 .095 .015, .640 .405 .008"
)
SWIRLS = table(  # x, y, radius and number of turns
    ".640 .215 .115 1.25, .060 .205 .070 -.8, .410 .385 .060 -.8, .86 .24 .07 -.9, .19 .41 .05 .8"
)
TRUNK = table(
    ".25 .835 .005, .33 .868 .007, .42 .888 .009, .52 .868 .012, .61 .853 .016, .74 .885 .034"
)
BRANCHES = table(  # x and y of the fork on the trunk, then of the tip
    ".886 .430 .760 .372, .885 .410 .975 .365, .868 .340 .940 .280, .850 .295 .790 .290"
)
CROWN = table(  # x, y and the two radii of each clump of needles, from back to front
    ".985 .375 .070 .030, .755 .372 .062 .027, .945 .292 .085 .036, .775 .290 .070 .030,"
    ".865 .225 .085 .038, .885 .345 .062 .024, .860 .275 .095 .036"
)
# One pass over a passage each: length and width of the strokes in pixels, how many times they
# cover it, and the share of strokes in a guest colour.
BRUSHES = table("90 17 3.0 0, 66 11.5 1.8 .02, 46 7.5 0.8 .05")
HALO = table(  # rings around a light: how far out, in radii, and how bright
    "0 .8 .9 1.2 1.35 1.7 2.0 2.35 2.6 2.9 3.6, 1.04 1.04 .9 .88 .7 .76 .48 .68 .42 .54 0"
)
NIGHT = "ink prussian ultramarine ultramarine cobalt cerulean turquoise mint lemon cadmium white"


@dataclass(frozen=True)
class Passage:
    """A part of the picture that is painted with one flow, one ramp of colours, one brush size."""

    mask: Array
    stream: Array
    tone: Array
    ramp: str
    guests: str
    size: float = 1.0


def paints(names: str) -> Array:
    """Return the colours with these names, one row each, from 0 to 1."""
    codes = dict(pair.split("=") for pair in PALETTE.split())
    return np.array([list(bytes.fromhex(codes[name])) for name in names.split()], "f4") / 255


def clouds(rng: np.random.Generator, cell: float) -> Array:
    """Return smooth noise over the canvas, of about unit size, with features `cell` wide."""
    coarse = rng.standard_normal((int(0.8 / cell) + 3, int(1 / cell) + 3)).astype("f4")
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def wave(x: Array, period: float, phase: float = 0.0) -> Array:
    """Return a sine of this period and phase, in turns."""
    return np.sin(2 * np.pi * (x / period + phase))


def pick(plane: Array, points: Array) -> Array:
    """Return a plane's values at points; outside the canvas, those of its nearest edge."""
    column = np.clip(points[..., 0] * WIDTH, 0, WIDTH - 1).astype(int)
    return plane[np.clip(points[..., 1] * WIDTH, 0, HEIGHT - 1).astype(int), column]


def unit(vectors: Array) -> Array:
    """Return vectors scaled to length one; the null vector stays null."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def lengths(paths: Array) -> Array:
    """Return the lengths of paths (n, points, 2), in pixels."""
    return np.linalg.norm(np.diff(paths, axis=1), axis=-1).sum(1) * WIDTH


def between(knots: Array, at: Array) -> Array:
    """Interpolate knots (n, k, c) linearly at fractional indices (n, s)."""
    low = np.clip(at.astype(int), 0, knots.shape[1] - 2)
    part, row = (at - low)[..., None].astype("f4"), np.arange(len(knots))[:, None]
    return knots[row, low] * (1 - part) + knots[row, low + 1] * part


def trace(rng: np.random.Generator, passage: Passage, length: float, count: int) -> Array:
    """Return paths along the stream through evenly strewn points, cut where they leave the mask."""
    mask = passage.mask
    down, across = np.gradient(passage.stream)
    flow = unit(np.stack([down, -across], -1))

    def heading(points: Array, before: Array) -> Array:
        # The flow is a direction without a sense: never let the brush double back.
        turn = pick(flow, points)
        return turn * np.where((turn * before).sum(-1, keepdims=True) < 0, -1, 1)

    # The R2 sequence strews points evenly, without a lattice that would show; some lie beyond the
    # edge, so that the paint is as thick there as elsewhere.
    strewn = np.arange(int(count * mask.size / mask.sum()))[:, None] * [0.7548777, 0.5698403]
    middle = ((strewn + rng.random(2)) % 1 * 1.06 - 0.03) * [1, HEIGHT / WIDTH]
    middle = middle[pick(mask, middle)]
    stride, arms, room = length / WIDTH / (2 * STEPS), [], []
    for sense in (-1, 1):
        turn, arm = sense * pick(flow, middle), [middle]
        for _ in range(STEPS):
            turn = heading(arm[-1] + stride / 2 * heading(arm[-1], turn), turn)
            arm.append(arm[-1] + stride * turn)
        arm = np.stack(arm, 1)
        # A stroke ends just past the edge of its passage, or where it would turn a corner.
        step = unit(np.diff(arm, axis=1, prepend=2 * arm[:, :1] - arm[:, 1:2]))
        free = pick(mask, arm[:, 1:]) & ((step[:, 1:] * step[:, :-1]).sum(-1) > SMOOTH)
        arms.append(arm[:, 1:])
        room.append(np.minimum(np.cumprod(free, 1).sum(1, keepdims=True) + 0.9, STEPS))
    path = np.concatenate([arms[0][:, ::-1], middle[:, None], arms[1]], 1)
    return between(path, STEPS - room[0] + sum(room) * np.linspace(0, 1, 2 * STEPS + 1))


class Canvas:
    """Wet paint: the colour and the thickness of what lies on top."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.colour = np.zeros((HEIGHT * FINE, WIDTH * FINE, 3), "f4")
        self.body = np.zeros((HEIGHT * FINE, WIDTH * FINE), "f4")

    def touch(self, names: str, width: float, *points: tuple[float, float]) -> None:
        """Lay one stroke through points with the first named paint, streaked with the second."""
        paint, streak = paints(names)[:, None]
        self.lay(np.array([points]), np.array([width]), paint, streak)

    def lay(self, paths: Array, widths: Array, paint: Array, streak: Array) -> None:
        """Lay strokes in order; `streak` is the second paint, which clings to some hairs."""
        rng, n = self.rng, len(paths)
        along = np.linspace(0, 1, int(lengths(paths).max() * FINE / SPACING) + 2, dtype="f4")
        across = np.linspace(-1, 1, int(widths.max() * FINE / SPACING) + 2, dtype="f4")
        hairs = max(int(widths.mean() / 1.1), 3)
        hair = np.minimum((across + 1) / 2 * hairs, hairs - 1).astype(int)
        spine = between(paths, np.tile(along * (paths.shape[1] - 1), (n, 1))) * WIDTH * FINE
        tangent = unit(np.gradient(spine, axis=1))
        # The brush lands round, and leaves the canvas a little narrower than it came.
        swell = np.sqrt(np.clip(along * 9, 0, 1)) * (1 - 0.45 * np.clip(along * 2.5 - 1.5, 0, 1))
        reach = 0.5 * FINE * widths[:, None, None] * swell[:, None] * across
        x = (spine[..., :1] - tangent[..., 1:] * reach).astype("i4")
        y = (spine[..., 1:] + tangent[..., :1] * reach).astype("i4")

        grain = between(rng.random((n, 5, hairs), "f4"), np.tile(along * 4, (n, 1)))[..., hair]
        first, last, load = rng.random((3, n, 1, hairs), "f4")[..., hair]
        along = along[:, None]
        touches = (along > 0.07 * first) & (along < 1 - 0.25 * last**2)
        touches &= (x >= 0) & (x < WIDTH * FINE) & (y >= 0) & (y < HEIGHT * FINE)
        mix = np.clip(load * 1.7 + grain * 0.7 - 1.25, 0, 0.85)[..., None]
        colour = paint[:, None, None] * (1 - mix) + streak[:, None, None] * mix
        colour *= (0.93 + 0.14 * grain)[..., None]
        # Paint is pushed aside by the brush, and piles up along the edges and where it lifts.
        body = 0.45 + 0.35 * np.abs(across) ** 3 + 0.35 * along**4 + 0.55 * grain
        body = (body + 0.25 * rng.random((n, 1, 1))) * np.sqrt(widths)[:, None, None]
        # Where samples share a pixel the last one stays: strokes laid later cover earlier ones.
        x, y = x[touches], y[touches]
        self.colour[y, x], self.body[y, x] = colour[touches], body[touches]

    def fill(self, passage: Passage) -> None:
        """Cover a passage with strokes that follow its stream, a brush at a time."""
        ramp, guests, rng = paints(passage.ramp), paints(passage.guests), self.rng
        top = len(ramp) - 1
        # A thin wash first, so that no bare canvas shows between the strokes.
        wash = 0.92 * ramp[np.round(np.clip(passage.tone, 0, 1) * top).astype(int)]
        bare = passage.mask.repeat(FINE, 0).repeat(FINE, 1)
        self.colour[bare] = wash.repeat(FINE, 0).repeat(FINE, 1)[bare]
        for length, width, cover, share_of_guests in BRUSHES:
            length, width = length * passage.size, width * passage.size
            count = int(passage.mask.sum() * cover / (length * width))
            paths = trace(rng, passage, length, count)
            share = lengths(paths) / length
            paths, share = paths[share > 0.1], share[share > 0.1]
            n = len(paths)
            widths = width * np.sqrt(share) * rng.uniform(0.75, 1.2, n)
            wanted = pick(passage.tone, paths[:, STEPS]) * top + rng.normal(0, 0.65, n)
            level = np.clip(np.round(wanted), 0, top).astype(int)
            paint = ramp[level]
            streak = ramp[np.clip(level + rng.choice([-1, 1, 1], n), 0, top)]
            guest = rng.random(n) < share_of_guests
            paint[guest] = rng.choice(guests, guest.sum())
            paint = np.clip(paint * rng.normal(1, 0.035, (n, 3)), 0, 1)
            # Light paint tends to go on last, as painters do it.
            order = np.argsort(wanted * 0.35 + rng.random(n))
            for some in np.array_split(order, n // 150 + 1):
                self.lay(paths[some], widths[some], paint[some], streak[some])

    def varnish(self) -> Image.Image:
        """Return the picture under a raking light from the upper left."""
        body = self.body
        for axis in (0, 1):
            body = (np.roll(body, 1, axis) + 2 * body + np.roll(body, -1, axis)) / 4
        down, across = np.gradient(body)
        light = np.tanh(0.6 * (down + 0.8 * across))[..., None]
        lit = self.colour * (1 + 0.42 * np.minimum(light, 0))
        lit += (1 - lit) * 0.30 * np.maximum(light, 0)
        pixels = Image.fromarray(np.clip(lit * 255 + 0.5, 0, 255).astype("u1"))
        return pixels.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def sky(x: Array, y: Array, rng: np.random.Generator) -> list[Passage]:
    """Night sky: streams of blue wound up into swirls, with rings of light around the stars."""
    u, v, churn = x, y, 0
    for cx, cy, radius, turns in SWIRLS:
        du, dv = u - cx, v - cy
        pull = np.exp(-(du**2 + dv**2) / radius**2)
        angle = 2 * np.pi * turns * pull
        u = cx + du * np.cos(angle) - dv * np.sin(angle)
        v = cy + du * np.sin(angle) + dv * np.cos(angle)
        churn = churn + pull
    stream = v + 0.022 * wave(u, 0.77, 0.1) + 0.006 * clouds(rng, 0.12)
    tone = 0.06 + 0.46 * np.clip(stream / SHORE, 0, 1) ** 1.5 + 0.08 * churn
    tone += (0.10 + 0.05 * churn) * wave(stream, 0.055)
    lights = []
    for cx, cy, radius in LIGHTS:
        away = np.hypot(x - cx, y - cy) / radius
        near = np.exp(-((away / 3.0) ** 4))
        level = stream[int(cy * WIDTH), int(cx * WIDTH)]
        stream = stream * (1 - near) + near * (level + (away - 3) * radius)
        tone = np.maximum(tone, np.interp(away, *HALO))
        size = 0.5 if radius < 0.03 else 0.75
        lights.append(Passage(away < 2.8, away, tone, NIGHT, "ochre turquoise white", size))
    return [Passage(y < SHORE + 0.01, stream, tone, NIGHT, "violet turquoise mint"), *lights]


def hills(x: Array, y: Array, rng: np.random.Generator) -> list[Passage]:
    """Two ranges of hills: strokes roll over their crests."""
    far = y - 0.482 - 0.018 * wave(x, 0.55, 0.05) - 0.007 * wave(x, 0.21, 0.3)
    near = y - 0.505 - 0.030 * wave(x, 0.90, 0.02) - 0.006 * wave(x, 0.27, 0.1)
    ramps = ("ink prussian violet ultramarine cobalt", "ink pine viridian sap mint")
    ranges = []
    for depth, ramp in zip((far, near), ramps, strict=True):
        stream = depth + 0.3 * x * np.clip(depth / 0.06, 0, 1) + 0.004 * clouds(rng, 0.05)
        tone = 0.35 + 0.4 * np.exp(-depth / 0.008) + 0.22 * wave(stream, 0.022)
        mask = (depth > 0) & (y < SHORE + 0.012)
        ranges.append(Passage(mask, stream, tone, ramp, "turquoise sap ochre", 0.55))
    return ranges


def water(x: Array, y: Array, rng: np.random.Generator) -> list[Passage]:
    """The bay: level dabs, and the road of light that the moon lays over it."""
    depth = np.clip((y - SHORE) / 0.2, 0, 1)
    stream = y + 0.0018 * wave(x + 0.3 * y, 0.075) + 0.003 * clouds(rng, 0.05)
    tone = 0.38 - 0.20 * depth + 0.11 * wave(stream, 0.021) + 0.06 * clouds(rng, 0.07)
    across = (x - LIGHTS[0][0] + 0.010 * wave(y, 0.06)) / (0.026 + 0.050 * depth)
    road = np.exp(-(across**2)) * (0.72 + 0.28 * wave(stream, 0.0165)) + 0.10 * clouds(rng, 0.012)
    glitter = "cerulean turquoise ochre cadmium lemon white"
    guests = "violet turquoise viridian"
    return [
        Passage(y > SHORE, stream, np.maximum(tone, 0.7 * road), NIGHT, guests, 0.65),
        Passage((y > SHORE) & (road > 0.5), stream, 0.88 * road, glitter, "ochre cerulean", 0.45),
    ]


def field(x: Array, y: Array, rng: np.random.Generator) -> Passage:
    """The near bank: ripe grain that leans in the wind, row behind row."""
    depth = y - 0.678 - 0.035 * wave(x, 1.25, 0.28) - 0.006 * wave(x, 0.23)
    rows = depth * (1.3 - x) + 0.004 * clouds(rng, 0.06)
    lean = 0.5 + 0.6 * wave(x + y, 0.8)
    stream = x + lean * depth + 0.010 * clouds(rng, 0.09)
    tone = 0.45 + 0.32 * wave(rows, 0.04) + 0.16 * clouds(rng, 0.14)
    ramp = "pine sap sienna ochre ochre cadmium lemon"
    mask = depth > 0.006 * clouds(rng, 0.008)
    return Passage(mask, stream, tone, ramp, "viridian violet mint ultramarine", 0.65)


def village(canvas: Canvas) -> None:
    """A row of houses along the shore, with lamps in their windows and in the water."""
    rng = canvas.rng
    for x in HOUSES:
        half, tall, gable = rng.uniform([0.011, 0.015, 0.010], [0.015, 0.022, 0.014])
        wall = rng.choice(["cobalt cerulean", "cerulean turquoise", "violet cerulean"])
        roof = rng.choice(["sienna ochre", "ink violet", "sienna ink"])
        if x == CHURCH:
            half, tall, gable, wall, roof = 0.009, 0.052, 0.040, "turquoise mint", "ink violet"
        for side in np.linspace(-0.85, 0.85, 5):
            plank, top = x + side * half, SHORE - tall - gable * (1 - abs(side))
            canvas.touch(wall, 650 * half, (plank, top), (plank, SHORE + 0.003))
        for eave in (x - 1.25 * half, x + 1.25 * half):
            canvas.touch(roof, 5.5, (eave, SHORE - tall + 0.002), (x, SHORE - tall - gable))
        for pane in (x - 0.45 * half, x + 0.4 * half):
            sill = SHORE - 0.5 * tall
            canvas.touch("cadmium lemon", 5, (pane, sill - 0.007), (pane, sill))
        for far in np.cumsum(rng.uniform(0.005, 0.013, 7)):
            # Waves break a lamp's light into dabs, which shrink as they come nearer.
            left, level = x - 0.009 + rng.normal(0, 0.004), SHORE + 0.003 + far
            right = left + rng.uniform(0.014, 0.026) * (1 - 8 * far)
            light = rng.choice(["cadmium ochre", "lemon cadmium", "ochre cadmium", "mint lemon"])
            canvas.touch(light, 5.5 - 20 * far, (left, level), (right, level + 0.001))
    for start in np.arange(HOUSES[0] - 0.03, HOUSES[-1] + 0.02, 0.02):
        canvas.touch("pine ink", 5, (start, SHORE + 0.001), (start + 0.035, SHORE + 0.002))


def pine(x: Array, y: Array, rng: np.random.Generator) -> list[Passage]:
    """An umbrella pine: a leaning trunk, and clumps of needles that fan out from below."""
    down, middle, half = np.array(TRUNK).T
    across = (x - np.interp(y, down, middle)) / np.interp(y, down, half)
    trunk = (np.abs(across) < 1) & (y > down[0]) & (y < down[-1])
    bark = "ink sienna violet ochre"
    parts = [Passage(trunk, across, 0.35 - 0.4 * across, bark, "cobalt cadmium", 0.42)]
    for cx, cy, wide, tall in CROWN:
        u, v = (x - cx) / wide, (y - cy) / tall
        mask = (u**2 + v**2 < 1 + 0.25 * clouds(rng, 0.014)) & (v < 0.6 + 0.2 * clouds(rng, 0.015))
        tone = 0.36 - 0.42 * v - 0.18 * u + 0.08 * clouds(rng, 0.02)
        stream = np.arctan2(v - 1.6, 1.3 * u) + 0.10 * clouds(rng, 0.03)
        needles = "ink pine pine viridian sap mint"
        parts.append(Passage(mask, stream, tone, needles, "ochre cobalt sienna", 0.42))
    return parts


def main(out: Path) -> None:
    """Paint the picture, from back to front, and save it."""
    rng = np.random.default_rng(SEED)
    canvas = Canvas(rng)
    y, x = (np.mgrid[:HEIGHT, :WIDTH] + 0.5) / WIDTH
    for passage in (*sky(x, y, rng), *hills(x, y, rng), *water(x, y, rng)):
        canvas.fill(passage)
    village(canvas)
    trunk, *crown = pine(x, y, rng)
    canvas.fill(trunk)
    for fork_x, fork_y, tip_x, tip_y in BRANCHES:
        for bend, bark in ((0.55, "ink sienna"), (0.62, "sienna ochre")):
            part = np.linspace(0, 1, 9)
            limb_x, limb_y = tip_x - fork_x, tip_y - fork_y
            limb = zip(fork_x + limb_x * part, fork_y + limb_y * part**bend, strict=True)
            canvas.touch(bark, 7, *limb)
    for passage in (*crown, field(x, y, rng)):
        canvas.fill(passage)
    canvas.varnish().save(out, quality=92)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("style.jpg"))
