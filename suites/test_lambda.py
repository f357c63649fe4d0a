"""Lambda's control plane by boto3: versions, aliases, layers, asynchronous requests, URLs, policies."""

import io
import json
import time
import zipfile

import pytest
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["logs:*", "lambda:InvokeFunction"], "Resource": "*"}],
}
WHO = "import os\ndef handler(event, context):\n    return [%r, os.environ['AWS_LAMBDA_FUNCTION_VERSION'], context.invoked_function_arn]\n"


def package(**files):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return raw.getvalue()


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    assert refusal.value.response["Error"]["Code"] == code, refusal.value
    return refusal.value.response["Error"]["Message"]


@pytest.fixture(scope="module")
def functions(server):
    return server.client("lambda")


@pytest.fixture(scope="module")
def role(server):
    iam = server.client("iam")
    made = iam.create_role(RoleName="suite-lambda", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="suite-lambda", PolicyName="rights", PolicyDocument=json.dumps(RIGHTS))
    return made


@pytest.fixture
def make(functions, role):
    names = []

    def create(name, code=WHO % "one", **more):
        made = functions.create_function(
            FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handler",
            Code={"ZipFile": package(app=code)}, **more,
        )
        names.append(name)
        functions.get_waiter("function_active_v2").wait(FunctionName=name)
        return made

    yield create
    for name in names:
        functions.delete_function(FunctionName=name)


def answer(functions, name, **more):
    return json.load(functions.invoke(FunctionName=name, **more)["Payload"])


def logged(server, group, text, seconds=20):
    logs = server.client("logs")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            for event in logs.filter_log_events(logGroupName=group)["events"]:
                if text in event["message"]:
                    return event["message"]
        except logs.exceptions.ResourceNotFoundException:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{text!r} is not in {group}")


def test_versions_run_what_they_were(functions, make):
    make("sv", Description="first")
    one = functions.publish_version(FunctionName="sv")
    assert one["Version"] == "1" and one["FunctionArn"].endswith(":sv:1")
    assert functions.publish_version(FunctionName="sv")["Version"] == "1"
    functions.update_function_code(FunctionName="sv", ZipFile=package(app=WHO % "two"), Publish=True)
    functions.get_waiter("function_updated_v2").wait(FunctionName="sv")
    assert answer(functions, "sv:1")[:2] == ["one", "1"]
    assert answer(functions, "sv", Qualifier="2")[:2] == ["two", "2"]
    assert answer(functions, "sv")[1] == "$LATEST"
    pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName="sv", PaginationConfig={"PageSize": 1})
    assert [v["Version"] for page in pages for v in page["Versions"]] == ["$LATEST", "1", "2"]
    refused("PreconditionFailedException", functions.publish_version, FunctionName="sv", RevisionId="stale")
    functions.delete_function(FunctionName="sv", Qualifier="1")
    assert "Function not found" in refused("ResourceNotFoundException", functions.get_function, FunctionName="sv:1")


def test_aliases_lead_to_versions_and_have_policies_of_their_own(functions, make):
    make("sa", Publish=True)
    functions.update_function_code(FunctionName="sa", ZipFile=package(app=WHO % "two"), Publish=True)
    alias = functions.create_alias(FunctionName="sa", Name="prod", FunctionVersion="1")
    assert alias["AliasArn"].endswith(":function:sa:prod")
    assert answer(functions, "sa:prod") == ["one", "1", alias["AliasArn"]]
    weights = {"AdditionalVersionWeights": {"2": 1.0}}
    functions.update_alias(FunctionName="sa", Name="prod", RoutingConfig=weights, RevisionId=alias["RevisionId"])
    assert functions.invoke(FunctionName="sa:prod")["ExecutedVersion"] == "2"
    refused("ResourceConflictException", functions.create_alias, FunctionName="sa", Name="prod", FunctionVersion="1")
    refused("ResourceConflictException", functions.delete_function, FunctionName="sa", Qualifier="1")
    functions.add_permission(
        FunctionName="sa", Qualifier="prod", StatementId="s", Action="lambda:InvokeFunction", Principal="210987654321"
    )
    policy = json.loads(functions.get_policy(FunctionName="sa", Qualifier="prod")["Policy"])
    assert policy["Statement"][0]["Resource"] == alias["AliasArn"]
    refused("ResourceNotFoundException", functions.get_policy, FunctionName="sa")
    assert [a["Name"] for a in functions.list_aliases(FunctionName="sa")["Aliases"]] == ["prod"]
    functions.delete_alias(FunctionName="sa", Name="prod")
    assert "Cannot find alias arn" in refused("ResourceNotFoundException", functions.get_alias, FunctionName="sa", Name="prod")


