"""Hostile code inside functions: each attempt is refused, and the audit trail shows it."""

import json
import os
import time

import pytest
from botocore.exceptions import ClientError
from conftest import until
from functions import Function, node_runtime
from processes import has_stopped, let_run, of_function, turns

ATTEMPTS = '''
import ctypes, json, os, socket, subprocess, urllib.request


def attempt(name, action):
    try:
        return {"refused": False, "value": repr(action())[:200]}
    except BaseException as error:
        return {"refused": True, "error": f"{type(error).__name__}: {error}"[:200]}


def read(path):
    with open(path, "rb") as file:
        return file.read(200)


def connect(host, port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as made:
        made.settimeout(3)
        made.connect((host, port))
        return made.send(b"x")


def handler(event, context):
    tries = {
        "os.system": lambda: (lambda status: status if status == 0 else (_ for _ in ()).throw(OSError(status)))(os.system("id")),
        "subprocess": lambda: subprocess.check_output(["/usr/bin/id"]),
        "shell": lambda: subprocess.check_output("id", shell=True),
        "interpreter again": lambda: os.execv("/proc/self/exe", ["python3", "-c", "1"]),
        "write to root": lambda: open("/planted", "w"),
        "write to code": lambda: open("/var/task/app.py", "a"),
        "other processes": lambda: [read(f"/proc/{pid}/environ") for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()][0],
        "parent environment": lambda: read(f"/proc/{os.getppid()}/environ"),
        "host passwords": lambda: read("/etc/shadow"),
        "other functions": lambda: os.listdir(event["functions"]),
        "metadata": lambda: connect("169.254.169.254", 80),
        "network": lambda: connect("8.8.8.8", 53),
        "udp": lambda: connect("8.8.8.8", 53, socket.SOCK_DGRAM),
        "host loopback": lambda: connect("127.0.0.1", event["port"]),
        "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
        "raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "mount": lambda: (lambda r: r if r == 0 else (_ for _ in ()).throw(OSError(ctypes.get_errno())))(ctypes.CDLL(None, use_errno=True).mount(b"none", b"/tmp", b"tmpfs", 0, None)),
        "unshare": lambda: (lambda r: r if r == 0 else (_ for _ in ()).throw(OSError(ctypes.get_errno())))(ctypes.CDLL(None, use_errno=True).unshare(0x10000000)),
    }
    return {name: attempt(name, action) for name, action in tries.items()}
'''

NODE_ATTEMPTS = """
const { execSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');

exports.handler = async (event) => {
  const results = {};
  const attempt = (name, action) => {
    try {
      results[name] = { refused: false, value: String(action()).slice(0, 200) };
    } catch (error) {
      results[name] = { refused: true, error: String(error).slice(0, 200) };
    }
  };
  attempt('shell', () => execSync('id'));
  attempt('spawn', () => {
    const done = spawnSync('/bin/sh', ['-c', 'id']);
    if (done.error) throw done.error;
    return done.stdout;
  });
  attempt('write to code', () => fs.writeFileSync('/var/task/planted', 'x'));
  attempt('other functions', () => fs.readdirSync(event.functions));
  results.network = await new Promise((resolve) => {
    const socket = net.connect({ host: '169.254.169.254', port: 80, timeout: 3000 });
    socket.on('connect', () => resolve({ refused: false }));
    socket.on('timeout', () => resolve({ refused: true, error: 'timeout' }));
    socket.on('error', (error) => resolve({ refused: true, error: String(error) }));
  });
  return results;
};
"""


def attack(server, files, **settings):
    function = Function(server, files, **settings)
    answer, results = function.invoke({"functions": str(server.data_dir / "functions"), "port": server.port})
    assert "FunctionError" not in answer, results
    return function, results


def wait_for_opens(server, function, *attempts):
    """Each attempt on a file is recorded with the function and the request it happened in."""
    for attempt in attempts:
        records = server.wait_for_audit(
            function.name, lambda record: record.get("operation") == "sandbox.open-denied" and attempt in json.dumps(record)
        )
        assert all(function.name in record["function"] and len(record["id"]) == 36 for record in records)


