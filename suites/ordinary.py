"""Starts a server as an ordinary user, for `CASEMATE_SERVER_USER=ordinary`: the same suites, without root.

What an administrator of such a machine would give that user, and nothing else: subordinate ids (shown to the server in a mount
namespace of its own, so that this machine's tables stay as they are) and control groups it may write.
"""

import itertools
import os
import pwd
import shutil
import time
from pathlib import Path

USER = "nobody"
SUBORDINATE_IDS = f"{USER}:3000000:65536\n"
GROUPS = Path("/sys/fs/cgroup")
# How long the last processes of a server may take to be gone.
LEAVE_S = 10
NUMBERS = itertools.count()

# $1 the table of ids, $2 the control groups' files with blanks between them, $3 the user's number; the rest is the command.
START = """
set -e
mount --bind "$1" /etc/subuid
mount --bind "$1" /etc/subgid
for processes in $2; do echo $$ > "$processes"; done
user=$3
shift 3
exec setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all -- "$@"
"""


def wanted():
    return os.environ.get("CASEMATE_SERVER_USER") == "ordinary"


def hierarchies():
    """The folders under which control groups are made: one for each controller (v1), or one for all (v2)."""
    if (GROUPS / "cgroup.controllers").exists():
        return [GROUPS]
    return [folder for name in ("memory", "pids", "cpu", "unified") if (folder := GROUPS / name).is_dir()]


class Ordinary:
    """The place of one server: its folders belong to the user."""

    def __init__(self, data_dir):
        data_dir = Path(data_dir)
        self.user = pwd.getpwnam(USER)
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in [data_dir, *data_dir.rglob("*")]:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        for folder in data_dir.parents:
            if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
                folder.chmod(folder.stat().st_mode | 0o011)
        self.shared = data_dir.parent / f"{data_dir.name}-ordinary"
        self.shared.mkdir(mode=0o755, exist_ok=True)
        self.groups = [folder / f"casemate-suite-{os.getpid()}-{next(NUMBERS)}" for folder in hierarchies()]

    def reachable(self, path):
        """A copy that the user can read: a clone may lie in somebody's home."""
        copy = self.shared / Path(path).name
        if not copy.exists():
            (shutil.copytree if Path(path).is_dir() else shutil.copy2)(path, copy)
        return copy

    def command(self, command):
        """The command, run as the user."""
        table = self.shared / "ids"
        table.write_text(SUBORDINATE_IDS)
        for group in self.groups:
            group.mkdir(exist_ok=True)
            for path in [group, *group.iterdir()]:
                if path.name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads") or path == group:
                    os.chown(path, self.user.pw_uid, self.user.pw_gid)
        processes = " ".join(str(group / "cgroup.procs") for group in self.groups)
        start = ["unshare", "--mount", "sh", "-c", START, "start", str(table), processes, str(self.user.pw_uid)]
        return start + [str(word) for word in command]

    def environment(self):
        """No interpreters in root's home."""
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.shared)}

    def leave(self):
        """Removes the control groups; their processes are gone or about to be."""
        end = time.monotonic() + LEAVE_S
        while left := [group for group in self.groups if group.exists()]:
            for group in left:
                for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                    remove(folder)
                remove(group)
            if time.monotonic() > end:
                raise RuntimeError(f"processes remain in {left}")
            time.sleep(0.05)


def remove(group):
    try:
        group.rmdir()
    except OSError:
        pass
