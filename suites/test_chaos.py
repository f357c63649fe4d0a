"""Runtimes, machines, the spawner and the server are killed at random under load: no acknowledged effect is lost or doubled, and
nothing of an execution environment is left behind. CASEMATE_CHAOS_S says for how long (20 s unless it is set)."""

import os
import random
import re
import signal
import threading
import time
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Server, descendants
from functions import Function
from machines import MACHINE, Slow, machines
from test_isolation import SIGNED

SECONDS = float(os.environ.get("CASEMATE_CHAOS_S", "20"))

# The event names an item; each run of the function adds one to its count.
COUNTING = SIGNED.replace("def handler", "def unused") + '''

def handler(event, context):
    answer = call("dynamodb", "DynamoDB_20120810.UpdateItem", {
        "TableName": "counts", "Key": {"pk": {"S": event["id"]}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    })
    if "__type" in answer:
        raise RuntimeError(answer["__type"])
    return event["id"]
'''


def of_a_living_server(process):
    """Whether a process is in an environment of a server that runs: another one on this machine; this test's have ended."""
    server = re.search(r"/casemate-(\d+)-", (process / "cgroup").read_text())
    return bool(server) and Path(f"/proc/{server.group(1)}").exists()


def held_networks(process):
    """Networks that were made ahead: held by descriptors of a spawner whose server, its first argument, has ended."""
    if not os.readlink(process / "exe").startswith("/memfd:casemate-spawner"):
        return set()
    server = (process / "cmdline").read_bytes().split(b"\0")[1].decode()
    if str(parent(int(process.name))) == server:
        return set()
    links = (os.readlink(descriptor) for descriptor in (process / "fd").iterdir())
    return {link for link in links if link.startswith("net:[")}


def namespaces():
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if not of_a_living_server(process):
                found.add(os.readlink(process / "ns/net"))
            found |= held_networks(process)
        except OSError:
            pass
    return found


def control_groups(servers):
    """Those of these servers' environments and machines; a server's own folder is empty without them."""
    found = (str(path) for kind in ("env-*", "outer-*") for path in Path("/sys/fs/cgroup").rglob(kind))
    return {path for path in found if any(f"/casemate-{server}-" in path for server in servers)}


def mounts():
    return sorted(line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())


def present(servers=()):
    """What environments are made of; of control groups, those of these servers. Other servers' may go meanwhile."""
    return namespaces() | control_groups(servers) | set(mounts())


class Load:
    """Callers that give every request an id of its own and remember which were answered."""

    def __init__(self, name, callers=4):
        self.name, self.sent, self.answered = name, [], []
        self.stop, self.failures = threading.Event(), 0
        self.server = None
        self.threads = [threading.Thread(target=self.call) for _ in range(callers)]

    def call(self):
        client = None
        while not self.stop.is_set():
            identity = uuid.uuid4().hex
            self.sent.append(identity)
            try:
                client = client or self.server.client("lambda")
                answer = client.invoke(FunctionName=self.name, Payload=f'{{"id": "{identity}"}}')
                if "FunctionError" not in answer and identity in answer["Payload"].read().decode():
                    self.answered.append(identity)
                else:
                    self.failures += 1
            except (BotoCoreError, ClientError, OSError):
                self.failures += 1
                time.sleep(0.05)


def spawner_of(server):
    """The server's only child process; the environments are its children."""
    below = [pid for pid in descendants(server.process.pid) if parent(pid) == server.process.pid]
    return below[0] if below else None


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None


# A server whose spawner ends more than five times within a minute starts no other.
SPAWNERS_A_MINUTE = 4


def strike(server, dice, spawners):
    """Kills one thing. Answers with the server that serves now. `spawners`: when this server's were killed."""
    spawner = spawner_of(server)
    victim = dice.choice(["runtime", "runtime", "spawner", "server"])
    if victim == "spawner" and sum(time.monotonic() - then < 61 for then in spawners) >= SPAWNERS_A_MINUTE:
        victim = "runtime"
    if victim == "server":
        below = descendants(server.process.pid)
        server.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "processes outlived their server")
        server = Server(server.data_dir, port=server.port).start()
        spawners.clear()
    elif victim == "spawner":
        below = descendants(spawner)
        kill(spawner)
        spawners.append(time.monotonic())
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "processes outlived their spawner")
    elif spawner:
        runtimes = descendants(spawner)
        if runtimes:
            kill(dice.choice(runtimes))
    return server, victim


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait_until(done, complaint, seconds=20):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, complaint
        time.sleep(0.05)


