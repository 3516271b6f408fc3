"""Registers secrets, from code or with ``python -m runnerlib.register_secret``."""

from __future__ import annotations

import sys
from typing import List

from runnerlib import _runner, _secrets
from runnerlib._secrets import register_secret

__all__ = ["main", "register_secret"]


def main() -> int:
    """Registers the arguments; ``-`` reads lines from standard input."""
    values: List[str] = []
    for value in sys.argv[1:]:
        if value == "-":
            values += [line.strip() for line in sys.stdin if line.strip()]
        else:
            values.append(value)
    try:
        return 0 if _secrets.register_secrets(values) else 1
    except _runner.RunnerError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
