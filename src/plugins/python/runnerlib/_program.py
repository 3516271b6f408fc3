"""Calls the program ``runnerlib``."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from typing import Any, Dict, List, Optional, Sequence

from runnerlib._runner import RunnerError


def command() -> List[str]:
    """Returns the command of the program."""
    path = shutil.which("runnerlib")
    if path is None:
        raise RunnerError("Cannot call runnerlib: there is no such program on PATH")
    return [path]


@functools.lru_cache(maxsize=None)
def run_id() -> str:
    """Returns the id of the run that the jobs of this program belong to.

    The first parts identify this process, so that runners can check whether it
    is alive.
    """
    parts = [str(uuid.uuid4())]
    try:
        namespace = re.findall(r"\d+", os.readlink("/proc/self/ns/pid"))[0]
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(") ")[2].split()
        parts[:0] = [namespace, str(os.getpid()), fields[19]]
    except (OSError, IndexError):
        pass  # There is no /proc.
    return ".".join(parts)


def environment() -> Dict[str, str]:
    """Returns the environment of the program.

    Because all calls share a run id, follow-up jobs and the like accumulate.
    """
    inherited = os.environ.get("REACTORCIDE_RUN_ID") or run_id()
    return {**os.environ, "REACTORCIDE_RUN_ID": inherited}


def call(
    function: str,
    arguments: Optional[Dict[str, Any]] = None,
    prints: bool = False,
    options: Sequence[str] = (),
) -> Any:
    """Calls a function of the runner's library.

    :param prints: Whether the function prints text instead of returning a value.
    """
    sys.stdout.flush()
    result = subprocess.run(
        [*command(), "call", function, *options],
        input=json.dumps(arguments or {}, allow_nan=False).encode(),
        stdout=None if prints else subprocess.PIPE,
        env=environment(),
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
