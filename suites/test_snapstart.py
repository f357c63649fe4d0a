"""SnapStart by boto3: publishing, the waiter, hooks, what each environment begins with, and what is refused."""

import concurrent.futures
import datetime
import functools
import importlib
import json
import re
import time
import uuid

import botocore.auth
import botocore.compat
import pytest
from botocore.exceptions import ClientError, WaiterError
from conftest import Server, until
from functions import Function, package, runtimes
from processes import has_stopped, of_function
from test_expiry import ahead

APP = """
import json, os, random, secrets, time, urllib.request, uuid
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


def fetch():
    asked = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
                                   headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)["AccessKeyId"]


def handler(event, context):
    STATE["requests"] += 1
    time.sleep(event.get("sleep", 0))
    if event.get("crash"):
        os._exit(3)
    return {"said": SAID, "born": BORN, "requests": STATE["requests"], "pid": os.getpid(),
            "key": fetch() if event.get("who") else None,
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
    # With one request at a time there is one template.
    function.lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    _, first = invoke(function, {"who": True})
    assert first["said"] == ["before", "after"] and first["kind"] == "snap-start"
    assert first["keys"] == ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    _, second = invoke(function, {"who": True})
    assert first["key"].startswith("ASIA") and second["key"].startswith("ASIA") and first["key"] != second["key"]
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


LOGS = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]


def made(function, count, seconds=60):
    """Waits until so many templates have been initialised, as the log tells."""
    logs, end, found = function.server.client("logs"), time.monotonic() + seconds, []
    while time.monotonic() < end:
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function.name}")
            found = [event for page in pages for event in page["events"] if "template is loaded" in event["message"]]
        except logs.exceptions.ResourceNotFoundException:
            pass
        if len(found) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"{count} templates were not made: {found}")


def burst(function, count, event):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [answer for _, answer in pool.map(lambda _: invoke(function, event), range(count))]


def test_a_burst_is_served_by_templates_that_are_there(server, python):
    app = "import time\ntime.sleep(1)\nMADE = time.time()\n" + APP % "pass"
    app = app.replace('"pid": os.getpid()', '"pid": os.getpid(), "made": MADE') + "\nprint('a template is loaded')\n"
    count = 4
    function = published(
        server, python, app, statements=LOGS, Environment={"Variables": {"CASEMATE_SNAPSHOTS": str(count)}}
    )
    active(function)
    made(function, count)
    # What is left to do after the last line: hooks, and to stop it, which is done when it is there for requests.
    templates = lambda: of_function(server, function.name)
    assert until(lambda: len(templates()) >= count and all(map(has_stopped, templates())))
    began = time.time()
    answers = burst(function, count, {"sleep": 1})
    # The server's clock is this machine's.
    assert all(answer["made"] < began for answer in answers), (began, answers)
    assert len({answer["stream"] for answer in answers}) == count, "each had an environment of its own"
    assert all(answer["requests"] == 1 and answer["said"] == ["before", "after"] for answer in answers)
    drawn = [str(value) for answer in answers for value in answer["drawn"]]
    assert len(set(drawn)) == len(drawn)


def test_how_many_are_kept_is_a_number(server, python):
    for wrong in ("0", "101", "many", "-1"):
        with pytest.raises(ClientError, match="CASEMATE_SNAPSHOTS must be a number from 1 to 100"):
            Function(server, {"app.py": APP % "pass"}, runtime=python, SnapStart=ON,
                     Environment={"Variables": {"CASEMATE_SNAPSHOTS": wrong}})


STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: snapped
      Runtime: %s
      Handler: index.handler
      Timeout: 20
      InlineCode: |
        import os, time
        time.sleep(1)
        WORD = '%s'
        %s
        def handler(event, context):
            return [WORD, context.function_version, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]
      SnapStart: {ApplyOn: PublishedVersions}
      AutoPublishAlias: live
Outputs:
  Alias: {Value: !Ref FAliaslive}
"""


