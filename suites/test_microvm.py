"""Functions in virtual machines of their own, under software emulation: asked for by the function, or demanded by the operator."""

import base64
import json
import os
import platform
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from conftest import Server, until
from functions import Function
from machines import MACHINE, Slow, children, ended, machines, name_of, qemus


@pytest.fixture(scope="module")
def server(machines_for_all):
    return machines_for_all()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A server without machines."""
    running = Server(tmp_path_factory.mktemp("no-machines") / "data").start()
    yield running
    running.stop()


APP = '''
import os, time, uuid

made = uuid.uuid4().hex
count = 0

def handler(event, context):
    global count
    count += 1
    what = event.get("do")
    if what == "fail":
        raise ValueError("as asked")
    if what == "fill":
        held = bytearray()
        while True:
            held += b"x" * (8 << 20)
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "leak":
        return {name.lower(): value for name, value in os.environ.items() if name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    print("line of", context.aws_request_id)
    task = "writable"
    try:
        open("/var/task/new", "w")
    except OSError as error:
        task = error.strerror
    return {
        "kernel": os.uname().release, "made": made, "count": count, "mark": os.environ.get("MARK"), "task": task,
        "shell": os.path.exists("/bin/sh"), "request": context.aws_request_id, "now": time.time(),
        "key": os.environ["AWS_ACCESS_KEY_ID"], "wishes": [name for name in os.environ if name.startswith("CASEMATE_")],
    }
'''


@pytest.fixture(scope="module")
def python(server):
    return Slow(
        server, {"app.py": APP}, Timeout=30, MemorySize=256, Environment={"Variables": MACHINE | {"MARK": "here"}},
    )


@pytest.fixture(scope="module")
def custom(server, custom_program):
    return Slow(
        server, {"bootstrap": custom_program}, runtime="provided.al2023", Timeout=4, MemorySize=256,
        Environment={"Variables": MACHINE},
    )


def test_start_line_says_what_is_in_force(server):
    assert "isolation: process sandbox; for functions that ask: virtual machines by software emulation" in server.text


def test_two_runtimes_answer_from_kernels_of_their_own_and_stay_warm(server, python, custom):
    with ThreadPoolExecutor(2) as both:
        cold, other = both.map(lambda one: one.invoke({}, LogType="Tail"), (python, custom))
    (answer, said), (custom_answer, custom_said) = cold, other
    assert "FunctionError" not in answer and "FunctionError" not in custom_answer, (said, custom_said)
    assert said["kernel"] != platform.release() and "cloud" in said["kernel"]
    assert custom_said["kernel"] == said["kernel"]
    assert (said["mark"], said["task"], said["shell"], said["wishes"]) == ("here", "Read-only file system", False, [])
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "INIT_START" not in tail and f"START RequestId: {said['request']}" in tail
    assert f"line of {said['request']}" in tail and "Max Memory Used: " in tail and "Max Memory Used: 0 MB" not in tail
    _, again = python.invoke({})
    assert (again["made"], again["count"]) == (said["made"], 2), "the machine is used again"
    assert abs(again["now"] - time.time()) < 20, "its clock goes on after it stood still"
    assert again["key"] == said["key"] and again["key"].startswith("ASIA")


def test_errors_are_the_functions_own(python):
    answer, said = python.invoke({"do": "fail"})
    assert answer["FunctionError"] == "Unhandled" and said["errorType"] == "ValueError" and said["errorMessage"] == "as asked"


def test_credentials_stolen_from_a_machine_are_refused_outside_and_raise_an_alarm(server, python):
    _, stolen = python.invoke({"do": "leak"})
    with pytest.raises(ClientError) as refused:
        server.client("dynamodb", **stolen).list_tables()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"
    alarms = server.wait_for_audit(stolen["aws_access_key_id"], lambda record: record.get("alarm"))
    assert "leaked" in alarms[-1]["alarm"]


def test_two_requests_at_once_have_two_machines(server, python):
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(python.invoke, [{"do": "sleep", "seconds": 12}, {"do": "sleep", "seconds": 1}]))
    said = [body for _, body in answers]
    assert len({one["made"] for one in said}) == 2, said
    assert len({one["key"] for one in said}) == 2, "each machine has credentials of its own"
    assert len(qemus(server)) >= 2


def test_a_request_that_takes_too_long_ends_with_its_machine(server, custom):
    before = set(qemus(server))
    answer, said = custom.invoke("sleep")
    assert answer["FunctionError"] == "Unhandled" and said["errorType"] == "Sandbox.Timedout", said
    # Whoever asked has the answer before what is left of the machine is cleared away.
    assert until(lambda: len(qemus(server)) < len(before)), (qemus(server), before)
    assert not set(qemus(server)) - before


WAITS = """
import time

def handler(event, context):
    print("began", flush=True)
    time.sleep(event["seconds"])
