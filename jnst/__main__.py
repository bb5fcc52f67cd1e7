# PYTHON_ARGCOMPLETE_OK
"""`python -m jnst`, which is `jnst`."""

import sys

from jnst.cli import main

if __name__ == "__main__":
    sys.exit(main())
