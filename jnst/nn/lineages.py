"""The two families of VGG weights, each trained behind a preprocessing of its own."""

from typing import NamedTuple


class Lineage(NamedTuple):
    """A family of weights: its preprocessing, (image − mean) / std, for RGB in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


LINEAGES = {
    "torchvision": Lineage((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Lineage((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
}
"""Those of PyTorch's authors, and Oxford's own (the mean is RGB here; Caffe's files say BGR)."""
