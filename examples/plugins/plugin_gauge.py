#!/usr/bin/env python3
"""Reports the load of the machine. A plugin can be a program in any language.

It says once what it is, and answers each call; both are lines of JSON. Nobody
can keep a program from anything, so it has to be allowed to run at all:
--allow-plugin gauge:run=*
"""
import json
import os
import sys


def send(message):
    print(json.dumps(message), flush=True)


send({"type": "ready", "plugins": [{"name": "gauge", "phases": ["cleanup"]}]})
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] != "call":
        continue
    send({"type": "metric", "name": "load", "value": os.getloadavg()[0]})
    send({"type": "log", "message": f"exit code {message['context']['exitCode']}"})
    send({"type": "done", "id": message["id"], "changes": {}})
