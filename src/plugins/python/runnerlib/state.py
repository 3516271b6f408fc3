"""State, variables and outputs of the workflow."""

from __future__ import annotations

import re
from typing import Any, Dict, Optional, Sequence

from runnerlib import _program


def is_job_running(job_name: str) -> bool:
    """Checks whether a job is running, or submitted to run."""
    return bool(_program.call("isJobRunning", {"name": job_name}))


def get_job_result(job_name: str) -> Optional[Dict[str, Any]]:
    """Returns the latest result of a job: ``exit_code``, ``status`` and so on.

    :return: ``None`` if no such job was ever started.
    """
    return _snake_case(_program.call("getJobResult", {"name": job_name}))


def log_next_job(
    job_name: str,
    reason: Optional[str] = None,
    depends_on: Optional[Sequence[str]] = None,
    workflow_file: Optional[str] = None,
) -> None:
    """Prints which job comes next, and how to run it by hand."""
    arguments = {
        "name": job_name,
        "reason": reason,
        "dependsOn": list(depends_on or []),
        "workflowFile": workflow_file,
    }
    _program.call("logNextJob", arguments, prints=True)


def set_workflow_var(name: str, value: Any) -> None:
    """Sets a variable of the workflow; takes effect when this job has ended."""
    _program.call("setWorkflowVar", {"name": name, "value": value})


def set_workflow_output(key: str, value: Any) -> None:
    """Sets an output of this job for later jobs of the workflow."""
    _program.call("setWorkflowOutput", {"key": key, "value": value})


def workflow_vars() -> Dict[str, Any]:
    """Reads the variables of the workflow."""
    return _program.call("getWorkflowVars") or {}


def _snake_case(value: Any) -> Any:
    if isinstance(value, list):
        return [_snake_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower(): item
        if key == "outputs"
        else _snake_case(item)
        for key, item in value.items()
    }
