"""L-BFGS beside PyTorch's: the loss after as many evaluations, and what a step costs.

    python -m pip install -e ".[demo,parity]"
    python tests/benchmarks/lbfgs.py --output tests/benchmarks/lbfgs-cpu.json

Both minimise the same compiled objective from the content image: that of Gatys' PyTorch notebook,
whose Gram losses are weighed by 1e3 / N² and whose losses are means. PyTorch's optimiser is the one
of the notebook (100 pairs, rate 1, no line search), with its tolerances off, since they end it at
once. Its loss is 1e4 times the notebook's, as it starts slowly where the loss is small.
"""

import argparse
import json
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import torch
from matplotlib.cbook import get_sample_data

import jnst
from jnst.losses.recipe import STYLE_LAYERS
from jnst.optim.lbfgs import scale_by_lbfgs

STYLE = Path(__file__).parents[2] / "examples" / "images" / "style.jpg"
CHANNELS = 64, 128, 256, 512, 512
SCALE = 1e4


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare L-BFGS with PyTorch's.")
    parser.add_argument("--size", type=int, default=256, help="long edge in pixels (256)")
    parser.add_argument("--evaluations", type=int, default=500, help="of the gradient (500)")
    parser.add_argument("--output", help="JSON file to write")
    args = parser.parse_args()

    model = jnst.load_vgg19()
    content = jnst.load_image(get_sample_data("grace_hopper.jpg", asfileobj=False), args.size)
    content, style = jnp.asarray(content), jnst.load_image(STYLE, args.size)
    problem = notebook(model, content, style)
    at = sorted({*range(100, args.evaluations, 100), args.evaluations})
    ours, theirs = jnst_losses(*problem, args.evaluations), torch_losses(*problem, args.evaluations)
    result = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "device": jax.devices()[0].device_kind,
        "versions": {name: version(name) for name in ("jax", "torch")},
        "picture": f"{content.shape[1]}×{content.shape[0]} px",
        "loss_after": {
            str(count): {
                "jnst": round(min(ours[:count]), 4),
                "torch": round(min(theirs[:count]), 4),
            }
            for count in at
        },
        "step_to_gradient": {
            str(pairs): round(cost_of_step(*problem, pairs), 2) for pairs in (10, 20)
        },
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if args.output:
        Path(args.output).write_text(text + "\n", encoding="utf-8")


def notebook(model, content, style):
    """The objective of (image, args), its args and the image to start from."""
    targets = jnst.make_targets(model, content, style, weighing="paper")
    positions = targets.content["relu4_2"].size
    weights = jnst.LossWeights(
        alpha=SCALE * 2 / positions,  # jnst's content loss is half a sum, theirs a mean
        beta=SCALE * 4 * 1e3,  # and its style loss a quarter of a mean
        gamma=0.0,
        content={"relu4_2": 1.0},
        style={name: 1 / n**2 for name, n in zip(STYLE_LAYERS, CHANNELS, strict=True)},
    )
    return jnst.loss_terms, (model, targets, weights), content


def jnst_losses(objective, args, image, count: int) -> list[float]:
    """The notebook's loss at every iterate."""
    run = jnst.minimize(objective, image, args, steps=count, optimizer="lbfgs")
    return (run.losses["total"] / SCALE).tolist()


def torch_losses(objective, args, image, count: int) -> list[float]:
    """The same, moved by PyTorch."""
    gradient = value_and_gradient(objective)
    x = torch.tensor(np.array(image), requires_grad=True)
    losses: list[float] = []

    def closure() -> torch.Tensor:
        value, slope = gradient(jnp.asarray(x.detach().numpy()), args)
        x.grad = torch.tensor(np.array(slope))
        losses.append(float(value) / SCALE)
        return torch.tensor(float(value))

    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=count,
        max_eval=count,
        history_size=100,
        tolerance_grad=-1,
        tolerance_change=-1,
    )
    optimizer.step(closure)
    return losses


def value_and_gradient(objective):
    return jax.jit(jax.value_and_grad(lambda image, args: objective(image, args)["total"]))


def cost_of_step(objective, args, image, pairs: int) -> float:
    """How many gradients' time a gradient and an update by L-BFGS in one program take."""
    optimizer, gradient = scale_by_lbfgs(pairs), value_and_gradient(objective)
    moments = optimizer.init(image)

    @jax.jit
    def step(image, moments, args):
        slope = gradient(image, args)[1]
        return optimizer.update(slope, moments, image)

    def seconds(call) -> float:
        began = time.perf_counter()
        jax.block_until_ready(call())
        return time.perf_counter() - began

    calls = (lambda: gradient(image, args)), (lambda: step(image, moments, args))
    for call in calls:
        seconds(call)
    turns = [[seconds(call) for call in calls] for _ in range(9)]
    return median(whole / alone for alone, whole in turns)


if __name__ == "__main__":
    main()
