"""The version of jnst."""

__version__ = "0.3.0"
