"""Networks of few channels for the tests of the converter."""

import pytest
from tiny import shrink_networks


@pytest.fixture
def narrow(monkeypatch):
    """VGG-16 and VGG-19 with few channels, so that a file takes milliseconds."""
    shrink_networks(monkeypatch)
