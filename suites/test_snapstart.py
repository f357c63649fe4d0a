"""SnapStart by boto3: publishing, the waiter, hooks, what each environment begins with, and what is refused."""

import concurrent.futures
import json
import re
import uuid

import pytest
from botocore.exceptions import ClientError, WaiterError
from functions import Function, package, runtimes

APP = """
import os, random, secrets, time, uuid
from snapshot_restore_py import register_before_snapshot, register_after_restore

SAID, BORN = [], [random.random(), str(uuid.uuid4())]
STATE = {"requests": 0}


@register_before_snapshot
def before():
    SAID.append("before")


@register_after_restore
def after():
    SAID.append("after")
    %s


def handler(event, context):
    STATE["requests"] += 1
    time.sleep(event.get("sleep", 0))
    if event.get("crash"):
        os._exit(3)
    client = None
    if event.get("who"):
        import boto3
        client = boto3.client("sts").get_caller_identity()["Arn"]
    return {"said": SAID, "born": BORN, "requests": STATE["requests"], "pid": os.getpid(), "client": client,
            "drawn": [random.random(), str(uuid.uuid4()), secrets.token_hex(), os.urandom(8).hex()],
            "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "keys": sorted(name for name in os.environ if name in ("AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_FULL_URI")),
            "stream": context.log_stream_name}
"""
ON = {"ApplyOn": "PublishedVersions"}


@pytest.fixture(scope="module")
def python(server):
    found = [name for name in runtimes(server) if re.fullmatch(r"python3\.1[2-9]", name)]
    if not found:
        pytest.skip("this machine has no Python that AWS makes snapshots of")
    return found[-1]


def refused(code, text, action, **arguments):
    with pytest.raises(ClientError) as refusal:
        action(**arguments)
    assert refusal.value.response["Error"]["Code"] == code and text in str(refusal.value), refusal.value


def published(server, python, app=APP % "pass", **more):
    function = Function(server, {"app.py": app}, runtime=python, SnapStart=ON, **more)
    version = function.lambda_.publish_version(FunctionName=function.name)
    assert version["State"] == "Pending" and version["SnapStart"] == ON | {"OptimizationStatus": "On"}
    return function


