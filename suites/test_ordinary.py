"""What `CASEMATE_SERVER_USER=ordinary` claims: the server, its functions and its machines have nothing of root's, and every layer is in
force.

`./test` runs this file together with the suites of functions, which then hold for an ordinary user too.
"""

import pwd
import re
import subprocess
from pathlib import Path

import ordinary
import pytest
from conftest import BINARY, Server
from functions import Function
from machines import MACHINE, Slow, machines, name_of

pytestmark = pytest.mark.skipif(not ordinary.wanted(), reason="the server runs as whoever runs the suites")

HANDLER = "def handler(event, context):\n    return None\n"


def status(process, field):
    return re.search(rf"^{field}:[ \t]*(.*)$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE).group(1)


def processes_of(server):
    """The server and the processes it made, down to those of functions."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int(status(folder.name, "PPid"))
            except (FileNotFoundError, ProcessLookupError):
                pass
    family = {server.process.pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def test_the_server_has_no_right_of_root(server):
    user = pwd.getpwnam(ordinary.USER)
    process = server.process.pid
    assert set(status(process, "Uid").split()) == {str(user.pw_uid)}
    assert set(status(process, "Gid").split()) == {str(user.pw_gid)}
    assert status(process, "Groups").strip() == ""
    assert {int(status(process, kind), 16) for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}


def test_functions_run_as_subordinate_users_of_their_own(server):
    functions = [Function(server, {"app.py": HANDLER}) for _ in range(2)]
    for function in functions:
        answer, seen = function.invoke()
        assert "FunctionError" not in answer, seen
    _, first, count = ordinary.SUBORDINATE_IDS.strip().split(":")
    delegated = range(int(first), int(first) + int(count))
    users = set()
    for process in processes_of(server):
        try:
            users.add(int(status(process, "Uid").split()[0]))
        except (FileNotFoundError, ProcessLookupError):
            # It has just ended.
            pass
    assert 0 not in users
    assert len([user for user in users if user in delegated]) >= len(functions), users


def test_a_machine_boots_and_belongs_to_nobody_privileged(tmp_path, custom_program):
    settings = machines()
    kernel = ordinary.Ordinary(tmp_path / "data").reachable(settings["CASEMATE_MICROVM_KERNEL"])
    server = Server(tmp_path / "data", environment=settings | {"CASEMATE_MICROVM_KERNEL": str(kernel)}).start()
    try:
        assert "for functions that ask: virtual machines by software emulation" in server.text
        function = Slow(
            server, {"bootstrap": custom_program}, runtime="provided.al2023", MemorySize=128, Environment={"Variables": MACHINE}
        )
        answer, said = function.invoke({})
        assert "FunctionError" not in answer and "cloud" in said["kernel"], said
        user = pwd.getpwnam(ordinary.USER)
        _, first, count = ordinary.SUBORDINATE_IDS.strip().split(":")
        own = {user.pw_uid, *range(int(first), int(first) + int(count))}
        running = [process for process in processes_of(server) if "qemu" in name_of(process)]
        assert running, "the machine stands still and waits for the next request"
        for process in running:
            assert {int(number) for number in status(process, "Uid").split()} <= own
            # Its rights are those of its own user namespace, in which it has none.
            assert {int(status(process, kind), 16) for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
            assert status(process, "NoNewPrivs").strip() == "1"
        files = list((server.data_dir / "machines").rglob("*"))
        assert any(path.name.startswith("vm-") for path in files)
        assert {path.lstat().st_uid for path in files} <= own
    finally:
        # Why a machine was not started is told to the operator only.
        print("".join(line for line in server.output if "WARN" in line or "ERROR" in line))
        server.stop()


def test_every_layer_is_in_force(tmp_path):
    user = ordinary.Ordinary(tmp_path / "data")
    command = user.command([user.reachable(BINARY), "doctor"])
    shown = subprocess.run(command, env=user.environment(), capture_output=True, text=True, check=True, timeout=60)
    layers = shown.stdout.split("\n\n")[0].splitlines()[1:]
    assert len(layers) > 15, shown.stdout
    assert [line for line in layers if " in force" not in line] == []
    user.leave()
