"""Talks to the program ``runnerlib``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any, Dict, List, Optional

from runnerlib._runner import RunnerError


def command() -> List[str]:
    """Finds the program."""
    path = shutil.which("runnerlib")
    if path is None:
        raise RunnerError("Cannot call runnerlib: there is no such program on PATH")
    return [path]


def call(
    function: str, arguments: Optional[Dict[str, Any]] = None, prints: bool = False
) -> Any:
    """Calls a function of the runner's library.

    :param prints: Whether it prints for a person, and has no result.
    """
    sys.stdout.flush()
    result = subprocess.run(
        [*command(), "call", function],
        input=json.dumps(arguments or {}, allow_nan=False).encode(),
        stdout=None if prints else subprocess.PIPE,
        check=False,
    )
    try:
        value = json.loads(result.stdout) if result.stdout else None
    except ValueError:
        value = None
    if result.returncode == 0:
        return value
    message = f"runnerlib ended with exit code {result.returncode}"
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        message = value["error"].get("message", message)
    raise RunnerError(f"Cannot call {function}: {message}")
