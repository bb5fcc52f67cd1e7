"""Names and values of settings as text."""

from collections.abc import Mapping
from typing import Any

PLAIN = {
    "…": "...",
    "–": "-",
    "—": "-",
    "·": "-",
    "×": "x",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "é": "e",
}
"""What is printed where an encoding lacks a sign; for all others it is a question mark."""


def as_option(name: str) -> str:
    """Return the command-line option of a setting.

    >>> as_option("style_loss")
    '--style-loss'
    """
    return f"--{name.replace('_', '-')}"


def as_text(value: Any) -> str:
    """Format a value as `jnst info` and the preview page show it.

    >>> as_text({"relu1_1": 0.5, "relu2_1": 0.5}), as_text(()), as_text(1e-5)
    ('relu1_1 0.5, relu2_1 0.5', '–', '1e-05')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {as_text(weight)}" for name, weight in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else printable(str(value))


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded: an error handler for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end


def printable(text: str) -> str:
    r"""Replace what no encoding has: the bytes of a file name that is not UTF-8.

    >>> import os
    >>> printable(os.fsdecode(b"caf\xe9.png"))
    'caf?.png'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
