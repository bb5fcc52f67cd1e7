"""Makes PyTorch's VGG-19, which the goldens are made with, importable as `make_vgg19`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "goldens"))
