"""The version of jnst."""

__version__ = "0.6.2"