def test_a_sam_stack_is_complete_when_its_version_has_its_snapshot(server, python):
    stacks, lambda_ = server.client("cloudformation"), server.client("lambda")
    able = {"StackName": "snapped", "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]}
    quick = {"Delay": 1, "MaxAttempts": 60}

    def settled(waiter):
        stacks.get_waiter(waiter).wait(StackName="snapped", WaiterConfig=quick)

    def said():
        outputs = stacks.describe_stacks(StackName="snapped")["Stacks"][0]["Outputs"]
        return json.load(lambda_.invoke(FunctionName=outputs[0]["OutputValue"])["Payload"])

    stacks.create_stack(TemplateBody=STACK % (python, "one", "pass"), **able)
    settled("stack_create_complete")
    shown = lambda_.get_function_configuration(FunctionName="snapped", Qualifier="live")
    assert (shown["State"], shown["SnapStart"]) == ("Active", ON | {"OptimizationStatus": "On"})
    assert said() == ["one", "1", "snap-start"], "without waiting: the stack has waited"
    stacks.update_stack(TemplateBody=STACK % (python, "two", "pass"), **able)
    settled("stack_update_complete")
    assert said() == ["two", "2", "snap-start"]
    # A version that cannot be initialised: the alias stays where it was.
    stacks.update_stack(TemplateBody=STACK % (python, "three", "raise KeyError('hush')"), **able)
    with pytest.raises(WaiterError):
        settled("stack_update_complete")
    end = time.monotonic() + 60
    while (status := stacks.describe_stacks(StackName="snapped")["Stacks"][0]["StackStatus"]) != "UPDATE_ROLLBACK_COMPLETE":
        assert time.monotonic() < end, status
        time.sleep(0.2)
    reasons = [event.get("ResourceStatusReason", "") for event in stacks.describe_stack_events(StackName="snapped")["StackEvents"]]
    assert any("KeyError" in reason for reason in reasons) and not any("hush" in reason for reason in reasons), reasons
    assert said() == ["two", "2", "snap-start"]
    stacks.delete_stack(StackName="snapped")
    settled("stack_delete_complete")


def test_what_a_key_hides_is_restored_for_nobody_once_the_key_is_disabled(server, python):
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]
    function = published(
        server, python, APP % "pass", KMSKeyArn=key["Arn"],
        Environment={"Variables": {"SECRET": "hush", "CASEMATE_REUSE": "per-invocation"}},
    )
    active(function)
    assert invoke(function)[1]["requests"] == 1
    kms.disable_key(KeyId=key["KeyId"])
    for _ in range(2):
        refused("KMSDisabledException", "", function.lambda_.invoke, FunctionName=function.name, Qualifier="1")
    kms.enable_key(KeyId=key["KeyId"])
    assert invoke(function)[1]["requests"] == 1


def then(days, remove_tzinfo=True):
    """Days from now, as a signer asks for the time."""
    time_then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return time_then.replace(tzinfo=None) if remove_tzinfo else time_then


# Where AWS's C library is installed it signs.
SIGNERS = [botocore.auth] + ([importlib.import_module("botocore.crt.auth")] if botocore.compat.HAS_CRT else [])


def test_a_version_that_nobody_invokes_for_14_days_is_inactive(tmp_path, monkeypatch):
    """The server goes on under a clock that is ahead, and so does this client's signature."""
    server = Server(tmp_path / "data").start()
    try:
        found = [name for name in runtimes(server) if re.fullmatch(r"python3\.1[2-9]", name)]
        if not found:
            pytest.skip("this machine has no Python that AWS makes snapshots of")
        name = published(server, found[-1]).name
        lambda_ = server.client("lambda")
        lambda_.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        server.stop()
        for days, state in ((13, "Active"), (28, "Inactive")):
            # 13 days later it is not used either: 28 days are more than 14 after the last use.
            server = Server(server.data_dir, environment=ahead(f"+{days}d")).start()
            for signer in SIGNERS:
                monkeypatch.setattr(signer, "get_current_datetime", functools.partial(then, days))
            lambda_ = server.client("lambda")
            shown = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
            end = time.monotonic() + 15
            while shown["State"] != state and time.monotonic() < end:
                time.sleep(0.1)
                shown = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
            assert shown["State"] == state, shown
            if state == "Active":
                server.stop()
        assert shown["StateReasonCode"] == "Idle"
        refused(
            "SnapStartNotReadyException", "It will be ready to invoke once your function state becomes ACTIVE.",
            lambda_.invoke, FunctionName=name, Qualifier="1",
        )
        lambda_.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        assert json.load(lambda_.invoke(FunctionName=name, Qualifier="1")["Payload"])["kind"] == "snap-start"
    finally:
        server.stop()