def counting(server, kind, **settings):
    server.client("dynamodb").create_table(
        TableName="counts", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    statements = [{"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": "*"}]
    return kind(server, {"app.py": COUNTING}, statements=statements, **settings)


def settled(server, load):
    """What was answered is done exactly once, and nothing is done twice."""
    counts = counted(server)
    assert [identity for identity in load.answered if counts.get(identity) != 1] == [], "answered but not done exactly once"
    assert {identity: count for identity, count in counts.items() if count > 1} == {}, "done more than once"
    assert set(counts) <= set(load.sent)
    assert "chain intact" in server.casemate("log", "verify").stdout


def nothing_left(before, servers, folder):
    """Processes and namespaces go with a server; its empty control groups are swept by the next one."""
    sweeper = Server(folder / "other").start()
    sweeper.stop()
    end = time.monotonic() + 20
    while (left := present(servers) - before) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == set(), "left behind"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may kill what runs as other users")
def test_nothing_is_lost_doubled_or_left_behind(tmp_path):
    before = present()
    server = Server(tmp_path / "data").start()
    function = counting(server, Function)
    load = Load(function.name)
    load.server, servers = server, {server.process.pid}
    [thread.start() for thread in load.threads]
    dice, struck, spawners, end = random.Random(11), {}, [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.3, 1.5))
        server, victim = strike(server, dice, spawners)
        load.server = server
        servers.add(server.process.pid)
        struck[victim] = struck.get(victim, 0) + 1
        answered = len(load.answered)
        wait_until(lambda: len(load.answered) > answered, f"no answer any more after killing the {victim}", 60)
    load.stop.set()
    [thread.join(90) for thread in load.threads]
    print(f"{SECONDS:.0f} s: killed {struck}; {len(load.sent)} requests, {len(load.answered)} answered, {load.failures} failed")
    settled(server, load)
    alarms = spawner_alarms(server)
    assert len(alarms) == struck.get("spawner", 0), alarms
    below = descendants(server.process.pid)
    server.stop()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "processes outlived the server")
    nothing_left(before, servers, tmp_path)


def machines_of(server):
    """The programs that the server's machines are."""
    found = []
    for pid in descendants(server.process.pid):
        try:
            if Path(f"/proc/{pid}/comm").read_text().startswith("qemu"):
                found.append(pid)
        except OSError:
            pass
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="only root may kill what runs as other users")
def test_machines_killed_under_load_take_nothing_along_and_leave_nothing_behind(tmp_path):
    """With a machine its agent ends, and everything inside, at whatever it was doing."""
    before = present()
    server = Server(tmp_path / "data", environment=machines()).start()
    variables = {"Variables": MACHINE | {"CASEMATE_INIT": "once"}}
    function = counting(server, Slow, Timeout=30, MemorySize=256, Environment=variables)
    load = Load(function.name, 2)
    load.server = server
    # The first request makes the template; its machine is the first that may end.
    load.sent.append("first")
    assert function.invoke({"id": "first"})[1] == "first"
    load.answered.append("first")
    [thread.start() for thread in load.threads]
    dice, killed, end = random.Random(11), 0, time.monotonic() + SECONDS
    # Under emulation on a busy host the next answer takes its time.
    while time.monotonic() < end or killed < 3:
        time.sleep(dice.uniform(0.3, 1.5))
        running = machines_of(server)
        if running:
            kill(dice.choice(running))
            killed += 1
        answered = len(load.answered)
        wait_until(lambda: len(load.answered) > answered, "no answer any more after killing a machine", 120)
    load.stop.set()
    [thread.join(90) for thread in load.threads]
    print(f"{SECONDS:.0f} s: killed {killed} machines; {len(load.sent)} requests, {len(load.answered)} answered, {load.failures} failed")
    settled(server, load)
    folder = server.data_dir / "machines"
    # What has ended is cleared away while the server runs, too.
    wait_until(lambda: len(list(folder.glob("vm-*"))) == len(machines_of(server)), "folders of machines that have ended")
    below = descendants(server.process.pid)
    server.stop()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "processes outlived the server")
    assert list(folder.glob("vm-*")) == []
    nothing_left(before, {server.process.pid}, tmp_path)


def spawner_alarms(server):
    found = server.audit("sandbox.spawner-ended", 10_000)
    return [record for record in found if record.get("operation") == "sandbox.spawner-ended" and record.get("alarm")]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may kill what runs as other users")
def test_killed_spawner_is_replaced_with_an_alarm_and_not_without_end(tmp_path):
    server = Server(tmp_path / "data").start()
    function = Function(server, {"app.py": "def handler(event, context):\n    return 'here'\n"})
    client = server.client("lambda")
    invoke = lambda: client.invoke(FunctionName=function.name, Payload="{}")
    for _ in range(5):
        assert b"here" in invoke()["Payload"].read()
        spawner = spawner_of(server)
        assert os.readlink(f"/proc/{spawner}/exe").startswith("/memfd:casemate-spawner")
        kill(spawner)
        wait_until(lambda: spawner_of(server) not in (None, spawner), "no other spawner")
    assert b"here" in invoke()["Payload"].read()
    kill(spawner_of(server))
    wait_until(lambda: spawner_of(server) is None, "it is there again")
    with pytest.raises(ClientError) as refused:
        invoke()
    assert refused.value.response["Error"]["Code"] == "ServiceException"
    assert "restart the server" in refused.value.response["Error"]["Message"]
    wait_until(lambda: len(spawner_alarms(server)) == 6, "alarms are missing")
    found = [record["operation"] for record in server.audit("sandbox.spawner-", 10_000)]
    assert found.count("sandbox.spawner-started") == 5 and found[-1] == "sandbox.spawner-down", found
    # Everything else is served, and a restart is a new beginning.
    server.stop()
    server = Server(server.data_dir, port=server.port).start()
    answer = server.client("lambda").invoke(FunctionName=function.name, Payload="{}")
    assert b"here" in answer["Payload"].read()
    server.stop()


def counted(server):
    found = {}
    for page in server.client("dynamodb").get_paginator("scan").paginate(TableName="counts"):
        found |= {item["pk"]["S"]: int(item["n"]["N"]) for item in page["Items"]}
    return found