def test_python_attempts_are_refused_and_recorded(server):
    function, results = attack(server, {"app.py": ATTEMPTS})
    through = {name: result for name, result in results.items() if not result["refused"]}
    assert through == {}
    server.wait_for_audit(function.name, lambda record: record.get("operation") == "sandbox.exec-denied")
    server.wait_for_audit(function.name, lambda record: record.get("operation") == "sandbox.connect-denied")
    others = str(server.data_dir / "functions")
    wait_for_opens(server, function, "/etc/shadow", others, "/proc/0/environ", "/planted", "/var/task/app.py")


def test_node_attempts_are_refused_and_recorded(server):
    function, results = attack(server, {"app.js": NODE_ATTEMPTS}, runtime=node_runtime(server))
    assert {name: result for name, result in results.items() if not result["refused"]} == {}
    server.wait_for_audit(function.name, lambda record: record.get("operation") == "sandbox.exec-denied")
    wait_for_opens(server, function, str(server.data_dir / "functions"), "/var/task/planted")


ODD_NAMES = r'''
import errno, os, socket

FORGED = b'\xff\n{"kind":"event","operation":"forged"}\r\x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae'


def attempt(action):
    try:
        return repr(action())
    except OSError as error:
        return errno.errorcode[error.errno]


def connect(name):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(name)


def from_a_folder_of_its_own():
    """Up and out of a folder whose name is no text either."""
    os.mkdir(b"/tmp/" + FORGED)
    os.chdir(b"/tmp/" + FORGED)
    try:
        return os.open(b"../../etc/gshadow", os.O_RDONLY)
    finally:
        os.chdir("/")


def handler(event, context):
    return {
        "read": attempt(lambda: os.open(b"/root/read-" + FORGED, os.O_RDONLY)),
        "change": attempt(lambda: os.open(b"/var/task/change-" + FORGED, os.O_WRONLY | os.O_CREAT)),
        "from a folder": attempt(from_a_folder_of_its_own),
        "execute": attempt(lambda: os.execv(b"/tmp/execute-" + FORGED, ["x"])),
        "abstract": attempt(lambda: connect(b"\0abstract-" + FORGED[:40])),
        "socket": attempt(lambda: connect(b"/run/socket-" + FORGED[:40])),
    }
'''


def test_names_that_are_no_text_are_recorded_on_one_line_and_hide_nothing(server):
    function = Function(server, {"app.py": ODD_NAMES})
    answer, results = function.invoke({})
    assert results == {
        "read": "ENOENT", "change": results["change"], "from a folder": "ENOENT", "execute": "EPERM",
        "abstract": "ECONNREFUSED", "socket": "ENOENT",
    }
    assert results["change"] in ("EROFS", "EACCES"), results
    request = answer["ResponseMetadata"]["RequestId"]
    for operation, word in (
        ("sandbox.open-denied", "/root/read-\ufffd\\n"), ("sandbox.open-denied", "/var/task/change-\ufffd\\n"),
        ("sandbox.open-denied", "/etc/gshadow"), ("sandbox.exec-denied", "/tmp/execute-\ufffd\\n"),
        ("sandbox.connect-denied", "@abstract-\ufffd\\n"), ("sandbox.connect-denied", "/run/socket-\ufffd\\n"),
    ):
        found = server.wait_for_audit(
            function.name,
            lambda record: record.get("operation") == operation and record["id"] == request and word in record["detail"],
        )
        assert len(found) == 1, (operation, word, found)
    # As it is on the disk, and as people read it: nothing that a terminal or a reader of lines would take for more than a name.
    # After each record stands its MAC.
    files = [file.read_bytes() for file in (server.data_dir / "audit").glob("*.jsonl")]
    lines = [line.rpartition(b"\t")[0].decode() for file in files for line in file.split(b"\n") if request.encode() in line]
    assert len(lines) >= 6
    shown = server.casemate("log", "-n", 400, "--grep", function.name).stdout
    for text in lines + shown.split("\n"):
        assert text.isprintable(), repr(text)
    assert all(json.loads(line)["operation"] != "forged" for line in lines)
    assert not any(line.strip().startswith("{") for line in shown.splitlines())


