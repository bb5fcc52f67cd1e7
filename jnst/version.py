"""The version of jnst."""

__version__ = "0.4.0"
