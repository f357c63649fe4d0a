"""Runtimes beyond Python and Node.js: Ruby and Java where this machine has them, and those an operator adds."""

import io
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import Server
from functions import Function, role

HERE = Path(__file__).resolve().parent


def listed(server, family):
    found = re.findall(rf"^  ({family}[\d.]+)", server.casemate("doctor").stdout, re.MULTILINE)
    return found or pytest.skip(f"no {family} on this machine")


def failed(function, event):
    answer, report = function.invoke(event)
    assert answer.get("FunctionError") == "Unhandled", report
    return report


def compiled(folder):
    """The static program, or the reason why there is none."""
    program = folder / "static_runtime"
    compiler = shutil.which("cc") or pytest.skip("no C compiler on this machine")
    done = subprocess.run(
        [compiler, "-D_GNU_SOURCE", "-static", "-O1", "-o", str(program), str(HERE / "static_runtime.c")],
        capture_output=True, text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"no static library of C: {done.stderr[-300:]}")
    return program


# ---- Ruby -------------------------------------------------------------------------------------------------------------

RUBY = """
require "json"
require "helper"

module Functions
  class Notes
    def self.run(event:, context:)
      case event["do"]
      when "error" then raise ArgumentError, "as asked"
      when "crash" then exit!(7)
      when "oversize" then "x" * 6_291_600
      when "shell" then `id`
      else
        $stdout.puts "seen #{event}"
        { event: event, id: context.aws_request_id, arn: context.invoked_function_arn,
          left: context.get_remaining_time_in_millis > 0, memory: context.memory_limit_in_mb.to_i,
          version: RUBY_VERSION, help: Helper.text, trace: ENV["_X_AMZN_TRACE_ID"].start_with?("Root=1-") }
      end
    end
  end
end

def plain(event:, context:)
  [event, __method__]
end
"""


@pytest.fixture(scope="module")
def ruby(server):
    runtime = listed(server, "ruby")[0]

    def make(handler, files=None, **settings):
        package = {"app.rb": RUBY, "helper.rb": "module Helper; def self.text; 'helped'; end; end\n"}
        return Function(server, files or package, runtime=runtime, handler=handler, MemorySize=256, **settings)

    return make


def test_ruby_answers_again_and_again(ruby):
    function = ruby("app.Functions::Notes.run")
    for number in range(3):
        answer, result = function.invoke({"number": number, "text": "grün"}, LogType="Tail")
        assert "FunctionError" not in answer, result
        assert result["event"] == {"number": number, "text": "grün"} and result["left"] and result["trace"]
        assert result["id"] == answer["ResponseMetadata"]["RequestId"] and result["arn"] == function.arn
        assert result["memory"] == 256 and result["help"] == "helped"
    # Its identifier is what it says of itself.
    shown = function.lambda_.get_function_configuration(FunctionName=function.name)["Runtime"]
    assert shown == "ruby" + ".".join(result["version"].split(".")[:2])


def test_ruby_methods_outside_of_classes_are_handlers(ruby):
    assert ruby("app.plain").invoke({"a": 1})[1] == [{"a": 1}, "plain"]


def test_ruby_reports_failures_and_goes_on(ruby):
    function = ruby("app.Functions::Notes.run")
    report = failed(function, {"do": "error"})
    assert (report["errorType"], report["errorMessage"]) == ("Function<ArgumentError>", "as asked")
    assert all("/var/runtime" not in frame for frame in report["stackTrace"]) and "app.rb" in report["stackTrace"][0]
    assert failed(function, {"do": "oversize"})["errorType"] == "Function.ResponseSizeTooLarge"
    assert failed(function, {"do": "crash"})["errorMessage"].endswith("exit status 7")
    # No shell, and nothing else may be started either.
    assert failed(function, {"do": "shell"})["errorType"].startswith("Function<Errno::")
    assert "FunctionError" not in function.invoke({})[0]


