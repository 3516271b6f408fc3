"""Runs the program ``runnerlib`` for ``python -m runnerlib.cli``."""

from __future__ import annotations

import os
import sys

from runnerlib import _program
from runnerlib._runner import RunnerError


def main() -> int:
    """Replaces this process with the program."""
    try:
        words = _program.command()
    except RunnerError as error:
        print(error, file=sys.stderr)
        return 127
    os.execv(words[0], [*words, *sys.argv[1:]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
