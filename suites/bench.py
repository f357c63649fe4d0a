"""Functions and sign-in, measured from outside with every control in force: CASEMATE_BIN=target/release/casemate
suites/.venv/bin/python suites/bench.py. Medians of several calls; the client is this Python process on the same machine."""

import http.client
import statistics
import tempfile
import time
from urllib.parse import urlsplit

from conftest import ROOT, Notes, Server
from functions import Function, node_runtime

ROUNDS = 15


def timed(action):
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1000


def show(name, values):
    values = sorted(values)
    p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
    print(f"{name:<58} median {statistics.median(values):8.2f} ms   p99 {p99:8.2f} ms   n={len(values)}")


def cold_starts(server):
    node = node_runtime(server)
    cases = {
        "python": ({"app.py": "def handler(e, c):\n    return 1"}, {}),
        node: ({"app.js": "exports.handler = async () => 1;"}, {"runtime": node}),
    }
    for name, (files, settings) in cases.items():
        cold, warm = [], []
        for _ in range(ROUNDS):
            function = Function(server, files, **settings)
            cold.append(timed(function.invoke))
            warm += [timed(function.invoke) for _ in range(20)]
        show(f"{name}: first invoke of a new function (boto3)", cold)
        show(f"{name}: warm invoke (boto3)", warm)


def api(notes):
    token = notes.tokens("bench")["IdToken"]
    target = urlsplit(notes.url)
    connection = http.client.HTTPConnection(target.hostname, target.port)

    def call(path, headers):
        connection.request("GET", target.path + path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body

    listing = lambda: call("/notes", {"Authorization": token})
    listing()
    show("API, user-pool authorizer, function, role session, Query", [timed(listing) for _ in range(200)])


def sign_ins(notes):
    notes.tokens("bench")
    show("SRP sign-in (pycognito, its own arithmetic included)", [timed(lambda: notes.tokens("bench")) for _ in range(ROUNDS)])


def main():
    with tempfile.TemporaryDirectory() as directory:
        server = Server(f"{directory}/data", ROOT / "examples/notes/template.yaml").start()
        try:
            notes = Notes(server)
            cold_starts(server)
            api(notes)
            sign_ins(notes)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
