"""Make refinements.jpg, the README's sheet of what refines coarse to fine.

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
from jnst.optim.optimizers import RATES, make_optimizer

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


def carried(model: jnst.Backbone, content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The default, but that at each size Adam's moments begin as those of the smaller one ended."""
    adam, moments = make_optimizer("adam"), None
    image: Any = "content"
    rates: dict[str, Any] = {"learning_rate": RATES["adam"][0], "schedule": "cosine"}
    with tempfile.TemporaryDirectory() as folder:
        for size, steps in zip(SIZES, STEPS, strict=True):
            start = adam.init if moments is None else continued(moments)
            result = jnst.stylize(
                model, content, style, init=image, sizes=size, steps=steps, **rates,
                optimizer=optax.GradientTransformationExtraArgs(start, adam.update),
                checkpoint=(file := f"{folder}/{size}.npz"),
            )  # fmt: skip
            image = np.asarray(result.image)
            with np.load(file) as saved:
                moments = {
                    name: saved[f"state.moments[1].{name}"] for name in ("count", "mu", "nu")
                }
    return image


def continued(moments: dict[str, np.ndarray]) -> optax.TransformInitFn:
    """What begins Adam with moments of another size."""

    def start(image: jax.Array) -> optax.OptState:
        first, adam, rate = make_optimizer("adam").init(image)
        mu, nu = (jax.image.resize(moments[name], image.shape, "linear") for name in ("mu", "nu"))
        return first, adam._replace(count=moments["count"], mu=mu, nu=nu), rate

    return start


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
    axes.flat[-1].imshow(carried(model, content, style))
    axes.flat[-1].set_title("the default, Adam's moments carried over")
    for axis in axes.flat:
        axis.axis("off")
    figure.savefig(FOLDER / "refinements.jpg", dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
