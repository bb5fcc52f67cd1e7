"""Completion of commands and options by the Tab key, by argcomplete."""

import argparse
import os

from jnst.cli.arguments import CommandParser


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what the words so far may go on with, and end; else do nothing.

    A shell asks once `register-python-argcomplete jnst` has told it to.

    Args:
      parser: of `jnst`, with its commands.
    """
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete  # only where a shell asks, which needs this package itself

    # argcomplete follows the options that it finds before it parses, so they must be there.
    words = os.environ.get("COMP_LINE", "").split()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                if name in words and isinstance(command, CommandParser):
                    command.load()
    argcomplete.autocomplete(parser)
