"""Lets a runner call plugins in the process of a pipeline.

The runner starts a program as a plugin, which only forwards messages to the
pipeline and back over two named pipes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import sys
import shlex
import threading
import time
from typing import Any, Dict, Iterator, List

from runnerlib import _host, _runner, _secrets, plugins

# Connections to the runners of running jobs.
links: List[_runner.Connection] = []

# Maximum time to wait for a plugin after the job has ended, in seconds.
MAX_END_SECONDS = 5.0

_END = b'{"type":"end"}\n'


class _Nothing(plugins.Plugin):
    """Placeholder for a pipeline that has no plugins but registers secrets."""

    def supported_phases(self) -> List[plugins.PluginPhase]:
        return []


@contextlib.contextmanager
def open_plugins(directory: str, found: List[Any]) -> Iterator[List[str]]:
    """Serves plugins to a runner.

    :return: Options of ``runnerlib run`` that load them.
    """
    if os.environ.get("REACTORCIDE_PLUGIN_DIR"):
        raise _runner.RunnerError(
            "Cannot run a job with plugins of the pipeline: "
            "REACTORCIDE_PLUGIN_DIR names others, and there can be one directory"
        )
    root = os.path.join(directory, "plugins")
    os.mkdir(root)
    to_pipeline = os.path.join(directory, "to_pipeline")
    to_runner = os.path.join(directory, "to_runner")
    os.mkfifo(to_pipeline, 0o600)
    os.mkfifo(to_runner, 0o600)
    program = os.path.join(root, "plugin_pipeline")
    with open(program, "w", encoding="utf-8") as file:
        file.write(
            "#!/bin/sh\n"
            f"cat <{shlex.quote(to_runner)} &\n"
            f"exec cat >{shlex.quote(to_pipeline)}\n"
        )
    os.chmod(program, 0o700)
    # Opened for reading and writing, so that opening does not block.
    incoming = os.open(to_pipeline, os.O_RDWR)
    outgoing = os.open(to_runner, os.O_RDWR)
    connection = _runner.Connection(
        os.fdopen(os.dup(incoming), "rb"), lambda data: _write(outgoing, data)
    )
    calls: "queue.Queue[Any]" = queue.Queue()
    # Listen first: the runner answers secrets that are registered before "ready".
    connection.listen(calls.put, on_end=lambda: None)
    worker = threading.Thread(
        target=_serve,
        args=(connection, calls, found or [_Nothing("pipeline")]),
        daemon=True,
    )
    plugins.begin_job()
    worker.start()
    links.append(connection)
    try:
        grants = ("pipeline:run=*", "pipeline:env=*")
        options = [f"--allow-plugin={grant}" for grant in grants]
        yield [f"--plugin-dir={root}", *options]
    finally:
        links.remove(connection)
        calls.put(None)
        _write(incoming, _END)
        _drain_until_over(outgoing, worker)
        os.close(incoming)
        os.close(outgoing)


def _serve(connection: _runner.Connection, calls: Any, found: List[Any]) -> None:
    by_name = {plugins.plugin_name(plugin): plugin for plugin in found}
    try:
        for value in list(_secrets.pending):
            connection.send({"type": "secret", "value": value})
        connection.send(
            {
                "type": "ready",
                "plugins": [plugins.describe(plugin) for plugin in found],
            }
        )
    except BaseException as error:  # Code of a plugin may raise anything.
        connection.send({"type": "broken", **_host.describe_failure(error)})
        return
    while True:
        message = calls.get()
        if message is None:
            return
        if message["type"] == "call":
            connection.send(_answer(by_name, message))


def _answer(by_name: Dict[str, Any], message: Dict[str, Any]) -> Dict[str, Any]:
    identity = message["id"]
    try:
        changes = plugins.call(
            by_name[message["plugin"]], message["phase"], message["context"]
        )
        return {"type": "done", "id": identity, "changes": changes}
    except BaseException as error:  # Code of a plugin may raise anything.
        return {"type": "failed", "id": identity, **_host.describe_failure(error)}
    finally:
        sys.stdout.flush()


def _drain_until_over(outgoing: int, worker: threading.Thread) -> None:
    """Reads until the last answer is written, because the runner may be gone.

    Gives up on a plugin that hangs, as the runner does.
    """
    end = time.monotonic() + MAX_END_SECONDS
    while worker.is_alive() and time.monotonic() < end:
        if select.select([outgoing], [], [], 0)[0]:
            os.read(outgoing, 65536)
        worker.join(0.01)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
