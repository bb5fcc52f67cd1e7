"""Descent that moves what is coarse in an image before what is fine."""

import functools

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jnst.optim.optimizers import make_optimizer


@functools.cache  # the same object for the same power, so that the step compiles once
def coarse_first(power: float = 1.0) -> optax.GradientTransformationExtraArgs:
    """Adam on a gradient whose frequencies f are divided by f^power.

    An image whose Fourier coefficients are optimised instead of its pixels, each in units of what
    photographs have of it, descends so: Olah, Mordvintsev and Schubert, "Feature visualization",
    2017, https://doi.org/10.23915/distill.00007. Deep layers say little about fine detail, and
    descent on pixels leaves noise there.

    Args:
      power: 0 is plain Adam; photographs have about 1.

    Returns:
      A transformation of an image (H, W, C); its updates take `learning_rate=`.
    """
    adam = optax.with_extra_args_support(make_optimizer("adam"))

    def update(updates, state, params=None, **extra):
        return adam.update(filtered(updates, power), state, params, **extra)

    return optax.GradientTransformationExtraArgs(adam.init, update)


def filtered(image: Float[Array, "H W C"], power: float) -> Float[Array, "H W C"]:
    """An image whose frequencies are divided by their magnitude^power, the lowest by one.

    >>> flat = jnp.full((4, 6, 3), 0.25)
    >>> bool(jnp.allclose(filtered(flat, 1.0), flat))
    True
    """
    height, width, _ = image.shape
    divisor = frequencies(height, width) ** power
    spectrum = jnp.fft.rfft2(image, axes=(0, 1)) / divisor[..., None]
    return jnp.fft.irfft2(spectrum, s=(height, width), axes=(0, 1)).astype(image.dtype)


def frequencies(height: int, width: int) -> Float[np.ndarray, "H _W"]:
    """The magnitudes of the frequencies of `jnp.fft.rfft2`.

    They are in periods along the long edge, and at least 1.
    """
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    return np.maximum(np.hypot(rows, columns) * max(height, width), 1).astype(np.float32)
