# PYTHON_ARGCOMPLETE_OK
"""The command line; the only place that prints."""

from jnst.cli.program import main as main
