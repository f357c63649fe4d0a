"""Presses on the platform: a flood of output, connections to the Runtime API that say nothing more, a second process that takes
requests. As a plain child process, with the event on the standard input, it answers on its standard error."""

import http.client
import json
import os
import socket
import sys

HELD = []


def flood(event):
    line = "x" * 1000 + "\n"
    for _ in range(event["kilobytes"]):
        sys.stdout.write(line)
    return "done"


def api(event):
    return event.get("api") or os.environ["AWS_LAMBDA_RUNTIME_API"]


def hold(event):
    host, port = api(event).split(":")
    refused = 0
    while len(HELD) < event["connections"] and refused < 5:
        made = socket.socket()
        made.settimeout(0.2)
        try:
            made.connect((host, int(port)))
            made.send(b"POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\nx-slow: ")
            HELD.append(made)
        except OSError:
            refused += 1
    return {"held": len(HELD), "refused": refused}


def takes_what_comes(event):
    while True:
        connection = http.client.HTTPConnection(api(event))
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            connection.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", b'"taken"')
            connection.getresponse().read()


def second(event):
    if event.get("plant") and os.fork() == 0:
        try:
            takes_what_comes(event)
        finally:
            os._exit(0)
    return "mine"


def handler(event, context=None):
    return {"flood": flood, "hold": hold, "second": second}[event["do"]](event)


if __name__ == "__main__":
    print(json.dumps(handler(json.load(sys.stdin))), file=sys.stderr)
