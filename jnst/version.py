"""The version of jnst."""

__version__ = "0.2.0"
