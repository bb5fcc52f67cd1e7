"""The version of jnst."""

__version__ = "0.5.0"
