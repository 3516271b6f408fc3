"""Runs the program ``runnerlib`` for ``python -m runnerlib``."""

import sys

from runnerlib.cli import main

sys.exit(main())
