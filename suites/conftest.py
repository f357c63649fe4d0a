"""A running server with the notes example, and clients for it. The binary comes from CASEMATE_BIN."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

import ordinary

ROOT = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("CASEMATE_BIN", str(ROOT / "target/debug/casemate"))
START_S = 90


def pytest_configure(config):
    """Each run of pytest closes the folder that all runs of a user share (`/tmp/pytest-of-root`) to everybody else. A server that another
    run has given to an ordinary user would lose its data: those have a folder of their own, which goes with the run."""
    if ordinary.wanted() and not config.option.basetemp:
        folder = tempfile.TemporaryDirectory(prefix="casemate-ordinary-")
        config.add_cleanup(folder.cleanup)
        config.option.basetemp = f"{folder.name}/run"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def address_of_the_host():
    """This machine's address on its network; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def descendants(pid):
    """Process ids below a process, from the parents in /proc."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


class Server:
    """One server process over one data directory."""

    def __init__(self, data_dir, template=None, port=None, environment=None):
        self.data_dir = Path(data_dir)
        self.template = template
        self.port = port or free_port()
        self.endpoint = f"http://localhost:{self.port}"
        self.extra = environment or {}
        self.output = []
        self.process = None
        self.user = None

    def start(self):
        self.user = user = ordinary.Ordinary(self.data_dir) if ordinary.wanted() else None
        binary, template = BINARY, self.template
        if user:
            binary = user.reachable(BINARY)
            template = template and user.reachable(Path(template).parent) / Path(template).name
        command = [binary, "up", str(template)] if template else [binary, "serve"]
        command += ["--data-dir", str(self.data_dir), "--listen", f"127.0.0.1:{self.port}"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CASEMATE_"))}
        if user:
            command, clean = user.command(command), clean | user.environment()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=clean | self.extra,
        )
        serving = threading.Event()
        threading.Thread(target=self._read, args=(serving,), daemon=True).start()
        if not serving.wait(START_S):
            self.kill()
            raise RuntimeError("the server did not start:\n" + "".join(self.output))
        return self

    def _read(self, serving):
        for line in self.process.stdout:
            self.output.append(line)
            # `up` prints its outputs after this line and ends with the one on how to stop.
            if line.startswith("administrator:") or (not self.template and line.startswith("serving account")):
                serving.set()
        serving.set()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.leave()

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.leave()

    def leave(self):
        if self.user:
            self.user.leave()

    @property
    def text(self):
        return "".join(self.output)

    @property
    def keys(self):
        text = (self.data_dir / "administrator").read_text()
        value = lambda name: re.search(rf"export {name}=(\S+)", text).group(1)
        return value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY")

    @property
    def environment(self):
        """What a client process needs to act as the administrator."""
        key, secret = self.keys
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CASEMATE_"))}
        return clean | {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service, **credentials):
        key, secret = self.keys
        chosen = {"aws_access_key_id": key, "aws_secret_access_key": secret} | credentials
        quick = Config(retries={"total_max_attempts": 1}, read_timeout=60, connect_timeout=5)
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", config=quick, **chosen)

    def casemate(self, *arguments, check=True, stdin=None):
        """Runs a `casemate` command against this server as its administrator."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            input=stdin,
            env=self.environment | {"CASEMATE_DATA_DIR": str(self.data_dir)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"casemate {arguments} failed:\n{done.stdout}{done.stderr}")
        return done

    def audit(self, mention=None, last=400):
        """The newest audit records, oldest first."""
        filters = ["--grep", mention] if mention else []
        shown = self.casemate("log", "--json", "-n", last, *filters).stdout
        return [json.loads(line) for line in shown.splitlines()]

    def wait_for_audit(self, mention, wanted, seconds=15):
        """Waits until a record that mentions the text also satisfies `wanted`; records are written a moment later."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [record for record in self.audit(mention) if wanted(record)]
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no such audit record for {mention}: {self.audit(mention)[-5:]}")


class Notes:
    """The example, deployed."""

    def __init__(self, server):
        self.server = server
        self.outputs = dict(re.findall(r"^  (\w+) +(\S.*)$", server.text, re.MULTILINE))
        self.pool = self.outputs["UserPoolId"]
        self.client_id = self.outputs["UserPoolClientId"]
        self.url = self.outputs["ApiUrl"].rstrip("/")
        self.idp = server.client("cognito-idp")

    def user(self, name, password="Correct-Horse-1!"):
        """A confirmed user of the pool; made once."""
        try:
            self.idp.admin_create_user(
                UserPoolId=self.pool,
                Username=name,
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}],
            )
        except self.idp.exceptions.UsernameExistsException:
            pass
        self.idp.admin_set_user_password(UserPoolId=self.pool, Username=name, Password=password, Permanent=True)
        return name, password

    def tokens(self, name, password="Correct-Horse-1!"):
        """Signs in by SRP, with pycognito."""
        from pycognito.aws_srp import AWSSRP

        self.user(name, password)
        srp = AWSSRP(username=name, password=password, pool_id=self.pool, client_id=self.client_id, client=self.idp)
        return srp.authenticate_user()["AuthenticationResult"]

    def call(self, method, path, token=None, body=None, headers=None):
        """Calls the API: (status, headers, parsed or raw body)."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        if token:
            request.add_header("Authorization", token)
        if data:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, parsed(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, parsed(refusal.read())


def parsed(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("notes") / "data", ROOT / "examples/notes/template.yaml").start()
    if running.process.poll() is not None:
        raise RuntimeError("the server ended:\n" + running.text)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def machines_for_all(tmp_path_factory):
    """The server whose functions may run in virtual machines, for the suites that need no other: each kind of machine boots once for all
    of them. Whoever wants it first starts it."""
    from machines import machines

    ceiling = {"CASEMATE_EGRESS_CEILING": f"{address_of_the_host()}:*,127.0.0.1:*,localhost:*"}
    shared = Server(tmp_path_factory.mktemp("machines") / "data", environment=machines() | ceiling)

    def running():
        return shared if shared.process and shared.process.poll() is None else shared.start()

    yield running
    shared.stop()


@pytest.fixture(scope="session")
def custom_program(tmp_path_factory):
    """A custom runtime of C, for machines."""
    program = tmp_path_factory.mktemp("custom") / "bootstrap"
    compiler = shutil.which("cc") or pytest.fail("no C compiler")
    subprocess.run([compiler, "-static", "-O1", "-o", program, Path(__file__).parent / "machine_runtime.c"], check=True)
    return program.read_bytes()


@pytest.fixture(scope="session")
def notes(server):
    return Notes(server)


@pytest.fixture
def empty(tmp_path):
    """A server of its own, without an application."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()
