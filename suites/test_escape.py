"""The escape suite: every probe of escape/ is contained inside a function and visible in the trail, and the same probe reaches
what it is after in a plain child process, which shows that the probe works."""

import json
import os
import signal
import subprocess
import time

import pytest
from escapes import OVERRIDES, SEEN, SILENT, Believing, Host, Language, exhausted, live, seen, tried
from functions import Function, node_runtime
from planted import ENDED, invoked, is_gone, stays, stays_for_its_principal
from written import LANGUAGES, Written


@pytest.fixture(scope="module")
def host(tmp_path_factory, server):
    host = Host(tmp_path_factory.mktemp("host"), server.process.pid)
    yield host
    host.close()


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request, server, tmp_path_factory):
    return Language(request.param, server, tmp_path_factory.mktemp(request.param))


def test_probes_are_live_in_a_plain_child(host, language, tmp_path):
    results = language.plain(host, tmp_path)
    assert len(results) > 20
    assert live(results) == {}


def test_probes_are_contained_and_visible(server, host, language):
    function = language.function(server)
    requests = tried(function, host)
    seen(server, function, language, requests)
    assert host.planted() == []


def test_memory_that_is_not_its_own_ends_it_and_is_visible(server, host, language):
    function = language.function(server, MemorySize=512)
    seen(server, function, language, exhausted(function, host))


def test_each_probe_is_either_seen_or_silent_with_a_reason():
    assert SEEN.keys() & SILENT.keys() == set()
    assert all(name in SEEN or name in SILENT for names in OVERRIDES.values() for name in names)


@pytest.fixture(scope="module", params=LANGUAGES)
def pressing(request, server, tmp_path_factory):
    return Written("pressing", request.param, server, tmp_path_factory.mktemp(f"pressing-{request.param}"))


def test_a_flood_of_output_does_not_drown_the_platforms_own_lines_and_is_seen(server, pressing):
    import base64

    # Of a role that may not write its log nothing waits to be delivered.
    logs = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]
    function = pressing.function(server, Timeout=60, MemorySize=1024, statements=logs)
    answer, payload = function.invoke({"do": "flood", "kilobytes": 50_000}, LogType="Tail")
    assert payload == "done"
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "END RequestId" in tail and "REPORT RequestId" in tail
    dropped = server.wait_for_audit(function.name, lambda record: record.get("operation") == "lambda.log-lines-dropped")
    assert dropped[0]["id"] == answer["ResponseMetadata"]["RequestId"], dropped
    again, payload = function.invoke({"do": "flood", "kilobytes": 1})
    assert payload == "done"


def test_a_flood_of_output_is_live_in_a_plain_child(pressing, tmp_path):
    written, answer = pressing.plainly(tmp_path, {"do": "flood", "kilobytes": 50_000})
    assert answer == "done"
    assert len(written) == 50_000 * 1_001


# Attempts something, by which its request's number is in the trail, and works on until it is old.
LIVING = '''
import os, time

def handler(event, context):
    os.system("id")
    time.sleep(event["seconds"])
    return "mine"
'''


def test_an_answer_for_a_request_that_another_environment_works_on_is_refused(server, host, language):
    """The one that nobody was given is a probe; here somebody was."""
    from concurrent.futures import ThreadPoolExecutor

    attacker, victim = language.function(server), Function(server, {"app.py": LIVING}, Timeout=60)
    assert "answer_for_another_request" in attacker.invoke({"list": True})[1]
    with ThreadPoolExecutor(1) as others:
        working = others.submit(victim.invoke, {"seconds": 8})
        (attempt,) = server.wait_for_audit(victim.name, lambda record: record.get("operation") == "sandbox.exec-denied")
        event = {"probes": ["answer_for_another_request"], "request": attempt["id"]}
        _, results = attacker.invoke(host.inside | event)
        assert not working.done(), "the victim's request was over: this shows nothing"
        answered = working.result()
    assert not results["answer_for_another_request"]["reached"] and "400" in results["answer_for_another_request"]["why"], results
    assert answered[1] == "mine"
    refused = server.wait_for_audit(attacker.name, lambda record: record.get("operation") == "lambda.answer-refused")
    assert any(attempt["id"] in record["detail"] and record["alarm"] for record in refused), refused


