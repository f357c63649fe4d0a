"""What a request leaves behind for the next one, in each way an environment is used again. The same plants are found by the next
request of a warm environment, which shows that they and the search for them work."""

import json

import pytest
from functions import Function, node_runtime

PYTHON = '''
import atexit, builtins, json, os, resource, signal, socket, sys, threading, time, types

seen = []

def tries(*acts):
    for act in acts:
        try:
            act()
        except Exception:
            pass

def listen():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 7777))
    listener.listen()
    builtins.kept = listener

def abstract():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\\0planted")
    listener.listen()
    builtins.kept_too = listener

def left_running():
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(0.05)
            open("/tmp/beat", "w").write(str(time.time()))

def plant():
    json.planted = True
    tries(
        lambda: seen.append("secret"),
        lambda: open("/tmp/planted", "w").write("secret"),
        lambda: os.mkdir("/tmp/.hidden", 0o700),
        lambda: os.environ.__setitem__("PLANTED", "secret"),
        lambda: sys.modules.__setitem__("planted", types.ModuleType("planted")),
        lambda: sys.path.insert(0, "/tmp/planted-path"),
        lambda: setattr(builtins, "planted", "secret"),
        lambda: os.dup2(os.open("/dev/null", os.O_RDONLY), 200),
        lambda: os.chdir("/tmp"),
        lambda: os.umask(0o77),
        lambda: signal.signal(signal.SIGUSR1, lambda *_: None),
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 1024)),
        lambda: threading.Thread(target=time.sleep, args=(600,), name="planted", daemon=True).start(),
        listen, abstract, left_running,
    )

def reaches(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0

def alive():
    others = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return len([pid for pid in others if pid not in (1, os.getpid())]) > 0

def found():
    old = os.umask(0)
    os.umask(old)
    return {
        "memory": bool(seen), "patched module": hasattr(json, "planted"), "module": "planted" in sys.modules,
        "path": "/tmp/planted-path" in sys.path, "builtin": hasattr(builtins, "planted"),
        "file": os.path.exists("/tmp/planted"), "folder": os.path.exists("/tmp/.hidden"),
        "variable": "PLANTED" in os.environ, "descriptor": os.path.exists("/proc/self/fd/200"),
        "working directory": os.getcwd() == "/tmp", "mask": old == 0o77,
        "signal handler": signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL,
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300,
        "thread": any(thread.name == "planted" for thread in threading.enumerate()),
        "listener": reaches(socket.AF_INET, ("127.0.0.1", 7777)), "abstract socket": reaches(socket.AF_UNIX, "\\0planted"),
        "process": alive(),
    }

def handler(event, context):
    if event.get("plant"):
        plant()
        return None
    return found()
'''

NODE = '''
const fs = require('fs'), net = require('net');
const seen = [];
function plant() {
  seen.push('secret');
  fs.writeFileSync('/tmp/planted', 'secret');
  process.env.PLANTED = 'secret';
  process.chdir('/tmp');
  process.umask(0o77);
  JSON.planted = true;
  Object.prototype.planted = true;
  globalThis.planted = 'secret';
  require.cache['/planted.js'] = { exports: {} };
  globalThis.descriptor = fs.openSync('/dev/null');
  setInterval(() => {}, 60000).unref();
  return new Promise((resolve) => net.createServer().unref().listen(7777, '127.0.0.1', resolve));
}
const reaches = () => new Promise((resolve) => {
  const probe = net.connect(7777, '127.0.0.1');
  probe.on('connect', () => { probe.destroy(); resolve(true); });
  probe.on('error', () => resolve(false));
});
async function found() {
  const mask = process.umask(0); process.umask(mask);
  return {
    'memory': seen.length > 0, 'file': fs.existsSync('/tmp/planted'), 'variable': 'PLANTED' in process.env,
    'working directory': process.cwd() === '/tmp', 'mask': mask === 0o77, 'patched object': JSON.planted === true,
    'prototype': ({}).planted === true, 'global': 'planted' in globalThis, 'module': '/planted.js' in require.cache,
    'descriptor': globalThis.descriptor !== undefined, 'timer': process.getActiveResourcesInfo().includes('Timeout'),
    'listener': await reaches(),
  };
}
exports.handler = async (event) => (event.plant ? (await plant(), null) : found());
'''

# Left-over processes are ended where the runtime is managed, whatever passes otherwise.
NEVER = {"process"}
# Whether Node.js names a timer that keeps nothing alive is its own affair.
UNSURE = {"timer"}


def function(server, language, reuse):
    settings = {"Environment": {"Variables": {"CASEMATE_REUSE": reuse}}}
    if language == "python":
        return Function(server, {"app.py": PYTHON}, **settings)
    runtime = node_runtime(server)
    return Function(server, {"index.js": NODE}, runtime=runtime, handler="index.handler", **settings)


def user(server, planter):
    """Somebody of their own who may invoke the function."""
    iam = server.client("iam")
    name = f"{planter.name}-user"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": planter.arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return server.client(
        "lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )


def ask(client, planter, plant):
    answer = client.invoke(FunctionName=planter.name, Payload=json.dumps({"plant": plant}))
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return result


def reached(result):
    return {name for name, found in result.items() if found}


LANGUAGES = pytest.mark.parametrize("language", ["python", "node"])


@LANGUAGES
def test_what_is_planted_in_a_warm_environment_is_found_there(server, language):
    planter = function(server, language, "warm")
    assert reached(ask(planter.lambda_, planter, False)) == set()
    ask(planter.lambda_, planter, True)
    result = ask(planter.lambda_, planter, False)
    assert reached(result) - UNSURE == set(result) - NEVER - UNSURE


@LANGUAGES
def test_nothing_passes_from_one_invocation_to_the_next(server, language):
    planter = function(server, language, "per-invocation")
    for _ in range(3):
        ask(planter.lambda_, planter, True)
        assert reached(ask(planter.lambda_, planter, False)) == set()


@LANGUAGES
def test_nothing_passes_from_one_principal_to_another(server, language):
    planter = function(server, language, "per-principal")
    other = user(server, planter)
    ask(planter.lambda_, planter, True)
    assert reached(ask(other, planter, False)) == set()
    ask(other, planter, True)
    own = ask(planter.lambda_, planter, False)
    assert reached(own) - UNSURE == set(own) - NEVER - UNSURE
