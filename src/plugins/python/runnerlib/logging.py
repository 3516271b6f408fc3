"""Log messages with a level and fields.

Plain output, of ``print`` and of programs, appears in the log of a job as well.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Dict, Optional

from runnerlib import _runner

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def log_stdout(message: Any, *args: Any, **fields: Any) -> None:
    """Prints a message on standard output."""
    _print(sys.stdout, _text(message, args, fields))


def log_stderr(message: Any, *args: Any, **fields: Any) -> None:
    """Prints a message on standard error."""
    _print(sys.stderr, _text(message, args, fields))


class Logger:
    """Prints messages at or above the log level."""

    def __init__(self, name: str = "runnerlib"):
        self.name = name

    def debug(self, message: Any, *args: Any, **options: Any) -> None:
        """Prints a debug message; requires ``LOG_LEVEL=debug``."""
        self._log("debug", message, args, options)

    def info(self, message: Any, *args: Any, **options: Any) -> None:
        """Prints an informational message."""
        self._log("info", message, args, options)

    def warning(self, message: Any, *args: Any, **options: Any) -> None:
        """Prints a warning."""
        self._log("warning", message, args, options)

    warn = warning

    def error(self, message: Any, *args: Any, **options: Any) -> None:
        """Prints an error."""
        self._log("error", message, args, options)

    def exception(self, message: Any, *args: Any, **options: Any) -> None:
        """Prints an error with the exception that is being handled."""
        error = sys.exc_info()[1]
        if error is not None:
            message = f"{message}: {type(error).__name__}: {error}"
        self._log("error", message, args, options)

    def critical(self, message: Any, *args: Any, **options: Any) -> None:
        """Prints a critical error."""
        self._log("critical", message, args, options)

    def log(self, level: Any, message: Any, *args: Any, **options: Any) -> None:
        """Prints a message at a level: a name, or a number as in ``logging``."""
        if isinstance(level, int):
            names = [name for name, value in _LEVELS.items() if value <= level]
            level = names[-1] if names else "debug"
        self._log(str(level).lower(), message, args, options)

    def _log(
        self, level: str, message: Any, args: Any, options: Dict[str, Any]
    ) -> None:
        fields = dict(options.pop("fields", None) or {})
        for name in ("exc_info", "stack_info", "stacklevel", "extra"):
            options.pop(name, None)
        fields.update(options)
        if _LEVELS.get(level, 20) < _LEVELS.get(_runner.log_level(), 20):
            return
        prefix = "" if level == "info" else f"{level.upper()}: "
        _print(sys.stderr, prefix + _text(message, args, fields))


def get_logger(name: Optional[str] = None) -> Logger:
    """Creates a logger."""
    return Logger(name or "runnerlib")


logger = Logger()


def _text(message: Any, args: Any, fields: Dict[str, Any]) -> str:
    text = str(message)
    if args:
        try:
            text = text % args
        except (TypeError, ValueError):
            text = " ".join([text, *map(str, args)])
    fields = {**(fields.pop("fields", None) or {}), **fields}
    pairs = [
        f"{name}={value if isinstance(value, str) else json.dumps(value, default=str)}"
        for name, value in fields.items()
    ]
    return " ".join([text, *pairs])


def _print(stream: Any, text: str) -> None:
    print(text, file=stream, flush=True)
