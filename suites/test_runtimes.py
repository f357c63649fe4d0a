"""AWS's own runtime clients, unchanged, in real environments: answers, failures, oversize, timeouts, crashes, streams."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from functions import Function, node_runtime

HERE = Path(__file__).resolve().parent
OVERSIZE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."

PYTHON_HANDLER = '''
import json, os, sys, time

if os.environ.get("MODE") == "init-error":
    raise RuntimeError("cannot start")


def deep(left):
    return deep(left - 1)


def handler(event, context):
    do = event.get("do")
    if do == "error":
        raise ValueError("as asked")
    if do == "deep":
        return deep(100_000)
    if do == "oversize":
        return "x" * 6_291_600
    if do == "timeout":
        time.sleep(3600)
    if do == "crash":
        os._exit(7)
    return {"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn,
            "left": context.get_remaining_time_in_millis() > 0, "client": "awslambdaric" in sys.modules,
            "trace": os.environ.get("_X_AMZN_TRACE_ID", "").startswith("Root=1-"),
            "seen": sorted(name for name in os.environ if "CASEMATE" in name)}
'''

NODE_STREAM = """
const { setTimeout: wait } = require('node:timers/promises');

let served = 0;

exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  served += 1;
  if (event.do === 'count') { stream.end(`${served}`); return; }
  if (event.do === 'end-and-throw') { stream.end('all'); throw new RangeError('after all'); }
  if (event.do === 'late-writer') {
    stream.on('error', () => {});
    stream.write('one');
    const late = setInterval(() => { stream.write('more'); }, 1);
    setTimeout(() => { clearInterval(late); stream.end('over'); }, 80);
    await wait(10);
    throw new RangeError('while it writes');
  }
  if (event.do === 'early-error') throw new TypeError('before anything');
  if (event.do === 'http') {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-made': 'here' } });
  } else {
    stream.setContentType('text/plain');
  }
  for (let number = 0; number < 3; number += 1) {
    stream.write(`piece ${number}\\n`);
    await wait(60);
  }
  if (event.do === 'late-error') throw new RangeError('after some');
  if (event.do === 'crash') process.exit(5);
  if (event.do === 'uncaught') { setTimeout(() => { throw new EvalError('out of nowhere'); }, 1); await wait(5_000); }
  if (event.do === 'timeout') await wait(60_000);
  if (event.do === 'large') for (let mb = 0; mb < 12; mb += 1) stream.write(Buffer.alloc(1 << 20, 'y'));
  stream.end();
});
"""


def streamed(function, event, **options):
    """The pieces of a streamed answer, and the last event."""
    answer = function.lambda_.invoke_with_response_stream(
        FunctionName=function.name, Payload=json.dumps(event), **options
    )
    pieces, last = [], None
    for one in answer["EventStream"]:
        assert last is None
        if "PayloadChunk" in one:
            pieces.append(one["PayloadChunk"]["Payload"])
        else:
            last = one["InvokeComplete"]
    return pieces, last


def files_below(folder, prefix=""):
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield prefix + str(file.relative_to(folder)), file.read_bytes()


@pytest.fixture(scope="module")
def client_files(tmp_path_factory):
    """awslambdaric from PyPI, to be put into a package."""
    folder = tmp_path_factory.mktemp("awslambdaric")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
         "--target", str(folder), "awslambdaric==4.2.2"],
        capture_output=True, text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"no wheel of awslambdaric for this interpreter: {done.stderr[-300:]}")
    return dict(files_below(folder))


@pytest.fixture(scope="module")
def python_client(server, client_files):
    variables = {"CASEMATE_RUNTIME_CLIENT": "aws"}
    return Function(server, client_files | {"app.py": PYTHON_HANDLER}, Timeout=3, MemorySize=256,
                    Environment={"Variables": variables})


@pytest.fixture(scope="module")
def rust_package():
    """A program made with the crate lambda_runtime."""
    if not shutil.which("cargo"):
        pytest.skip("no cargo on this machine")
    project = HERE / "rust-runtime"
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=project, check=True, timeout=900)
    return {"bootstrap": (project / "target/debug/bootstrap").read_bytes()}


def rust(server, rust_package, mode="whole"):
    return Function(server, rust_package, runtime="provided.al2023", handler="any", Timeout=8,
                    Environment={"Variables": {"MODE": mode}})


@pytest.fixture(scope="module")
def rust_whole(server, rust_package):
    return rust(server, rust_package)


@pytest.fixture(scope="module")
def node_stream(server):
    return Function(server, {"app.js": NODE_STREAM}, runtime=node_runtime(server), Timeout=3)


def failed(function, event):
    answer, report = function.invoke(event)
    assert answer["FunctionError"] == "Unhandled" and answer["StatusCode"] == 200
    return report


# ---- awslambdaric -----------------------------------------------------------------------------------------------------


def test_awslambdaric_answers_again_and_again(python_client):
    for number in range(3):
        answer, result = python_client.invoke({"number": number})
        assert "FunctionError" not in answer, result
        assert result["event"] == {"number": number} and result["client"] and result["left"] and result["trace"]
        assert result["id"] == answer["ResponseMetadata"]["RequestId"] and result["arn"] == python_client.arn
        assert result["seen"] == []


def test_awslambdaric_reports_errors_and_goes_on(python_client):
    report = failed(python_client, {"do": "error"})
    assert (report["errorType"], report["errorMessage"]) == ("ValueError", "as asked")
    assert 'raise ValueError("as asked")' in report["stackTrace"][-1]
    # Its report for tracing travels in a header of some hundred kilobytes.
    assert failed(python_client, {"do": "deep"})["errorType"] == "RecursionError"
    assert "FunctionError" not in python_client.invoke({})[0]


def test_awslambdaric_oversize(python_client):
    assert failed(python_client, {"do": "oversize"}) == {
        "errorType": "Function.ResponseSizeTooLarge", "errorMessage": OVERSIZE,
    }


def test_awslambdaric_crash_and_timeout(python_client):
    crash = failed(python_client, {"do": "crash"})
    assert crash["errorType"] == "Runtime.ExitError" and crash["errorMessage"].endswith("exit status 7")
    late = failed(python_client, {"do": "timeout"})
    assert late["errorType"] == "Sandbox.Timedout" and late["errorMessage"].endswith("timed out after 3.00 seconds")
    assert "FunctionError" not in python_client.invoke({})[0]


def test_awslambdaric_init_error_comes_on_a_connection_of_its_own(server, client_files):
    variables = {"CASEMATE_RUNTIME_CLIENT": "aws", "MODE": "init-error"}
    function = Function(server, client_files | {"app.py": PYTHON_HANDLER}, Environment={"Variables": variables})
    report = failed(function, {})
    assert (report["errorType"], report["errorMessage"]) == ("RuntimeError", "cannot start")


def test_a_missing_client_is_an_init_error(server):
    variables = {"CASEMATE_RUNTIME_CLIENT": "aws"}
    function = Function(server, {"app.py": PYTHON_HANDLER}, Environment={"Variables": variables})
    report = failed(function, {})
    assert report["errorType"] == "Runtime.ImportModuleError" and "awslambdaric" in report["errorMessage"]


# ---- lambda_runtime ---------------------------------------------------------------------------------------------------


def test_lambda_runtime_answers_again_and_again(rust_whole):
    for number in range(3):
        answer, result = rust_whole.invoke({"number": number})
        assert "FunctionError" not in answer, result
        assert result["event"] == {"number": number} and result["trace"] and result["left"]
        assert result["id"] == answer["ResponseMetadata"]["RequestId"] and result["arn"] == rust_whole.arn


def test_lambda_runtime_reports_errors_and_goes_on(rust_whole):
    assert failed(rust_whole, {"do": "error"})["errorMessage"] == "as asked"
    assert "FunctionError" not in rust_whole.invoke({})[0]


def test_lambda_runtime_oversize_crash_and_timeout(rust_whole):
    assert failed(rust_whole, {"do": "oversize"})["errorMessage"] == OVERSIZE
    assert failed(rust_whole, {"do": "crash"})["errorMessage"].endswith("exit status 7")
    assert failed(rust_whole, {"do": "timeout"})["errorType"] == "Sandbox.Timedout"
    assert "FunctionError" not in rust_whole.invoke({})[0]


def test_lambda_runtime_that_cannot_start(server, rust_package):
    report = failed(rust(server, rust_package, "init-error"), {})
    assert report["errorType"] == "Runtime.ExitError" and report["errorMessage"].endswith("exit status 1")


def test_lambda_runtime_streams(server, rust_package):
    function = rust(server, rust_package, "stream")
    pieces, last = streamed(function, {})
    text = b"".join(pieces)
    # It makes every stream one for HTTP: metadata, eight zero bytes, body.
    assert text.endswith(b"\0" * 8 + b"piece 0\npiece 1\npiece 2\n") and len(pieces) >= 3
    assert "ErrorCode" not in last
    # (Its reports of failures in mid-stream are pieces of the body: that is how it is, and they are passed on.)
    pieces, last = streamed(function, {"do": "crash"})
    assert last["ErrorCode"] == "Unhandled" and b"".join(pieces).endswith(b"piece 2\n")
    assert json.loads(last["ErrorDetails"])["errorType"] in ("Runtime.ExitError", "Runtime.TruncatedResponse")
    # Whoever takes whole answers gets the whole of it.
    whole = function.lambda_.invoke(FunctionName=function.name, Payload=b"{}")["Payload"].read()
    assert whole.endswith(b"piece 0\npiece 1\npiece 2\n")


def test_lambda_runtime_answers_whole_to_one_who_takes_streams(rust_whole):
    pieces, last = streamed(rust_whole, {"number": 1}, LogType="Tail")
    assert json.loads(b"".join(pieces))["event"] == {"number": 1}
    assert "ErrorCode" not in last and last["LogResult"]
    pieces, last = streamed(rust_whole, {"do": "error"})
    assert pieces == [] and last["ErrorCode"] == "Unhandled"
    assert json.loads(last["ErrorDetails"])["errorMessage"] == "as asked"


# ---- aws-lambda-ric ---------------------------------------------------------------------------------------------------


NODE_HANDLER = """
if (process.env.MODE === 'init-error') throw new RangeError('cannot start');

