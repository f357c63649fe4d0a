"""Wrong input of every kind: a clear error, nothing lost, no panic."""

import os
import socket
import subprocess

import pytest
from botocore.exceptions import ClientError
from conftest import BINARY, ROOT, Server
from functions import Function


def exchange(server, raw):
    with socket.create_connection(("127.0.0.1", server.port), 10) as made:
        made.sendall(raw)
        made.settimeout(20)
        answer = b""
        try:
            while chunk := made.recv(65536):
                answer += chunk
        except TimeoutError:
            pass
        return answer


def status_of(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def run(*arguments, cwd=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CASEMATE_"))}
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=clean, cwd=cwd)


def test_malformed_requests_get_an_error_and_the_server_goes_on(empty):
    target = b"x-amz-target: DynamoDB_20120810.ListTables\r\ncontent-type: application/x-amz-json-1.0\r\n"
    bodies = [b"{", b"[]", b"null", b"\xff\xfe", b'{"Limit": "x"}', b'{"a":' * 5000]
    for body in bodies:
        head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + target
        answer = exchange(empty, head + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert 400 <= status_of(answer) < 500, (body[:20], answer[:200])
    for raw in (b"\x00\x01\x02\r\n\r\n", b"GET /\x7f HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"):
        assert status_of(exchange(empty, raw)) in (0, 400)
    assert empty.client("sts").get_caller_identity()["Account"]
    assert "panicked" not in empty.text


def test_malformed_signatures_are_named(empty):
    for value, code in (
        (b"AWS4-HMAC-SHA256", b"IncompleteSignature"),
        (b"AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x", b"ncomplete"),
        (b"Bearer abc", b"MissingAuthenticationToken"),
    ):
        head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n"
        head += b"content-type: application/x-amz-json-1.0\r\nauthorization: " + value + b"\r\ncontent-length: 2\r\n\r\n{}"
        answer = exchange(empty, head)
        assert status_of(answer) == 400 and code in answer, answer


def test_oversized_bodies_and_heads_are_refused(empty):
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-target: DynamoDB_20120810.PutItem\r\n"
    head += b"content-type: application/x-amz-json-1.0\r\ncontent-length: 999999999\r\n\r\n"
    assert status_of(exchange(empty, head)) == 413
    assert status_of(exchange(empty, b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100_000 + b"\r\n\r\n")) == 431


def test_items_that_break_a_rule_are_refused(empty):
    dynamodb = empty.client("dynamodb")
    dynamodb.create_table(
        TableName="rules", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    wrong = [
        {"Item": {"other": {"S": "x"}}},
        {"Item": {"pk": {"N": "1"}}},
        {"Item": {"pk": {"S": ""}}},
        {"Item": {"pk": {"S": "x"}, "big": {"S": "x" * 410_000}}},
        {"Item": {"pk": {"S": "x"}, "n": {"N": "1e500"}}},
        {"Item": {"pk": {"S": "x"}}, "ConditionExpression": "a = = b"},
    ]
    for arguments in wrong:
        with pytest.raises(ClientError) as refused:
            dynamodb.put_item(TableName="rules", **arguments)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert dynamodb.scan(TableName="rules")["Count"] == 0


def test_a_missing_handler_or_module_is_said(server):
    for files, handler, text in (
        ({"app.py": "x = 1"}, "app.handler", "Handler 'handler' missing on module 'app'"),
        ({"app.py": "x = 1"}, "nothing.handler", "Unable to import module 'nothing'"),
        ({"app.py": "x ="}, "app.handler", "Syntax error in module 'app'"),
    ):
        answer, payload = Function(server, files, handler=handler).invoke()
        assert answer["FunctionError"] == "Unhandled" and text in payload["errorMessage"], payload


def test_broken_packages_are_refused(server):
    lambda_ = server.client("lambda")
    role = f"arn:aws:iam::{server.client('sts').get_caller_identity()['Account']}:role/none"
    with pytest.raises(ClientError) as refused:
        lambda_.create_function(FunctionName="broken", Runtime="python3.11", Handler="a.b", Role=role, Code={"ZipFile": b"not a zip"})
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    with pytest.raises(ClientError):
        lambda_.get_function(FunctionName="broken")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Resources: [", "template"),
        ("Resources:\n  A:\n    Type: AWS::Nothing::Here\n", "AWS::Nothing::Here"),
        ("Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties: {Colour: blue}\n", "Colour"),
        ("Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DependsOn: B\n", "B"),
        ("Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: ./gone, Handler: a.b, Runtime: python3.11}\n", "./gone"),
    ],
)
def test_bad_templates_are_refused_before_anything_is_made(server, tmp_path, template, said):
    path = tmp_path / "template.yaml"
    path.write_text(template)
    done = server.casemate("deploy", path, "--stack-name", "bad", check=False)
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_a_port_in_use_is_said_and_the_data_directory_left_alone(empty, tmp_path):
    done = run("serve", "--listen", f"127.0.0.1:{empty.port}", "--data-dir", tmp_path / "other")
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{empty.port}" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_second_server_on_one_directory_is_refused(empty):
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", empty.data_dir)
    assert done.returncode == 1 and "in use" in done.stderr


def test_an_unwritable_data_directory_is_said(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "file" / "data")
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", "/proc/casemate")
    assert done.returncode == 1 and "/proc/casemate" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a read-only file system")
def test_a_read_only_data_directory_is_said(tmp_path):
    place = tmp_path / "read-only"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(place)], check=True)
    try:
        for data_dir in (place, place / "data"):
            done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir)
            assert done.returncode == 1 and str(place) in done.stderr and "Read-only" in done.stderr, done.stderr
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_missing_or_foreign_root_key_is_said_and_harms_nothing(tmp_path):
    server = Server(tmp_path / "data").start()
    account = server.client("sts").get_caller_identity()["Account"]
    server.stop()
    key = tmp_path / "data/root.key"
    saved = key.read_bytes()
    key.rename(tmp_path / "elsewhere")
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data")
    assert done.returncode == 1 and "root key" in done.stderr and not key.exists()
    key.write_bytes(bytes(len(saved)))
    key.chmod(0o600)
    assert run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data").returncode == 1
    key.unlink()
    (tmp_path / "elsewhere").rename(key)
    again = Server(tmp_path / "data").start()
    assert again.client("sts").get_caller_identity()["Account"] == account
    again.stop()


def test_a_tampered_audit_trail_is_found_and_not_continued(tmp_path):
    server = Server(tmp_path / "data").start()
    server.client("sts").get_caller_identity()
    server.stop()
    trail = next((tmp_path / "data/audit").glob("*.jsonl"))
    trail.write_text(trail.read_text().replace("GetCallerIdentity", "GetSomethingElse"))
    done = run("log", "verify", "--data-dir", tmp_path / "data")
    assert done.returncode == 1 and "chain breaks" in done.stderr
    assert run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data").returncode == 1


def test_the_binary_explains_itself():
    assert run("--help").returncode == 0
    assert run("nonsense").returncode == 2
    assert str(ROOT)
