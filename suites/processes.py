"""What the kernel says of the processes of functions."""

import os
import signal
from pathlib import Path

from conftest import descendants


def of_function(server, name):
    """The processes of a function's environments, but for those that were started before they had a function."""
    found = []
    for pid in descendants(server.process.pid):
        try:
            if f"AWS_LAMBDA_FUNCTION_NAME={name}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            pass
    return found


def freezers(pid, *names):
    """The files of these names in a process's control groups."""
    groups = {line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()} - {"/"}
    files = (Path(f"/sys/fs/cgroup{place}{group}/{name}") for place in ("", "/unified", "/freezer") for group in groups for name in names)
    return [file for file in files if file.exists()]


def has_stopped(pid):
    """Whether the kernel says so: of its control group where that can be frozen, else of each of its threads."""
    said = [file.read_text() for file in freezers(pid, "cgroup.events", "freezer.state")]
    if any("frozen 1" in text or text == "FROZEN\n" for text in said):
        return True
    states = [stat.read_text().rsplit(") ", 1)[1][0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state == "T" for state in states)


def turns(pid):
    """How long each of a process's threads has run, in nanoseconds, and how often it has been given a processor."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[thread.parent.name] = thread.read_text().split()[::2]
        except OSError:
            pass
    return found


def let_run(server, name):
    """What nobody but the platform does: lets the frozen processes of a function run."""
    for pid in of_function(server, name):
        for switch in freezers(pid, "cgroup.freeze", "freezer.state"):
            switch.write_text("0" if switch.name == "cgroup.freeze" else "THAWED")
        os.kill(pid, signal.SIGCONT)
