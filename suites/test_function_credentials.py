"""The credentials in a function's variables: of use while a request runs, and not in between."""

import os
import time

import pytest
from conftest import until
from functions import Function
from processes import has_stopped, let_run, of_function
from test_isolation import SIGNED

# Each request tells what became of the calls that threads have made since the last.
CALLING = SIGNED.rsplit("def handler", 1)[0] + '''
import threading, time

told, gate = [], threading.Lock()


def ask():
    answer = call("dynamodb", "DynamoDB_20120810.ListTables", {})
    with gate:
        told.append(answer.get("__type", "listed").rsplit("#", 1)[-1])


def later(seconds):
    time.sleep(seconds)
    ask()


def often(stop):
    while not stop.is_set():
        ask()


running = threading.Event()


def handler(event, context):
    if event.get("later"):
        threading.Thread(target=later, args=[event["later"]], daemon=True).start()
    if event.get("often"):
        threading.Thread(target=often, args=[running], daemon=True).start()
    if event.get("stop"):
        running.set()
    time.sleep(event.get("work", 0))
    with gate:
        seen, told[:] = list(told), []
    return [seen, os.getpid(), time.monotonic()]
'''

LIST_TABLES = {"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}


def calling(server):
    # A process that waited for any function could not be told by its variables.
    return Function(server, {"app.py": CALLING}, statements=[LIST_TABLES], Environment={"Variables": {"TZ": "UTC"}})


def calls(server, function):
    """What the trail has of the function's calls."""
    return [record for record in server.audit(function.name) if record.get("operation") == "ListTables"]


def is_frozen(server, function):
    """Waits until all its processes are; says when that was seen."""

    def frozen():
        processes = of_function(server, function.name)
        return processes and all(has_stopped(pid) for pid in processes)

    assert until(frozen)
    return time.monotonic()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may let run what the platform has frozen")
def test_they_are_refused_while_no_request_runs(server):
    function = calling(server)
    _, (_, first, then) = function.invoke({"later": 4})
    stopped = is_frozen(server, function)
    assert until(lambda: time.monotonic() > max(then + 4, stopped + 1.5))
    assert calls(server, function) == []
    # As nobody but the platform does: the thread goes on, though nothing has been asked of the function.
    let_run(server, function.name)
    assert until(lambda: calls(server, function))
    (record,) = calls(server, function)
    assert record["alarm"].endswith("were used while no request was running"), record
    assert record["outcome"]["code"] == "UnrecognizedClientException", record
    # In its next request they are of use again, the same ones.
    _, (seen, second, _) = function.invoke({"later": 0.01, "work": 1})
    assert (seen, second) == (["UnrecognizedClientException", "listed"], first)
    assert not calls(server, function)[-1].get("alarm")


def test_what_a_function_has_under_way_when_it_answers_is_served(server):
    function = calling(server)
    _, (_, first, _) = function.invoke({"often": True, "work": 0.2})
    made = []
    for event in [{}, {"work": 0.2}, {}, {}, {"stop": True, "work": 0.5}]:
        # Frozen for longer than anything is under way.
        stopped = is_frozen(server, function)
        assert until(lambda: time.monotonic() > stopped + 1.5)
        _, (seen, process, _) = function.invoke(event)
        assert process == first
        made += seen
    assert len(made) > 10 and set(made) == {"listed"}, made
    assert until(lambda: len(calls(server, function)) >= len(made))
    assert not [record for record in calls(server, function) if record.get("alarm")]
