# What ordinary handlers in Python do, and then parts of CPython's own tests: every ability of the language that it offers.
import asyncio, concurrent.futures, ctypes, fcntl, glob, gzip, hashlib, io, json, logging, logging.handlers, lzma, mmap
import multiprocessing, os, pathlib, queue, random, resource, select, selectors, shutil, signal, socket, sqlite3, ssl
import subprocess, sys, tarfile, tempfile, threading, time, urllib.request, uuid, zipfile, zlib

os.environ["HOME"] = "/tmp"
os.chdir("/tmp")


def attempt(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except Exception as error:
        print(getattr(function, "__name__", function), type(error).__name__, error)


def files():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a")
        path.write_text("x" * 100_000)
        shutil.copy2(path, path.with_suffix(".b"))
        shutil.copytree(folder, folder + "/tree")
        os.rename(path, str(path) + "2")
        os.replace(str(path) + "2", path)
        os.symlink(path, folder + "/link"), os.readlink(folder + "/link"), os.link(path, folder + "/hard")
        os.chmod(path, 0o600), os.utime(path), os.truncate(path, 10), os.access(path, os.R_OK), os.stat(path)
        with open(path, "r+b") as file:
            file.truncate(4096), file.flush(), os.fsync(file.fileno()), os.fdatasync(file.fileno())
            fcntl.flock(file, fcntl.LOCK_EX), fcntl.lockf(file, fcntl.LOCK_UN)
            with mmap.mmap(file.fileno(), 4096) as memory:
                memory[0:1] = b"y"
                memory.flush(), memory.madvise(mmap.MADV_RANDOM)
            file.seek(0), os.pread(file.fileno(), 10, 0), os.pwrite(file.fileno(), b"z", 1)
            os.readv(file.fileno(), [bytearray(4)]), os.writev(file.fileno(), [b"a", b"b"])
        for entry in os.scandir(folder):
            entry.stat(follow_symlinks=False)
        list(os.walk(folder)), glob.glob(folder + "/**", recursive=True), shutil.disk_usage(folder)
        with tarfile.open(folder + "/t.tar.gz", "w:gz") as tar:
            tar.add(path)
        with zipfile.ZipFile(folder + "/z.zip", "w") as archive:
            archive.write(path)
        shutil.unpack_archive(folder + "/z.zip", folder + "/out")
        base = sqlite3.connect(folder + "/db")
        base.execute("pragma journal_mode=wal"), base.execute("create table t (a)")
        base.executemany("insert into t values (?)", [(n,) for n in range(100)]), base.commit(), base.close()


def network():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    peer.sendall(b"hello"), client.recv(5), client.getpeername(), client.settimeout(1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    client.sendmsg([b"a"]), peer.recvmsg(1), client.shutdown(socket.SHUT_RDWR)
    with open("/tmp/body", "wb") as body:
        body.write(b"x" * 10)
    with socket.create_connection(server.getsockname()) as again, open("/tmp/body", "rb") as body:
        again.sendfile(body)
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagram.bind(("127.0.0.1", 0)), datagram.sendto(b"x", datagram.getsockname()), datagram.recvfrom(1)
    one, other = socket.socketpair()
    one.send(b"x"), other.recv(1)
    attempt(socket.create_server, ("::1", 0), family=socket.AF_INET6)
    attempt(socket.getaddrinfo, "example.com", 443), attempt(socket.getfqdn), attempt(socket.if_nameindex)
    attempt(urllib.request.urlopen, "https://example.com", timeout=1)
    ssl.create_default_context(), uuid.uuid1(), uuid.uuid4()
    for kind in (selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector):
        with kind() as chosen:
            chosen.register(one, selectors.EVENT_WRITE), chosen.select(0.01)


def work(number):
    return hashlib.sha256(bytes(number)).hexdigest()


def processes():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(100)))
    event = threading.Event()
    threading.Timer(0.01, event.set).start(), event.wait(1)
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        reader, writer = context.Pipe()
        process = context.Process(target=writer.send, args=(1,))
        if attempt(process.start) is None and process.pid:
            reader.poll(10), process.join(10)
    attempt(subprocess.run, [sys.executable, "-c", "import os; os.getpid()"], capture_output=True)
    attempt(subprocess.run, ["true"], close_fds=True)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01), signal.pause(), signal.alarm(1), signal.alarm(0)
    os.kill(os.getpid(), signal.SIGTERM), resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024)), os.nice(0), os.sched_yield(), os.sched_getaffinity(0)


async def waiting():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read(), await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: None), os.kill(os.getpid(), signal.SIGUSR1)
    await loop.run_in_executor(None, work, 1)
    try:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "0")
        await process.wait()
    except OSError as error:
        print("asyncio subprocess", error)


def tests(names):
    import unittest

    os.makedirs("/tmp/tests", exist_ok=True), os.chdir("/tmp/tests")
    for name in names:
        begun = time.monotonic()
        try:
            suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
            result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
            print(name, result.testsRun, "failed", len(result.failures) + len(result.errors), int(time.monotonic() - begun))
        except BaseException as error:
            print(name, type(error).__name__, error)


if __name__ == "__main__":
    for part in (files, network, processes):
        attempt(part)
    attempt(asyncio.run, waiting())
    time.sleep(0.01), time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID), json.dumps(dict(os.environ)), os.uname(), os.getloadavg()
    if sys.argv[1:]:
        tests(sys.argv[1:])
