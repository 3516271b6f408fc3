"""``python -m runnerlib`` is the program ``runnerlib``."""

import sys

from runnerlib.cli import main

sys.exit(main())
