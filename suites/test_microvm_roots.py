"""Roots in virtual machines, under software emulation: Ruby, Java, runtimes that an operator added, container images.

Each start boots a machine of its own, which takes seconds to minutes: one request shows as much as it can.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import boto3
import ordinary
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import Server
from functions import package, role
from machines import Slow, children, machines, name_of
from test_images import REGISTRY, layout, layer
from test_languages import compiled, listed

pytestmark = pytest.mark.skipif(ordinary.wanted(), reason="roots are added by root")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A server whose every function runs in a machine, with a runtime and an image of an operator's."""
    folder = tmp_path_factory.mktemp("microvm-roots")
    program = compiled(folder)
    root = folder / "root"
    for name in ("bin", "etc", "var/runtime"):
        (root / name).mkdir(parents=True)
    shutil.copy(program, root / "bin/run")
    (root / "etc/release").write_text("own\n")
    (root / "etc/closed").write_text("closed\n")
    (root / "var/runtime/own").write_text("own\n")
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.name == "run" else 0o644)
    (root / "etc/closed").chmod(0o600)
    server = Server(folder / "data", environment={"CASEMATE_ISOLATION_FLOOR": "microvm"} | machines()).start()
    server.client("sts").get_caller_identity()
    layout(folder / "layout", [
        layer({"usr/bin/run": program.read_bytes(), "bin": ("usr/bin",), "etc/release": "one", "etc/gone": "one",
               "srv/app/data.txt": "code", "var/task": ("/srv/app",), "opt/lib/x": "x", "work/x": "x"}),
        layer({"etc/.wh.gone": "", "etc/release": "two"}),
    ], {"Entrypoint": ["run", "--mode=image"], "Cmd": ["first"], "Env": ["MARK=image", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"],
        "WorkingDir": "/work"})
    done = server.casemate("image", "add", "team/app:1", str(folder / "layout"))
    done = server.casemate("runtime", "add", "static1", "--root", str(root), "--argv", "/bin/run", "--mode=own")
    assert done.returncode == 0, done.stderr
    server.stop()
    server.start()
    yield SimpleNamespace(server=server, root=root)
    server.stop()


def patient(server):
    key, secret = server.keys
    config = Config(retries={"total_max_attempts": 1}, read_timeout=600)
    return boto3.client("lambda", endpoint_url=server.endpoint, region_name="us-east-1", config=config,
                        aws_access_key_id=key, aws_secret_access_key=secret)


def made(server, name, **settings):
    """A function that is asked by name; `settings` say its code."""
    client = patient(server)
    client.create_function(FunctionName=name, Role=role(server, name, []), Timeout=30, MemorySize=256, **settings)
    return lambda event: json.loads(client.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())


def added(host):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("data.txt", "code")
    return made(host.server, "added", Runtime="static1", Handler="any", Code={"ZipFile": archive.getvalue()})


def image(host, name="imaged", **config):
    return made(host.server, name, PackageType="Image", Code={"ImageUri": f"{REGISTRY}/team/app:1"}, ImageConfig=config)


def test_an_operators_runtime_and_an_image_run_in_machines_as_they_do_without(host):
    with ThreadPoolExecutor(2) as both:
        own, imaged = both.map(lambda make: make(host), (added, image))
        first, other = both.map(lambda invoke: invoke("read:/etc/release"), (own, imaged))
    assert "cloud" in first["kernel"] and other["kernel"] == first["kernel"], (first, other)
    assert (first["arguments"], first["folder"], first["can"], first["uid"]) == (["/bin/run", "--mode=own"], "/var/task", 1, 993)
    for path, there in [("/var/task/data.txt", 1), ("/etc/hosts", 1), ("/var/runtime/own", 1), ("/etc/closed", 0),
                        ("/usr/bin/env", 0), ("/etc/shadow", 0), ("/casemate/root.json", 0), ("/casemate/guest", 0)]:
        assert own(f"read:{path}")["can"] == there, path
    assert own("exec:/bin/run")["can"] == 0
    assert other["arguments"] == ["/usr/bin/run", "--mode=image", "first"]
    assert (other["folder"], other["mark"], other["uid"], other["can"]) == ("/work", "image", 993, 1)
    for path, there in [("/var/task/data.txt", 1), ("/srv/app/data.txt", 1), ("/opt/lib/x", 1), ("/etc/gone", 0),
                        ("/etc/shadow", 0), (sys.executable, 0)]:
        assert imaged(f"read:{path}")["can"] == there, path
    assert imaged("exec:/usr/bin/run")["can"] == 1
    # Another function of the image goes on from the same template, with words of its own.
    words = image(host, "words", EntryPoint=["/usr/bin/run"], Command=["a", "b"], WorkingDirectory="/etc")("")
    assert (words["arguments"], words["folder"]) == (["/usr/bin/run", "a", "b"], "/etc")
    assert len(list((host.server.data_dir / "machines").glob("image-*.runtime-disk"))) == 1


def test_an_image_that_cannot_begin_says_why(host):
    nowhere = image(host, "nowhere", WorkingDirectory="/none")("")
    assert (nowhere["errorType"], nowhere["errorMessage"].split(":")[:2]) == (
        "Runtime.InvalidWorkingDir", ["Error", " chdir /none"])
    none = image(host, "none", EntryPoint=["/usr/bin/none"])("")
    assert none["errorType"] == "Runtime.InvalidEntrypoint" and "fork/exec /usr/bin/none" in none["errorMessage"], none


RUBY = """
require "etc"

def handler(event:, context:)
  { kernel: Etc.uname[:release], version: RUBY_VERSION, shell: File.exist?("/bin/sh"), told: event["a"] }
end
"""
JAVA = """
public class Notes {
    public java.util.Map<String, Object> run(java.util.Map<String, Object> event) {
        return java.util.Map.of("version", System.getProperty("java.version"), "kernel", System.getProperty("os.version"),
            "shell", new java.io.File("/bin/sh").exists(), "told", event.get("a"), "heap", Runtime.getRuntime().maxMemory() >> 20);
    }
}
"""


def test_ruby_and_java_answer_from_machines(host, tmp_path):
    server = host.server
    functions = []
    for family, files, handler in (("ruby", {"app.rb": RUBY}, "app.handler"), ("java", None, "Notes::run")):
        try:
            runtime = listed(server, family)[0]
        except pytest.skip.Exception:
            continue
        if family == "java":
            compiler = shutil.which("javac")
            if not compiler:
                continue
            (tmp_path / "Notes.java").write_text(JAVA)
            subprocess.run([compiler, "-d", str(tmp_path), str(tmp_path / "Notes.java")], check=True)
            files = {"Notes.class": (tmp_path / "Notes.class").read_bytes()}
        function = Slow(server, files, runtime=runtime, handler=handler, Timeout=60, MemorySize=256)
        # On a busy machine Java's first request has taken nearly five minutes.
        function.lambda_ = patient(server)
        functions.append((runtime, function))
    if not functions:
        pytest.skip("neither Ruby nor Java is on this machine")
    for runtime, function in functions:
        said = function.invoke({"a": "b"})[1]
        assert "cloud" in said.get("kernel", ""), (runtime, said)
        assert (said["shell"], said["told"]) == (False, "b") and said["version"].split(".")[0] in runtime, said
        assert "heap" not in said or said["heap"] < 200


def test_a_root_that_changed_is_used_no_more(host):
    (host.root / "etc/release").write_text("changed\n")
    with pytest.raises(ClientError) as refused:
        made(host.server, "changed", Runtime="static1", Handler="any",
             Code={"ZipFile": package({"data.txt": "code"})})("")
    assert refused.value.response["Error"]["Code"] == "ServiceException", refused.value


def test_a_server_that_stops_leaves_neither_machines_nor_their_control_groups(host):
    """Last of all: it stops the server of this file."""
    server = host.server
    assert "kernel" in image(host, "last")("")
    pids = {pid for pid in children(server.process.pid) if "qemu" in name_of(pid)}
    groups = lambda: [path for path in Path("/sys/fs/cgroup").rglob(f"casemate-{server.process.pid}-*/outer-*") if path.is_dir()]
    assert pids and groups()
    server.stop()
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")] and not groups()