# Node.js and Java begin no second process of their own code; a custom runtime's may ask (docs/environments.md).
@pytest.fixture(scope="module", params=["python", "ruby"])
def forking(request, server, tmp_path_factory):
    return Written("pressing", request.param, server, tmp_path_factory.mktemp(f"forking-{request.param}"))


@pytest.mark.parametrize("reuse", ["warm", "per-principal", "per-invocation"])
def test_a_second_process_takes_no_later_request(server, forking, reuse):
    function = forking.function(server, Timeout=20, MemorySize=512, Environment={"Variables": {"CASEMATE_REUSE": reuse}})
    for _ in range(5):
        for event in ({"do": "second", "plant": True}, {"do": "second"}):
            assert function.invoke(event)[1] == "mine"


def test_a_second_process_is_live_in_a_plain_child(forking, tmp_path):
    """The first process is over, and the second still takes request after request."""
    api = Believing()
    event = json.dumps({"do": "second", "plant": True, "api": api.address}).encode()
    first = subprocess.Popen(
        forking.placed(tmp_path), stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, start_new_session=True
    )
    try:
        first.stdin.write(event)
        first.stdin.close()
        assert json.loads(first.stderr.readline()) == "mine"
        assert first.wait(60) == 0
        before, end = len(api.answers), time.monotonic() + 30
        while len(api.answers) < before + 3 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(api.answers) >= before + 3 and set(api.answers) == {b'"taken"'}, api.answers
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        api.shutdown()


def test_connections_held_open_keep_no_answer_from_arriving_and_are_seen(server, pressing):
    function = pressing.function(server, Timeout=30, MemorySize=512)
    for _ in range(2):
        answer, payload = function.invoke({"do": "hold", "connections": 400})
        assert "FunctionError" not in answer, payload
        assert payload["held"] < 400 and payload["refused"] == 5, payload
    other = Function(server, {"app.py": "def handler(event, context):\n    return 'fine'\n"})
    assert other.invoke()[1] == "fine"
    # Closed when their time is over, which the connection itself is told of by nobody.
    server.wait_for_audit(function.name, lambda record: record.get("operation") == "lambda.connection-closed", seconds=30)


def test_connections_held_open_are_live_in_a_plain_child(pressing, tmp_path):
    api = Believing()
    try:
        _, answer = pressing.plainly(tmp_path, {"do": "hold", "connections": 400, "api": api.address})
    finally:
        api.shutdown()
    assert answer == {"held": 400, "refused": 0}


LINKS = '''
import os

def handler(event, context):
    os.symlink(event["outside"], "/tmp/out")
    os.mkdir("/tmp/deep")
    os.symlink("../../../../.." + event["outside"], "/tmp/deep/out")
    os._exit(1)
'''


def test_links_left_in_tmp_lead_nobody_out_when_it_is_emptied(server, host):
    kept = host.folder / "outside/kept"
    kept.write_text("kept")
    function = Function(server, {"app.py": LINKS})
    for _ in range(2):
        answer, _ = function.invoke(host.inside)
        assert answer["FunctionError"] == "Unhandled"
    assert kept.read_text() == "kept"
    kept.unlink()


@pytest.fixture(scope="module", params=LANGUAGES)
def planting(request, server, tmp_path_factory):
    return Written("planting", request.param, server, tmp_path_factory.mktemp(f"planting-{request.param}"))


@pytest.fixture
def planter(planting, server):
    """Makes a function of this language that plants and looks, used again as the argument says."""

    def make(reuse, **settings):
        variables = {"Environment": {"Variables": {"CASEMATE_REUSE": reuse}}}
        return planting.function(server, **({"MemorySize": 1024, "Timeout": 30} | variables | settings))

    return make


def test_what_is_planted_in_a_warm_environment_stays_but_for_processes(planter):
    stays(planter("warm"), ENDED)


def test_what_is_planted_for_one_principal_is_not_there_for_another(planter):
    stays_for_its_principal(planter("per-principal"), ENDED)


def test_what_is_planted_in_an_invocation_of_its_own_is_gone(planter):
    is_gone(planter("per-invocation"))


