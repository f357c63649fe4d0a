"""Runs a Python function: loads its handler, then asks the Runtime API for one request after another.

Speaks plain HTTP/1.1 over one socket of its own, so that nothing but the standard library's smallest parts is loaded
before the function's code is.
"""

import json
import os
import socket
import sys
import time

HERE = os.path.abspath(__file__)
BASE = "/2018-06-01/runtime/"


class RuntimeApi:
    """The connection to the environment's Runtime API."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        self.host = address
        self.socket = None
        self.buffer = b""

    def call(self, method, path, body=b"", headers=()):
        """Sends a request; returns status, headers (lower-case names) and body."""
        lines = ["%s %s%s HTTP/1.1" % (method, BASE, path), "Host: " + self.host,
                 "User-Agent: casemate-python/" + sys.version.split()[0]]
        lines += ["%s: %s" % pair for pair in headers]
        if method == "POST":
            lines += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if self.socket is None:
            self.connect()
        self.socket.sendall(head + body)
        return self._answer()

    def connect(self):
        # An address, never a name: what looks names up would load modules of its own.
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.connect(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def _answer(self):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in rest:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(first.split()[1]), headers, body

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the Runtime API has closed the connection")
        self.buffer += piece


class Identity:
    """The caller's Cognito identity; empty unless a client library sent one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, given=None):
        given = given or {}
        self.cognito_identity_id = given.get("cognitoIdentityId")
        self.cognito_identity_pool_id = given.get("cognitoIdentityPoolId")


class Client:
    """The client application, as a client library describes it."""

    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __init__(self, given):
        for name in self.__slots__:
            setattr(self, name, given.get(name))


class ClientContext:
    """What a client library sent along."""

    __slots__ = ("custom", "env", "client")

    def __init__(self, given):
        self.custom = given.get("custom")
        self.env = given.get("env")
        self.client = Client(given["client"]) if isinstance(given.get("client"), dict) else None


class LambdaContext:
    """What a handler may know of its request."""

    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.tenant_id = None
        self.identity = Identity()
        sent = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(sent)) if sent else None
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                 "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id")
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in shown)


class StartFailure(Exception):
    """The handler cannot be loaded, in the words of `kind` and `text`."""

    def __init__(self, kind, text, trace=()):
        super().__init__(text)
        self.kind, self.text, self.trace = kind, text, list(trace)


current_request = {"id": ""}


def report_of(error_type, text, trace, request_id):
    return {"errorMessage": text, "errorType": error_type, "requestId": request_id, "stackTrace": trace}


def trace_of(error):
    """The function's part of a traceback: our own frames and the import system's are left out."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename != HERE and not f.filename.startswith("<frozen importlib")
           and os.path.basename(os.path.dirname(f.filename)) != "importlib"]
    return traceback.format_list(own)


def stamp(seconds):
    """As times are written in logs of JSON."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % (seconds * 1000 % 1000)


def writes_json():
    """Whether the function's owner wants the log as JSON."""
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


