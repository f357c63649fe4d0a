"""Machines that go on where an earlier one of the same version had loaded the function, under software emulation: by the owner's wish
(CASEMATE_INIT), or as AWS has it (SnapStart)."""

import base64
import contextlib
import hashlib
import json
import mmap
import os
import re
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError
from conftest import until
from functions import PYTHON, Function, node_runtime, package, runtimes
from machines import MACHINE, ONCE, Slow, children, name_of
from test_isolation import SIGNED


@pytest.fixture(scope="module")
def server(machines_for_all):
    return machines_for_all()


LOADED = "a text that is in the memory since the function was loaded"

APP_ONCE = '''
import os, random, ssl, sys, time, uuid

LOADED = "a text that is in the memory " + "since the function was loaded"
made, drawn, seen = uuid.uuid4().hex, random.random(), []
keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}

def handler(event, context):
    before = list(seen)
    seen.append(event.get("word"))
    time.sleep(event.get("seconds", 0))
    return {
        "made": made, "drawn": drawn, "before": before, "now": time.time(), "stream": context.log_stream_name,
        "loaded_with": keys, "key": os.environ["AWS_ACCESS_KEY_ID"], "token": os.environ["AWS_SESSION_TOKEN"],
        "random": [random.random(), os.urandom(8).hex(), uuid.uuid4().hex, ssl.RAND_bytes(8).hex()],
    }
'''


def templates(server):
    """Memory of the server's templates: files without a name that it holds."""
    held = {}
    for path in Path(f"/proc/{server.process.pid}/fd").iterdir():
        # The server goes on while we look: what it has closed since the folder was listed is not held.
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(path).startswith("/memfd:casemate-guest"):
                # Whoever goes on from one may hold it, too.
                held[os.stat(path).st_ino] = path
    return list(held.values())