def test_ordinary_functions_are_not_in_the_trail(server):
    python = Function(server, {"app.py": "import http.client, json, ssl\n\ndef handler(event, context):\n    ssl.create_default_context()\n    open('/tmp/x', 'w').write('x')\n    return json.dumps('hello')\n"})
    node = Function(
        server,
        {"app.js": "const https = require('node:https');\nexports.handler = async () => { require('node:fs').writeFileSync('/tmp/x', 'x'); return typeof https.get; };"},
        runtime=node_runtime(server),
    )
    for function in (python, node):
        answer, _ = function.invoke()
        assert "FunctionError" not in answer
        server.wait_for_audit(function.name, lambda record: record.get("operation") == "Invoke")
        sandbox = [record for record in server.audit(function.name) if str(record.get("operation")).startswith("sandbox.")]
        assert sandbox == []


LEAK = '''
import os


def handler(event, context):
    return {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
'''


def test_stolen_credentials_are_refused_outside_and_raise_an_alarm(server):
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    function = Function(server, {"app.py": LEAK}, statements=everything)
    _, stolen = function.invoke()
    thief = {
        "aws_access_key_id": stolen["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": stolen["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": stolen["AWS_SESSION_TOKEN"],
    }
    with pytest.raises(ClientError) as refused:
        server.client("dynamodb", **thief).list_tables()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"
    alarms = server.wait_for_audit(stolen["AWS_ACCESS_KEY_ID"], lambda record: record.get("alarm"))
    assert "leaked" in alarms[-1]["alarm"]


BAIT = """
import os


def handler(event, context):
    return {name: os.environ.get(name) for name in ("BACKUP_AWS_ACCESS_KEY_ID", "BACKUP_AWS_SECRET_ACCESS_KEY")}
"""


def test_whoever_uses_the_decoy_is_refused_as_with_an_unknown_key_and_raises_an_alarm(server):
    function = Function(server, {"app.py": BAIT}, Environment={"Variables": {"CASEMATE_DECOY": "on"}})
    _, found = function.invoke()
    thief = {
        "aws_access_key_id": found["BACKUP_AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": found["BACKUP_AWS_SECRET_ACCESS_KEY"],
    }
    with pytest.raises(ClientError) as refused:
        server.client("sts", **thief).get_caller_identity()
    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"
    alarms = server.wait_for_audit("the decoy key of", lambda record: record.get("alarm"))
    assert function.name in alarms[-1]["alarm"] and "execution environment" in alarms[-1]["alarm"]
    _, found = Function(server, {"app.py": BAIT}).invoke()
    assert set(found.values()) == {None}


def test_the_trail_says_what_the_root_of_a_runtime_is_made_of(server):
    Function(server, {"app.py": BAIT}).invoke()
    records = server.wait_for_audit("sandbox.root", lambda record: record.get("operation") == "sandbox.root")
    assert "files" in records[-1]["detail"] and "sha256" in records[-1]["detail"]


SIGNED = '''
import datetime, hashlib, hmac, json, os, urllib.error, urllib.request


def call(service, target, body):
    now = datetime.datetime.now(datetime.timezone.utc)
    date, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    host = os.environ["AWS_ENDPOINT_URL"].split("//")[1]
    payload = json.dumps(body).encode()
    headers = {
        "content-type": "application/x-amz-json-1.0", "host": host, "x-amz-date": stamp,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": target,
    }
    names = ";".join(sorted(headers))
    canonical = "\\n".join(["POST", "/", "", *(f"{k}:{headers[k]}" for k in sorted(headers)), "", names, hashlib.sha256(payload).hexdigest()])
    scope = f"{date}/{os.environ['AWS_REGION']}/{service}/aws4_request"
    text = "\\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={signature}"
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/", payload, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        return json.load(refused)


def handler(event, context):
    return [call("dynamodb", "DynamoDB_20120810." + name, body) for name, body in event["calls"]]
'''


@pytest.fixture(scope="module")
def tables(server):
    dynamodb = server.client("dynamodb")
    for name in ("granted", "other"):
        dynamodb.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        dynamodb.put_item(TableName=name, Item={"pk": {"S": "mine"}, "v": {"S": name}})
        dynamodb.put_item(TableName=name, Item={"pk": {"S": "yours"}, "v": {"S": "secret"}})
    return server.client("sts").get_caller_identity()["Account"]


def test_a_function_reaches_only_the_item_its_role_allows(server, tables):
    statement = {
        "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"],
        "Resource": f"arn:aws:dynamodb:us-east-1:{tables}:table/granted",
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}},
    }
    function = Function(server, {"app.py": SIGNED}, statements=[statement])
    key = lambda value: {"pk": {"S": value}}
    _, (mine, yours, other, scan) = function.invoke({"calls": [
        ["GetItem", {"TableName": "granted", "Key": key("mine")}],
        ["GetItem", {"TableName": "granted", "Key": key("yours")}],
        ["GetItem", {"TableName": "other", "Key": key("mine")}],
        ["Scan", {"TableName": "granted"}],
    ]})
    assert mine["Item"]["v"] == {"S": "granted"}
    for refused in (yours, other, scan):
        assert "AccessDeniedException" in refused["__type"] and "secret" not in json.dumps(refused)
    denied = server.wait_for_audit(function.name, lambda record: record["outcome"].get("code") == "AccessDeniedException" and record["service"] == "dynamodb")
    assert {ask["resource"].split("/")[-1] for record in denied for ask in record["asks"]} == {"granted", "other"}


