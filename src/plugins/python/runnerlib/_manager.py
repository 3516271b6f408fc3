"""Manages plugins, for programs that call them without a runner."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Dict, List, Optional

from runnerlib.logging import logger
from runnerlib.plugins import (
    Plugin,
    PluginContext,
    PluginPhase,
    find_method,
    plugin_name,
)


class PluginManager:
    """Holds plugins and calls them in the order of their priorities."""

    def __init__(self, found: Optional[List[Plugin]] = None):
        self._found: List[Plugin] = [] if found is None else found

    @property
    def plugins(self) -> Dict[str, Plugin]:
        """Plugins by name."""
        return {plugin_name(plugin): plugin for plugin in self._found}

    @property
    def phase_plugins(self) -> Dict[PluginPhase, List[Plugin]]:
        """Plugins of each phase, in call order."""
        ordered = sorted(
            self._found, key=lambda plugin: getattr(plugin, "priority", 100)
        )
        return {
            phase: [
                plugin for plugin in ordered if phase in plugin.supported_phases()
            ]
            for phase in PluginPhase
        }

    def register_plugin(self, plugin: Plugin) -> None:
        """Adds a plugin; replaces another one of the same name."""
        self.unregister_plugin(plugin_name(plugin))
        self._found.append(plugin)

    def unregister_plugin(self, name: str) -> None:
        """Removes a plugin, if it exists."""
        self._found[:] = [plugin for plugin in self._found if plugin_name(plugin) != name]

    def get_plugin(self, name: str) -> Optional[Plugin]:
        """Returns a plugin by name."""
        return self.plugins.get(name)

    def list_plugins(self) -> List[str]:
        """Lists the names of plugins."""
        return list(self.plugins)

    def enable_plugin(self, name: str) -> None:
        """Enables a plugin."""
        self._set_enabled(name, True)

    def disable_plugin(self, name: str) -> None:
        """Disables a plugin, so that it is not called."""
        self._set_enabled(name, False)

    def _set_enabled(self, name: str, is_enabled: bool) -> None:
        plugin = self.get_plugin(name)
        if plugin is not None:
            plugin.enabled = is_enabled

    def load_plugin_from_file(self, file_path: str) -> None:
        """Adds each subclass of :class:`Plugin` in a file."""
        path = Path(file_path)
        if not path.exists():
            raise FileNotFoundError(f"Cannot load plugin {file_path!r}: no such file")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"Cannot load plugin {file_path!r}: not a module")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        classes = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Plugin)
            and value is not Plugin
        ]
        if not classes:
            raise ImportError(f"No Plugin subclass found in {file_path}")
        for one in classes:
            self.register_plugin(one())

    def load_plugins_from_directory(self, directory: str) -> None:
        """Adds the plugins of the files ``plugin_*.py`` directly in a directory."""
        if not Path(directory).is_dir():
            logger.warning(f"There is no plugin directory {directory!r}")
            return
        for path in sorted(Path(directory).glob("plugin_*.py")):
            try:
                self.load_plugin_from_file(str(path))
            except Exception as error:  # Code of a plugin may raise anything.
                logger.error(f"Cannot load plugin {path.name!r}: {error}")

    def load_builtin_plugins(self) -> None:
        """Does nothing: the runner has no built-in plugins."""

    def execute_phase(self, phase: PluginPhase, context: Any) -> None:
        """Calls the plugins of a phase.

        If a plugin raises, plugins are called in ``ON_ERROR`` before the error
        is raised to the caller.
        """
        for plugin in self.phase_plugins[phase]:
            if not getattr(plugin, "enabled", True):
                continue
            try:
                plugin.execute(context)
                method = find_method(plugin, phase)
                if method is not None:
                    method(context)
            except Exception as error:
                if phase is not PluginPhase.ON_ERROR:
                    self.execute_phase(
                        PluginPhase.ON_ERROR,
                        PluginContext(
                            config=context.config,
                            phase=PluginPhase.ON_ERROR,
                            job_path=context.job_path,
                            env_vars=context.env_vars,
                            error=error,
                            metadata=context.metadata,
                        ),
                    )
                raise
