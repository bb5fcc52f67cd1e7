"""The version of jnst."""

__version__ = "0.7.0"