def test_functions_do_not_share_environments(server):
    code = "import uuid\nME = str(uuid.uuid4())\n\ndef handler(event, context):\n    open('/tmp/mark', 'a').write('x')\n    return [ME, open('/tmp/mark').read()]\n"
    one, two = Function(server, {"app.py": code}), Function(server, {"app.py": code})
    first, again, other = one.invoke()[1], one.invoke()[1], two.invoke()[1]
    assert first[0] == again[0] and again[1] == "xx", "the same function's environment is reused"
    assert other[0] != first[0] and other[1] == "x", "another function's is not"


def test_time_memory_and_process_limits_hold(server):
    slow = Function(server, {"app.py": "import time\ndef handler(e, c):\n    time.sleep(30)"}, Timeout=1)
    answer, payload = slow.invoke()
    assert answer["FunctionError"] == "Unhandled" and "Task timed out after 1.00 seconds" in payload["errorMessage"]
    hog = Function(server, {"app.py": "def handler(e, c):\n    return len(bytearray(512 << 20))"}, MemorySize=128)
    answer, payload = hog.invoke()
    assert answer["FunctionError"] == "Unhandled"
    forks = "import os\ndef handler(e, c):\n    made = []\n    try:\n        while len(made) < 5000:\n            pid = os.fork()\n            if pid == 0:\n                os.read(os.pipe()[0], 1)\n            made.append(pid)\n    except OSError as error:\n        return {'made': len(made), 'error': str(error)}\n"
    bomb = Function(server, {"app.py": forks}, MemorySize=512)
    answer, payload = bomb.invoke()
    assert answer.get("FunctionError") or payload["made"] < 1100


