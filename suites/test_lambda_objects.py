"""What a function has besides its code, through boto3: event source mappings, code signing, runtime management; and the links by
which its package is downloaded."""

import base64
import hashlib
import json
import os
import shutil
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError
from functions import PYTHON, Function, package, role

QUEUE = "arn:aws:sqs:us-east-1:{account}:orders"
READS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


@pytest.fixture
def account(server):
    return server.client("sts").get_caller_identity()["Account"]


@pytest.fixture
def code():
    return {"app.py": "def handler(event, context): return 1"}


def test_event_source_mappings(server, account, code):
    queue = QUEUE.format(account=account)
    reader = Function(server, code, statements=[{"Effect": "Allow", "Action": READS, "Resource": queue}])
    blind = Function(server, code)
    lambda_ = reader.lambda_
    text = refused(
        "InvalidParameterValueException", lambda_.create_event_source_mapping,
        FunctionName=blind.name, EventSourceArn=queue,
    )
    assert text == "The function execution role does not have permissions to call ReceiveMessage on SQS"
    made = lambda_.create_event_source_mapping(
        FunctionName=reader.name, EventSourceArn=queue, Tags={"team": "a"},
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"kind": ["order"]}})}]},
        ScalingConfig={"MaximumConcurrency": 2}, FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    # Nothing polls it, and it does not say otherwise.
    assert made["State"] == "Disabled" and "polls" in made["StateTransitionReason"]
    assert (made["BatchSize"], made["ScalingConfig"]) == (10, {"MaximumConcurrency": 2})
    assert lambda_.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"team": "a"}
    got = lambda_.get_event_source_mapping(UUID=made["UUID"])
    assert got["FilterCriteria"] == made["FilterCriteria"]
    listed = lambda_.list_event_source_mappings(FunctionName=reader.name)["EventSourceMappings"]
    assert [one["UUID"] for one in listed] == [made["UUID"]]
    refused(
        "ResourceConflictException", lambda_.create_event_source_mapping,
        FunctionName=reader.name, EventSourceArn=queue,
    )
    changed = lambda_.update_event_source_mapping(UUID=made["UUID"], BatchSize=1, Enabled=False)
    assert (changed["BatchSize"], changed["StateTransitionReason"]) == (1, "USER_INITIATED")
    refused("InvalidParameterValueException", lambda_.update_event_source_mapping, UUID=made["UUID"], BatchSize=11)
    assert lambda_.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"
    refused("ResourceNotFoundException", lambda_.get_event_source_mapping, UUID=made["UUID"])


def test_code_signing(server, account, code, tmp_path):
    lambda_ = server.client("lambda")
    key, signed = tmp_path / "key", tmp_path / "signed.zip"
    arn = server.casemate("sign", "profile", "ours", "--key", key, "--account", account).stdout.strip()
    made = lambda_.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [arn]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}, Description="d",
    )["CodeSigningConfig"]
    config = made["CodeSigningConfigArn"]
    assert lambda_.get_code_signing_config(CodeSigningConfigArn=config)["CodeSigningConfig"] == made
    assert made in lambda_.list_code_signing_configs()["CodeSigningConfigs"]

    plain = package(code)
    signed.write_bytes(plain)
    server.casemate("sign", "package", signed, "--profile", arn, "--key", key)
    name = f"f-{uuid.uuid4().hex[:10]}"
    function = {
        "FunctionName": name, "Runtime": PYTHON, "Handler": "app.handler", "Role": role(server, name, []),
        "CodeSigningConfigArn": config,
    }
    create = lambda archive: lambda_.create_function(Code={"ZipFile": archive}, **function)
    refused("CodeVerificationFailedException", create, archive=plain)
    refused("CodeVerificationFailedException", create, archive=signed.read_bytes())
    server.casemate("sign", "register", arn, "--public-key", f"{key}.pub")
    create(signed.read_bytes())
    assert json.load(lambda_.invoke(FunctionName=name)["Payload"]) == 1
    assert lambda_.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == config
    functions = lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=config)["FunctionArns"]
    assert [one.rsplit(":", 1)[1] for one in functions] == [name]

    # A signed package with another file in it.
    import zipfile

    tampered = tmp_path / "tampered.zip"
    shutil.copy(signed, tampered)
    with zipfile.ZipFile(tampered, "a") as archive:
        archive.writestr("more.py", "")
    update = lambda archive: lambda_.update_function_code(FunctionName=name, ZipFile=archive)
    refused("InvalidCodeSignatureException", update, archive=tampered.read_bytes())
    refused("CodeVerificationFailedException", update, archive=plain)
    refused("ResourceConflictException", lambda_.delete_code_signing_config, CodeSigningConfigArn=config)

    warn = {"UntrustedArtifactOnDeployment": "Warn"}
    lambda_.update_code_signing_config(CodeSigningConfigArn=config, CodeSigningPolicies=warn)
    update(plain)
    server.wait_for_audit("lambda.untrusted-code", lambda record: True)
    lambda_.delete_function_code_signing_config(FunctionName=name)
    assert not lambda_.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"]
    lambda_.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=config)
    lambda_.delete_function(FunctionName=name)
    lambda_.delete_code_signing_config(CodeSigningConfigArn=config)
    refused("ResourceNotFoundException", lambda_.get_code_signing_config, CodeSigningConfigArn=config)


