"""Registers secrets, which are masked in the log from now on."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Iterable, Iterator, List

from runnerlib import _runner

# Time limit for each socket operation, in seconds.
TIMEOUT_SECONDS = 5.0

# Maximum size of a request, in bytes, and maximum number of values in it.
MAX_REQUEST_BYTES = 1_048_576
MAX_REQUEST_VALUES = 10_000

# Registered secrets; jobs that this pipeline runs later mask them as well.
pending: List[str] = []


def register_secret(*values: str) -> bool:
    """Masks values in all output from now on.

    :return: Whether a runner masks the values now. In a pipeline that was not
        started by a runner, only jobs that it runs afterwards mask them.
    """
    return _runner.register_secrets([value for value in values if value])


def register_secrets(values: Iterable[str]) -> bool:
    """Registers values at the socket of the runner that started this program."""
    texts = [str(value) for value in values]
    pending.extend(texts)
    _forward_to_running_jobs(texts)
    path = os.environ.get("REACTORCIDE_SECRETS_SOCKET", "")
    if path == "":
        return False
    for request in _requests(texts):
        _exchange(path, request)
    return True


def _requests(values: List[str]) -> Iterator[bytes]:
    """Splits values into as few requests as the limits allow."""
    elements: List[str] = []
    length = len(_request(elements))
    for value in values:
        element = json.dumps(value)
        size = len(element) + 1
        is_full = len(elements) == MAX_REQUEST_VALUES
        if elements and (is_full or length + size > MAX_REQUEST_BYTES):
            yield _request(elements)
            elements, length = [], len(_request([]))
        elements.append(element)
        length += size
    if elements:
        yield _request(elements)


def _request(elements: List[str]) -> bytes:
    return f'{{"action":"register","secrets":[{",".join(elements)}]}}'.encode()


def _exchange(path: str, request: bytes) -> None:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(TIMEOUT_SECONDS)
            client.connect(path)
            client.sendall(struct.pack(">I", len(request)) + request)
            reply = b""
            while chunk := client.recv(4096):
                reply += chunk
        if json.loads(reply).get("status") == "ok":
            return
        state = reply.decode("utf-8", "replace").strip()
    except json.JSONDecodeError:
        text = reply.decode("utf-8", "replace").strip()
        state = f'refused with "{text}"' if text else "closed without an answer"
    except (OSError, ValueError, AttributeError) as error:
        state = str(error)
    raise _runner.RunnerError(f'Cannot register secrets at "{path}": {state}')


def _forward_to_running_jobs(values: List[str]) -> None:
    from runnerlib import _pipeline

    for link in list(_pipeline.links):
        for value in values:
            link.ask({"type": "secret", "value": value})
