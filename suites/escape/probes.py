"""Ways out of an execution environment, tried for real. Each probe returns what it reached, or raises.

The same file runs as a function and as a plain child process: a probe that reaches nothing there proves nothing. No probe
changes anything it cannot put back: files of the kernel are opened, not written.
"""

import ctypes
import http.client
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
EVENT = {}
# What is full stays full until the next request, or nobody could see that it was: how each is emptied.
HELD = []


def release():
    while HELD:
        HELD.pop()()


def call(number, *arguments):
    padded = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments] + [ctypes.c_long(0)] * (6 - len(arguments))
    result = LIBC.syscall(ctypes.c_long(number), *padded)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def in_child(action):
    """What `action` says in a process of its own, which may lose itself in it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = {"value": repr(action())}
        except BaseException as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        os.write(writing, json.dumps(said).encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    said = json.loads(text) if text else {"error": "it died"}
    if "error" in said:
        raise OSError(said["error"])
    return said["value"]


def output_of(program, arguments):
    """What a program that replaces a child of ours prints."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(writing, 1)
            os.execve(program, arguments, {})
        except OSError:
            os._exit(126)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 126:
        raise OSError("not executed")
    return text


# Programs.


def shell():
    with os.popen("echo out") as out:
        text = out.read()
    if "out" not in text:
        raise OSError("no shell")
    return text


def subprocess_of_the_interpreter():
    return subprocess.check_output([sys.executable, "-c", "print('out')"])


def spawned():
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], {})
    return os.waitpid(pid, 0)


def memory_as_a_program():
    memory = os.memfd_create("program")
    with open(os.path.realpath(sys.executable), "rb") as program:
        shutil.copyfileobj(program, os.fdopen(os.dup(memory), "wb"))
    return output_of(f"/proc/self/fd/{memory}", ["python3", "-I", "-S", "-c", "print('out')"])


def loader_as_a_program():
    loader = "/lib64/ld-linux-x86-64.so.2"
    return output_of(loader, [loader, os.path.realpath(sys.executable), "-I", "-S", "-c", "print('out')"])


def program_in_tmp():
    path = os.path.join(EVENT["tmp"], "program")
    shutil.copyfile(os.path.realpath(sys.executable), path)
    os.chmod(path, 0o755)
    return output_of(path, [path, "-I", "-S", "-c", "print('out')"])


# Files.


def file_of_the_host():
    with open(EVENT["secret"]) as file:
        return file.read()


def file_through_a_link():
    link = os.path.join(EVENT["tmp"], "link")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(EVENT["secret"], link)
    with open(link) as file:
        return file.read()


def file_through_proc():
    with open(f"/proc/{EVENT['pid']}/root{EVENT['secret']}") as file:
        return file.read()


def file_through_its_own_root():
    with open(f"/proc/self/root{EVENT['secret']}") as file:
        return file.read()


def file_by_a_race():
    """A name that is a file of ours and, a moment later, a link to the host's."""
    name, own, other = (os.path.join(EVENT["tmp"], part) for part in ("raced", "raced-own", "raced-link"))
    with open(own, "w") as file:
        file.write("mine")
    over, rounds, swaps = threading.Event(), EVENT.get("rounds", 3_000), []

    def swap():
        while not over.is_set():
            swaps.append(1)
            for make in (lambda: os.link(own, other), lambda: os.symlink(EVENT["secret"], other)):
                make()
                os.rename(other, name)
                if os.path.lexists(other):
                    os.unlink(other)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        # On a busy machine one of the two may not run at all while the other is done with so many.
        reads = itertools.takewhile(lambda read: read < rounds or len(swaps) < rounds, itertools.count())
        for _ in reads:
            try:
                with open(name) as file:
                    if (text := file.read()) != "mine":
                        return text
            except FileNotFoundError:
                pass
    finally:
        over.set()
        swapping.join()
    raise OSError("never")


def hard_link_to_code():
    path = os.path.join(EVENT["tmp"], "hard")
    if os.path.lexists(path):
        os.unlink(path)
    os.link(__file__, path)
    return path


