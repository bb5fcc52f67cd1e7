"""What network a file of another library holds, by the names of its tensors."""

from pathlib import Path

from jnst.convert.decoders import is_decoder
from jnst.convert.painters import is_painter
from jnst.convert.sources import read_source


def kind_of_source(path: Path) -> str:
    """Tell `"decoder"` and `"painter"` from `"weights"`, which is everything else.

    Raises:
      ValueError: for a file that cannot be read; it is named.
    """
    with read_source(path) as tensors:
        if is_painter(tensors):
            return "painter"
        return "decoder" if is_decoder(tensors) else "weights"
