"""What network a file of another library holds, by the names of its tensors."""

from pathlib import Path

from jnst.convert.decoders import is_decoder
from jnst.convert.sources import open_source
from jnst.convert.tensors import Fault


def kind_of_source(path: Path) -> str:
    """Tell `"decoder"` from `"weights"`, which is everything else: its reader says what is wrong.

    Raises:
      ValueError: for a file that cannot be read; it is named.
    """
    try:
        with open_source(path) as tensors:
            return "decoder" if is_decoder(tensors) else "weights"
    except Fault as fault:
        raise ValueError(f"{path} {fault}") from None
