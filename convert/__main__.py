"""`python -m jnst.convert SOURCE -o OUT.h5`."""

import sys

from jnst.convert.command import main

sys.exit(main())
