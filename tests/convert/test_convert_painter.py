"""Networks of fast_neural_style; tests/parity compares their pictures with PyTorch's."""

import numpy as np
import pytest
from torch_files import window, write, zip_bytes

from jnst.convert.command import main
from jnst.nn.painter_file import read_painter


def tree():
    """The published keys, of few channels and one residual block."""
    random = np.random.default_rng(1)
    one, two, three = 4, 6, 8
    convolutions = {
        **{"conv1": (3, one, 9), "conv2": (one, two, 3), "conv3": (two, three, 3)},
        **{"res1.conv1": (three, three, 3), "res1.conv2": (three, three, 3)},
        **{"deconv1": (three, two, 3), "deconv2": (two, one, 3), "deconv3": (one, 3, 9)},
    }
    norms = {"in1": one, "in2": two, "in3": three, "res1.in1": three, "res1.in2": three}
    norms |= {"in4": two, "in5": one}
    tensors = {}
    for name, (before, after, size) in convolutions.items():
        shape = after, before, size, size
        tensors[f"{name}.conv2d.weight"] = random.standard_normal(shape, np.float32)
        tensors[f"{name}.conv2d.bias"] = random.standard_normal(after, np.float32)
    for name, count in norms.items():
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{name}.{part}"] = random.standard_normal(count, np.float32)
    return tensors


def converted(folder, tensors, name="waves.pth"):
    source = write(folder / name, zip_bytes({key: window(x) for key, x in tensors.items()}))
    return main([str(source), "-o", str(folder / "out.h5")])


def test_every_tensor_finds_its_place(tmp_path, capsys):
    tensors = tree()
    assert converted(tmp_path, {f"module.{key}": x for key, x in tensors.items()}) == 0
    said = capsys.readouterr().out
    assert "network of fast_neural_style, 4-6-8 channels, from waves.pth" in said
    painter = read_painter(tmp_path / "out.h5")
    assert (painter.styles, painter.architecture.residuals) == (("waves",), 1)
    assert painter.architecture.output == "linear"
    first = 255 * tensors["conv1.conv2d.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(painter.arrays["in1/kernel"], first, rtol=1e-6)
    np.testing.assert_allclose(
        painter.arrays["out/bias"], tensors["deconv3.conv2d.bias"] / 255, rtol=1e-6
    )
    places = {"res1b": "res1.in2", "up1": "in4", "up2": "in5", "in3": "in3"}
    for ours, theirs in places.items():
        np.testing.assert_array_equal(
            painter.arrays[f"{ours}/scale"], tensors[f"{theirs}.weight"][None]
        )
        np.testing.assert_array_equal(
            painter.arrays[f"{ours}/shift"], tensors[f"{theirs}.bias"][None]
        )


def test_all_faults_are_told_at_once(tmp_path, capsys):
    tensors = tree()
    del tensors["in4.weight"]
    tensors["extra"] = np.ones(3, np.float32)
    tensors["in5.bias"] = np.full(4, np.nan, np.float32)
    assert converted(tmp_path, tensors) == 2
    said = capsys.readouterr().err
    assert "missing: in4.weight" in said and "unexpected: extra" in said
    assert "not finite: in5.bias" in said and not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize("option", ["--lineage=caffe", "--network=vgg19"])
def test_options_of_networks_are_refused(option, tmp_path, capsys):
    source = write(tmp_path / "x.pth", zip_bytes({k: window(x) for k, x in tree().items()}))
    assert main([str(source), "-o", str(tmp_path / "out.h5"), option]) == 2
    assert "holds a trained network, which has no" in capsys.readouterr().err
    assert main([str(source)]) == 2
    assert "name the file to write with -o" in capsys.readouterr().err