def memory_holds(path, *needles):
    """Which of these are in a template's memory, whose untouched pages are holes."""
    found, size, at = set(), os.stat(path).st_size, 0
    with open(path, "rb") as memory, mmap.mmap(memory.fileno(), size, prot=mmap.PROT_READ) as mapped:
        while at < size:
            try:
                begin = os.lseek(memory.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(memory.fileno(), begin, os.SEEK_HOLE)
            found.update(needle for needle in needles if mapped.find(needle.encode(), begin, at) >= 0)
    return found


@pytest.fixture(scope="module")
def once(server):
    return Slow(server, {"app.py": APP_ONCE}, Timeout=30, MemorySize=256, Environment={"Variables": ONCE})


def test_machines_of_a_version_go_on_from_one_and_share_nothing_that_came_after(server, once):
    words = {}

    def asked(word, seconds=0):
        answer, body = once.invoke({"word": word, "seconds": seconds}, LogType="Tail")
        assert "FunctionError" not in answer, body
        assert abs(body["now"] - time.time()) < 20
        # Whichever machine it is, it knows its own events and nobody else's.
        known = words.setdefault(body["stream"], [])
        assert body["before"] == known, (body, words)
        known.append(word)
        return base64.b64decode(answer["LogResult"]).decode(), body

    _, first = asked("an event that only the first machine has seen")
    # Each keeps its machine while the other is placed; one may have the first, if that is back by then.
    with ThreadPoolExecutor(2) as both:
        pair = list(both.map(asked, ("another", "a third"), (3, 3)))
    assert len({body["stream"] for _, body in pair}) == 2
    tail, other = next((tail, body) for tail, body in pair if body["stream"] != first["stream"])
    print("a second machine:", tail)
    assert until(lambda: asked("one more")[1]["before"]), "a machine goes on with what it knows"
    assert all((body["made"], body["drawn"]) == (first["made"], first["drawn"]) for _, body in pair)
    assert all(mine != others for mine, others in zip(first["random"], other["random"], strict=True)), "randomness is fresh"
    assert other["key"] != first["key"] and other["key"].startswith("ASIA")
    assert set(first["loaded_with"].values()) == {"none-before-the-request"}
    secrets = [first["key"], first["token"], other["key"], other["token"], "an event that only the first machine has seen"]
    found = [memory_holds(path, LOADED, *secrets) for path in templates(server)]
    assert found.count({LOADED}) == 1 and all(one <= {LOADED} for one in found), "the search finds what is there, and no more"


def test_a_template_goes_with_its_function_and_with_its_code(server, once):
    before = len(templates(server))
    for change in (
        lambda: once.lambda_.update_function_code(FunctionName=once.name, ZipFile=package({"app.py": "x = 1"})),
        lambda: once.lambda_.delete_function(FunctionName=once.name),
    ):
        change()
        # Its idle machines end a moment later; the template's memory is nobody's then.
        assert until(lambda: len(templates(server)) == before - 1)


def test_a_custom_runtime_goes_on_with_credentials_that_it_fetches(server, custom_program):
    variables = ONCE | {"CASEMATE_CREDENTIALS": "endpoint", "CASEMATE_REUSE": "per-invocation"}
    function = Slow(
        server, {"bootstrap": custom_program}, runtime="provided.al2023", Timeout=4, MemorySize=256,
        Environment={"Variables": variables},
    )
    took = []
    for _ in range(4):
        began = time.monotonic()
        answer, said = function.invoke({}, LogType="Tail")
        assert "cloud" in said["kernel"], said
        took.append((time.monotonic() - began, re.findall(r"Init Duration: ([\d.]+) ms", base64.b64decode(answer["LogResult"]).decode())))
    print("a machine for each request, and its start:", took)


def test_a_function_that_cannot_be_gone_on_with_runs_all_the_same_and_says_why(server, custom_program):
    function = Slow(
        server, {"bootstrap": custom_program}, runtime="provided.al2023", Timeout=4, MemorySize=256,
        Environment={"Variables": ONCE | {"CASEMATE_CREDENTIALS": "endpoint", "CALLS_AWS": "1"}},
        statements=[{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}],
    )
    assert "cloud" in function.invoke({})[1]["kernel"]
    why = "CASEMATE_INIT: each machine of this version starts anew: it calls AWS while it is loaded, before there are credentials"
    group, logs = f"/aws/lambda/{function.name}", server.client("logs")
    exists = lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert until(lambda: exists() and why in json.dumps(logs.filter_log_events(logGroupName=group)["events"]))


@pytest.mark.parametrize(
    ("runtime", "wishes", "why"),
    [
        ("nodejs", {}, "keep secret numbers"),
        ("provided.al2023", {}, "needs CASEMATE_CREDENTIALS=endpoint"),
        (PYTHON, {"CASEMATE_DECOY": "on"}, "decoy"),
        (PYTHON, {"CASEMATE_RUNTIME_CLIENT": "aws"}, "runtime client"),
        (PYTHON, {"CASEMATE_ISOLATION": "process"}, "is for functions in virtual machines"),
    ],
)
def test_what_cannot_be_loaded_once_is_refused_when_the_function_is_made(server, runtime, wishes, why):
    runtime = node_runtime(server) if runtime == "nodejs" else runtime
    with pytest.raises(ClientError, match=why):
        Function(server, {"app.py": "x = 1"}, runtime=runtime, Environment={"Variables": ONCE | wishes})


# ---- SnapStart ---------------------------------------------------------------------------------------------------------------

ON = {"ApplyOn": "PublishedVersions"}

APP_SNAP = SIGNED.replace("def handler", "def unused") + '''
import random, time, uuid
from snapshot_restore_py import register_before_snapshot, register_after_restore

said, born, state = [], [uuid.uuid4().hex, random.random(), os.urandom(8).hex()], {"requests": 0}
register_before_snapshot(said.append, "before")
print("the function is loaded")


@register_after_restore
def after():
    said.append("after, with a key" if fetched()["AccessKeyId"].startswith("ASIA") else "after")
    AFTER


def fetched():
    asked = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
                                   headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


def tables():
    keys = fetched()
    os.environ.update(AWS_ACCESS_KEY_ID=keys["AccessKeyId"], AWS_SECRET_ACCESS_KEY=keys["SecretAccessKey"], AWS_SESSION_TOKEN=keys["Token"])
    return [keys["AccessKeyId"], call("dynamodb", "DynamoDB_20120810.ListTables", {})]


def handler(event, context):
    state["requests"] += 1
    time.sleep(event.get("seconds", 0))
    if event.get("crash"):
        os._exit(3)
    return {
        "said": said, "born": born, "requests": state["requests"], "kernel": os.uname().release, "now": time.time(),
        "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "stream": context.log_stream_name, "tables": tables(),
        "drawn": [random.random(), os.urandom(8).hex(), uuid.uuid4().hex],
    }
'''


@pytest.fixture(scope="module")
def snapped(server):
    found = [name for name in runtimes(server) if re.fullmatch(r"python3\.1[2-9]", name)]
    if not found:
        pytest.skip("this machine has no Python that AWS makes snapshots of")
    return found[-1]


def published(server, runtime, app, variables=None, **settings):
    """A function whose first version is being made."""
    logs_and_tables = [{"Effect": "Allow", "Action": ["logs:*", "dynamodb:ListTables"], "Resource": "*"}]
    function = Slow(
        server, {"app.py": app}, runtime=runtime, SnapStart=ON, Timeout=30, MemorySize=256, statements=logs_and_tables,
        Environment={"Variables": MACHINE | (variables or {})}, **settings,
    )
    version = function.lambda_.publish_version(FunctionName=function.name)
    assert version["State"] == "Pending" and version["SnapStart"] == ON | {"OptimizationStatus": "On"}, version
    return function


def active(function):
    """Waits until its version is; its state."""
    patient = {"Delay": 1, "MaxAttempts": 400}
    with contextlib.suppress(WaiterError):
        function.lambda_.get_waiter("published_version_active").wait(FunctionName=function.name, Qualifier="1", WaiterConfig=patient)
    return function.lambda_.get_function_configuration(FunctionName=function.name, Qualifier="1")


APP_DRAWS = '''
import hashlib, mmap, os, struct, threading

# What the test finds in the machine's memory: a page that is known by its beginning, and how many draws have begun.
page, drawn, last = mmap.mmap(-1, mmap.PAGESIZE), bytearray(32 << 20), [1 << 60]
page[:16] = hashlib.md5(os.environ["AWS_LAMBDA_FUNCTION_NAME"].encode()).digest()


def draw():
    for number in range(1, len(drawn) // 8):
        struct.pack_into("<Q", page, 16, number)
        drawn[8 * number:8 * number + 8] = os.urandom(8)
        if number >= last[0]:
            return


drawing = threading.Thread(target=draw, daemon=True)
drawing.start()


def handler(event, context):
    first = event["first"]
    last[0] = first + 15
    drawing.join()
    return [drawn[8 * number:8 * number + 8].hex() for number in range(first, first + 16)]
'''
EACH = {"CASEMATE_REUSE": "per-invocation"}


def begun_draws(server, function):
    """How many draws had begun when the machine stopped that became this function's template."""
    known, found = hashlib.md5(function.name.encode()).digest(), []
    for path in templates(server):
        with open(path, "rb") as memory, mmap.mmap(memory.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            at = mapped.find(known)
            while at >= 0:
                if at % mmap.PAGESIZE == 0:
                    found.append(struct.unpack_from("<Q", mapped, at + 16)[0])
                at = mapped.find(known, at + 1)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("kind", ["once", "snapshot"])
def test_a_thread_that_draws_numbers_since_the_function_was_loaded_draws_others_in_each_machine(server, request, kind):
    if kind == "snapshot":
        function, of = published(server, request.getfixturevalue("snapped"), APP_DRAWS, EACH), {"Qualifier": "1"}
        assert active(function)["State"] == "Active"
    else:
        variables, of = {"Variables": ONCE | EACH}, {}
        function = Slow(server, {"app.py": APP_DRAWS}, Timeout=30, MemorySize=256, Environment=variables)
    drawn = lambda first: function.invoke({"first": first}, **of)[1]
    loaded = drawn(1)
    begun = begun_draws(server, function)
    one, other = drawn(begun + 1), drawn(begun + 1)
    print(begun, one, other)
    assert len(set(one + other)) == 32, "no draw that began in a machine of its own is another's"
    assert drawn(1) == loaded, "what was drawn before is"


def log(function):
    events = function.server.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function.name}")["events"]
    return [event["message"].rstrip() for event in events]


def test_a_version_is_initialised_in_one_machine_and_restored_in_each_that_serves_it(server, snapped):
    broken = APP_SNAP.replace("AFTER", "raise ValueError('no')")
    functions = [published(server, snapped, app) for app in (APP_SNAP.replace("AFTER", "pass"), broken)]
    with ThreadPoolExecutor(2) as both:
        shown = list(both.map(active, functions))
    assert [one["State"] for one in shown] == ["Active"] * 2, (shown, server.text[-3_000:])
    function, failing = functions
    with ThreadPoolExecutor(3) as all_at_once:
        failed = all_at_once.submit(pytest.raises, ClientError, failing.invoke, {}, Qualifier="1")
        asked = [all_at_once.submit(function.invoke, {"seconds": 6}, Qualifier="1", LogType="Tail") for _ in range(2)]
        answers = [one.result() for one in asked]
    tails = [base64.b64decode(answer["LogResult"]).decode() for answer, _ in answers]
    print(tails)
    one, two = (body for _, body in answers)
    for body, tail in zip((one, two), tails, strict=True):
        # The hooks have run, the one before the snapshot in the machine that became it, and its effect is in both.
        assert (body["said"], body["requests"], body["kind"]) == (["before", "after, with a key"], 1, "snap-start"), body
        assert "cloud" in body["kernel"] and abs(body["now"] - time.time()) < 60
        assert body["tables"][0].startswith("ASIA") and "TableNames" in body["tables"][1], body["tables"]
        assert re.search(r"Restore Duration: [\d.]+ ms\tBilled Restore Duration: \d+ ms", tail) and "Init Duration" not in tail, tail
    assert one["born"] == two["born"], "it was loaded once"
    assert not set(map(str, one["drawn"])) & set(map(str, two["drawn"])), "what is random is not"
    assert one["tables"][0] != two["tables"][0] and one["stream"] != two["stream"]
    # A machine in which something went wrong is over, and nothing is loaded again for the next request.
    assert function.invoke({"crash": True}, Qualifier="1")[0]["FunctionError"] == "Unhandled"
    _, third = function.invoke({}, Qualifier="1")
    assert third["born"] == one["born"] and third["requests"] <= 2, third
    begun = lambda what: [line for line in log(function) if line.startswith(what)]
    assert until(lambda: len(begun("RESTORE_START")) >= 2), log(function)
    assert len(begun("the function is loaded")) == len(begun("INIT_START")) == 1, log(function)
    # As in AWS's words, and no request was served without the hook.
    refused = failed.result().value.response["Error"]
    assert (refused["Code"], "afterRestore" in refused["Message"]) == ("SnapStartException", True), refused
    assert not [line for line in log(failing) if line.startswith("START RequestId")], log(failing)


def test_what_cannot_be_a_snapshot_fails_its_version_and_says_why(server, snapped):
    called = "import socket\nsocket.create_connection(('127.0.0.1', 4566)).close()\n"
    for_each = [
        (APP_SNAP.replace("AFTER", "pass") + "\nregister_before_snapshot(lambda: 1 / 0)\n", "FunctionError", "Runtime.BeforeSnapshotError"),
        ("raise KeyError('hush')", "FunctionError", "KeyError"),
        (called + "def handler(event, context):\n    return 1\n", "InvalidConfiguration", "it calls AWS while it is loaded"),
    ]
    functions = [published(server, snapped, app) for app, _, _ in for_each]
    with ThreadPoolExecutor(len(functions)) as all_at_once:
        shown = list(all_at_once.map(active, functions))
    for one, (_, code, why) in zip(shown, for_each, strict=True):
        assert (one["State"], one["StateReasonCode"]) == ("Failed", code) and why in one["StateReason"], one
        assert "hush" not in one["StateReason"]
    # It runs in no machine without its snapshot.
    with pytest.raises(ClientError, match="following state: Failed"):
        functions[2].invoke({}, Qualifier="1")


def test_a_machine_for_each_request_and_a_hook_that_takes_too_long(server, snapped):
    quick, slow = (published(server, snapped, app, EACH) for app in (
        APP_SNAP.replace("AFTER", "pass"), APP_SNAP.replace("AFTER", "time.sleep(600)")))
    with ThreadPoolExecutor(2) as both:
        assert [one["State"] for one in both.map(active, (quick, slow))] == ["Active"] * 2
        late = both.submit(pytest.raises, ClientError, slow.invoke, {}, Qualifier="1")
        bodies = [quick.invoke({}, Qualifier="1")[1] for _ in range(3)]
    assert {body["requests"] for body in bodies} == {1} and len({body["stream"] for body in bodies}) == 3, bodies
    assert len({body["born"][0] for body in bodies}) == 1
    refused = late.result().value.response["Error"]
    assert refused["Code"] == "SnapStartTimeoutException" and "within the timeout limit" in refused["Message"], refused


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"CASEMATE_DECOY": "on"}, "SnapStart in a virtual machine does not go with a decoy key"),
        ({"CASEMATE_RUNTIME_CLIENT": "aws"}, "SnapStart"),
    ],
)
def test_what_does_not_go_with_snapshots_of_machines_is_refused(server, snapped, wishes, why):
    with pytest.raises(ClientError, match=why) as refused:
        Function(server, {"app.py": "x = 1"}, runtime=snapped, SnapStart=ON, Environment={"Variables": MACHINE | wishes})
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
