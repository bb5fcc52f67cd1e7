"""Make refinements.jpg, the sheet of what refines coarse to fine.

    python -m pip install -e ".[demo]"
    OPENBLAS_NUM_THREADS=1 python examples/images/make_refinements.py

Every panel multiplies as much as the first: steps times pixels are the same.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import optax
from pictures import lake, mosaic

import jnst
from jnst.optim.optimizers import PRECONDITIONED, RATES, make_optimizer
from jnst.optim.preconditioning import color_axes

matplotlib.use("Agg")
FOLDER = Path(__file__).parent
SIZE = 512
SHAPE = 3 * SIZE // 4, SIZE
SIZES, STEPS = zip(*((max(shape), n) for shape, n in jnst.Settings().plan(*SHAPE)), strict=True)
"""Those of the default."""
ROOT = (128, 181, 256, 362, 512)


def at_cost(sizes: Sequence[int], shares: Sequence[float]) -> dict[str, Any]:
    """Sizes, and steps in these proportions that cost as much as the default's."""
    cost = sum(steps * size**2 for size, steps in zip(SIZES, STEPS, strict=True))
    unit = cost / sum(share * size**2 for size, share in zip(sizes, shares, strict=True))
    return {"sizes": sizes, "steps": [max(1, round(unit * share)) for share in shares]}


PANELS: dict[str, dict[str, Any]] = {
    "the default: doublings": at_cost(SIZES, STEPS),
    "one size": at_cost([SIZE], [1]),
    "ratio √2": at_cost(ROOT, [1.5**-level for level in range(5)]),
    "equal cost at every size": at_cost(SIZES, [size**-2 for size in SIZES]),
    "L-BFGS": at_cost(SIZES, STEPS) | {"optimizer": "lbfgs"},
}


def carried(model: jnst.Backbone, content: np.ndarray, style: np.ndarray) -> tuple[Any, float]:
    """The default, but that at each size Adam's moments begin as those of the smaller one ended."""
    colors = color_axes(np.cov(style.reshape(-1, 3).T))
    image: Any = "content"
    moments: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size, steps in zip(SIZES, STEPS, strict=True):
            optimizer, file = continued(moments, steps, colors), f"{folder}/{size}.npz"
            result = jnst.stylize(
                model, content, style, init=image, sizes=size, steps=steps, optimizer=optimizer,
                checkpoint=file,
            )  # fmt: skip
            image = np.asarray(result.image)
            with np.load(file) as saved:
                for name in ("mu", "nu"):
                    bands = [key for key in saved.files if f".{name}[" in key]
                    moments[name] = [saved[key] for key in sorted(bands)]
    return image, result.losses["total"][-1]


def continued(
    moments: dict[str, list[np.ndarray]], steps: int, colors: jax.Array
) -> optax.GradientTransformationExtraArgs:
    """The default's descent with moments that were those of half the size.

    Its finest band begins with those of the finest one of before, every other with its own.
    """
    named = make_optimizer(PRECONDITIONED)
    first, last = RATES[PRECONDITIONED]
    rate = optax.cosine_decay_schedule(first, steps, last / first)

    def start(image: jax.Array) -> Any:
        state = named.init(image)
        unit, adam, scale = state.inner
        if moments:
            halved = {name: (of[0], *of) for name, of in moments.items()}
            mu, nu = (
                tuple(
                    jax.image.resize(before, band.shape, "linear")
                    for before, band in zip(halved[name], getattr(adam, name), strict=False)
                )
                for name in ("mu", "nu")
            )
            # Counted as if they were long there, so that Adam does not correct them.
            adam = adam._replace(mu=mu, nu=nu, count=np.int32(1000))
        return np.int32(0), state._replace(inner=(unit, adam, scale))

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
        step, within = state
        moved, within = named.update(
            updates, within, params, learning_rate=rate(step), colors=colors
        )
        return moved, (step + 1, within)

    return optax.GradientTransformationExtraArgs(start, update)


def main() -> None:
    content, style = (draw(*SHAPE).astype(np.float32) for draw in (lake, mosaic))
    model = jnst.load_vgg19()
    figure, axes = plt.subplots(2, 3, figsize=(17, 9.2), layout="constrained")
    for axis, (title, settings) in zip(axes.flat, PANELS.items(), strict=False):
        result = jnst.stylize(model, content, style, **settings)
        steps = " + ".join(str(steps) for _, steps in result.plan)
        loss = result.losses["total"][-1]
        print(f"{title}: {steps} steps, {loss:.3f}", flush=True)
        axis.imshow(result.image)
        axis.set_title(f"{title}: {steps} steps, loss {loss:.3f}")
    image, loss = carried(model, content, style)
    axes.flat[-1].imshow(image)
    axes.flat[-1].set_title(f"the default, Adam's moments carried over: loss {loss:.3f}")
    for axis in axes.flat:
        axis.axis("off")
    figure.savefig(FOLDER / "refinements.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
