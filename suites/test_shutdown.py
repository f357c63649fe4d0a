"""The server's end: extensions hear of it and have their two seconds; whoever asks again does not wait for them."""

import json
import os
import signal
import threading
import time
import uuid

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Server, until
from functions import Function
from test_extensions import deploy, extension, lines

LIMIT_S = 2
# Beside those two seconds: requests end, lines are delivered, processes are waited for.
SLACK_S = 6


@pytest.fixture
def own(tmp_path):
    server = Server(tmp_path / "data").start()
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture
def python(own):
    """Where the interpreter lies inside."""
    code = "import os\n\ndef handler(event, context):\n    return os.path.realpath('/proc/self/exe')\n"
    return Function(own, {"app.py": code}).invoke()[1]


def processes(name):
    """Those of an extension of this name, seen from outside."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as line:
                if f"/opt/extensions/{name}".encode() in line.read():
                    found.append(int(process))
        except OSError:
            pass
    return found


def with_extension(own, python, **told):
    """A function whose environment is idle, with an extension; its name."""
    name = f"e-{uuid.uuid4().hex[:8]}"
    function = deploy(own, {name: extension(python, **told)})
    answer, _ = function.invoke()
    assert "FunctionError" not in answer
    lines(function, f"{name} event")
    assert processes(name)
    return function, name


def ended(own, *signals):
    """How long the server takes to end after the last signal, and that it does so in order. Each is sent when the one before has
    been taken note of."""
    for index, sent in enumerate(signals):
        assert index == 0 or until(lambda: "stopping: " in own.text), own.text
        own.process.send_signal(sent)
    began = time.monotonic()
    assert own.process.wait(30) == 0, own.text
    return time.monotonic() - began


def again(own, function):
    """The next server over the same data: what the last one has delivered is in its log."""
    server = Server(own.data_dir, port=own.port).start()
    function.server = server
    return server


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_extensions_hear_of_the_servers_end(own, python, sent):
    each = 'event["eventType"] == "SHUTDOWN" and time.sleep(0.5)'
    function, name = with_extension(own, python, each=each)
    assert ended(own, sent) < LIMIT_S + SLACK_S
    assert not processes(name)
    server = again(own, function)
    try:
        last = json.loads(lines(function, f"{name} event", 2)[-1].split(" event ", 1)[1])
        assert (last["eventType"], last["shutdownReason"]) == ("SHUTDOWN", "spindown"), last
        # What it says at the very end is delivered, too.
        assert lines(function, f"{name} bye after")
    finally:
        server.stop()


def test_an_extension_that_does_not_end_has_two_seconds(own, python):
    each = 'event["eventType"] == "SHUTDOWN" and (say("stays"), time.sleep(60))'
    function, name = with_extension(own, python, each=each)
    took = ended(own, signal.SIGTERM)
    assert LIMIT_S - 0.5 < took < LIMIT_S + SLACK_S, took
    assert not processes(name)
    server = again(own, function)
    try:
        assert lines(function, f"{name} stays")
    finally:
        server.stop()


def begun(own, python, seconds, **told):
    """A request that is under way for so long, in an environment with an extension: the extension's name, its function, and
    where the answer comes to."""
    code = f"import time\n\ndef handler(event, context):\n    print('at work', flush=True)\n    time.sleep({seconds})\n    return 'done'\n"
    name, answers = f"e-{uuid.uuid4().hex[:8]}", []
    function = deploy(own, {name: extension(python, **told)}, code=code, Timeout=60)

    def ask():
        try:
            answers.append(function.invoke()[1])
        except (BotoCoreError, ClientError) as error:
            answers.append(error)

    asks = threading.Thread(target=ask, daemon=True)
    asks.start()
    lines(function, "at work", seconds=30)
    return name, function, (asks, answers)


def test_a_second_signal_waits_for_nobody(own, python):
    # The first one waits ten seconds for the request, and two for the extension.
    name, _, (asks, answers) = begun(own, python, 40, each='event["eventType"] == "SHUTDOWN" and time.sleep(60)')
    took = ended(own, signal.SIGTERM, signal.SIGTERM)
    assert took < 6, took
    assert "stopping at once" in own.text
    asks.join(20)
    assert isinstance(answers[0], BotoCoreError), answers
    assert until(lambda: not processes(name), 5), "nothing outlives the server"


def test_an_event_that_is_under_way_at_the_end_is_done_by_the_next_server(own):
    code = "import time\n\ndef handler(event, context):\n    print('at work', flush=True)\n    time.sleep(event['seconds'])\n"
    logs = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]
    function = Function(own, {"app.py": code}, statements=logs, Timeout=900)
    # Its only try is ended by the server, not by the function.
    function.lambda_.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    function.invoke({"seconds": 800}, InvocationType="Event")
    lines(function, "at work", seconds=30)
    ended(own, signal.SIGTERM)
    server = again(own, function)
    try:
        assert len(lines(function, "at work", 2, seconds=30)) == 2
        dropped = [record for record in server.audit(function.name) if record.get("operation") == "lambda.request-dropped"]
        assert not dropped, dropped
    finally:
        server.kill()


def test_a_request_that_is_under_way_is_answered_before_the_end(own, python):
    name, function, (asks, answers) = begun(own, python, 3)
    ended(own, signal.SIGTERM)
    asks.join(20)
    assert answers == ["done"]
    assert not processes(name)
    server = again(own, function)
    try:
        kinds = [json.loads(line.split(" event ", 1)[1])["eventType"] for line in lines(function, f"{name} event", 2)]
        assert kinds == ["INVOKE", "SHUTDOWN"]
    finally:
        server.stop()
