"""What the escape suite needs of each language: how its probes (escape/) run plainly and as a function, and what the trail says of
each. Every probe is in one of two tables: of those that are seen, and of those that are silent, with the reason why."""

import http.server
import json
import os
import socket
import subprocess
import threading
import time
import uuid

from conftest import address_of_the_host
from written import Written

ROOT = os.getuid() == 0

# What an ordinary user cannot do on a plain host either.
NEEDS_ROOT = {
    "kernel_controls", "kernel_log", "device", "raw_socket", "packet_socket", "mount", "mount_namespace_by_clone",
    "change_of_root", "host_name", "other_user", "page_faults", "performance_counters", "priority", "namespace_entered",
    "program_of_the_kernel",
}

# What the trail says of a probe: an event of this kind, of this very request, whose text holds this word.
CALLS = {
    "vsock": "socket of family 40", "raw_socket": "raw socket", "packet_socket": "socket of family 17", "traced": "ptrace",
    "memory_of_another": "process_vm_readv", "user_namespace": "unshare", "namespace_entered": "setns",
    "mount_namespace_by_clone": "clone into new namespaces", "program_of_the_kernel": "bpf", "mount": "mount",
    "change_of_root": "chroot", "other_user": "setresuid", "kernel_key": "add_key", "kernel_keyring": "keyctl",
    "netfilter_socket": "netlink socket of protocol 12", "shared_memory_of_the_kernel": "shmget", "ring": "io_uring_setup", "page_faults": "userfaultfd",
    "performance_counters": "perf_event_open", "host_name": "sethostname",
}
SEEN = {name: ("sandbox.call-refused", word) for name, word in CALLS.items()} | {
    "shell": ("sandbox.exec-denied", "/bin/sh"),
    "subprocess_of_the_interpreter": ("sandbox.exec-denied", "python"),
    "interpreter_again": ("sandbox.exec-denied", ""),
    "spawned": ("sandbox.exec-denied", ""),
    "forked": ("sandbox.exec-denied", "node"),
    "replaced": ("sandbox.exec-denied", "ruby"),
    "memory_as_a_program": ("sandbox.exec-denied", "/proc/self/fd/"),
    "loader_as_a_program": ("sandbox.exec-denied", "ld-linux"),
    "program_in_tmp": ("sandbox.exec-denied", "/tmp/program"),
    "file_of_the_host": ("sandbox.open-denied", "secret"),
    "file_through_proc": ("sandbox.open-denied", "secret"),
    "file_through_its_own_root": ("sandbox.open-denied", "secret"),
    "write_beside_the_code": ("sandbox.open-denied", "planted"),
    "write_on_the_host": ("sandbox.open-denied", "planted"),
    "environment_of_the_server": ("sandbox.open-denied", "/environ"),
    "kernel_controls": ("sandbox.open-denied", "/proc/sys"),
    "kernel_log": ("sandbox.open-denied", "/dev/kmsg"),
    "port_of_the_host_by_its_address": ("sandbox.connect-denied", ":"),
    "metadata": ("sandbox.connect-denied", "169.254.169.254:80"),
    "connected_datagram": ("sandbox.connect-denied", ":"),
    "answer_for_another_request": ("lambda.answer-refused", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
    "processes": ("sandbox.process-limit", "refused"),
    "memory": ("sandbox.out-of-memory", "limit"),
    "abstract_socket": ("sandbox.connect-denied", "@casemate-escape-"),
    "socket_file": ("sandbox.connect-denied", "/socket"),
    "request_of_another_process": ("lambda.request-refused", "asked for"),
    "request_beside_the_runtime": ("lambda.request-refused", "asked for"),
    "descriptors": ("sandbox.descriptor-limit", "had all the descriptors"),
    "disk": ("sandbox.tmp-full", "/tmp was full"),
    "signal_to_the_server": ("sandbox.signal", "which its environment does not have"),
    "signal_to_a_thread_of_the_server": ("sandbox.signal", "thread"),
}

# What is not there cannot be asked for in a way that differs from ordinary work.
SILENT = {
    "file_through_a_link": "the name that is opened is one of its own /tmp",
    "file_by_a_race": "the name that is opened is one of its own /tmp",
    "hard_link_to_code": "the name that is made is one of its own /tmp",
    "device": "the name that is made is one of its own /tmp",
    "code_opened_again_for_writing": "its own descriptor",
    "inherited_descriptor": "there is none; looking at one's own is ordinary",
    "processes_of_the_host": "its own /proc shows none",
    "process_of_the_server": "its own /proc shows none",
    "port_of_the_host": "its own loopback, on which nothing listens",
    "datagram": "there is no route; sending is not asked about",
    "user_namespace_by_clone3": "to programs there is no such call, as on older kernels",
    "priority": "the kernel's ordinary refusal",
}

# Before a namespace could be entered, the library has other things to do there. Custom runtimes may start programs, and each that
# they try to start is recorded: of the machine's there is only the loader in their root, and what they bring along is confined.
OVERRIDES = {
    "custom": {
        "shell": ("sandbox.executed", "/bin/sh"),
        "memory_as_a_program": ("sandbox.executed", "/proc/self/fd/"),
        "program_in_tmp": ("sandbox.executed", "/tmp/rs-program"),
        "loader_as_a_program": ("sandbox.executed", "ld-linux"),
    },
    "java": {"memory": None},
    "node": {"other_user": None},
}


class Accepting(http.server.BaseHTTPRequestHandler):
    """A Runtime API that believes everybody: whoever asks gets a request, and whatever is answered is kept."""

    def do_POST(self):
        self.server.answers.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.reply(202)

    def do_GET(self):
        self.reply(200)

    def reply(self, status):
        self.send_response(status)
        self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Believing(http.server.ThreadingHTTPServer):
    """Serves it to as many as come at once."""

    request_queue_size = 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Accepting)
        self.answers = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Who goes away in the middle of a request has done what he is to."""


class Host:
    """What an escape would reach: files, sockets and processes of the machine."""

    def __init__(self, folder, pid):
        folder.chmod(0o755)
        self.folder = folder
        (folder / "secret").write_text("the host's secret")
        (folder / "outside").mkdir()
        (folder / "tmp").mkdir()
        abstract = f"casemate-escape-{os.getpid()}"
        # Older versions of Node.js fill a name up with zeroes, which makes it another name.
        filled = ("\0" + abstract).ljust(108, "\0")
        self.listeners = []
        for family, address in (
            (socket.AF_INET, ("0.0.0.0", 0)), (socket.AF_UNIX, "\0" + abstract), (socket.AF_UNIX, filled),
            (socket.AF_UNIX, str(folder / "socket")),
        ):
            listener = socket.socket(family)
            listener.bind(address)
            listener.listen(64)
            self.listeners.append(listener)
        self.api = Believing()
        port = self.listeners[0].getsockname()[1]
        self.plain = {
            "secret": str(folder / "secret"), "outside": str(folder / "outside"), "socket": str(folder / "socket"),
            "abstract": abstract, "port": port, "address": address_of_the_host(), "pid": pid, "tmp": str(folder / "tmp"),
            "api": self.api.address, "metadata": ["127.0.0.1", port],
        }
        self.inside = self.plain | {"tmp": "/tmp", "api": None, "metadata": ["169.254.169.254", 80]}

    def planted(self):
        return list((self.folder / "outside").iterdir())

    def close(self):
        self.api.shutdown()
        for listener in self.listeners:
            listener.close()


class Language(Written):
    """One language's probes."""

    def __init__(self, name, server, folder):
        super().__init__("probes", name, server, folder)

    def plain(self, host, tmp_path):
        """Runs the probes in a child process of ours without any sandbox, from a folder of its own."""
        with open(host.plain["secret"]) as inherited:
            done = subprocess.run(
                self.placed(tmp_path), input=json.dumps(host.plain), text=True, stdout=subprocess.PIPE, check=True,
                pass_fds=[inherited.fileno()], cwd=tmp_path, timeout=120,
            )
        for planted in host.planted():
            planted.unlink()
        return json.loads(done.stdout)

    def expected(self, name):
        """The event that a probe must leave; `None` where it is silent."""
        overrides = OVERRIDES.get(self.name, {})
        if name in overrides:
            return overrides[name]
        return None if name in SILENT else SEEN[name]