def test_ruby_that_cannot_be_loaded(ruby):
    report = failed(ruby("app.handler", {"app.rb": "require 'not_there'\n"}), {})
    assert report["errorType"] == "Init<LoadError>" and "not_there" in report["errorMessage"]
    report = failed(ruby("none.handler"), {})
    assert report["errorType"] == "Init<LoadError>"
    report = failed(ruby("handler"), {})
    assert report["errorType"] == "Init<ArgumentError>"


# ---- Java -------------------------------------------------------------------------------------------------------------

# The part of aws-lambda-java-core that handlers name; packages bring their own copy of it.
CORE = {
    "RequestHandler": "public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }",
    "RequestStreamHandler": "public interface RequestStreamHandler { void handleRequest(java.io.InputStream in, "
                            "java.io.OutputStream out, Context context) throws java.io.IOException; }",
    "LambdaLogger": "public interface LambdaLogger { void log(String text); }",
    "Context": "public interface Context { String getAwsRequestId(); String getInvokedFunctionArn(); "
               "int getMemoryLimitInMB(); int getRemainingTimeInMillis(); LambdaLogger getLogger(); }",
}
JAVA = {
    "Notes": """
        public class Notes implements RequestHandler<Map<String, Object>, Map<String, Object>> {
          public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
            Object what = event.get("do");
            if ("error".equals(what)) throw new IllegalStateException("as asked");
            if ("crash".equals(what)) Runtime.getRuntime().halt(7);
            if ("oversize".equals(what)) return Map.of("x", "x".repeat(6_291_600));
            if ("memory".equals(what)) { List<byte[]> all = new ArrayList<>(); while (true) all.add(new byte[1 << 20]); }
            if ("shell".equals(what)) {
              try { new ProcessBuilder("/bin/sh").start(); } catch (IOException no) { throw new RuntimeException("no shell", no); }
            }
            context.getLogger().log("seen " + event);
            Map<String, Object> answer = new HashMap<>();
            answer.put("event", event);
            answer.put("id", context.getAwsRequestId());
            answer.put("arn", context.getInvokedFunctionArn());
            answer.put("left", context.getRemainingTimeInMillis() > 0);
            answer.put("memory", context.getMemoryLimitInMB());
            answer.put("heap", Runtime.getRuntime().maxMemory() >> 20);
            return answer;
          }
        }""",
    "Streams": """
        public class Streams implements RequestStreamHandler {
          public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
            byte[] all = in.readAllBytes();
            out.write(("{\\"length\\":" + all.length + "}").getBytes());
          }
        }""",
    "Plain": """
        public class Plain {
          public String text(String event) { return event.toUpperCase(); }
          public List<Object> list(List<Object> event, Context context) { Collections.reverse(event); return event; }
          public static int number(int event) { return event + 1; }
          public Object own(Plain event) { return event; }
        }""",
    "Broken": 'public class Broken { static { if (true) throw new IllegalStateException("cannot start"); } public Object run() { return 1; } }',
}


@pytest.fixture(scope="module")
def java(server, tmp_path_factory):
    runtimes = listed(server, "java")
    compiler = shutil.which("javac") or pytest.skip("no javac on this machine, which the test's own functions need")
    folder = tmp_path_factory.mktemp("java")
    interfaces, sources = folder / "src/com/amazonaws/services/lambda/runtime", folder / "src/example"
    interfaces.mkdir(parents=True), sources.mkdir(parents=True)
    for name, text in CORE.items():
        (interfaces / f"{name}.java").write_text(f"package com.amazonaws.services.lambda.runtime;\n{text}\n")
    for name, text in JAVA.items():
        imports = "import com.amazonaws.services.lambda.runtime.*; import java.io.*; import java.util.*;"
        (sources / f"{name}.java").write_text(f"package example;\n{imports}\n{text}\n")
    files = [str(file) for file in (folder / "src").rglob("*.java")]
    subprocess.run([compiler, "--release", "17", "-proc:none", "-d", str(folder / "out"), *files], check=True, capture_output=True)
    classes = {str(file.relative_to(folder / "out")): file.read_bytes() for file in (folder / "out").rglob("*.class")}
    core = {name: classes.pop(name) for name in list(classes) if name.startswith("com/")}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as jar:
        for name, content in core.items():
            jar.writestr(name, content)
    # Classes at the root and libraries in lib/, as AWS's build tools pack them.
    package = classes | {"lib/aws-lambda-java-core.jar": archive.getvalue()}

    def make(handler, runtime=runtimes[0], memory=512):
        return Function(server, package, runtime=runtime, handler=handler, MemorySize=memory, Timeout=40)

    make.runtimes = runtimes
    return make


