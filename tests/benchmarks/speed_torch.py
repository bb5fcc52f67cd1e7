"""PyTorch's side of speed.py: the same work, as well as PyTorch does it."""

import contextlib

import torch
import torch.nn.functional as F
from worker import serve

CHANNELS = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, 512)
"""Of VGG-19's convolutions up to conv5_1; 0 is a pooling."""
STYLE, CONTENT = {0, 3, 6, 11, 16}, 12
"""Places of relu1_1, relu2_1, … and of relu4_2 among them."""
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
torch.backends.cudnn.benchmark = True


def kernels() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random ones: how long a step takes does not depend on them."""
    torch.manual_seed(0)
    made, before = [], 3
    for after in filter(None, CHANNELS):
        kernel = torch.randn(after, before, 3, 3) * (2 / 9 / before) ** 0.5
        kernel = kernel.to(DEVICE, memory_format=torch.channels_last)
        made.append((kernel, torch.zeros(after, device=DEVICE)))
        before = after
    return made


def features(x, kernels):
    """Gram matrices of the style layers, and the content layer's features."""
    grams, content, convolutions = [], None, iter(kernels)
    for place, channels in enumerate(CHANNELS):
        if not channels:
            x = F.max_pool2d(x, 2)
            continue
        x = F.relu(F.conv2d(x, *next(convolutions), padding=1))
        if place in STYLE:
            flat = x.flatten(2)
            grams.append((flat @ flat.transpose(1, 2)).float() / flat.shape[2])
        if place == CONTENT:
            content = x.float()
    return grams, content


def prepare(size: int, batch: int, precision: str, compiled: str | None = None):
    """A function that makes one step of Adam and waits for it."""
    weights = kernels()
    autocast = (
        torch.autocast(DEVICE, torch.bfloat16)
        if precision == "bfloat16"
        else contextlib.nullcontext()
    )
    x = torch.rand(batch, 3, size, size, device=DEVICE).to(memory_format=torch.channels_last)
    with torch.no_grad(), autocast:
        style, _ = features(torch.rand_like(x), weights)
        _, content = features(x, weights)

    def loss(x):
        grams, now = features(x, weights)
        styles = sum(F.mse_loss(one, other) for one, other in zip(grams, style, strict=True))
        return F.mse_loss(now, content) + styles

    if compiled:
        loss = torch.compile(loss, mode=compiled)
    x.requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.02)

    def run() -> None:
        optimizer.zero_grad()
        with autocast:
            value = loss(x)
        value.backward()
        optimizer.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    serve(prepare, about=lambda: {"threads": torch.get_num_threads()})
