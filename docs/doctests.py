"""Let the reference show the examples of docstrings, which are doctests, as Python."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
"""A doctest: from its first prompt to the next blank line."""


class Doctests(griffe.Extension):
    """Puts fences around them before docstrings are read as Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of anything that has one."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda example: f"```pycon\n{example[0]}\n```", obj.docstring.value
            )