def test_java_answers_again_and_again_in_every_version(java):
    for runtime in java.runtimes:
        function = java("example.Notes", runtime)
        for number in range(2):
            answer, result = function.invoke({"number": number, "text": 'grün "\\'})
            assert "FunctionError" not in answer, result
            assert result["event"] == {"number": number, "text": 'grün "\\'} and result["left"]
            assert result["id"] == answer["ResponseMetadata"]["RequestId"] and result["arn"] == function.arn
            # The heap is a part of the function's memory, not of the machine's.
            assert result["memory"] == 512 and 300 <= result["heap"] <= 400


def test_java_handlers_of_all_forms(java):
    assert java("example.Streams").invoke({"a": "b"})[1] == {"length": 10}
    assert java("example.Notes::handleRequest").invoke({"a": 1.5})[1]["event"] == {"a": 1.5}
    assert java("example.Plain::text").invoke("quiet")[1] == "QUIET"
    assert java("example.Plain::list").invoke([1, None, {"a": [True]}])[1] == [{"a": [True]}, None, 1]
    assert java("example.Plain::number").invoke(41)[1] == 42


def test_java_reports_failures_and_goes_on(java):
    function = java("example.Notes")
    report = failed(function, {"do": "error"})
    assert (report["errorType"], report["errorMessage"]) == ("java.lang.IllegalStateException", "as asked")
    assert report["stackTrace"][0].startswith("example.Notes.handleRequest")
    assert failed(function, {"do": "oversize"})["errorType"] == "Function.ResponseSizeTooLarge"
    shell = failed(function, {"do": "shell"})
    assert shell["errorMessage"] == "no shell" and shell["cause"]["errorType"] == "java.io.IOException"
    assert failed(function, {"do": "crash"})["errorMessage"].endswith("exit status 7")
    assert failed(function, {"do": "memory"})["errorType"] == "java.lang.OutOfMemoryError"
    assert "FunctionError" not in function.invoke({})[0]


def test_java_that_cannot_be_used_says_why(java):
    assert failed(java("example.None"), {})["errorType"] == "java.lang.ClassNotFoundException"
    assert failed(java("example.Plain"), {})["errorType"] == "Runtime.HandlerNotFound"
    assert failed(java("example.Plain::none"), {})["errorType"] == "Runtime.HandlerNotFound"
    assert failed(java("example.Broken::run"), {})["errorMessage"] == "cannot start"
    assert failed(java("example.Plain::own"), {"a": 1})["errorType"] == "Runtime.EventType"


# ---- runtimes of an operator's own ------------------------------------------------------------------------------------


@pytest.fixture
def own_root(tmp_path):
    """A root with one program, and a data directory in which it is not known yet."""
    program = compiled(tmp_path)
    root = tmp_path / "root"
    for folder in ("bin", "etc", "var/lib"):
        (root / folder).mkdir(parents=True)
    for folder in [root, *root.rglob("*")]:
        folder.chmod(0o755)
    shutil.copy(program, root / "bin/run")
    (root / "bin/run").chmod(0o755)
    (root / "etc/release").write_text("own\n")
    (root / "etc/release").chmod(0o644)
    server = Server(tmp_path / "data").start()
    # Its trail then has a beginning to go on from.
    server.client("sts").get_caller_identity()
    yield root, server
    server.stop()