def code_opened_again_for_writing():
    with open(__file__) as code:
        os.close(os.open(f"/proc/self/fd/{code.fileno()}", os.O_WRONLY))
    return True


def write_beside_the_code():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "planted")
    with open(path, "w") as file:
        return file.write("x")


def write_on_the_host():
    with open(os.path.join(EVENT["outside"], "planted"), "w") as file:
        return file.write("x")


def kernel_controls():
    opened = []
    for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/cgroup.procs", "/sys/kernel/uevent_helper"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            opened.append(path)
        except OSError:
            pass
    if not opened:
        raise OSError("none")
    return opened


def kernel_log():
    os.close(os.open("/dev/kmsg", os.O_RDONLY))
    return True


def device():
    path = os.path.join(EVENT["tmp"], "device")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 1))
    os.unlink(path)
    return path


def inherited_descriptor():
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        inside = ("/dev/", "/proc/", "pipe:", "socket:", "anon_inode:", "/memfd:")
        if int(number) > 2 and not target.startswith(inside):
            found[number] = target
    if not found:
        raise OSError("none")
    return found


# Other processes.


def environment_of_the_server():
    with open(f"/proc/{EVENT['pid']}/environ", "rb") as file:
        return file.read(20)


def processes_of_the_host():
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (os.getpid(), os.getppid(), 1)]
    if not others:
        raise OSError("none")
    return others[:5]


def signal_to_the_server():
    os.kill(EVENT["pid"], 0)
    return True


def signal_to_a_thread_of_the_server():
    return call(234, EVENT["pid"], EVENT["pid"], 0) == 0


def traced():
    def attach():
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        try:
            return call(101, 16, child, 0, 0)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    return in_child(attach)


def memory_of_another():
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(b"secret")
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        into = ctypes.create_string_buffer(6)
        local = Vector(ctypes.cast(into, ctypes.c_void_p), 6)
        remote = Vector(ctypes.cast(buffer, ctypes.c_void_p), 6)
        return call(310, child, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# The network.


def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as made:
        made.settimeout(3)
        made.connect(address)
        made.send(b"x")
        return made.getpeername()


def port_of_the_host():
    return connect(socket.AF_INET, ("127.0.0.1", EVENT["port"]))


def port_of_the_host_by_its_address():
    return connect(socket.AF_INET, (EVENT["address"], EVENT["port"]))


def abstract_socket():
    return connect(socket.AF_UNIX, "\0" + EVENT["abstract"])


def socket_file():
    return connect(socket.AF_UNIX, EVENT["socket"])


def metadata():
    return connect(socket.AF_INET, tuple(EVENT["metadata"]))


def connected_datagram():
    return connect(socket.AF_INET, (EVENT["address"], EVENT["port"]), socket.SOCK_DGRAM)


def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        return made.sendto(b"x", (EVENT["address"], EVENT["port"]))


def vsock():
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    return True


def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return True


def netfilter_socket():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12).close()
    return True


def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return True


