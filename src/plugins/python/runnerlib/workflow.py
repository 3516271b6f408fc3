"""Follow-up jobs, and the state of other jobs of the workflow."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
from pathlib import Path
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
    "JobTrigger",
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

# Whether the program is ending with an error.
_has_failed = False


def trigger_job(
    job_name: str,
    env: Optional[Dict[str, str]] = None,
    depends_on: Optional[Sequence[str]] = None,
    condition: str = "all_success",
    **fields: Any,
) -> None:
    """Queues a follow-up job.

    In a plugin, it is submitted with those of the job when the job succeeds. In
    a pipeline, it is submitted by :func:`flush_triggers`, or when the program
    ends.

    :param fields: Other fields of a trigger document: ``job_command``,
        ``container_image``, ``timeout`` and so on.
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
    """Queues several follow-up jobs."""
    checked = [_job(job) for job in jobs]
    connection = _runner.connection()
    if connection is not None:
        connection.ask({"type": "trigger", "jobs": checked})
    elif checked:
        _watch_end()
        _queue.extend(checked)


def flush_triggers(
    triggers_file: Optional[str] = None, allow_insecure_transport: bool = False
) -> None:
    """Submits the queued follow-up jobs; in a plugin, the job submits them."""
    if not _queue:
        return
    from runnerlib import _program

    arguments = {"jobs": list(_queue)}
    if triggers_file is not None:
        arguments["triggersFile"] = str(triggers_file)
    options = ["--allow-insecure-transport"] if allow_insecure_transport else []
    _program.call("triggerJobs", arguments, options=options)
    _queue.clear()


# Alias of ``trigger_job``.
submit_job = trigger_job


class JobTrigger:
    """A follow-up job: fields of a trigger document as attributes.

    Unset fields are ``None``.
    """

    def __init__(
        self,
        job_name: str,
        depends_on: Optional[Sequence[str]] = None,
        condition: str = "all_success",
        env: Optional[Dict[str, str]] = None,
        **fields: Any,
    ):
        self.job_name = job_name
        self.depends_on = list(depends_on or [])
        self.condition = condition
        self.env = dict(env or {})
        for name, value in fields.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return None

    def to_dict(self) -> Dict[str, Any]:
        """Returns the fields that are set."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def __repr__(self) -> str:
        return f"JobTrigger({self.to_dict()})"


class WorkflowContext:
    """Follow-up jobs that are submitted together, and facts about the event."""

    def __init__(
        self,
        triggers_file: Optional[str] = None,
        allow_insecure_transport: bool = False,
    ):
        self.triggers_file = None if triggers_file is None else Path(triggers_file)
        self.triggers: List[JobTrigger] = []
        self._allow_insecure_transport = allow_insecure_transport

    @property
    def branch(self) -> Optional[str]:
        """Branch of the event."""
        return _variable("GIT_BRANCH", "BRANCH") or git_info()["branch"]

    @property
    def commit(self) -> Optional[str]:
        """Commit of the event."""
        return _variable("GIT_COMMIT", "SHA") or git_info()["commit"]

    @property
    def ref(self) -> Optional[str]:
        """Ref of the source: a branch, a tag or a commit."""
        return _variable("GIT_REF", "SOURCE_REF")

    @property
    def job_id(self) -> Optional[str]:
        """Id of the job."""
        return _variable("JOB_ID")

    @property
    def workflow_id(self) -> Optional[str]:
        """Id of the job's workflow."""
        return os.environ.get("RC_WF_ID") or None

    def trigger_job(self, job_name: str, *args: Any, **fields: Any) -> None:
        """Adds a follow-up job; takes the arguments of :func:`trigger_job`."""
        names = ("env", "depends_on", "condition")
        job = {"job_name": job_name, **dict(zip(names, args)), **fields}
        self.triggers.append(JobTrigger(**_job(job)))

    submit_job = trigger_job

    def trigger_jobs(self, jobs: Sequence[Dict[str, Any]]) -> None:
        """Adds several follow-up jobs."""
        self.triggers.extend(JobTrigger(**_job(job)) for job in jobs)

    def flush_triggers(self) -> None:
        """Submits the follow-up jobs that were added."""
        jobs = [trigger.to_dict() for trigger in self.triggers]
        trigger_jobs(jobs)
        self.triggers.clear()
        file = None if self.triggers_file is None else str(self.triggers_file)
        flush_triggers(file, self._allow_insecure_transport)

    flush = flush_triggers

    is_job_running = staticmethod(is_job_running)
    get_job_result = staticmethod(get_job_result)
    log_next_job = staticmethod(log_next_job)
    set_workflow_var = staticmethod(set_workflow_var)
    set_workflow_output = staticmethod(set_workflow_output)
    workflow_vars = staticmethod(workflow_vars)


def _variable(*names: str) -> Optional[str]:
    values = (os.environ.get(f"REACTORCIDE_{name}") for name in names)
    return next(filter(None, values), None)


@contextlib.contextmanager
def workflow_context(
    triggers_file: Optional[str] = None,
) -> Iterator[WorkflowContext]:
    """Submits the follow-up jobs that a block adds, unless the block raises."""
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
    """Submits the remaining jobs when the program ends, unless it fails."""
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
        # At exit, nothing else changes the exit code of the program.
        os._exit(1)