"""


def test_a_machine_lost_at_work_is_the_platforms_failure_and_not_the_functions(tmp_path):
    """Whoever waits gets an error of the service's, an event is tried again although its function allows no retry."""
    running = Server(tmp_path / "data", environment=machines()).start()
    try:
        logs = running.client("logs")
        allowed = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]
        function = Slow(running, {"app.py": WAITS}, statements=allowed, Timeout=300, MemorySize=256, Environment={"Variables": MACHINE})

        def began():
            try:
                found = logs.filter_log_events(logGroupName=f"/aws/lambda/{function.name}")["events"]
            except ClientError:
                return 0
            return sum(event["message"].strip() == "began" for event in found)

        def lose():
            for pid in children(running.process.pid):
                if "qemu" in name_of(pid):
                    os.kill(pid, signal.SIGKILL)

        with ThreadPoolExecutor(1) as waiting:
            request = waiting.submit(function.invoke, {"seconds": 250})
            assert until(lambda: began() == 1, 120), running.text
            lose()
            with pytest.raises(ClientError, match="lost while the function worked") as failed:
                request.result(60)
        assert failed.value.response["Error"]["Code"] == "ServiceException"
        assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert running.wait_for_audit("lambda.environment-lost", lambda record: function.arn in json.dumps(record))
        function.lambda_.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
        function.invoke({"seconds": 250}, InvocationType="Event")
        assert until(lambda: began() == 2, 120), running.text
        lose()
        assert until(lambda: began() == 3, 180), running.text
        assert not [one for one in running.audit("lambda.request-dropped") if one.get("operation") == "lambda.request-dropped"]
    finally:
        running.kill()


def test_memory_beyond_the_functions_size_ends_it(server, python):
    answer, said = python.invoke({"do": "fill"})
    assert answer["FunctionError"] == "Unhandled", said
    assert said["errorType"] in ("Runtime.ExitError", "MemoryError"), said
    assert server.wait_for_audit(python.name, lambda record: "memory" in json.dumps(record).lower())


def test_what_a_machine_has_not_is_refused_when_the_function_is_made(server):
    for wish, value, why in (
        ("CASEMATE_EGRESS", "example.com:443", "CASEMATE_EGRESS"),
        ("CASEMATE_ISOLATION", "none", "process or microvm"),
    ):
        with pytest.raises(ClientError, match=why) as refused:
            Function(server, {"app.py": APP}, Environment={"Variables": MACHINE | {wish: value}})
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_a_wish_for_a_machine_is_refused_where_there_is_none(plain):
    with pytest.raises(ClientError, match="runs no function in a virtual machine"):
        Function(plain, {"app.py": APP}, Environment={"Variables": MACHINE})
    function = Function(plain, {"app.py": APP})
    assert function.invoke({})[1]["kernel"] == platform.release()
    with pytest.raises(ClientError, match="runs no function in a virtual machine"):
        plain.client("lambda").update_function_configuration(
            FunctionName=function.name, Environment={"Variables": MACHINE}
        )
    assert function.invoke({})[1]["kernel"] == platform.release()


def test_a_floor_is_never_lowered(tmp_path_factory, custom_program):
    """Functions without a wish run in machines; weaker wishes are refused; without machines nothing runs."""
    data = tmp_path_factory.mktemp("floor") / "data"
    floor = {"CASEMATE_ISOLATION_FLOOR": "microvm"}
    running = Server(data, environment=floor | machines()).start()
    try:
        assert "isolation: every function in virtual machines by software emulation" in running.text
        function = Slow(running, {"bootstrap": custom_program}, runtime="provided.al2023", MemorySize=256)
        assert "cloud" in function.invoke({})[1]["kernel"]
        with pytest.raises(ClientError, match="less than this installation allows"):
            Function(running, {"app.py": APP}, Environment={"Variables": {"CASEMATE_ISOLATION": "process"}})
        pids = {pid for pid in children(running.process.pid) if "qemu" in name_of(pid)}
        assert pids
        # However the server ends, its machines end with it.
        running.kill()
        assert ended(pids)
    finally:
        running.stop()
    # The same data, no kernel any more: what ran in a machine does not run as a process.
    without = Server(data, environment=floor).start()
    try:
        assert "no function will run" in without.text
        with pytest.raises(ClientError, match="runs no function in a virtual machine"):
            without.client("lambda").invoke(FunctionName=function.name)
    finally:
        without.stop()


def test_firecracker_is_not_replaced_by_qemu_and_callers_see_nothing_of_the_host(tmp_path_factory):
    asked = machines() | {"CASEMATE_MICROVM_FIRECRACKER": "/nowhere/firecracker"}
    for environment, why, told in (
        (asked, "does not emulate", "does not emulate"),
        (asked | {"CASEMATE_MICROVM_EMULATION": "false"}, "no usable Firecracker: No such file", "no usable Firecracker"),
    ):
        running = Server(tmp_path_factory.mktemp("firecracker") / "data", environment=environment).start()
        try:
            assert "NO virtual machines" in running.text and why in running.text
            with pytest.raises(ClientError, match=told) as refused:
                Function(running, {"app.py": APP}, Environment={"Variables": MACHINE})
            assert "/" not in refused.value.response["Error"]["Message"]
        finally:
            running.stop()