def active(function, version="1"):
    waiter = function.lambda_.get_waiter("published_version_active")
    waiter.wait(FunctionName=function.name, Qualifier=version, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def invoke(function, event=None, **options):
    answer = function.lambda_.invoke(
        FunctionName=function.name, Payload=json.dumps(event or {}), **({"Qualifier": "1"} | options)
    )
    return answer.get("FunctionError"), json.load(answer["Payload"])


def test_hooks_run_once_before_and_after_each_restore(server, python):
    function = published(server, python)
    active(function)
    _, first = invoke(function, {"who": True})
    assert first["said"] == ["before", "after"] and first["kind"] == "snap-start"
    assert first["keys"] == ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    assert first["client"] is None or f"/{function.name}" in first["client"]
    _, second = invoke(function)
    assert (second["pid"], second["requests"], second["said"]) == (first["pid"], 2, ["before", "after"])
    assert invoke(function, {"crash": True})[0] == "Unhandled"
    # Restored from the same snapshot: it has seen no request, and was not initialised again.
    _, third = invoke(function)
    assert (third["born"], third["requests"], third["said"]) == (first["born"], 1, ["before", "after"])
    assert third["pid"] != first["pid"] and not set(map(str, third["drawn"])) & set(map(str, first["drawn"]))
    latest = function.lambda_.get_function_configuration(FunctionName=function.name)
    assert latest["SnapStart"] == ON | {"OptimizationStatus": "Off"}
    assert invoke(function, Qualifier="$LATEST")[1]["kind"] == "on-demand"


def test_two_environments_at_once_draw_their_own(server, python):
    function = published(server, python)
    active(function)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one, two = (answer for _, answer in pool.map(lambda _: invoke(function, {"sleep": 1}), range(2)))
    assert one["requests"] == two["requests"] == 1 and one["stream"] != two["stream"]
    assert not set(map(str, one["drawn"])) & set(map(str, two["drawn"]))


def test_the_log_tells_of_restores(server, python):
    function = published(server, python)
    active(function)
    import base64

    report = lambda: base64.b64decode(
        function.lambda_.invoke(FunctionName=function.name, Qualifier="1", LogType="Tail")["LogResult"]
    ).decode()
    first = report()
    assert re.search(r"Restore Duration: [\d.]+ ms\tBilled Restore Duration: \d+ ms", first), first
    assert "Init Duration" not in first and "Restore Duration" not in report()


def test_a_version_that_cannot_be_initialised_fails(server, python):
    for app, reason in [
        ("raise KeyError('x')", "KeyError"),
        (APP % "pass" + "\nregister_before_snapshot(lambda: 1 / 0)\n", "Runtime.BeforeSnapshotError"),
    ]:
        function = published(server, python, app)
        with pytest.raises(WaiterError):
            active(function)
        shown = function.lambda_.get_function_configuration(FunctionName=function.name, Qualifier="1")
        assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError") and reason in shown["StateReason"]
        refused("ResourceConflictException", "following state: Failed", function.lambda_.invoke, FunctionName=function.name, Qualifier="1")


def test_a_version_that_is_being_initialised_is_not_invoked(server, python):
    function = published(server, python, "import time\ntime.sleep(4)\n" + APP % "pass")
    refused("ResourceConflictException", "following state: Pending", function.lambda_.invoke, FunctionName=function.name, Qualifier="1")
    active(function)
    assert invoke(function)[1]["said"] == ["before", "after"]


def test_hooks_that_fail_or_hang_after_the_restore(server, python):
    function = published(server, python, APP % "raise ValueError('no')")
    active(function)
    for _ in range(2):
        refused("SnapStartException", "afterRestore", function.lambda_.invoke, FunctionName=function.name, Qualifier="1")
    function = published(server, python, APP % "time.sleep(60)")
    active(function)
    refused("SnapStartTimeoutException", "within the timeout limit", function.lambda_.invoke, FunctionName=function.name, Qualifier="1")


def test_what_does_not_go_with_it_is_refused(server, python):
    function = published(server, python)
    lambda_, name = function.lambda_, function.name
    active(function)
    invalid = "InvalidParameterValueException"
    refused(invalid, "SnapStart", lambda_.put_provisioned_concurrency_config, FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    update = lambda_.update_function_configuration
    refused(invalid, "512 MB", update, FunctionName=name, EphemeralStorage={"Size": 1024})
    refused(invalid, "python3.11 is not supported for SnapStart", update, FunctionName=name, Runtime="python3.11")
    refused(invalid, "SnapStart", update, FunctionName=name, Environment={"Variables": {"CASEMATE_RUNTIME_CLIENT": "aws"}})
    make = lambda runtime: dict(
        FunctionName=f"no-{uuid.uuid4().hex[:8]}", Runtime=runtime, Handler="app.handler", Role=function.role,
        Code={"ZipFile": package({"app.py": "x = 1"})}, SnapStart=ON,
    )
    for runtime in ("provided.al2023", "python3.11"):
        refused(invalid, f"{runtime} is not supported for SnapStart enabled functions.", lambda_.create_function, **make(runtime))
    update(FunctionName=name, SnapStart={"ApplyOn": "None"}, EphemeralStorage={"Size": 1024})
    two = lambda_.publish_version(FunctionName=name)
    assert two["State"] == "Active" and two["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert invoke(function, Qualifier="2")[1]["kind"] == "on-demand"
    lambda_.delete_function(FunctionName=name, Qualifier="1")
    refused("ResourceNotFoundException", "", lambda_.invoke, FunctionName=name, Qualifier="1")
