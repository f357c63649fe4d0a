"""Leaves something for the next request wherever a process can leave something, and looks for what an earlier one left.

`plant` names what it leaves, which is all of it; `look` answers with the names of what it finds. Which of them may be found depends on
how the environment is used again.
"""

import atexit
import builtins
import json
import os
import signal
import socket
import sys
import threading
import time

STATE = {}
MARK = "planted-" + "mark"


def connects(family, address):
    with socket.socket(family) as made:
        try:
            made.connect(address)
        except OSError:
            return False
    return True


def serve_on(family, address):
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()
    STATE.setdefault("listeners", []).append(listener)


def another_process():
    parent = os.fork()
    if parent == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(0.01)
        os._exit(0)
    # A list of processes made while it runs may hold neither of the two.
    os.waitpid(parent, 0)


def left_over():
    """Processes besides the runtime's own that still run."""
    running = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in (1, os.getpid()):
            continue
        try:
            with open(f"/proc/{pid}/stat") as stat:
                state = stat.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            running.append(pid)
    return running


def file_in_tmp():
    os.makedirs("/tmp/deep/er")
    with open("/tmp/deep/er/file", "w") as file:
        file.write(MARK)


def link_in_tmp():
    os.symlink("/var/task", "/tmp/link")


def module_in_tmp():
    with open("/tmp/urllib3.py", "w") as file:
        file.write("PLANTED = True\n")
    sys.path.insert(0, "/tmp")


def open_file():
    STATE["file"] = os.open("/var/task/app.py", os.O_RDONLY)
    os.dup2(STATE["file"], 77)


def thread():
    threading.Thread(target=time.sleep, args=(600,), name=MARK, daemon=True).start()


def timer():
    signal.signal(signal.SIGALRM, lambda *_: STATE.update(rung=True))
    signal.setitimer(signal.ITIMER_REAL, 500)


def patched():
    genuine = json.dumps

    def dumps(*arguments, **named):
        return genuine(*arguments, **named)

    dumps.planted = True
    json.dumps = dumps


# Each: what leaves it, and what tells whether it is there.
WAYS = {
    "global": (lambda: STATE.update(secret=MARK), lambda: STATE.get("secret") == MARK),
    "builtin": (lambda: setattr(builtins, "planted", True), lambda: hasattr(builtins, "planted")),
    "module": (lambda: sys.modules.update(planted=sys), lambda: "planted" in sys.modules),
    "patched module": (patched, lambda: hasattr(json.dumps, "planted")),
    "module path": (module_in_tmp, lambda: "/tmp" in sys.path),
    "import hook": (lambda: sys.meta_path.append(type("Planted", (), {})()),
                    lambda: any(type(one).__name__ == "Planted" for one in sys.meta_path)),
    "trace hook": (lambda: threading.setprofile(lambda *_: None), lambda: threading._profile_hook is not None),
    "atexit": (lambda: atexit.register(os.write, 1, b"planted\n"), lambda: atexit._ncallbacks() > BEFORE["atexit"]),
    "signal handler": (lambda: signal.signal(signal.SIGTERM, lambda *_: None),
                       lambda: signal.getsignal(signal.SIGTERM) != signal.SIG_DFL),
    "signal mask": (lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]),
                    lambda: bool(signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "timer": (timer, lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0),
    "environment": (lambda: os.environ.update(PLANTED="1"), lambda: "PLANTED" in os.environ),
    "working directory": (lambda: os.chdir("/tmp"), lambda: os.getcwd() == "/tmp"),
    "umask": (lambda: os.umask(0o007), lambda: umask() == 0o007),
    "priority": (lambda: os.nice(3), lambda: os.nice(0) != 0),
    "file in /tmp": (file_in_tmp, lambda: os.path.exists("/tmp/deep/er/file")),
    "link in /tmp": (link_in_tmp, lambda: os.path.lexists("/tmp/link")),
    "rights of /tmp": (lambda: os.chmod("/tmp", 0o777), lambda: os.stat("/tmp").st_mode & 0o7777 != 0o1777),
    "open file": (open_file, lambda: os.path.exists("/proc/self/fd/77")),
    "port": (lambda: serve_on(socket.AF_INET, ("127.0.0.1", 7777)),
             lambda: connects(socket.AF_INET, ("127.0.0.1", 7777))),
    "abstract socket": (lambda: serve_on(socket.AF_UNIX, "\0planted"), lambda: connects(socket.AF_UNIX, "\0planted")),
    "socket in /tmp": (lambda: serve_on(socket.AF_UNIX, "/tmp/socket"), lambda: connects(socket.AF_UNIX, "/tmp/socket")),
    "thread": (thread, lambda: any(one.name == MARK for one in threading.enumerate())),
    "process": (another_process, lambda: bool(left_over())),
}
BEFORE = {"atexit": atexit._ncallbacks()}


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


def handler(event, context):
    if event["do"] != "look":
        for leave, _ in WAYS.values():
            leave()
    if event["do"] == "crash":
        os._exit(3)
    if event["do"] == "hang":
        time.sleep(60)
    # After planting, too: what is not there at once would not be missed later.
    found = sorted(name for name, (_, there) in WAYS.items() if there())
    assert event["do"] == "look" or len(found) == len(WAYS), found
    return found
