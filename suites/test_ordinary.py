"""What `CASEMATE_SERVER_USER=ordinary` claims: the server and its functions have nothing of root's, and every layer is in force.

`./test` runs this file together with the suites of functions, which then hold for an ordinary user too.
"""

import pwd
import re
import subprocess
from pathlib import Path

import ordinary
import pytest
from conftest import BINARY
from functions import Function

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


def test_every_layer_is_in_force(tmp_path):
    user = ordinary.Ordinary(tmp_path / "data")
    command = user.command([user.reachable(BINARY), "doctor"])
    shown = subprocess.run(command, env=user.environment(), capture_output=True, text=True, check=True, timeout=60)
    layers = shown.stdout.split("\n\n")[0].splitlines()[1:]
    assert len(layers) > 15, shown.stdout
    assert [line for line in layers if " in force" not in line] == []
    user.leave()
