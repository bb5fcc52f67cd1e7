"""The VGG family as tables: blocks of convolutions, the names of the layers, the known networks.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014,
https://arxiv.org/abs/1409.1556, table 1: VGG-16 is configuration D, VGG-19 is E, both without their
classifiers. Nothing here needs JAX.
"""

import dataclasses

Blocks = tuple[tuple[int, int], ...]
"""(convolutions, channels) of each block. A pooling follows each."""

VGG16_BLOCKS: Blocks = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
VGG19_BLOCKS: Blocks = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))

CUSTOM = "vgg"
"""What the network of a weights file is called whose blocks are those of no known network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A published network.

    Attributes:
      name: what options and files call it.
      title: what messages call it.
      blocks: its convolutions.
      checkpoint: torchvision's file of it, which ends in the beginning of its sha256.
    """

    name: str
    title: str
    blocks: Blocks
    checkpoint: str


NETWORKS = {
    network.name: network
    for network in (
        Network(name="vgg16", title="VGG-16", blocks=VGG16_BLOCKS, checkpoint="vgg16-397923af.pth"),
        Network(name="vgg19", title="VGG-19", blocks=VGG19_BLOCKS, checkpoint="vgg19-dcbb9e9d.pth"),
    )
}
"""The networks that weights are published of, by name."""

DEFAULT_NETWORK = "vgg19"


def convolutions(blocks: Blocks) -> dict[str, tuple[int, int]]:
    """Every convolution's (channels in, channels out), in the order of the network.

    >>> convolutions(((2, 64), (1, 128)))
    {'conv1_1': (3, 64), 'conv1_2': (64, 64), 'conv2_1': (64, 128)}
    """
    channels, before = {}, 3
    for block, (count, after) in enumerate(blocks, start=1):
        for index in range(1, count + 1):
            channels[f"conv{block}_{index}"] = (before, after)
            before = after
    return channels


def blocks_to(blocks: Blocks, layer: str) -> Blocks:
    """The blocks of the network that ends with this one of its convolutions.

    >>> blocks_to(VGG19_BLOCKS, "conv3_1")
    ((2, 64), (2, 128), (1, 256))
    """
    block, index = map(int, layer.removeprefix("conv").split("_"))
    return *blocks[: block - 1], (index, blocks[block - 1][1])


def check_blocks(name: str, blocks: object) -> Blocks:
    """Return `blocks` as tuples of ints.

    Raises:
      ValueError: for anything but a sequence of (convolutions, channels), both at least 1.
    """
    try:
        pairs = tuple((int(count), int(channels)) for count, channels in blocks)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        pairs = ()
    if not pairs or any(number < 1 for pair in pairs for number in pair):
        raise ValueError(
            f"{name} must be pairs of the convolutions and channels of each block, got {blocks!r}"
        )
    return pairs


def network_name(blocks: Blocks) -> str:
    """The name of the network with these blocks, or `CUSTOM`.

    >>> network_name(VGG16_BLOCKS), network_name(((1, 8),))
    ('vgg16', 'vgg')
    """
    return next((n.name for n in NETWORKS.values() if n.blocks == blocks), CUSTOM)


def network_title(name: str) -> str:
    """What messages call the network of this name.

    >>> network_title("vgg16"), network_title("vgg")
    ('VGG-16', 'VGG')
    """
    return NETWORKS[name].title if name in NETWORKS else "VGG"