def command(server, *arguments):
    return server.casemate("runtime", *arguments, check=False)


def create(server, runtime, name):
    client = server.client("lambda")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("data.txt", "code")
    client.create_function(FunctionName=name, Runtime=runtime, Handler="any", Role=role(server, name, []),
                           Code={"ZipFile": archive.getvalue()}, Timeout=10)
    return lambda event: json.loads(client.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())


def test_an_added_runtime_runs_after_a_restart_until_it_is_removed(own_root):
    root, server = own_root
    with pytest.raises(ClientError) as unknown:
        create(server, "static1", "before")
    assert unknown.value.response["Error"]["Code"] == "ValidationException"
    assert "enum value set: [" in str(unknown.value) and "provided.al2023" in str(unknown.value)

    added = command(server, "add", "static1", "--root", root, "--argv", "/bin/run", "--mode=own")
    assert added.returncode == 0 and re.search(r"sha256 [0-9a-f]{64}", added.stdout), added.stderr
    assert "already" in command(server, "add", "static1", "--root", root, "--argv", "/bin/run").stderr
    assert "static1" in command(server, "list").stdout
    server.stop()
    server.start()

    invoke = create(server, "static1", "after")
    result = invoke("read:/etc/release")
    assert result["arguments"] == ["/bin/run", "--mode=own"] and result["folder"] == "/var/task" and result["can"] == 1
    assert result["uid"] != 0
    # The root's files, the package and the environment's own; of the host's nothing.
    for path, there in [("/var/task/data.txt", 1), ("/etc/hosts", 1), ("/usr/bin/env", 0), ("/etc/shadow", 0),
                        (str(root / "etc/release"), 0), (str(server.data_dir / "root.key"), 0)]:
        assert invoke(f"read:{path}")["can"] == there, path
    # As in managed runtimes, nothing else is started.
    assert invoke("exec:/bin/run")["can"] == 0
    configuration = server.client("lambda").get_function_configuration(FunctionName="after")
    assert configuration["Runtime"] == "static1"

    assert command(server, "remove", "static1").returncode == 0
    server.stop()
    server.start()
    with pytest.raises(ClientError) as gone:
        server.client("lambda").invoke(FunctionName="after", Payload=b'""')
    assert "the runtime static1 is not on this host" in str(gone.value)


def test_a_runtime_may_be_allowed_to_start_programs(own_root):
    root, server = own_root
    assert command(server, "add", "static1", "--root", root, "--exec", "allow", "--argv", "/bin/run").returncode == 0
    server.stop()
    server.start()
    assert create(server, "static1", "starts")("exec:/bin/run")["can"] == 1


def test_a_root_that_was_changed_is_not_used(own_root):
    root, server = own_root
    assert command(server, "add", "static1", "--root", root, "--argv", "/bin/run").returncode == 0
    server.stop()
    server.start()
    (root / "etc/release").write_text("changed\n")
    assert "does not hold what it held" in command(server, "list").stdout
    invoke = create(server, "static1", "changed")
    with pytest.raises(ClientError) as refusal:
        invoke("")
    assert "does not hold what it held" in str(refusal.value)


def test_roots_that_others_can_change_or_that_hold_the_platform_are_refused(own_root):
    root, server = own_root
    (root / "bin").chmod(0o777)
    assert "can be written by others" in command(server, "add", "a", "--root", root, "--argv", "/bin/run").stderr
    (root / "bin").chmod(0o755)
    for bad in ("/", server.data_dir, server.data_dir.parent):
        assert "data directory" in command(server, "add", "a", "--root", bad, "--argv", "/bin/run").stderr, bad
    (root / "bin/out").symlink_to("/bin/sh")
    assert command(server, "add", "a", "--root", root, "--argv", "/bin/out").returncode == 1
    assert command(server, "list").stdout == ""
