"""Loads the plugins of a file and calls them for the runner.

The runner and this process exchange lines of JSON over the original descriptors
of standard input and output. Output of plugins and of programs that they start
goes to standard error, in the order in which it was written.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import queue
import signal
import sys
import threading
import time
import traceback
from types import ModuleType
from typing import Any, Dict, List, Optional

from runnerlib import _runner, plugins
from runnerlib.plugins import METHODS, Plugin, PluginPhase

# Maximum time to wait for unread output before an answer, in seconds.
MAX_DRAIN_SECONDS = 2.0


class _Cancelled(KeyboardInterrupt):
    """Ends a call because the job was cancelled."""


class PluginError(Exception):
    """Raised if a file contains no usable plugin."""


class Host:
    """Handles calls from the runner."""

    def __init__(self, connection: _runner.Connection):
        self._connection = connection
        self._plugins: Dict[str, Any] = {}
        self._calls: "queue.Queue[Dict[str, Any]]" = queue.Queue()
        self._current: Optional[int] = None

    def listen(self, message: Dict[str, Any]) -> None:
        """Handles a message from the runner, in the thread that reads them."""
        if message["type"] == "call":
            self._calls.put(message)
        elif message["type"] == "cancel" and self._current == message["id"]:
            # Interrupts the main thread even if it is blocked.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    def serve(self, found: List[Any]) -> None:
        """Handles calls until the process is terminated."""
        self._plugins = {plugins.plugin_name(plugin): plugin for plugin in found}
        signal.signal(signal.SIGINT, self._interrupt)
        descriptions = [plugins.describe(plugin) for plugin in found]
        drain_output()
        self._connection.send({"type": "ready", "plugins": descriptions})
        while True:
            self._answer(self._calls.get())

    def _interrupt(self, *_: Any) -> None:
        if self._current is not None:
            raise _Cancelled("the job was cancelled")

    def _answer(self, message: Dict[str, Any]) -> None:
        identity = message["id"]
        try:
            try:
                self._current = identity
                plugin = self._plugins[message["plugin"]]
                _return_to_directory()
                changes = plugins.call(
                    plugin, message["phase"], message["context"]
                )
            finally:
                self._current = None
            answer = {"type": "done", "id": identity, "changes": changes}
        except BaseException as error:  # A plugin may raise anything.
            answer = {"type": "failed", "id": identity, **describe_failure(error)}
        drain_output()
        try:
            self._connection.send(answer)
        except (TypeError, ValueError) as error:
            self._connection.send(
                {"type": "failed", "id": identity, **describe_failure(error)}
            )


def main(path: str) -> None:
    """Runs the plugins of a file."""
    connection = _take_over_streams()
    _runner.connect(connection)
    host = Host(connection)
    connection.listen(host.listen)
    try:
        host.serve(load(path))
    except BaseException as error:  # Code of a plugin may raise anything.
        drain_output()
        connection.send({"type": "broken", **describe_failure(error)})
        os._exit(1)


def load(path: str) -> List[Any]:
    """Loads a file and returns its plugins.

    These are the plugins that it registers, and instances of its other
    subclasses of ``Plugin``. If there are none, functions named after phases
    become a plugin.
    """
    # The directory may belong to a source that must not change.
    sys.dont_write_bytecode = True
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("it is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    registered = plugins.registered_plugins()
    types = {type(plugin) for plugin in registered}
    found = registered + [
        kind() for kind in _plugin_classes(module) if kind not in types
    ]
    if not found:
        found = _plugin_of_functions(module, name)
    if not found:
        raise PluginError(
            "it has no subclass of runnerlib.plugins.Plugin, registers no "
            "plugin and has no function that is named after a phase"
        )
    if getattr(module, "ENABLED", True) in (False, "false", "0", 0):
        for plugin in found:
            plugin.enabled = False
    names = [plugins.plugin_name(plugin) for plugin in found]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"it has several plugins named {name!r}")
    return found


def _plugin_classes(module: ModuleType) -> List[type]:
    kinds = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Plugin)
        and value is not Plugin
        and not inspect.isabstract(value)
    ]
    kinds = list(dict.fromkeys(kinds))
    return [
        kind
        for kind in kinds
        if not (_needs_arguments(kind) and _is_base(kind, kinds))
        and not (kind.__module__ != module.__name__ and _is_base(kind, kinds))
    ]


def _is_base(kind: type, kinds: List[type]) -> bool:
    return any(other is not kind and issubclass(other, kind) for other in kinds)


def _needs_arguments(kind: type) -> bool:
    parameters = list(inspect.signature(kind).parameters.values())
    return any(
        parameter.default is parameter.empty
        and parameter.kind
        not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters
    )


def _plugin_of_functions(module: ModuleType, name: str) -> List[Plugin]:
    functions = {
        key: getattr(module, key)
        for key in ["execute", *(key for keys in METHODS.values() for key in keys)]
        if inspect.isfunction(getattr(module, key, None))
        and getattr(module, key).__module__ == module.__name__
    }
    if not functions:
        return []
    plugin = Plugin(
        getattr(module, "NAME", name[len("plugin_") :]),
        getattr(module, "PRIORITY", 100),
    )
    # Like bound methods, functions of a module take only the context.
    for key, function in functions.items():
        setattr(plugin, key, function)
    phases = getattr(module, "PHASES", None)
    if phases is not None:
        plugin.supported_phases = lambda: list(phases)
    return [plugin]


def describe_failure(error: BaseException) -> Dict[str, str]:
    """Describes an exception and where it was raised."""
    name = type(error).__name__
    try:
        text = str(error) or "it has no message"
    except Exception:
        text = "its message cannot be read"
    if isinstance(error, SystemExit):
        text = f"it called sys.exit({error.code!r})"
    elif isinstance(error, PluginError):
        return {"name": name, "message": text}
    else:
        text = f"{name}: {text}"
    place = _find_place(error)
    return {"name": name, "message": f"{text} ({place})" if place else text}


def _find_place(error: BaseException) -> Optional[str]:
    """Finds the innermost line outside this package and Python's library."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    library = os.path.dirname(os.__file__) + os.sep
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith((library, "<"))
        and not _runner.is_of_package(frame.filename)
    ]
    if not own:
        return None
    return f"{_short(own[-1].filename)}:{own[-1].lineno}"


def _short(path: str) -> str:
    base = os.path.basename(path)
    return base if base.startswith("plugin_") else path


def drain_output() -> None:
    """Waits until the runner has read all output that precedes an answer."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # A plugin may have closed or replaced it.
    try:
        import fcntl
        import termios

        end = time.monotonic() + MAX_DRAIN_SECONDS
        count = bytearray(4)
        while time.monotonic() < end:
            fcntl.ioctl(2, termios.FIONREAD, count)
            if int.from_bytes(count, sys.byteorder) == 0:
                return
            time.sleep(0.001)
    except (ImportError, OSError):
        pass  # The order of lines is only best effort.


_directory = os.getcwd()


def _return_to_directory() -> None:
    """Enters the working directory again if it was replaced, as sources are."""
    try:
        os.getcwd()
    except FileNotFoundError:
        try:
            os.chdir(_directory)
        except OSError:
            pass  # A plugin that needs the directory fails with its own error.


def _take_over_streams() -> _runner.Connection:
    incoming, outgoing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
    return _runner.Connection(
        os.fdopen(incoming, "rb"), lambda data: _write_all(outgoing, data)
    )


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
