"""Plugins: code that runs in the phases of a job.

A file ``plugin_*.py`` contains subclasses of :class:`Plugin`, calls
:func:`register_plugin`, or contains functions named after phases.
"""

from __future__ import annotations

import copy
import inspect
import json
import os
from enum import Enum
from pathlib import Path
from typing import Any, Dict, List, Optional

from runnerlib import _runner


class PluginPhase(Enum):
    """A phase of a job."""

    PRE_VALIDATION = "pre_validation"
    POST_VALIDATION = "post_validation"
    PRE_SOURCE_PREP = "pre_source_prep"
    POST_SOURCE_PREP = "post_source_prep"
    PRE_CONTAINER = "pre_container"
    POST_CONTAINER = "post_container"
    ON_ERROR = "on_error"
    CLEANUP = "cleanup"
    # Aliases with the names that the runner uses.
    PRE_EXECUTION = "pre_container"
    POST_EXECUTION = "post_container"

    @classmethod
    def _missing_(cls, value):
        names = {
            "pre_execution": cls.PRE_CONTAINER,
            "post_execution": cls.POST_CONTAINER,
        }
        return names.get(value)


# Methods that a phase calls; the first one that exists counts.
METHODS = {
    phase: (phase.value.replace("container", "execution"), phase.value)
    for phase in PluginPhase
}


class JobError(Exception):
    """Error of a job, as in ``PluginContext.error``."""

    def __init__(self, message: str, name: str = "Error"):
        super().__init__(message)
        self.name = name


