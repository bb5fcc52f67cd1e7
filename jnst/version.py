"""The version of jnst."""

__version__ = "0.8.0"
