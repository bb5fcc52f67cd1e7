"""What counts as a backbone, one's own included, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from tiny import tiny_vgg

import jnst
from jnst.nn.backbone import Backbone, check_backbone
from jnst.nn.geometry import Geometry

PLAIN = Geometry(layers=("pixels",), strides=(1,), reaches=(0,))


class Pixels:
    """A network of no layers; not a pytree."""

    geometry = PLAIN

    def __call__(self, image, layers):
        return dict.fromkeys(self.geometry.check_layers("layers", layers), image)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class ScaledPixels(Pixels):
    """The same as a pytree."""

    scale: jax.Array


class OwnModule(nnx.Module):
    def __init__(self):
        self.geometry = PLAIN
        self.scale = nnx.Param(jnp.ones(()))

    def __call__(self, image, layers):
        return dict.fromkeys(layers, image * self.scale[...])


@pytest.mark.parametrize("make", [tiny_vgg, lambda: ScaledPixels(jnp.ones(())), OwnModule])
def test_backbones_are_passed_through_jit(make):
    model = make()
    assert check_backbone(model) is model
    assert isinstance(model, Backbone)
    (first, *_) = model.geometry.layers
    call = jax.jit(lambda model, image: model(image, [first])[first])
    assert call(model, jnp.ones((16, 16, 3))).shape[:2] == (16, 16)
    assert call._cache_size() == 1
    call(make(), jnp.zeros((16, 16, 3)))
    assert call._cache_size() == 1  # another of the same geometry is the same program


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("vgg.h5", "got 'vgg.h5'"),
        (None, "got None"),
        (19, "got 19"),
        (jnst.VGG19, "got the class VGG19 instead of an object of it"),
        (Pixels, "got the class Pixels"),
        (jnst.load_vgg19, "got an object of builtins.function"),
        (nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)), r"got an object of flax\.nnx\..*Conv"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(model, said):
    message = rf"^model must be a backbone such as jnst\.load_vgg19\(\) returns, {said}"
    with pytest.raises(TypeError, match=message) as raised:
        check_backbone(model)
    assert "\n" not in str(raised.value)


def test_a_backbone_must_be_a_pytree():
    with pytest.raises(TypeError, match=r"network must be a JAX pytree or an NNX module, .*Pixels"):
        check_backbone(Pixels(), "network")