class PluginConfig:
    """Settings of a job, as attributes and as items.

    Settings are strings, or booleans for switches; unset ones are ``None``.
    """

    def __init__(self, values: Dict[str, str]):
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_changes", {})

    def get(self, name: str, default: Any = None) -> Any:
        """Reads a setting."""
        value = self._values.get(name)
        if value is None:
            is_off = name in _runner.SWITCHES and default is None
            return False if is_off else default
        return value == "true" if name in _runner.SWITCHES else value

    def set(self, name: str, value: Any) -> None:
        """Changes a setting."""
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, dict):
            text = "\n".join(f"{key}={item}" for key, item in value.items())
        else:
            text = "" if value is None else str(value)
        self._values[name] = text
        self._changes[name] = text

    def keys(self) -> List[str]:
        """Lists the names of settings that have a value."""
        return list(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._values or name in _runner.SETTINGS:
            return self.get(name)
        raise AttributeError(f"there is no setting {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self):
        return iter(list(self._values))

    def __repr__(self) -> str:
        return f"PluginConfig({sorted(self._values)})"


class PluginContext:
    """Context that a plugin receives on each call."""

    def __init__(
        self,
        config: Any = None,
        phase: Optional[PluginPhase] = None,
        job_path: Optional[Path] = None,
        env_vars: Optional[Dict[str, str]] = None,
        exit_code: Optional[int] = None,
        error: Optional[BaseException] = None,
        metadata: Optional[Dict[str, Any]] = None,
    ):
        self.config = config
        self.phase = phase
        self.job_path = job_path
        self.env_vars = {} if env_vars is None else env_vars
        self.exit_code = exit_code
        self.error = error
        self.metadata = {} if metadata is None else metadata
        self.source_path: Optional[Path] = None
        self.ci_source_path: Optional[Path] = None
        self._steps: List[Dict[str, Any]] = []

    @property
    def env(self) -> Dict[str, str]:
        """Environment of the job's command; alias of ``env_vars``."""
        return self.env_vars

    @env.setter
    def env(self, value: Dict[str, str]) -> None:
        self.env_vars = value

    @property
    def shared(self) -> Dict[str, Any]:
        """Values that plugins share with each other; alias of ``metadata``."""
        return self.metadata

    def log(self, message: Any) -> None:
        """Prints a message to the job's log."""
        print(message)

    def metric(self, name: str, value: float) -> None:
        """Records a metric about the job."""
        _runner.send({"type": "metric", "name": name, "value": value})

    def register_secret(self, value: str) -> bool:
        """Masks a value in all output from now on."""
        return _runner.register_secrets([value])

    def add_step(self, name: str, run: Any, **options: Any) -> None:
        """Adds a step to the job; allowed until the job's command starts."""
        self._steps.append({"name": name, "run": run, **options})


class Plugin:
    """Base class of plugins.

    In each phase of the plugin, ``execute`` is called first, then the method
    named after the phase.
    """

    name: Optional[str] = None
    priority: int = 100
    enabled: bool = True

    def __init__(self, name: Optional[str] = None, priority: Optional[int] = None):
        if name is not None:
            self.name = name
        if priority is not None:
            self.priority = priority

    def supported_phases(self) -> List[PluginPhase]:
        """Returns the phases in which the plugin is called.

        By default, these are the phases that it has a method for, or all phases
        if it overrides ``execute``.
        """
        if _is_own(self, "execute"):
            return list(PluginPhase)
        return [phase for phase in PluginPhase if find_method(self, phase)]

    def execute(self, context: PluginContext) -> None:
        """Called in each phase of the plugin."""

    def pre_validation(self, context: PluginContext) -> None:
        """Called before the settings are validated, while they can be changed."""

    def post_validation(self, context: PluginContext) -> None:
        """Called after the settings have been validated."""

    def pre_source_prep(self, context: PluginContext) -> None:
        """Called before the sources are fetched."""

    def post_source_prep(self, context: PluginContext) -> None:
        """Called when the sources are in the workspace."""

    def pre_container(self, context: PluginContext) -> None:
        """Called before the job's command starts."""

    def pre_execution(self, context: PluginContext) -> None:
        """Alias of ``pre_container``."""

    def post_container(self, context: PluginContext) -> None:
        """Called after the job's command exits."""

    def post_execution(self, context: PluginContext) -> None:
        """Alias of ``post_container``."""

    def on_error(self, context: PluginContext) -> None:
        """Called once if the job failed."""

    def cleanup(self, context: PluginContext) -> None:
        """Called at the end of every job, successful or not."""


_registered: List[Plugin] = []


def register_plugin(plugin: Plugin) -> Plugin:
    """Registers a plugin for the jobs that start afterwards.

    Replaces another plugin of the same name.
    """
    if isinstance(plugin, type):
        plugin = plugin()
    name = plugin_name(plugin)
    _registered[:] = [other for other in _registered if plugin_name(other) != name]
    _registered.append(plugin)
    return plugin


def registered_plugins() -> List[Plugin]:
    """Lists the registered plugins."""
    return list(_registered)


def plugin_name(plugin: Any) -> str:
    """Returns the name of a plugin; the name of its class by default."""
    return getattr(plugin, "name", None) or type(plugin).__name__


def find_method(plugin: Any, phase: PluginPhase) -> Any:
    """Returns the method that a phase calls; ``None`` if there is none."""
    for name in METHODS[phase]:
        if _is_own(plugin, name):
            return getattr(plugin, name)
    return None


def describe(plugin: Any) -> Dict[str, Any]:
    """Describes a plugin for the runner."""
    phases = plugin.supported_phases()
    return {
        "name": plugin_name(plugin),
        "priority": getattr(plugin, "priority", 100),
        "phases": [
            phase.value if isinstance(phase, PluginPhase) else str(phase)
            for phase in phases
        ],
        "methods": ["execute"],
    }


# Shared values that JSON cannot represent; they stay in this process.
_local: Dict[str, Any] = {}

# Environment of this process that the job already has.
_known: Dict[str, str] = dict(os.environ)


def begin_job() -> None:
    """Starts a job: it has the current environment, and no local values."""
    _local.clear()
    _known.clear()
    _known.update(os.environ)


def call(plugin: Any, phase_name: str, data: Dict[str, Any]) -> Dict[str, Any]:
    """Calls a plugin in a phase.

    :return: Changes that the plugin requests.
    """
    if not getattr(plugin, "enabled", True):
        return {}
    phase = PluginPhase(phase_name)
    context = _open_context(phase, data)
    before_env = dict(context.env_vars)
    before_shared = {
        key: _to_json(value) for key, value in context.metadata.items()
    }
    if callable(getattr(plugin, "execute", None)):
        _finish(plugin.execute(context))
    method = find_method(plugin, phase)
    if method is not None:
        _finish(method(context))
    env = _changed(_known, dict(os.environ))
    _known.clear()
    _known.update(os.environ)
    env.update(_changed(before_env, _texts(context.env_vars)))
    shared = {}
    for key, value in context.metadata.items():
        text = _to_json(value)
        if text is None:
            _local[key] = value
        elif text != before_shared.get(key):
            _local.pop(key, None)
            shared[key] = value
    gone = [key for key in before_shared if key not in context.metadata]
    for key in gone:
        _local.pop(key, None)
    return {
        "env": env,
        "config": context.config._changes,
        "shared": shared,
        "unshared": [key for key in gone if key in data["shared"]],
        "steps": context._steps,
    }


def _finish(result: Any) -> None:
    """Runs the coroutine of an asynchronous method."""
    if inspect.iscoroutine(result):
        import asyncio

        asyncio.run(result)


def _open_context(phase: PluginPhase, data: Dict[str, Any]) -> PluginContext:
    error = data.get("error")
    metadata = copy.deepcopy(data["shared"])
    for ours, theirs in (
        ("source_path", "sourcePath"),
        ("ci_source_path", "ciSourcePath"),
    ):
        if data.get(theirs) is not None:
            metadata.setdefault(ours, data[theirs])
    metadata.update(_local)
    context = PluginContext(
        config=PluginConfig(data["config"]),
        phase=phase,
        job_path=Path(data["jobPath"]),
        env_vars=dict(data["env"]),
        exit_code=data.get("exitCode"),
        error=error and JobError(error["message"], error["name"]),
        metadata=metadata,
    )
    if data.get("sourcePath") is not None:
        context.source_path = Path(data["sourcePath"])
    if data.get("ciSourcePath") is not None:
        context.ci_source_path = Path(data["ciSourcePath"])
    return context


def _is_own(plugin: Any, name: str) -> bool:
    """Checks whether a plugin overrides a method of the base class."""
    method = getattr(plugin, name, None)
    if not callable(method):
        return False
    return getattr(method, "__func__", method) is not getattr(Plugin, name)


def _changed(before: Dict[str, str], after: Dict[str, str]) -> Dict[str, Any]:
    changes: Dict[str, Any] = {
        name: value for name, value in after.items() if before.get(name) != value
    }
    changes.update({name: None for name in before if name not in after})
    return changes


def _texts(variables: Dict[Any, Any]) -> Dict[str, str]:
    return {str(name): str(value) for name, value in variables.items()}


def _to_json(value: Any) -> Optional[str]:
    """Returns a value as JSON; ``None`` if JSON cannot represent it."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


# Imported here because it needs the names above.
from runnerlib._manager import PluginManager  # noqa: E402

# Manages the registered plugins, which the runner calls.
plugin_manager = PluginManager(_registered)


def get_plugin_manager() -> PluginManager:
    """Returns the manager of the registered plugins."""
    return plugin_manager


def initialize_plugins(plugin_dir: Optional[str] = None) -> None:
    """Registers the plugins in ``REACTORCIDE_PLUGIN_DIR`` and in a directory."""
    for directory in (os.environ.get("REACTORCIDE_PLUGIN_DIR"), plugin_dir):
        if directory:
            plugin_manager.load_plugins_from_directory(directory)