def answer_for_another_request():
    connection = http.client.HTTPConnection(EVENT.get("api") or os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=5)
    request = EVENT.get("request", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
    connection.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", b"{}")
    status = connection.getresponse().status
    if status != 202:
        raise OSError(f"status {status}")
    return status


def request_of_another_process():
    """A second process asks for what is the runtime's."""

    def asks():
        connection = http.client.HTTPConnection(EVENT.get("api") or os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=5)
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        return answer.status

    return in_child(asks)


# The kernel.


def user_namespace():
    return in_child(lambda: call(272, 0x10000000))


def mount_namespace_by_clone():
    pid = call(56, 0x00020000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)


def user_namespace_by_clone3():
    class Arguments(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint64) for name in
                    ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls")]

    arguments = Arguments(flags=0x10000000, exit_signal=signal.SIGCHLD)
    pid = call(435, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)


def namespace_entered():
    namespace = os.open("/proc/self/ns/uts", os.O_RDONLY)
    return in_child(lambda: call(308, namespace, 0))


def program_of_the_kernel():
    attributes = ctypes.create_string_buffer(128)
    struct.pack_into("IIII", attributes, 0, 2, 4, 8, 1)
    os.close(call(321, 0, ctypes.byref(attributes), 128))
    return True


def mount():
    def mounted():
        call(165, b"none", EVENT["tmp"].encode(), b"tmpfs", 0, None)
        return call(166, EVENT["tmp"].encode(), 2)

    return in_child(mounted)


def change_of_root():
    return in_child(lambda: os.chroot(EVENT["tmp"]) or "chrooted")


def other_user():
    return in_child(lambda: os.setresuid(12345, 12345, 12345) or "changed")


def kernel_key():
    return call(248, b"user", b"casemate-probe", b"x", 1, -1)


def kernel_keyring():
    return call(250, 0, -3, 1)


def shared_memory_of_the_kernel():
    made = call(29, 0, 4096, 0o600 | 0o1000)
    call(31, made, 0, None)
    return made


def ring():
    os.close(call(425, 1, ctypes.create_string_buffer(120)))
    return True


def page_faults():
    os.close(call(323, 0))
    return True


def performance_counters():
    attributes = ctypes.create_string_buffer(128)
    ctypes.memmove(attributes, (1).to_bytes(4, "little") + (128).to_bytes(4, "little"), 8)
    os.close(call(298, attributes, 0, -1, -1, 0))
    return True


def host_name():
    return in_child(lambda: LIBC.sethostname(socket.gethostname().encode(), len(socket.gethostname())) == 0 or 1 / 0)


# Too much.


def processes():
    made = []
    try:
        while len(made) < 1_100:
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            made.append(pid)
    finally:
        for pid in made:
            os.kill(pid, signal.SIGKILL)
        for pid in made:
            os.waitpid(pid, 0)
    return len(made)


def descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = []
    try:
        while len(made) < 1_100:
            made.append(os.dup(0))
    except OSError:
        HELD.append(lambda: [os.close(number) for number in made])
        raise
    for number in made:
        os.close(number)
    return len(made)


def disk():
    path, block = os.path.join(EVENT["tmp"], "much"), bytes(1 << 20)
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(600):
                if file.write(block) < len(block):
                    raise OSError("full")
    except OSError:
        HELD.append(lambda: os.unlink(path))
        raise
    os.unlink(path)
    return 600


def memory():
    held = bytearray(600 << 20)
    for at in range(0, len(held), 4096):
        held[at] = 1
    return len(held)


PROBES = {
    function.__name__: function
    for function in (
        shell, subprocess_of_the_interpreter, spawned, memory_as_a_program, loader_as_a_program, program_in_tmp,
        file_of_the_host, file_through_a_link, file_through_proc, file_through_its_own_root, file_by_a_race, hard_link_to_code,
        code_opened_again_for_writing, write_beside_the_code, write_on_the_host,
        kernel_controls, kernel_log, device, inherited_descriptor,
        environment_of_the_server, processes_of_the_host, signal_to_the_server, signal_to_a_thread_of_the_server, traced,
        memory_of_another,
        port_of_the_host, port_of_the_host_by_its_address, metadata, abstract_socket, socket_file, datagram, connected_datagram,
        vsock, raw_socket, netfilter_socket, packet_socket, answer_for_another_request, request_of_another_process,
        user_namespace, user_namespace_by_clone3, mount_namespace_by_clone, namespace_entered, program_of_the_kernel, mount, change_of_root, other_user, kernel_key,
        kernel_keyring, shared_memory_of_the_kernel, ring, page_faults, performance_counters, host_name,
        processes, descriptors, disk, memory,
    )
}


def handler(event, context=None):
    if event.get("list"):
        return list(PROBES)
    release()
    EVENT.clear()
    EVENT.update(event)
    results = {}
    for name in event.get("probes") or PROBES:
        try:
            results[name] = {"reached": True, "what": repr(PROBES[name]())[:200]}
        except BaseException as error:
            results[name] = {"reached": False, "why": f"{type(error).__name__}: {error}"[:200]}
    return results


if __name__ == "__main__":
    print(json.dumps(handler(json.load(sys.stdin))))
