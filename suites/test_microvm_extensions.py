"""Extensions in virtual machines, under software emulation: beside a runtime and in its process, and how both end.

All functions are of one runtime, whose machine boots once; each has a machine of its own that goes on from there.
"""

import json
import platform
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import address_of_the_host
from functions import package
from machines import MACHINE, ONCE, Slow, until
from test_extensions import LOGS, lines, retire


@pytest.fixture(scope="module")
def server(machines_for_all):
    yield (running := machines_for_all())
    # The last of those that share it, in the order in which all are run: its templates take memory.
    running.stop()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The runtime and every extension."""
    program = tmp_path_factory.mktemp("program") / "program"
    compiler = shutil.which("cc") or pytest.fail("no C compiler")
    source = Path(__file__).parent / "machine_extensions.c"
    subprocess.run([compiler, "-static", "-O1", "-pthread", "-o", program, source], check=True)
    return program.read_bytes()


def deploy(server, program, extensions, variables=MACHINE):
    layers = [
        server.client("lambda").publish_layer_version(
            LayerName=f"extensions-of-{'-'.join(extensions)}",
            Content={"ZipFile": package({f"extensions/{name}": content for name, content in extensions.items()})},
        )["LayerVersionArn"]
    ] if extensions else []
    return Slow(
        server, {"bootstrap": program}, runtime="provided.al2023", statements=LOGS, MemorySize=256, Timeout=3, Layers=layers,
        Environment={"Variables": variables | {"MARK": "here", "CASEMATE_EXEC": "deny"}},
    )


def events(function, count):
    return [json.loads(line.split(" event ", 1)[1]) for line in lines(function, "hears event", count)]


def heard(function, kind, count=1, mention=""):
    """Records of this kind that mention the text, in what was delivered to the extension, when there are enough."""
    found = []

    def enough():
        told = [one for line in lines(function, "hears heard") for one in json.loads(line.split(" heard ", 1)[1])]
        found[:] = [one["record"] for one in told if one["type"] == kind and mention in json.dumps(one)]
        return len(found) >= count

    assert until(enough), found
    return found


@pytest.fixture(scope="module")
def hears(server, program):
    """Its first requests, until one was served by a machine that had served another. The wish for a template that there cannot be is
    no reason not to run."""
    function = deploy(server, program, {"hears": program}, ONCE | {"CASEMATE_CREDENTIALS": "endpoint"})
    function.said, function.machines = [], 0
    # A request that comes before the extension has asked for it gets a machine of its own.
    while len(function.said) == function.machines and len(function.said) < 6:
        function.said.append(function.invoke())
        events(function, len(function.said))
        function.machines = len(lines(function, "hears registered"))
    return function


def test_both_kinds_of_extensions_hear_of_requests_in_one_machine(hears):
    for answer, said in hears.said:
        assert "FunctionError" not in answer, said
        assert said["kernel"] != platform.release() and said["inside"] == "INVOKE", said
    asked = {("INVOKE", said["id"]) for _, said in hears.said}
    assert {(event["eventType"], event["requestId"]) for event in events(hears, len(asked))} == asked
    assert hears.machines < len(asked), "one machine has served two requests, and stood still between them"
    told = json.loads(lines(hears, "hears registered")[0].split("registered ", 1)[1])
    assert (told["functionName"], told["handler"]) == (hears.name, "app.handler"), told
    assert set(lines(hears, "EXTENSION\t", 2)) == {
        "EXTENSION\tName: hears\tState: Ready\tEvents: [INVOKE,SHUTDOWN]", "EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]",
    }
    assert lines(hears, "CASEMATE_INIT:")[0].endswith("it has external extensions"), "no template is made of it"


def test_telemetry_is_delivered_into_the_machine(hears):
    # What is told of the last is delivered when its machine goes on.
    asked = {said["id"] for _, said in hears.said[:-1]}
    assert set(lines(hears, "subscribed:")) == {"hears subscribed: 400 400 403 200"}
    assert heard(hears, "platform.initStart")[0]["functionName"] == hears.name, "what was told before it subscribed"
    assert {one["name"] for one in heard(hears, "platform.extension", 2)} == {"hears", "inside"}
    assert {one["requestId"] for one in heard(hears, "platform.start", len(asked))} >= asked
    assert {f"inside works on {one}" for one in asked} <= set(heard(hears, "function", len(asked), "works on"))


def test_an_extension_reaches_no_more_than_the_runtime(hears):
    said = {name: lines(hears, f"hears {name}:")[0] for name in ("outside", "metadata", "packets", "vsock", "layer", "agent", "port", "program")}
    assert not [line for line in said.values() if line.endswith("done")], said
    assert said["layer"].endswith("Read-only file system") and said["program"].endswith("Operation not permitted"), said
    assert said["agent"].endswith("No such file or directory") and said["port"].endswith("No such file or directory"), said
    assert set(lines(hears, "hears variables:")) == {"hears variables: here none"}
    assert set(lines(hears, "hears wrong:")) == {"hears wrong: 403 403 403 403 403"}
    assert hears.server.wait_for_audit(hears.name, lambda record: "/proc/self/exe" in json.dumps(record))


def test_the_end_is_told_and_waited_for(hears):
    answer, said = hears.invoke("sleep")
    assert "Task timed out after 3.00 seconds" in said["errorMessage"], (answer, said)
    told = json.loads(lines(hears, '"shutdownReason":"timeout"')[0].split(" event ", 1)[1])
    assert told["eventType"] == "SHUTDOWN" and abs(told["deadlineMs"] / 1000 - time.time()) < 30, told
    assert "FunctionError" not in hears.invoke()[0]
    retire(hears)
    lines(hears, '"shutdownReason":"spindown"')
    assert len(lines(hears, "hears bye", 2)) >= 2, "each ended by itself"


def test_extensions_that_fail_and_templates_of_internal_ones(server, program, hears):  # after it: the runtime's template is there
    listener = socket.create_server(("0.0.0.0", 0))
    address, port = address_of_the_host(), listener.getsockname()[1]
    out = {"CASEMATE_EGRESS": f"{address}:{port}", "OUTSIDE": address, "OUTSIDE_PORT": str(port)}
    functions = [
        deploy(server, program, {"dies": program}, MACHINE | out),
        # A text is no program.
        deploy(server, program, {"closed": "a file"}),
        deploy(server, program, {}, ONCE | {"CASEMATE_CREDENTIALS": "endpoint"}),
    ]
    # The runtime answers faster than an extension ends, unless it does not answer.
    with ThreadPoolExecutor(3) as all_at_once:
        dies, closed, inside = all_at_once.map(Slow.invoke, functions, ["sleep", {}, {}])
    assert dies[1]["errorType"] == "Extension.Crash" and dies[1]["errorMessage"].endswith("Error: exit status 9"), dies
    assert lines(functions[0], "dies outside:") == ["dies outside: done", "dies outside: Network is unreachable"], "the function's way out is its own"
    assert closed[1]["errorType"] == "Extension.LaunchError", closed
    assert closed[1]["errorMessage"].endswith("Error: fork/exec /opt/extensions/closed: permission denied"), closed
    assert inside[1]["inside"] == "INVOKE", inside
    assert lines(functions[2], "CASEMATE_INIT:")[0].endswith("it has extensions"), "none of those that registered is cloned"