def test_runtime_management(server, code):
    function = Function(server, code)
    lambda_ = function.lambda_
    assert lambda_.get_runtime_management_config(FunctionName=function.name)["UpdateRuntimeOn"] == "Auto"
    lambda_.put_runtime_management_config(FunctionName=function.name, UpdateRuntimeOn="FunctionUpdate")
    shown = lambda_.get_runtime_management_config(FunctionName=function.name)
    assert (shown["UpdateRuntimeOn"], shown["FunctionArn"]) == ("FunctionUpdate", function.arn + ":$LATEST")
    text = refused(
        "InvalidParameterValueException", lambda_.put_runtime_management_config, FunctionName=function.name,
        UpdateRuntimeOn="Manual", RuntimeVersionArn="arn:aws:lambda:us-east-1::runtime:" + "0" * 64,
    )
    assert "not supported" in text


def fetched(link, method="GET"):
    """Follows a link with nothing but itself: status, body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(link, method=method), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def dead(link, status, code, method="GET"):
    got, body = fetched(link, method)
    assert got == status and f"<Code>{code}</Code>".encode() in body, (got, body)


def sha256(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_packages_are_downloaded_by_link(server, code):
    # Larger than what is sent at a time, and than a connection takes at once.
    large = code | {"data": os.urandom(3_000_000).hex()}
    function = Function(server, large, Publish=True)
    lambda_, name = function.lambda_, function.name
    shown = lambda_.get_function(FunctionName=name)
    assert shown["Code"]["RepositoryType"] == "S3"
    link = shown["Code"]["Location"]
    assert link.startswith(f"{server.endpoint}/_casemate/code/{function.arn}?token=")
    status, zipped = fetched(link)
    assert status == 200 and len(zipped) == shown["Configuration"]["CodeSize"] > 3_000_000
    assert sha256(zipped) == shown["Configuration"]["CodeSha256"]
    assert fetched(link)[1] == zipped, "as often as one likes"
    token = link.split("token=")[1]
    record = server.wait_for_audit("download", lambda record: record["outcome"]["status"] == 200)[-1]
    assert record["caller"] == "anonymous" and record["path"].endswith(function.arn)
    given = server.wait_for_audit(record["parent"], lambda other: other["id"] == record["parent"])[-1]
    assert given["operation"] == "GetFunction"
    # Neither the trail nor the server's own output has what a link is worth.
    assert token not in json.dumps(server.audit("download")) and token not in server.text

    # Each of these is refused.
    version = lambda_.get_function(FunctionName=name, Qualifier="1")["Code"]["Location"]
    assert fetched(version)[1] == zipped
    other = Function(server, code)
    at = len(link) - 10
    flipped = link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1:]
    for bad in [
        flipped, link[:-4], link + "&x=1", link.split("?")[0], link.replace(token, "A" * 5000),
        link.replace(function.arn, other.arn), link.replace(function.arn, function.arn + ":1"),
        version.replace(":1?", "?"),
    ]:
        dead(bad, 403, "SignatureDoesNotMatch")
    dead(link, 405, "MethodNotAllowed", "POST")
    lambda_.update_function_code(FunctionName=name, ZipFile=package(code | {"more": "x"}))
    dead(link, 404, "NoSuchKey")
    assert fetched(version)[1] == zipped
    lambda_.delete_function(FunctionName=name)
    dead(version, 404, "NoSuchKey")


def test_layers_are_downloaded_by_link(server):
    lambda_, name = server.client("lambda"), f"l-{uuid.uuid4().hex[:10]}"
    zipped = package({"python/tools.py": "who = 'layer'"})
    made = lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": zipped})
    got = lambda_.get_layer_version(LayerName=name, VersionNumber=1)
    by_arn = lambda_.get_layer_version_by_arn(Arn=made["LayerVersionArn"])
    for one in made, got, by_arn:
        assert fetched(one["Content"]["Location"]) == (200, zipped)
        assert one["Content"]["CodeSha256"] == sha256(zipped)
    lambda_.delete_layer_version(LayerName=name, VersionNumber=1)
    dead(got["Content"]["Location"], 404, "NoSuchKey")


def test_a_link_is_nothing_inside_an_environment(server, code):
    """A function that is handed a link cannot follow it through its own socket, nor reach the server otherwise."""
    asks = """
import http.client, os, urllib.parse, urllib.request

def handler(event, context):
    target = event["link"].split("/", 3)[3]
    endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    own = http.client.HTTPConnection(endpoint.hostname, endpoint.port, timeout=5)
    own.request("GET", "/" + target)
    answer = own.getresponse()
    found = [answer.status, answer.read().decode()]
    try:
        urllib.request.urlopen(event["link"], timeout=3).read()
        return found + ["reached"]
    except OSError:
        return found + ["not reached"]
"""
    function = Function(server, {"app.py": asks})
    link = function.lambda_.get_function(FunctionName=function.name)["Code"]["Location"]
    answer, (status, body, outside) = function.invoke({"link": link})
    assert "FunctionError" not in answer
    assert (status, outside) == (403, "not reached") and "<Code>AccessDenied</Code>" in body
    assert fetched(link)[0] == 200
