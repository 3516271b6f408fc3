"""Connection to the runner, in a plugin or in a pipeline."""

from __future__ import annotations

import json
import os
import threading
from typing import Any, BinaryIO, Callable, Dict, FrozenSet, List, Optional

# Names of settings, and of boolean settings; the runner fills them in.
SETTINGS: FrozenSet[str] = frozenset()
SWITCHES: FrozenSet[str] = frozenset()

# Time limit for an answer of the runner, in seconds.
ANSWER_SECONDS = 30.0

_PACKAGE = os.path.dirname(__file__)


class RunnerError(RuntimeError):
    """Raised if the runner rejects a request or cannot perform it."""


class Connection:
    """Exchanges messages with a runner as lines of JSON."""

    def __init__(self, incoming: BinaryIO, write: Callable[[bytes], None]):
        self._incoming = incoming
        self._write = write
        self._lock = threading.Lock()
        self._answers: Dict[int, Dict[str, Any]] = {}
        self._answered = threading.Condition()
        self._last_id = 0

    def send(self, message: Dict[str, Any]) -> None:
        """Sends a message."""
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        with self._lock:
            self._write(line)

    def ask(self, message: Dict[str, Any]) -> Dict[str, Any]:
        """Sends a request and waits for its answer."""
        with self._answered:
            self._last_id += 1
            identity = self._last_id
        self.send({**message, "id": identity})
        with self._answered:
            has_answer = self._answered.wait_for(
                lambda: identity in self._answers, ANSWER_SECONDS
            )
            if not has_answer:
                raise RunnerError("the runner does not answer")
            answer = self._answers.pop(identity)
        if answer.get("error") is not None:
            raise RunnerError(answer["error"])
        return answer

    def listen(
        self,
        listener: Callable[[Dict[str, Any]], None],
        on_end: Callable[[], None] = lambda: os._exit(0),
    ) -> None:
        """Reads messages in a separate thread until the runner exits."""

        def read() -> None:
            try:
                for line in self._incoming:
                    message = json.loads(line)
                    if message["type"] == "end":
                        break
                    if message["type"] == "answer":
                        with self._answered:
                            self._answers[message["id"]] = message
                            self._answered.notify_all()
                    else:
                        listener(message)
            except (OSError, ValueError):
                pass  # The runner exited in the middle of a message.
            on_end()

        threading.Thread(target=read, name="runner", daemon=True).start()


_connection: Optional[Connection] = None


def connect(connection: Connection) -> None:
    """Sets the connection to the runner."""
    global _connection
    _connection = connection


def connection() -> Optional[Connection]:
    """Returns the connection of a plugin; ``None`` in a pipeline."""
    return _connection


def send(message: Dict[str, Any]) -> None:
    """Sends a message; only possible in a plugin."""
    if _connection is None:
        raise RunnerError("only a plugin of a running job can do this")
    _connection.send(message)


def register_secrets(values: List[str]) -> bool:
    """Masks values from now on; in a pipeline, by the runner that started it."""
    if _connection is not None:
        for value in values:
            _connection.ask({"type": "secret", "value": str(value)})
        return True
    from runnerlib import _secrets

    return _secrets.register_secrets(values)


def log_level() -> str:
    """Returns the minimum level of printed messages."""
    level = os.environ.get("LOG_LEVEL", "info").lower()
    return {"warn": "warning", "fatal": "critical"}.get(level, level)


def is_of_package(path: str) -> bool:
    """Checks whether a file belongs to this package."""
    return os.path.dirname(path) == _PACKAGE
