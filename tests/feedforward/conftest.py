"""AdaIN with few channels."""

import pytest
from tiny import tiny_decoder, tiny_weights

from jnst.feedforward.adain import make_adain


@pytest.fixture(scope="session")
def adain():
    return make_adain(tiny_weights(), tiny_decoder(), precision="highest")