def test_a_crash_or_a_time_out_of_what_planted_hands_nothing_on(planter):
    for reuse in ("warm", "per-invocation"):
        function = planter(reuse, Timeout=3)
        for how in ("crash", "hang"):
            answer, _ = function.invoke({"do": how})
            assert answer["FunctionError"] == "Unhandled", (reuse, how)
            assert invoked(function, {"do": "look"}) == set(), (reuse, how)


DRAWS = """
const crypto = require('node:crypto');
const fs = require('node:fs');
const atLoad = Math.random();

exports.handler = async (event) => {
  const bytes = new Uint8Array(16);
  globalThis.crypto.getRandomValues(bytes);
  const folder = fs.mkdtempSync('/tmp/draw-');
  return {
    draws: [
      atLoad, Math.random(), Math.random(), crypto.randomUUID(), crypto.randomBytes(16).toString('hex'),
      Buffer.from(bytes).toString('hex'), crypto.generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x,
      folder, process.env.AWS_LAMBDA_LOG_STREAM_NAME, process.env.AWS_ACCESS_KEY_ID, process.env.AWS_SECRET_ACCESS_KEY,
      process.env.AWS_SESSION_TOKEN,
    ],
    tmp: fs.readdirSync('/tmp').length,
    late: fs.readFileSync('/proc/self/environ', 'utf8').includes('_CASEMATE_LATE'),
  };
};
"""


def test_processes_that_waited_for_their_function_share_no_randomness_ids_or_credentials(server):
    per_invocation = {"Environment": {"Variables": {"CASEMATE_REUSE": "per-invocation"}}}
    functions = [
        Function(server, {"app.js": DRAWS}, runtime=node_runtime(server), MemorySize=512, **per_invocation)
        for _ in range(2)
    ]
    seen, late = set(), 0
    for _ in range(6):
        for function in functions:
            answer, payload = function.invoke()
            assert "FunctionError" not in answer, payload
            assert payload["tmp"] == 1
            for value in payload["draws"]:
                assert value not in seen, f"drawn twice: {value}"
                seen.add(value)
            late += payload["late"]
    assert late >= 4, "hardly any process had waited: this shows nothing"


SEARCH = """
const fs = require('node:fs');

exports.handler = async (event) => {
  if (event.keep) { globalThis.kept = Buffer.from(event.keep.repeat(1000)); return { late: false, found: 0 }; }
  // Put together only here, and searched for in two halves, so that the looking is not found.
  const half = Buffer.from(['bright', 'lantern', ''].join(String.fromCharCode(45)));
  const memory = fs.openSync('/proc/self/mem');
  let found = 0;
  for (const line of fs.readFileSync('/proc/self/maps', 'utf8').split('\\n')) {
    const [where, rights] = line.split(' ');
    if (!rights || !rights.startsWith('rw') || line.includes('[v')) continue;
    const [start, end] = where.split('-').map((text) => parseInt(text, 16));
    for (let at = start; at < end; at += 1 << 20) {
      const piece = Buffer.alloc(Math.min(1 << 20, end - at));
      try { fs.readSync(memory, piece, 0, piece.length, at); } catch { continue; }
      for (let hit = piece.indexOf(half); hit >= 0; hit = piece.indexOf(half, hit + 1)) {
        if (piece.subarray(hit + half.length, hit + 2 * half.length).equals(half)) found += 1;
      }
      piece.fill(0);
    }
  }
  return { late: fs.readFileSync('/proc/self/environ', 'utf8').includes('_CASEMATE_LATE'), found };
};
"""


def test_an_earlier_event_is_not_in_the_memory_of_a_process_that_waited(server):
    found = {}
    for reuse in ("warm", "per-invocation"):
        function = Function(
            server, {"app.js": SEARCH}, runtime=node_runtime(server), MemorySize=1024,
            Environment={"Variables": {"CASEMATE_REUSE": reuse}},
        )
        found[reuse] = []
        for _ in range(3):
            for event in ({"keep": "bright-lantern-"}, {}):
                answer, payload = function.invoke(event)
                assert "FunctionError" not in answer, payload
            found[reuse].append(payload)
    # The same search finds it where the process is used again.
    assert all(one["found"] > 0 for one in found["warm"]), found
    assert all(one["found"] == 0 for one in found["per-invocation"]), found
    assert any(one["late"] for one in found["per-invocation"]), found
