"""Extensions: programs of a layer beside the runtime, which hear of requests and of the end; and attacks on them."""

import json
import time

import pytest
from functions import Function, package

LOGS = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]

# An extension as AWS documents them, with nothing but the language's own library.
EXTENSION = '''#!{python} -I
import http.client, json, os, sys, time

NAME = os.path.basename(sys.argv[0])
BASE = "/2020-01-01/extension/"


def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {{name.replace("_", "-"): value for name, value in headers.items()}}
    api.request(method, path if path.startswith("/") else BASE + path, json.dumps(body) if body is not None else None, headers)
    answer = api.getresponse()
    return answer.status, dict(answer.getheaders()), json.loads(answer.read())


def say(*words):
    print(NAME, *words, flush=True)


{before}
status, headers, told = call("POST", "register", {{"events": {events}}}, Lambda_Extension_Name=NAME, Lambda_Extension_Accept_Feature="accountId")
IDENTIFIER = {{name.lower(): value for name, value in headers.items()}}["lambda-extension-identifier"]
say("registered", json.dumps(told))
{after}
while True:
    status, headers, event = call("GET", "event/next", Lambda_Extension_Identifier=IDENTIFIER)
    say("event", json.dumps(event))
    {each}
    if event["eventType"] == "SHUTDOWN":
        say("bye after", sorted(os.listdir("/tmp")))
        sys.exit(0)
'''

HANDLER = '''
import os

def handler(event, context):
    return {"id": context.aws_request_id, "seen": sorted(os.listdir("/tmp")), "pids": [p for p in os.listdir("/proc") if p.isdigit()]}
'''


def extension(python, before="", after="", each="pass", events='["INVOKE", "SHUTDOWN"]'):
    return EXTENSION.format(python=python, before=before, after=after, each=each, events=events).encode()


@pytest.fixture(scope="module")
def python(server):
    """Where the interpreter lies inside."""
    return Function(server, {"app.py": "import os\n\ndef handler(event, context):\n    return os.path.realpath('/proc/self/exe')\n"}).invoke()[1]


def deploy(server, files, code=HANDLER, **settings):
    """A function with the extensions of one layer."""
    layer = server.client("lambda").publish_layer_version(
        LayerName=f"extensions-{time.monotonic_ns()}",
        Content={"ZipFile": package({f"extensions/{name}": text for name, text in files.items()})},
    )
    return Function(server, {"app.py": code}, statements=LOGS, Layers=[layer["LayerVersionArn"]], **settings)