def live(results):
    """The probes that reached nothing although nothing was in their way."""
    dead = {name: result for name, result in results.items() if not result["reached"]}
    return {name: why for name, why in dead.items() if ROOT or name not in NEEDS_ROOT}


def tried(function, host, leave_out=("memory",)):
    """Each probe in a request of its own: the request's id by the probe's name. None may reach anything."""
    _, names = function.invoke({"list": True})
    assert len(names) > 20, names
    requests, reached = {}, {}
    for name in [name for name in names if name not in leave_out]:
        answer, results = function.invoke(host.inside | {"probes": [name]})
        assert "FunctionError" not in answer, (name, results)
        requests[name] = answer["ResponseMetadata"]["RequestId"]
        assert list(results) == [name]
        if results[name]["reached"]:
            reached[name] = results[name]
        elif name == "file_by_a_race":
            # It ran to its end: one that could not swap the names would be just as unsuccessful.
            assert results[name]["why"].endswith("never"), results
    assert reached == {}
    return requests


def exhausted(function, host):
    """Takes more memory than it may have: it ends, and the next request is served. The request's id."""
    answer, said = function.invoke(host.inside | {"probes": ["memory"]})
    assert answer.get("FunctionError") == "Unhandled" or not said["memory"]["reached"], said
    assert "memory" in function.invoke({"list": True})[1]
    return {"memory": answer["ResponseMetadata"]["RequestId"]}


def seen(server, function, language, requests):
    """Each attempt is in the trail under the request in which it was made, unless it is of those that are silent."""
    by_request = {}

    def unseen():
        by_request.clear()
        for record in server.audit(function.name, 4_000):
            if record.get("operation", "").startswith(("sandbox.", "lambda.")):
                by_request.setdefault(record["id"], []).append(record)
        missing = {}
        for name, request in requests.items():
            wanted, there = language.expected(name), by_request.get(request, [])
            if wanted and not any(one["operation"] == wanted[0] and wanted[1] in json.dumps(one) for one in there):
                missing[name] = (wanted, [one["operation"] + " " + json.dumps(one)[-300:] for one in there])
        return missing

    end = time.monotonic() + 15
    while (missing := unseen()) and time.monotonic() < end:
        time.sleep(0.3)
    assert not missing, "\n".join(f"{name}: {what}" for name, what in missing.items())
    return by_request