def test_layers_are_shared_and_kept(functions, make):
    layer = functions.publish_layer_version(
        LayerName="suite", Content={"ZipFile": package(python__tools="who = 'layer'")}, CompatibleRuntimes=["python3.11"]
    )
    code = "import tools\ndef handler(event, context):\n    return tools.who\n"
    make("sl", code, Layers=[layer["LayerVersionArn"]])
    assert answer(functions, "sl") == "layer"
    assert functions.list_layers(CompatibleRuntime="python3.11")["Layers"][0]["LayerName"] == "suite"
    functions.add_layer_version_permission(
        LayerName="suite", VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
    )
    assert json.loads(functions.get_layer_version_policy(LayerName="suite", VersionNumber=1)["Policy"])
    functions.remove_layer_version_permission(LayerName="suite", VersionNumber=1, StatementId="all")
    functions.delete_layer_version(LayerName="suite", VersionNumber=1)
    refused("ResourceNotFoundException", functions.get_layer_version, LayerName="suite", VersionNumber=1)
    refused("ResourceNotFoundException", functions.get_layer_version_by_arn, Arn=layer["LayerVersionArn"])
    assert functions.list_layer_versions(LayerName="suite")["LayerVersions"] == []
    functions.update_function_configuration(FunctionName="sl", Timeout=4)
    assert answer(functions, "sl") == "layer"
    refused(
        "InvalidParameterValueException", functions.update_function_configuration,
        FunctionName="sl", Layers=[layer["LayerVersionArn"]],
    )


def test_a_failure_is_told_to_its_destination(server, functions, make):
    make("sf", "def handler(event, context):\n    raise ValueError('no')\n")
    told = make("st", "import json\ndef handler(event, context):\n    print('told ' + json.dumps(event))\n")
    put = functions.put_function_event_invoke_config(
        FunctionName="sf", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": told["FunctionArn"]}}
    )
    assert put["FunctionArn"].endswith(":sf:$LATEST")
    assert functions.invoke(FunctionName="sf", InvocationType="Event", Payload=b'{"x": 1}')["StatusCode"] == 202
    record = json.loads(logged(server, "/aws/lambda/st", "told ")[5:])
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["requestPayload"] == {"x": 1}
    assert len(functions.list_function_event_invoke_configs(FunctionName="sf")["FunctionEventInvokeConfigs"]) == 1
    functions.update_function_event_invoke_config(FunctionName="sf", MaximumEventAgeInSeconds=60)
    assert functions.get_function_event_invoke_config(FunctionName="sf")["MaximumRetryAttempts"] == 0
    functions.delete_function_event_invoke_config(FunctionName="sf")
    refused("ResourceNotFoundException", functions.get_function_event_invoke_config, FunctionName="sf")
    refused(
        "InvalidParameterValueException", functions.put_function_event_invoke_config,
        FunctionName="sf", DestinationConfig={"OnFailure": {"Destination": "arn:aws:iam::123456789012:role/x"}},
    )


def test_the_old_asynchronous_call_and_the_recursion_setting(functions, make):
    make("so")
    assert functions.invoke_async(FunctionName="so", InvokeArgs=b"{}")["Status"] == 202
    assert functions.get_function_recursion_config(FunctionName="so")["RecursiveLoop"] == "Terminate"
    functions.put_function_recursion_config(FunctionName="so", RecursiveLoop="Allow")
    assert functions.get_function_recursion_config(FunctionName="so")["RecursiveLoop"] == "Allow"


def test_urls_as_objects(functions, make):
    make("su")
    made = functions.create_function_url_config(FunctionName="su", AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]})
    assert ".lambda-url.us-east-1." in made["FunctionUrl"]
    refused("ResourceConflictException", functions.create_function_url_config, FunctionName="su", AuthType="NONE")
    functions.update_function_url_config(FunctionName="su", InvokeMode="RESPONSE_STREAM")
    shown = functions.get_function_url_config(FunctionName="su")
    assert shown["InvokeMode"] == "RESPONSE_STREAM" and shown["FunctionUrl"] == made["FunctionUrl"]
    assert len(functions.list_function_url_configs(FunctionName="su")["FunctionUrlConfigs"]) == 1
    functions.delete_function_url_config(FunctionName="su")
    refused("ResourceNotFoundException", functions.get_function_url_config, FunctionName="su")