def lines(function, mention, count=1, seconds=15):
    """Lines of the function's log, when there are enough of them."""
    logs, end = function.server.client("logs"), time.monotonic() + seconds
    found = everything = []
    while time.monotonic() < end:
        try:
            # A long log has several pages.
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function.name}")
            everything = [event["message"] for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            pass
        found = [line for line in everything if mention in line]
        if len(found) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{mention!r} is not in the log {count} times: {[line[:300] for line in everything[-200:]]}")


def events(function, name, count=1):
    return [json.loads(line.split(" event ", 1)[1]) for line in lines(function, f"{name} event", count)]


def retire(function):
    """Its idle environments end."""
    function.lambda_.update_function_configuration(FunctionName=function.name, Description="changed")


def test_an_extension_hears_of_requests_and_of_the_end(server, python):
    each = 'open("/tmp/" + event["eventType"], "w").close()'
    function = deploy(server, {"hears": extension(python, each=each)})
    answer, first = function.invoke()
    assert "FunctionError" not in answer, first
    assert len(first["pids"]) == 1, "the runtime sees no process but its own"
    second = function.invoke()[1]
    assert second["seen"] == ["INVOKE"], "it is the same environment, and the extension worked in it"
    told = json.loads(lines(function, "hears registered")[0].split("registered ", 1)[1])
    assert told["functionName"] == function.name and told["functionVersion"] == "$LATEST", told
    assert told["handler"] == "app.handler" and told["accountId"] == function.arn.split(":")[4], told
    assert lines(function, "EXTENSION")[0] == "EXTENSION\tName: hears\tState: Ready\tEvents: [INVOKE,SHUTDOWN]"
    invoked = events(function, "hears", 2)
    assert [event["requestId"] for event in invoked] == [first["id"], second["id"]]
    assert {event["eventType"] for event in invoked} == {"INVOKE"}
    assert invoked[0]["invokedFunctionArn"] == function.arn
    assert invoked[0]["tracing"]["type"] == "X-Amzn-Trace-Id" and invoked[0]["tracing"]["value"].startswith("Root=1-")
    retire(function)
    last = events(function, "hears", 3)[-1]
    assert last["eventType"] == "SHUTDOWN" and last["shutdownReason"] == "spindown", last
    assert abs(last["deadlineMs"] / 1000 - time.time()) < 30
    assert "SHUTDOWN" in lines(function, "bye after")[0]


def test_neither_the_answer_nor_the_next_request_waits_for_extensions(server, python):
    each = 'event["eventType"] == "INVOKE" and (time.sleep(1), say("done"))'
    function = deploy(server, {"slow": extension(python, each=each)})
    function.invoke()
    lines(function, "slow done")
    before = time.monotonic()
    first = function.invoke()[1]
    assert time.monotonic() - before < 0.9, "the answer is there before the extension is done"
    second = function.invoke()[1]
    registered = lines(function, "slow registered", 2)
    assert len(registered) == 2, "the first environment is not ready again before its extension is: the second request had another"
    assert [event["requestId"] for event in events(function, "slow", 3)][1:] == [first["id"], second["id"]]


def test_an_extension_that_overruns_ends_the_environment(server, python):
    function = deploy(server, {"late": extension(python, each='time.sleep(6 if event["eventType"] == "INVOKE" else 0)')}, Timeout=3)
    answer, first = function.invoke()
    assert "FunctionError" not in answer, first
    answer, second = function.invoke()
    assert "FunctionError" not in answer, second
    assert len(lines(function, "late registered", 2)) == 2, "the second request had a new environment"


def test_a_function_that_times_out_or_crashes_says_so_to_its_extensions(server, python):
    code = "import os, time\n\ndef handler(event, context):\n    os._exit(3) if event.get('crash') else time.sleep(9)\n"
    function = deploy(server, {"told": extension(python)}, code=code, Timeout=2)
    assert "Task timed out after 2.00 seconds" in function.invoke()[1]["errorMessage"]
    assert events(function, "told", 2)[-1]["shutdownReason"] == "timeout"
    assert function.invoke({"crash": 1})[1]["errorType"] == "Runtime.ExitError"
    assert events(function, "told", 4)[-1]["shutdownReason"] == "failure"


@pytest.mark.parametrize(
    "text, kind, message",
    [
        (lambda python: extension(python, before="sys.exit(7)"), "Extension.Crash", "exit status 7"),
        (lambda python: extension(python, after="sys.exit(0)"), "Extension.Crash", "exit code 0"),
        (lambda python: b"#!/no/such/interpreter\n", "Extension.LaunchError", "fork/exec /opt/extensions/bad: no such file or directory"),
        (lambda python: b"no program", "Extension.LaunchError", "fork/exec /opt/extensions/bad: exec format error"),
        (
            lambda python: extension(
                python,
                after='say(call("POST", "init/error", {}, Lambda_Extension_Identifier=IDENTIFIER, Lambda_Extension_Function_Error_Type="Extension.NoConfig"))\nsys.exit(0)',
            ),
            "Extension.InitError",
            "exit code 0",
        ),
    ],
)
def test_an_extension_that_does_not_start_fails_the_request(server, python, text, kind, message):
    function = deploy(server, {"bad": text(python)})
    answer, error = function.invoke()
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == kind, error
    assert error["errorMessage"].endswith(f"Error: {message}") and error["errorMessage"].startswith("RequestId: "), error
    assert kind in lines(function, "INIT_REPORT")[0]


def test_an_extension_that_crashes_in_a_request_fails_it_and_the_next_has_a_new_environment(server, python):
    each = 'event["eventType"] == "INVOKE" and os._exit(9)'
    function = deploy(server, {"dies": extension(python, each=each)}, code="import time\n\ndef handler(event, context):\n    time.sleep(3)\n")
    for count in (1, 2):
        answer, error = function.invoke()
        assert error["errorType"] == "Extension.Crash" and error["errorMessage"].endswith("Error: exit status 9"), error
        assert len(lines(function, "dies registered", count)) == count


def test_ten_extensions_and_no_more(server, python):
    ten = {f"e{number}": extension(python, events='["INVOKE"]') for number in range(10)}
    function = deploy(server, ten, MemorySize=1024)
    answer, first = function.invoke()
    assert "FunctionError" not in answer, first
    assert len(lines(function, "EXTENSION", 10)) == 10
    answer, error = deploy(server, ten | {"e10": extension(python)}).invoke()
    assert error["errorType"] == "Extension.LaunchError", error


INTERNAL = '''
import http.client, json, os, threading, time

def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    api.request(method, "/2020-01-01/extension/" + path, json.dumps(body) if body is not None else None, headers)
    answer = api.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(answer.read())

def register(name, events):
    return call("POST", "register", {"events": events}, Lambda_Extension_Name=name)

'''


def test_an_internal_extension_is_part_of_the_runtime(server):
    code = INTERNAL + '''
HEARD = []
REFUSED = register("inside", ["INVOKE", "SHUTDOWN"])[2]
IDENTIFIER = register("inside", ["INVOKE"])[1]["lambda-extension-identifier"]

def listen():
    while True:
        HEARD.append(call("GET", "event/next", Lambda_Extension_Identifier=IDENTIFIER)[2]["eventType"])

threading.Thread(target=listen, daemon=True).start()

def handler(event, context):
    while not HEARD:
        time.sleep(0.01)
    return {"refused": REFUSED, "heard": HEARD, "late": register("late", ["INVOKE"])[::2]}
'''
    for reuse in ("warm", "per-invocation"):
        function = Function(server, {"app.py": code}, statements=LOGS, Environment={"Variables": {"CASEMATE_REUSE": reuse}})
        function.invoke()
        answer, told = function.invoke()
        assert "FunctionError" not in answer, told
        assert told["refused"]["errorType"] == "Extension.InvalidEventType", told
        assert told["refused"]["errorMessage"] == "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"
        assert told["heard"][0] == "INVOKE"
        assert told["late"] == [403, {"errorType": "Extension.RegistrationClosed", "errorMessage": "Extension registration closed already"}]
        assert lines(function, "EXTENSION")[0] == "EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]"


def test_what_a_function_tries_against_an_extension_is_refused(server, python):
    code = INTERNAL + '''
import ctypes, errno

def attempt(action):
    try:
        return action()
    except OSError as error:
        return errno.errorcode.get(error.errno)

def beside(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    def trace():
        if libc.ptrace(16, pid, None, None) < 0:
            raise OSError(ctypes.get_errno(), "")
    return {
        "memory": attempt(lambda: open(f"/proc/{pid}/mem", "rb").read(1)),
        "environ": attempt(lambda: open(f"/proc/{pid}/environ", "rb").read()),
        "descriptors": attempt(lambda: os.listdir(f"/proc/{pid}/fd")),
        "trace": attempt(trace),
        "kill": attempt(lambda: os.kill(pid, 9)),
        "again": attempt(lambda: os.execv("/opt/extensions/victim", ["x"])),
    }

def handler(event, context):
    api = [
        register("victim", ["INVOKE"]),
        register("other", ["INVOKE"]),
        call("GET", "event/next"),
        call("GET", "event/next", Lambda_Extension_Identifier="victim"),
        call("GET", "event/next", Lambda_Extension_Identifier="00000000-0000-4000-8000-000000000000"),
        call("POST", "exit/error", {}, Lambda_Extension_Identifier="00000000-0000-4000-8000-000000000000", Lambda_Extension_Function_Error_Type="Extension.X"),
    ]
    flood = {register(f"flood-{number}", [])[0] for number in range(200)}
    return {"api": [(status, told["errorType"]) for status, _, told in api], "flood": sorted(flood), "beside": beside(os.getpid() + 1)}
'''
    function = deploy(server, {"victim": extension(python)}, code=code)
    answer, told = function.invoke()
    assert "FunctionError" not in answer, told
    assert told["api"] == [
        [403, "Extension.InvalidExtensionState"],
        [403, "Extension.RegistrationClosed"],
        [403, "Extension.MissingExtensionIdentifier"],
        [403, "Extension.InvalidExtensionIdentifier"],
        [403, "Extension.UnknownExtensionIdentifier"],
        [403, "Extension.UnknownExtensionIdentifier"],
    ]
    assert told["flood"] == [403]
    # Signals are kept apart from Linux 6.12 on.
    assert told["beside"].pop("kill") in ("EPERM", None)
    assert told["beside"] == {
        "memory": "ENOENT", "environ": "ENOENT", "descriptors": "ENOENT", "trace": "EPERM", "again": "EPERM",
    }


def test_an_extension_may_do_no_more_than_the_function(server, python):
    after = '''
import errno, socket
def attempt(name, action):
    try:
        action()
        say(name, "done")
    except OSError as error:
        say(name, errno.errorcode.get(error.errno))
say("variables", [name for name in os.environ if name.startswith("_") or "LOG_" in name or name == "LAMBDA_TASK_ROOT"])
attempt("program", lambda: os.execv("/proc/self/exe", ["x"]))
attempt("write", lambda: open("/opt/planted", "w"))
attempt("outside", lambda: socket.create_connection(("8.8.8.8", 53), 2))
attempt("raw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
'''
    function = deploy(server, {"bound": extension(python, after=after)})
    answer, told = function.invoke()
    assert "FunctionError" not in answer, told
    for line in ["bound variables []", "bound program EPERM", "bound write EROFS"]:
        assert lines(function, line) == [line]
    for name in ("outside", "raw"):
        assert "done" not in lines(function, f"bound {name}")[0]
