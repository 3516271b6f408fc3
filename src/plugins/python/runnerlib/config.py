"""Settings of a job that a pipeline runs."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any, Dict

# Settings that a ``REACTORCIDE_*`` variable of the same name can set.
NAMES = (
    "code_dir",
    "job_dir",
    "job_command",
    "runner_image",
    "job_env",
    "secret_values_list",
    "secret_env_names",
    "secrets_file",
    "source_type",
    "source_url",
    "source_ref",
    "ci_source_type",
    "ci_source_url",
    "ci_source_ref",
    "checkout_mode",
)

DEFAULT_CODE_DIR = "/job/src"


class RunnerConfig(SimpleNamespace):
    """Settings by name; unset ones are ``None``."""

    def __init__(self, **settings: Any):
        super().__init__(**{**dict.fromkeys(NAMES), **settings})


def get_config(**settings: Any) -> RunnerConfig:
    """Returns settings; arguments override ``REACTORCIDE_*`` variables."""
    values: Dict[str, Any] = {
        name: os.environ.get(f"REACTORCIDE_{name.upper()}") for name in NAMES
    }
    values.update({name: value for name, value in settings.items() if value is not None})
    values["code_dir"] = values["code_dir"] or DEFAULT_CODE_DIR
    values["job_dir"] = values["job_dir"] or values["code_dir"]
    return RunnerConfig(**values)


def get_environment_vars(config: Any) -> Dict[str, str]:
    """Returns the environment variables that settings add to a job."""
    names = ("code_dir", "job_dir", "job_command", "runner_image")
    variables = {
        f"REACTORCIDE_{name.upper()}": str(getattr(config, name))
        for name in names
        if getattr(config, name, None) is not None
    }
    return {**variables, **read_job_env(getattr(config, "job_env", None))}


def read_job_env(value: Any) -> Dict[str, str]:
    """Parses variables of a job: a mapping, ``KEY=VALUE`` lines or ``./job/FILE``."""
    if value is None or isinstance(value, dict):
        return {str(name): str(text) for name, text in (value or {}).items()}
    text = _read_text(str(value))
    variables: Dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line == "" or line.startswith("#"):
            continue
        name, separator, content = line.partition("=")
        if separator == "" or name.strip() == "":
            raise ValueError(f"Cannot read job_env: {line.split('=')[0]!r} is not NAME=VALUE")
        variables[name.strip()] = content.strip()
    return variables


def _read_text(value: str) -> str:
    if not value.startswith("./job/"):
        return value
    if ".." in value:
        raise ValueError(f"Cannot read job_env: {value!r} must not leave ./job")
    with open(value, encoding="utf-8") as file:
        return file.read()
