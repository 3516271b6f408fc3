"""Runs jobs from a pipeline, with its registered plugins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from runnerlib import _pipeline, _program, _secrets, plugins
from runnerlib.config import get_config, read_job_env

__all__ = ["Job", "get_config", "run_job"]

# Arguments whose names differ from those of settings.
_NAMES = {
    "command": "job_command",
    "source_dir": "code_dir",
}


class Job:
    """A job that consists of steps."""

    def __init__(self, name: str):
        self.name = name
        self.steps: List[Dict[str, Any]] = []

    def add_step(
        self,
        name: str,
        run: str,
        depends_on: Optional[Sequence[str]] = None,
        **options: Any,
    ) -> "Job":
        """Adds a step; ``options`` are the keys of a step in a job file."""
        step: Dict[str, Any] = {"name": name, "run": run, **options}
        if depends_on:
            step["needs"] = list(depends_on)
        self.steps.append(step)
        return self


def run_job(
    job: Union[None, str, Job, SimpleNamespace] = None,
    *,
    env: Optional[Dict[str, str]] = None,
    arguments: Sequence[str] = (),
    **settings: Any,
) -> int:
    """Runs a job and waits for it to end.

    :param job: A command, a :class:`Job` or settings from :func:`get_config`.
    :param env: Environment variables of the job.
    :param arguments: Additional arguments of ``runnerlib run``.
    :param settings: Settings by their names in job files, such as ``command``,
        ``source_dir`` and ``artifacts_dir``.
    :return: The exit code.
    """
    if isinstance(job, SimpleNamespace):
        settings = {**vars(job), **settings}
        job = None
    if isinstance(job, str):
        settings = {"command": job, **settings}
    env = {**read_job_env(settings.pop("job_env", None)), **(env or {})}
    with tempfile.TemporaryDirectory(prefix="runnerlib-") as directory:
        words = [*_program.command(), "run"]
        if isinstance(job, Job):
            words += ["--job-file", _write_job(job, directory)]
        words += _options(settings)
        environment = _program.environment()
        if env:
            environment["REACTORCIDE_JOB_ENV"] = "\n".join(
                [
                    environment.get("REACTORCIDE_JOB_ENV", ""),
                    *(f"{key}={_text(value)}" for key, value in env.items()),
                ]
            ).strip("\n")
        found = plugins.registered_plugins()
        if not found and not _secrets.pending:
            return _run([*words, *arguments], environment)
        with _pipeline.open_plugins(directory, found) as options:
            return _run([*words, *options, *arguments], environment)


def _write_job(job: Job, directory: str) -> str:
    path = os.path.join(directory, "job.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"name": job.name, "steps": job.steps}, file)
    return path


def _options(settings: Dict[str, Any]) -> List[str]:
    words: List[str] = []
    for name, value in settings.items():
        option = "--" + _NAMES.get(name, name).replace("_", "-")
        if value is None:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        words += [f"{option}={_text(item)}" for item in values]
    return words


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _run(words: List[str], environment: Dict[str, str]) -> int:
    sys.stdout.flush()
    # In its own session, the process gets each signal only once: from here.
    process = subprocess.Popen(words, env=environment, start_new_session=True)
    restore = _forward_signals(process)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        restore()


def _forward_signals(process: "subprocess.Popen[bytes]") -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {
        name: signal.signal(name, lambda number, _: process.send_signal(number))
        for name in names
    }

    def restore() -> None:
        for name, handler in before.items():
            signal.signal(name, handler)

    return restore
