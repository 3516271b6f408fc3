"""Follow-up jobs, and what other jobs of the workflow have done."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence

from runnerlib import _runner
from runnerlib.git_ops import (
    changed_files,
    get_changed_files,
    git_changed_files,
    git_info,
)
from runnerlib.state import (
    get_job_result,
    is_job_running,
    log_next_job,
    set_workflow_output,
    set_workflow_var,
    workflow_vars,
)

__all__ = [
    "WorkflowContext",
    "changed_files",
    "flush_triggers",
    "get_changed_files",
    "get_job_result",
    "git_changed_files",
    "git_info",
    "is_job_running",
    "log_next_job",
    "set_workflow_output",
    "set_workflow_var",
    "submit_job",
    "trigger_job",
    "trigger_jobs",
    "workflow_context",
    "workflow_vars",
]

_queue: List[Dict[str, Any]] = []

# How the program ends, as far as it is known while it does.
_has_failed = False


def trigger_job(
    job_name: str,
    env: Optional[Dict[str, str]] = None,
    depends_on: Optional[Sequence[str]] = None,
    condition: str = "all_success",
    **fields: Any,
) -> None:
    """Adds a follow-up job.

    In a plugin it is submitted with those of the job, once that succeeds; in a
    pipeline by :func:`flush_triggers`, at the latest when the program ends.

    :param fields: What else the job is to be, as trigger documents name it:
        ``job_command``, ``container_image``, ``timeout`` and so on.
    """
    trigger_jobs(
        [
            {
                "job_name": job_name,
                "env": env,
                "depends_on": depends_on,
                "condition": condition,
                **fields,
            }
        ]
    )


def trigger_jobs(jobs: Sequence[Dict[str, Any]]) -> None:
    """Adds several follow-up jobs."""
    checked = [_job(job) for job in jobs]
    connection = _runner.connection()
    if connection is not None:
        connection.ask({"type": "trigger", "jobs": checked})
    elif checked:
        _watch_end()
        _queue.extend(checked)


def flush_triggers(triggers_file: Optional[str] = None) -> None:
    """Submits the follow-up jobs that were added; in a plugin, the job does."""
    if not _queue:
        return
    from runnerlib import _program

    arguments = {"jobs": list(_queue)}
    if triggers_file is not None:
        arguments["triggersFile"] = str(triggers_file)
    _program.call("triggerJobs", arguments)
    _queue.clear()


def submit_job(job_name: str, *args: Any, **fields: Any) -> None:
    """Adds a follow-up job, as :func:`trigger_job` does, and submits it."""
    trigger_job(job_name, *args, **fields)
    flush_triggers()


class WorkflowContext:
    """Follow-up jobs that are submitted together, and facts about the event."""

    def __init__(self, triggers_file: Optional[str] = None):
        self.triggers_file = triggers_file
        self.branch = os.environ.get("REACTORCIDE_BRANCH") or git_info()["branch"]
        self.commit = os.environ.get("REACTORCIDE_SHA") or git_info()["commit"]
        self.job_id = os.environ.get("REACTORCIDE_JOB_ID") or None
        self._jobs: List[Dict[str, Any]] = []

    def trigger_job(self, job_name: str, *args: Any, **fields: Any) -> None:
        """Adds a follow-up job, as :func:`trigger_job` does."""
        names = ("env", "depends_on", "condition")
        self._jobs.append(
            _job({"job_name": job_name, **dict(zip(names, args)), **fields})
        )

    def trigger_jobs(self, jobs: Sequence[Dict[str, Any]]) -> None:
        """Adds several follow-up jobs."""
        self._jobs.extend(_job(job) for job in jobs)

    def flush_triggers(self) -> None:
        """Submits the follow-up jobs that were added."""
        jobs, self._jobs = self._jobs, []
        trigger_jobs(jobs)
        flush_triggers(self.triggers_file)

    flush = flush_triggers


@contextlib.contextmanager
def workflow_context(
    triggers_file: Optional[str] = None,
) -> Iterator[WorkflowContext]:
    """Submits the follow-up jobs of a block, unless the block raises."""
    context = WorkflowContext(triggers_file)
    yield context
    context.flush_triggers()


def _job(job: Dict[str, Any]) -> Dict[str, Any]:
    fields = {key: value for key, value in job.items() if value is not None}
    if "name" in fields and "job_name" not in fields:
        fields["job_name"] = fields.pop("name")
    fields.setdefault("env", {})
    fields["env"] = {key: str(value) for key, value in fields["env"].items()}
    fields["depends_on"] = list(fields.get("depends_on", []))
    fields.setdefault("condition", "all_success")
    return fields


@functools.lru_cache(maxsize=None)
def _watch_end() -> None:
    """Submits what is left when the program ends, unless it fails."""
    original_hook, original_exit = sys.excepthook, sys.exit

    def hook(*args: Any) -> None:
        _fail()
        original_hook(*args)

    def leave(status: Any = None) -> None:
        if status not in (None, 0, False):
            _fail()
        original_exit(status)

    sys.excepthook, sys.exit = hook, leave
    atexit.register(_flush_at_end)


def _fail() -> None:
    global _has_failed
    _has_failed = True


def _flush_at_end() -> None:
    if not _queue:
        return
    if _has_failed:
        names = ", ".join(job["job_name"] for job in _queue)
        print(f"Follow-up jobs discarded: {names}", file=sys.stderr)
        return
    try:
        flush_triggers()
    except _runner.RunnerError as error:
        print(error, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # At this time, nothing else makes the program fail.
        os._exit(1)
