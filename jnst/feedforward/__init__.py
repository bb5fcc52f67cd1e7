"""Style transfer by networks that paint in one pass."""

from jnst.feedforward.adain import AdaIN as AdaIN
from jnst.feedforward.adain import load_adain as load_adain
from jnst.feedforward.transfer import fast as fast