def test_a_role_without_logs_rights_logs_nothing(server):
    code = {"app.py": "def handler(e, c):\n    print('spoken')\n    return 1"}
    quiet = Function(server, code)
    loud = Function(server, code, statements=[{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}])
    for function in (quiet, loud):
        answer, _ = function.invoke(LogType="Tail")
        import base64

        assert b"spoken" in base64.b64decode(answer["LogResult"])
    logs = server.client("logs")
    import time

    for _ in range(100):
        groups = {group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]}
        if f"/aws/lambda/{loud.name}" in groups:
            break
        time.sleep(0.1)
    assert f"/aws/lambda/{loud.name}" in groups and f"/aws/lambda/{quiet.name}" not in groups


EXECUTIONS = '''
import os, subprocess, sys


def handler(event, context):
    def run(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.strip()
        except OSError as error:
            return type(error).__name__

    return {"self": run(os.path.realpath(sys.executable), "-c", "print('ran')"), "shell": run("/bin/sh", "-c", "id")}
'''


def test_audited_executions_are_recorded_with_their_request(server):
    function = Function(server, {"app.py": EXECUTIONS}, Environment={"Variables": {"CASEMATE_EXEC": "audit"}})
    _, results = function.invoke({})
    assert results == {"self": "ran", "shell": "FileNotFoundError"}
    records = server.wait_for_audit(
        function.name,
        lambda record: record.get("operation") == "sandbox.executed" and "print('ran')" in json.dumps(record),
    )
    assert all(len(record["id"]) == 36 for record in records)


def test_programs_beyond_the_list_are_refused_and_recorded(server):
    function = Function(server, {"app.py": EXECUTIONS}, Environment={"Variables": {"CASEMATE_EXEC": "list:/var/task/tool"}})
    _, results = function.invoke({})
    assert results == {"self": "PermissionError", "shell": "PermissionError"}
    server.wait_for_audit(function.name, lambda record: record.get("operation") == "sandbox.exec-denied")


LEFT_BEHIND = '''
import socket, threading, time

def later(seconds):
    time.sleep(seconds)
    try:
        socket.create_connection(("8.8.8.8", 53))
    except OSError:
        pass

def handler(event, context):
    due = time.monotonic() + event["seconds"]
    threading.Thread(target=later, args=[event["seconds"]], daemon=True).start()
    return due
'''


@pytest.mark.skipif(os.getuid() != 0, reason="only root may let run what the platform has frozen")
def test_what_happens_between_requests_is_an_alarm(server):
    # A process that waited for any function has none's variables in /proc, by which it is found here: this one is started for its own.
    function = Function(server, {"app.py": LEFT_BEHIND}, Environment={"Variables": {"TZ": "UTC"}})
    answer, due = function.invoke({"seconds": 2})
    assert "FunctionError" not in answer
    request = answer["ResponseMetadata"]["RequestId"]

    def tried():
        return [record for record in server.audit(function.name) if record.get("operation") == "sandbox.connect-denied"]

    # It is stopped a moment after its answer.
    assert until(lambda: all(has_stopped(pid) for pid in of_function(server, function.name)))
    assert tried() == []
    left = {pid: turns(pid) for pid in of_function(server, function.name)}
    assert left and all(left.values()) and time.monotonic() < due, (left, due)
    # A frozen environment does nothing: when it is time for what was left behind, none of its threads has run since.
    assert until(lambda: time.monotonic() > due)
    assert {pid: turns(pid) for pid in of_function(server, function.name)} == left
    assert tried() == []
    let_run(server, function.name)
    assert until(tried)
    assert {pid: turns(pid) for pid in left} != left
    (record,) = tried()
    assert record["alarm"] == "it happened while no request was running" and "8.8.8.8:53" in record["detail"], record
    assert record["id"] == request and record["function"] == function.arn
    # The same while a request runs is none.
    other, _ = Function(server, {"app.py": LEFT_BEHIND.replace("daemon=True).start()", "daemon=True).run()")}).invoke({"seconds": 0})
    assert "FunctionError" not in other
    (ordinary,) = server.wait_for_audit(
        other["ResponseMetadata"]["RequestId"], lambda record: record.get("operation") == "sandbox.connect-denied"
    )
    assert not ordinary.get("alarm"), ordinary
