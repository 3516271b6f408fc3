"""API of the runner for pipelines and plugins in Python.

In a pipeline, it runs jobs and submits follow-up jobs with the program
``runnerlib``. In a plugin, it talks to the runner that calls the plugin.
"""

from runnerlib import config, logging, plugins, workflow
from runnerlib._runner import RunnerError
from runnerlib.git_ops import changed_files, get_changed_files, git_info
from runnerlib.job import Job, get_config, run_job
from runnerlib.logging import get_logger, log_stderr, log_stdout, logger
from runnerlib.plugins import (
    Plugin,
    PluginContext,
    PluginPhase,
    register_plugin,
)
from runnerlib.register_secret import register_secret
from runnerlib.workflow import (
    JobTrigger,
    WorkflowContext,
    flush_triggers,
    get_job_result,
    is_job_running,
    log_next_job,
    set_workflow_output,
    set_workflow_var,
    submit_job,
    trigger_job,
    trigger_jobs,
    workflow_context,
    workflow_vars,
)

__all__ = [
    "Job",
    "JobTrigger",
    "Plugin",
    "PluginContext",
    "PluginPhase",
    "RunnerError",
    "WorkflowContext",
    "changed_files",
    "config",
    "flush_triggers",
    "get_changed_files",
    "get_config",
    "get_job_result",
    "get_logger",
    "git_info",
    "is_job_running",
    "log_next_job",
    "log_stderr",
    "log_stdout",
    "logger",
    "logging",
    "plugins",
    "register_plugin",
    "register_secret",
    "run_job",
    "set_workflow_output",
    "set_workflow_var",
    "submit_job",
    "trigger_job",
    "trigger_jobs",
    "workflow",
    "workflow_context",
    "workflow_vars",
]