exports.handler = async (event, context) => {
  if (event.do === 'error') throw new TypeError('as asked');
  if (event.do === 'crash') process.exit(7);
  if (event.do === 'timeout') await new Promise((resolve) => setTimeout(resolve, 60_000));
  if (event.do === 'oversize') return 'x'.repeat(6_291_600);
  return { event, id: context.awsRequestId, arn: context.invokedFunctionArn, left: context.getRemainingTimeInMillis() > 0,
    ours: Object.keys(process.env).filter((name) => name.includes('CASEMATE')), trace: process.env._X_AMZN_TRACE_ID };
};
"""


@pytest.fixture(scope="module")
def node_client_files():
    """aws-lambda-ric from npm, to be put into a package. Its C++ client is compiled once and kept."""
    missing = [tool for tool in ("cmake", "autoconf", "automake", "libtoolize", "c++", "make") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"aws-lambda-ric compiles a C++ client at install, which needs {missing}")
    kept = HERE.parent / "target/aws-lambda-ric"
    built = kept / "node_modules/aws-lambda-ric"
    kept.mkdir(parents=True, exist_ok=True)
    # Another lane may be at it: one of them builds.
    lock = open(kept / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not (built / "dist/rapid-client.node").is_file():
        # Newer versions of npm run scripts of packages that this file approves, older ones all.
        (kept / "package.json").write_text(json.dumps({"private": True, "allowScripts": {"aws-lambda-ric": True}}))
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "aws-lambda-ric@3.3.0"], cwd=kept,
                              capture_output=True, text=True, timeout=900)
        if not (built / "dist/rapid-client.node").is_file():
            pytest.skip(f"aws-lambda-ric does not build here: {(done.stdout + done.stderr)[-300:]}")
    lock.close()
    prefix = "node_modules/aws-lambda-ric/"
    own = {name: content for name, content in files_below(built / "dist", prefix + "dist/")}
    return own | {prefix + "package.json": (built / "package.json").read_text()}


def node_client(server, files, **variables):
    settings = {"Variables": {"CASEMATE_RUNTIME_CLIENT": "aws"} | variables}
    return Function(server, files | {"app.js": NODE_HANDLER}, runtime=node_runtime(server), Timeout=3, MemorySize=256,
                    Environment=settings)


def test_aws_lambda_ric(server, node_client_files):
    function = node_client(server, node_client_files)
    for number in range(3):
        answer, result = function.invoke({"number": number})
        assert "FunctionError" not in answer, result
        assert result["event"] == {"number": number} and result["left"] and result["trace"].startswith("Root=1-")
        assert result["id"] == answer["ResponseMetadata"]["RequestId"] and result["arn"] == function.arn
        assert result["ours"] == []
    report = failed(function, {"do": "error"})
    assert (report["errorType"], report["errorMessage"]) == ("TypeError", "as asked")
    assert failed(function, {"do": "oversize"})["errorType"] == "Function.ResponseSizeTooLarge"
    assert failed(function, {"do": "crash"})["errorMessage"].endswith("exit status 7")
    assert failed(function, {"do": "timeout"})["errorType"] == "Sandbox.Timedout"
    assert "FunctionError" not in function.invoke({})[0]


def test_aws_lambda_ric_that_cannot_start(server, node_client_files):
    report = failed(node_client(server, node_client_files, MODE="init-error"), {})
    assert (report["errorType"], report["errorMessage"]) == ("RangeError", "cannot start")


def test_aws_lambda_ric_streams(server, node_client_files):
    settings = {"Variables": {"CASEMATE_RUNTIME_CLIENT": "aws"}}
    function = Function(server, node_client_files | {"app.js": NODE_STREAM}, runtime=node_runtime(server), Timeout=3, MemorySize=256,
                        Environment=settings)
    for _ in range(2):
        pieces, last = streamed(function, {})
        assert b"".join(pieces) == b"piece 0\npiece 1\npiece 2\n" and len(pieces) == 3 and "ErrorCode" not in last
    head, body = b"".join(streamed(function, {"do": "http"})[0]).split(b"\0" * 8)
    assert json.loads(head)["statusCode"] == 201 and body == b"piece 0\npiece 1\npiece 2\n"
    pieces, _ = streamed(function, {"do": "large"})
    assert sum(map(len, pieces)) == 24 + (12 << 20)
    pieces, last = streamed(function, {"do": "timeout"})
    assert last["ErrorCode"] == "Unhandled" and json.loads(last["ErrorDetails"])["errorType"] == "Sandbox.Timedout"


def test_a_missing_client_for_node_is_an_init_error(server):
    report = failed(node_client(server, {}), {})
    assert report["errorType"] == "Runtime.ImportModuleError" and "aws-lambda-ric" in report["errorMessage"]


# ---- streaming in our Node bootstrap ----------------------------------------------------------------------------------


def test_node_streams_as_it_goes(node_stream):
    pieces, last = streamed(node_stream, {})
    assert b"".join(pieces) == b"piece 0\npiece 1\npiece 2\n" and len(pieces) == 3
    assert "ErrorCode" not in last
    pieces, _ = streamed(node_stream, {"do": "large"})
    assert sum(map(len, pieces)) == 24 + (12 << 20)


def test_node_streams_for_http_begin_with_metadata(node_stream):
    head, body = b"".join(streamed(node_stream, {"do": "http"})[0]).split(b"\0" * 8)
    assert json.loads(head) == {"statusCode": 201, "headers": {"x-made": "here"}}
    assert body == b"piece 0\npiece 1\npiece 2\n"


def test_node_streams_that_fail(node_stream):
    pieces, last = streamed(node_stream, {"do": "early-error"})
    assert pieces == [] and json.loads(last["ErrorDetails"])["errorType"] == "TypeError"
    for do, kind in [("late-error", "RangeError"), ("uncaught", "EvalError"), ("timeout", "Sandbox.Timedout")]:
        pieces, last = streamed(node_stream, {"do": do})
        assert b"".join(pieces) == b"piece 0\npiece 1\npiece 2\n", do
        assert last["ErrorCode"] == "Unhandled" and json.loads(last["ErrorDetails"])["errorType"] == kind
    pieces, last = streamed(node_stream, {"do": "crash"})
    assert json.loads(last["ErrorDetails"])["errorType"] in ("Runtime.ExitError", "Runtime.TruncatedResponse")
    assert "ErrorCode" not in streamed(node_stream, {})[1]


def test_nothing_of_a_stream_that_is_over_becomes_a_request(server):
    function = Function(server, {"app.js": NODE_STREAM}, runtime=node_runtime(server), handler="app.handler")
    count = lambda: int(b"".join(streamed(function, {"do": "count"})[0]))
    assert count() == 1
    # One process serves all of these, and nothing else calls its handler.
    for number, do in enumerate(["end-and-throw", "late-writer", "end-and-throw"]):
        streamed(function, {"do": do})
        assert count() == 3 + 2 * number, do


def test_a_stream_is_one_audit_record_with_its_caller(server, node_stream):
    answer = node_stream.lambda_.invoke_with_response_stream(FunctionName=node_stream.name, Payload=b"{}")
    list(answer["EventStream"])
    request_id = answer["ResponseMetadata"]["RequestId"]
    records = server.wait_for_audit(request_id, lambda record: record.get("operation") == "InvokeWithResponseStream")
    assert len(records) == 1 and records[0]["outcome"]["status"] == 200
    assert records[0]["asks"][0]["action"] == "lambda:InvokeFunction"


def test_streams_are_refused_to_those_without_rights(server, node_stream):
    from botocore.exceptions import ClientError

    stranger = server.client("lambda", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError) as refusal:
        stranger.invoke_with_response_stream(FunctionName=node_stream.name)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_javascript_sdk_reads_streams(server, node_stream):
    program = """
      import { LambdaClient, InvokeWithResponseStreamCommand } from '@aws-sdk/client-lambda';
      const client = new LambdaClient({});
      const answer = await client.send(new InvokeWithResponseStreamCommand({
        FunctionName: process.argv[1], Payload: JSON.stringify({ do: process.argv[2] }) }));
      let text = '', last;
      for await (const event of answer.EventStream) {
        if (event.PayloadChunk) text += Buffer.from(event.PayloadChunk.Payload).toString();
        if (event.InvokeComplete) last = event.InvokeComplete;
      }
      console.log(JSON.stringify({ text, code: last.ErrorCode ?? null, status: answer.StatusCode }));
    """
    for do, code in [("", None), ("late-error", "Unhandled")]:
        done = subprocess.run(["node", "--input-type=module", "-e", program, node_stream.name, do],
                              cwd=HERE, env=server.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"text": "piece 0\npiece 1\npiece 2\n", "code": code, "status": 200}


# ---- traces -----------------------------------------------------------------------------------------------------------

TRACED = {"app.py": "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"}


def test_requests_that_go_in_a_circle_are_stopped_unless_allowed(server):
    function = Function(server, TRACED)
    seen = {}

    def traced(params, **_):
        # What AWS's clients do inside a function.
        if seen:
            params["headers"]["X-Amzn-Trace-Id"] = seen["trace"]

    function.lambda_.meta.events.register("before-call.lambda.Invoke", traced)
    roots = set()
    for _ in range(16):
        seen["trace"] = function.invoke()[1]
        roots.add(seen["trace"].split(";")[0])
    assert len(roots) == 1 and seen["trace"].endswith(":16")
    with pytest.raises(function.lambda_.exceptions.RecursiveInvocationException):
        function.invoke()
    # Whoever does not wait is not told: the event is accepted, and stopped at its turn.
    accepted = function.lambda_.invoke(FunctionName=function.name, InvocationType="Event", Payload=b"{}")
    assert accepted["StatusCode"] == 202
    assert server.wait_for_audit(function.name, lambda record: record.get("operation") == "lambda.request-dropped")
    function.lambda_.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")
    assert function.invoke()[1].endswith(":17")
    # Another chain is another matter, and nonsense begins one.
    seen["trace"] = "Root=nonsense;Lineage=zz:99"
    assert function.invoke()[1].endswith(":1")