def log_report(report):
    """Writes a failure to the log, as one event: line ends inside it are carriage returns."""
    if writes_json():
        line = {"timestamp": stamp(time.time()), "level": "ERROR", "log_level": "ERROR"}
        sys.stdout.write(json.dumps(dict(line, **report), ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    lines = ["[ERROR] %s: %s" % (report["errorType"], report["errorMessage"])]
    if report["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        for frame in report["stackTrace"]:
            lines += frame.rstrip("\n").split("\n")
    sys.stdout.write("\r".join(lines).replace("\n", "\r") + "\n")
    sys.stdout.flush()


def load(handler):
    """Finds the function that `module.name` or `folder/module.name` means."""
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as error:
        raise StartFailure("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (handler, error)) from None
    dotted = module_name.replace("/", ".")
    if dotted.split(".")[0] in sys.builtin_module_names:
        raise StartFailure("Runtime.BuiltInModuleConflict",
                           "Cannot use built-in module %s as a handler module" % module_name)
    import importlib

    try:
        module = importlib.import_module(dotted)
    except ImportError as error:
        raise StartFailure("Runtime.ImportModuleError",
                           "Unable to import module '%s': %s" % (module_name, error)) from None
    except SyntaxError as error:
        where = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, (error.text or "").strip())
        raise StartFailure("Runtime.UserCodeSyntaxError",
                           "Syntax error in module '%s': %s" % (module_name, error), [where]) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise StartFailure("Runtime.HandlerNotFound",
                           "Handler '%s' missing on module '%s'" % (function_name, module_name)) from None


def plain(value):
    """What JSON has no form for: numbers of the decimal kind become numbers, the rest is refused."""
    if type(value).__name__ == "Decimal":
        return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def set_up_logging():
    """A handler on the root logger, so that `logging.getLogger().info(...)` reaches the log with the request's id."""
    import logging

    class RequestId(logging.Filter):
        def filter(self, record):
            record.aws_request_id = current_request["id"]
            return True

    class OneEvent(logging.Formatter):
        converter = time.gmtime

    class Structured(logging.Formatter):
        known = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id"}

        def format(self, record):
            line = {"timestamp": stamp(record.created), "level": record.levelname, "message": record.getMessage(),
                    "logger": record.name}
            if record.exc_info and record.exc_info[0]:
                import traceback

                kind, error, trace = record.exc_info
                line["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
                line["errorType"], line["errorMessage"] = kind.__name__, str(error)
                line["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
            line["requestId"] = record.aws_request_id
            # What the function adds never takes the place of these.
            line.update((name, value) for name, value in vars(record).items() if name not in self.known and name not in line)
            return json.dumps(line, ensure_ascii=False, default=str)

    handler = logging.StreamHandler(sys.stdout)
    if writes_json():
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        logging.getLogger().setLevel({"TRACE": "NOTSET", "FATAL": "CRITICAL"}.get(level, level))
        handler.setFormatter(Structured())
    else:
        handler.setFormatter(OneEvent("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
                                      "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(RequestId())
    logging.getLogger().addHandler(handler)


def run_one(api, handler, token=None):
    _, headers, body = api.call("GET", "invocation/next", headers=[("Casemate-Child", token)] if token else ())
    if "casemate-restored" in headers:
        go_on(headers)
    elif token:
        take_credentials(headers)
    request_id = headers["lambda-runtime-aws-request-id"]
    current_request["id"] = request_id
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    kind = None
    try:
        try:
            event = json.loads(body or b"{}")
        except ValueError as error:
            kind = "Runtime.UnmarshalError"
            raise ValueError("Unable to unmarshal input: %s" % error) from None
        answer = handler(event, LambdaContext(headers))
        try:
            text = json.dumps(answer, ensure_ascii=False, default=plain).encode("utf-8")
        except (TypeError, ValueError) as error:
            kind = "Runtime.MarshalError"
            raise TypeError("Unable to marshal response: %s" % error) from None
    except Exception as error:
        report = report_of(kind or type(error).__name__, str(error), [] if kind else trace_of(error), request_id)
        log_report(report)
        sys.stderr.flush()
        send_report(api, "invocation/%s/error" % request_id, report)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    status, _, _ = api.call("POST", "invocation/%s/response" % request_id, text)
    if status == 413:
        log_report(report_of("Function.ResponseSizeTooLarge", "the response is larger than a response may be", [],
                             request_id))


# ---- a process of its own for every request -----------------------------------------------------------------------------
#
# The process that loads the function becomes a template: it never sees a request or credentials, and forks one child for
# each request when the platform tells it to. What a child does ends with it.

DUMPABLE = 4  # PR_SET_DUMPABLE


def take_credentials(headers):
    """Those of this request alone; they are worth nothing after it. None come where SDKs fetch them."""
    for name, header in (("AWS_ACCESS_KEY_ID", "casemate-access-key-id"),
                         ("AWS_SECRET_ACCESS_KEY", "casemate-secret-access-key"),
                         ("AWS_SESSION_TOKEN", "casemate-session-token"),
                         ("AWS_CREDENTIAL_EXPIRATION", "casemate-credentials-end")):
        if header in headers:
            os.environ[name] = headers[header]


def go_on(headers):
    """This process goes on where another had stopped that had loaded the function: what must be its own it gets here."""
    reseed()
    take_credentials(headers)
    os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] = headers["casemate-restored"]


def streams():
    """What the standard streams are."""
    return [(found.st_dev, found.st_ino) for found in map(os.fstat, (0, 1, 2))]


# Before any of the function's code is loaded.
STREAMS = streams()


def unfit(control):
    """Why this process must not be forked: something in it would be shared by its children. None if it may be."""
    if len(os.listdir("/proc/self/task")) > 1:
        return "the function's code starts threads when it is loaded"
    try:
        os.waitpid(-1, os.WNOHANG)
        return "the function's code starts processes when it is loaded"
    except ChildProcessError:
        pass
    if streams() != STREAMS:
        return "the function's code replaces its standard streams when it is loaded"
    own = {0, 1, 2, control.socket.fileno()}
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue
        if int(name) not in own:
            return "the function's code keeps a file or socket open when it is loaded"
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            fields = line.split(None, 5)
            path = fields[5] if len(fields) > 5 else ""
            # A read-only mapping of a file that nobody can change is no way to tell anybody anything.
            if fields[1][3] == "s" and ("w" in fields[1] or "(deleted)" in path or not path.startswith("/")):
                return "the function's code makes shared memory when it is loaded"
    if os.listdir("/tmp"):
        return "the function's code writes files to /tmp when it is loaded"
    return None


class Guard:
    """What keeps a child from reaching its parent, and the parent's state out of a child."""

    def __init__(self):
        import ctypes
        import signal

        self.prctl = ctypes.CDLL(None, use_errno=True).prctl
        self.signal = signal
        self.processors = os.sched_getaffinity(0)
        self.mask = None

    def __enter__(self):
        """For the template: its memory cannot be opened, and no signal from inside interrupts it."""
        self.mask = self.signal.pthread_sigmask(self.signal.SIG_SETMASK, self.signal.valid_signals())
        if self.prctl(DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError("this process cannot be protected from its children")

    def __exit__(self, *_):
        """For a child: an ordinary process again, with nothing that an earlier child could have changed."""
        import fcntl

        self.prctl(DUMPABLE, 1, 0, 0, 0)
        for stream in (0, 1, 2):
            # The open streams are shared with the template and so with earlier children.
            flags = fcntl.fcntl(stream, fcntl.F_GETFL)
            fcntl.fcntl(stream, fcntl.F_SETFL, flags & os.O_ACCMODE)
        os.sched_setaffinity(0, self.processors)
        self.signal.pthread_sigmask(self.signal.SIG_SETMASK, self.mask)


def reseed():
    """Randomness of a child's own, wherever the template has drawn or stored some."""
    loaded = sys.modules.get
    if loaded("random"):
        sys.modules["random"].seed()
    if loaded("ssl"):
        sys.modules["ssl"].RAND_add(os.urandom(32), 32.0)
    if loaded("numpy.random"):
        sys.modules["numpy.random"].seed(int.from_bytes(os.urandom(4), "big"))
    if loaded("uuid"):
        sys.modules["uuid"]._last_timestamp = None


def be_child(control, guard, handler, token, kind):
    """Takes one request and ends; from a snapshot whose children stay, as many as come."""
    code = 1
    try:
        control.socket.close()
        guard.__exit__()
        reseed()
        api = RuntimeApi(control.host)
        if kind.is_snapshot and not restored(api, token):
            sys.exit(65)
        run_one(api, handler, token)
        while kind.stays:
            run_one(api, handler, token)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def decline(control, why):
    """This process is no template; the platform then uses an ordinary environment for each request."""
    control.call("POST", "casemate/fork", json.dumps({"unfit": why}).encode())
    os._exit(0)


def be_template(control, handler, kind):
    """Forks a child whenever the platform asks for one, for ever."""
    import gc

    if kind.is_snapshot and not hooked(control):
        sys.exit(64)
    try:
        guard = Guard()
        why = unfit(control)
    except (ImportError, OSError, AttributeError) as error:
        why = "a template cannot be made: %s" % error
    if why:
        decline(control, why)
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()
    guard.__enter__()
    word = "ready"
    while True:
        status, _, token = control.call("POST", "casemate/fork", json.dumps(word).encode())
        if status != 200:
            os._exit(1)
        reap()
        # Signals that earlier children sent are blocked, but kept: the next child must not find them or their number.
        while guard.signal.sigtimedwait(guard.signal.valid_signals(), 0) is not None:
            pass
        child = os.fork()
        if child == 0:
            be_child(control, guard, handler, token.decode(), kind)
        word = ended(child)


# ---- SnapStart ------------------------------------------------------------------------------------------------------------
#
# AWS: the module that its Python runtimes have preinstalled. Functions of ours, under its names.


class Hooks:
    """What the function wants to be called before its snapshot is made and after it is restored."""

    def __init__(self):
        self.before, self.after = [], []

    def module(self):
        made = type(sys)("snapshot_restore_py", "Hooks of snapshots, see the Lambda developer guide.")

        def register_before_snapshot(func, *args, **kwargs):
            """Calls `func` before the snapshot is made; the last one that was registered is called first."""
            self.before.append((func, args, kwargs))
            return func

        def register_after_restore(func, *args, **kwargs):
            """Calls `func` in every environment before its first request, in the order of registration."""
            self.after.append((func, args, kwargs))
            return func

        made.register_before_snapshot, made.register_after_restore = register_before_snapshot, register_after_restore
        made.get_before_snapshot, made.get_after_restore = lambda: self.before, lambda: self.after
        return made


class Kind:
    """What sort of template a process is, if one."""

    def __init__(self, told, initialization):
        self.is_template = told is not None
        self.stays = told == "stays"
        of_snapshot = initialization == "snap-start"
        self.is_snapshot = self.is_template and of_snapshot
        # Nothing is forked: the machine around this process becomes the snapshot as it is.
        self.is_copied = of_snapshot and not self.is_template


hooks = Hooks()


def hooked(api):
    """Runs the hooks before the snapshot. False, and reported, if one failed."""
    try:
        while hooks.before:
            func, args, kwargs = hooks.before.pop()
            func(*args, **kwargs)
        return True
    except BaseException as error:
        report = report_of("Runtime.BeforeSnapshotError", "%s: %s" % (type(error).__name__, error), trace_of(error), "")
    log_report(report)
    send_report(api, "init/error", report)
    return False


def await_restore(api):
    """Of a process whose machine becomes the snapshot: that is made when this asks to be restored, and what comes after the answer
    happens in each machine that goes on from there."""
    if not hooked(api):
        sys.exit(64)
    # What waits to be written would be written by each.
    sys.stdout.flush()
    sys.stderr.flush()
    if not restored(api):
        sys.exit(65)


def restored(api, token=None):
    """Says that this process is there, and runs the hooks after the restore. False, and reported, if one failed."""
    shown = [("Casemate-Child", token)] if token else []
    status, headers, _ = api.call("GET", "restore/next", headers=shown)
    if status != 200:
        return False
    if "casemate-restored" in headers:
        go_on(headers)
    try:
        for func, args, kwargs in hooks.after:
            func(*args, **kwargs)
        return True
    except BaseException as error:
        report = report_of("Runtime.AfterRestoreError", "%s: %s" % (type(error).__name__, error), trace_of(error), "")
    log_report(report)
    sys.stderr.flush()
    send_report(api, "restore/error", report, shown)
    return False


def reap():
    """Takes the ends of processes that earlier children left behind."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def ended(child):
    try:
        status = os.waitpid(child, 0)[1]
    except ChildProcessError:
        return {"exited": 1}
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status)}
    return {"exited": os.WEXITSTATUS(status)}


def send_report(api, path, report, headers=()):
    body = json.dumps(report, ensure_ascii=False).encode("utf-8", "replace")
    kind = report["errorType"].encode("ascii", "replace").decode("ascii")
    api.call("POST", path, body, [("Lambda-Runtime-Function-Error-Type", kind), *headers])


def run_aws_client(api):
    """Hands everything over to AWS's runtime client, which the package or the host has."""
    try:
        from awslambdaric import bootstrap
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
    except ImportError as error:
        report = report_of("Runtime.ImportModuleError", "Unable to load AWS's runtime client: %s" % error, [], "")
        log_report(report)
        send_report(api, "init/error", report)
        return
    bootstrap.run(os.environ.get("_HANDLER", ""), LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))


def become_function(api):
    """Waits to be told which function this process is for. Until then it has no variables of anybody and no code.

    Loaded meanwhile is only what is loaded for every function, so that a package's own modules of whatever name are found in
    this process as in a new one.
    """
    import importlib
    import logging

    json.loads(json.dumps({"a": [1.5, "b", None]}))
    status, _, body = api.call("GET", "casemate/function")
    if status != 200:
        sys.exit(1)
    os.environ.clear()
    os.environ.update(json.loads(body))
    # The folders of code and layers were empty until now.
    sys.path_importer_cache.clear()
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if "_CASEMATE_LATE" in os.environ:
        become_function(api)
    kind = Kind(os.environ.pop("_LAMBDA_TEMPLATE", None), os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"))
    if kind.is_template:
        # Before the function's code is loaded: by this the platform knows the template from everything else inside.
        api.connect()
    task_root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    # The script's own folder gives way to the function's; the host's packages come last.
    sys.path[:] = [task_root] + [path for path in sys.path if path != os.path.dirname(HERE)]
    sdk = "/var/lang-sdk"
    if os.path.isdir(sdk) and sdk not in sys.path:
        sys.path.append(sdk)
    if os.environ.pop("_CASEMATE_RUNTIME_CLIENT", "") == "aws":
        run_aws_client(api)
        sys.exit(1)
    set_up_logging()
    # Also where there is no snapshot: the function's code is the same. Whatever its package brings, these are called.
    sys.modules["snapshot_restore_py"] = hooks.module()
    try:
        handler = load(os.environ.get("_HANDLER", ""))
    except StartFailure as failure:
        report = report_of(failure.kind, failure.text, failure.trace, "")
    except Exception as error:
        report = report_of(type(error).__name__, str(error), trace_of(error), "")
    else:
        if kind.is_template:
            be_template(api, handler, kind)
        if kind.is_copied:
            await_restore(api)
        while True:
            run_one(api, handler)
    if kind.is_template and not kind.is_snapshot:
        # Perhaps it needs credentials, or threads, to be loaded: the platform tries in an ordinary environment.
        decline(api, "the function's code cannot be loaded in a template: %s" % report["errorMessage"])
    log_report(report)
    send_report(api, "init/error", report)
    sys.exit(1)


main()
