"""Makes the script that made the references importable as `make_pictures`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "goldens"))
