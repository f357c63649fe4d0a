"""Functions in virtual machines of their own, under software emulation: asked for by the function, or demanded by the operator."""

import base64
import contextlib
import json
import mmap
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import ROOT, Server
from escapes import Host, Language, exhausted, seen, tried
from functions import PYTHON, Function, node_runtime, package

KERNELS = ROOT / "target/tools/kernel"
INSTALL = "run `. .ci/install.sh && need_qemu` in the repository's root"
MACHINE = {"CASEMATE_ISOLATION": "microvm"}


def machines():
    """What the operator says, for machines by emulation."""
    kernels = sorted(KERNELS.glob("*.deb"))
    assert kernels and shutil.which("qemu-system-x86_64"), INSTALL
    return {"CASEMATE_MICROVM_KERNEL": str(kernels[-1]), "CASEMATE_MICROVM_EMULATION": "true"}


def qemus(server):
    """Machines of this server's, by their folders."""
    return sorted(path.name for path in (server.data_dir / "machines").glob("vm-*"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("microvm") / "data", environment=machines()).start()
    yield running
    running.stop()


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


class Slow(Function):
    """A function whose start takes long, and is waited for."""

    def __init__(self, server, files, **settings):
        super().__init__(server, files, **settings)
        key, secret = server.keys
        patient = Config(retries={"total_max_attempts": 1}, read_timeout=300)
        self.lambda_ = boto3.client(
            "lambda", endpoint_url=server.endpoint, region_name="us-east-1", config=patient,
            aws_access_key_id=key, aws_secret_access_key=secret,
        )


@pytest.fixture(scope="module")
def python(server):
    return Slow(
        server, {"app.py": APP}, Timeout=30, MemorySize=256, Environment={"Variables": MACHINE | {"MARK": "here"}},
    )


@pytest.fixture(scope="module")
def custom_program(tmp_path_factory):
    program = tmp_path_factory.mktemp("custom") / "bootstrap"
    compiler = shutil.which("cc") or pytest.fail("no C compiler")
    subprocess.run([compiler, "-static", "-O1", "-o", program, Path(__file__).parent / "machine_runtime.c"], check=True)
    return program.read_bytes()


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


def test_memory_beyond_the_functions_size_ends_it(server, python):
    answer, said = python.invoke({"do": "fill"})
    assert answer["FunctionError"] == "Unhandled", said
    assert said["errorType"] in ("Runtime.ExitError", "MemoryError"), said
    assert server.wait_for_audit(python.name, lambda record: "memory" in json.dumps(record).lower())


# Not in the machine of this language: the other's does it, and under emulation it takes a minute. A thousand processes of Python
# have no room in its 256 MB; for its own memory see above.
ELSEWHERE = {"python": ["processes"], "custom": ["disk"]}


def test_the_escape_suite_is_contained_and_visible_in_machines(server, python, custom, tmp_path_factory):
    """The probes of test_escape.py, which shows that they are live, and the same events of them. The host's files do not lie in
    /tmp here (a clone may): what an environment looks for there is its own business, and a guest does not know what the host has
    there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        host = Host(Path(folder), server.process.pid)
        host.inside["rounds"] = 200

        def all_tried(name):
            language = Language(name, server, tmp_path_factory.mktemp(name))
            settings = {"MemorySize": 256, "Timeout": 120, "Environment": {"Variables": MACHINE}}
            function = language.function(server, Slow, **settings)
            requests = tried(function, host, ["memory", *ELSEWHERE[name]])
            return language, function, requests | (exhausted(function, host) if name == "custom" else {})

        try:
            with ThreadPoolExecutor(2) as both:
                done = list(both.map(all_tried, ["python", "custom"]))
            for language, function, requests in done:
                seen(server, function, language, requests)
        finally:
            # Why a machine was not started is told to the operator only.
            print("\n".join(line for line in server.output if "WARN" in line))
        assert host.planted() == []
        host.close()


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


# ---- machines that go on where the first of their version had loaded the function ------------------------------------------

ONCE = MACHINE | {"CASEMATE_INIT": "once"}
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
    started, first = once.invoke({"word": "an event that only the first machine has seen"})
    assert "FunctionError" not in started, first
    with ThreadPoolExecutor(2) as both:
        asked = [both.submit(once.invoke, {"word": "another", "seconds": 6})]
        time.sleep(1)
        asked.append(both.submit(lambda: (time.monotonic(), once.invoke({}, LogType="Tail"), time.monotonic())))
        _, same = asked[0].result()
        began, (answer, other), over = asked[1].result()
    print(f"a second machine, with its answer: {over - began:.3f} s", base64.b64decode(answer["LogResult"]).decode())
    # One of the two went on in the first machine, the other in one of its own.
    assert [same["before"], other["before"]] == [["an event that only the first machine has seen"], []]
    assert len({one["made"] for one in (first, same, other)}) == 1 == len({one["drawn"] for one in (first, same, other)})
    assert all(mine != others for mine, others in zip(first["random"], other["random"], strict=True)), "randomness is fresh"
    assert abs(other["now"] - time.time()) < 20
    assert first["stream"] != other["stream"] and other["key"] != first["key"] and other["key"].startswith("ASIA")
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
        Function(server, {"app.py": APP}, runtime=runtime, Environment={"Variables": ONCE | wishes})


def test_a_server_that_stops_leaves_neither_machines_nor_their_control_groups(server, custom):
    """Last of all: it stops the server of this file."""
    custom.invoke({})
    pids = {pid for pid in children(server.process.pid) if "qemu" in name_of(pid)}
    groups = lambda: [path for path in Path("/sys/fs/cgroup").rglob(f"casemate-{server.process.pid}-*/outer-*") if path.is_dir()]
    assert pids and groups()
    server.stop()
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")] and not groups()


def children(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text()


def ended(pids):
    return until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def until(true):
    """Waits until this is true, for ten seconds at most."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False
