"""The AWS CLI and boto3, unmodified, against an empty server."""

import json
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

AWS = str(Path(__file__).parent / ".venv/bin/aws")


def aws(server, *arguments, check=True):
    done = subprocess.run([AWS, *arguments], env=server.environment, capture_output=True, text=True, timeout=120)
    if check:
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done


def test_administrator_is_the_account_root(empty):
    identity = aws(empty, "sts", "get-caller-identity")
    assert identity["Arn"] == f"arn:aws:iam::{identity['Account']}:root"
    assert empty.client("sts").get_caller_identity()["Account"] == identity["Account"]


def test_tls_is_served_on_the_same_port(empty):
    environment = empty.environment | {
        "AWS_ENDPOINT_URL": empty.endpoint.replace("http:", "https:"),
        "AWS_CA_BUNDLE": str(empty.data_dir / "tls/ca.pem"),
    }
    done = subprocess.run([AWS, "sts", "get-caller-identity"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_users_keys_and_policies_decide_what_a_user_may_do(empty):
    aws(empty, "iam", "create-user", "--user-name", "ann")
    key = aws(empty, "iam", "create-access-key", "--user-name", "ann")["AccessKey"]
    ann = empty.client("iam", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    with pytest.raises(ClientError) as refused:
        ann.list_users()
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert "because no identity-based policy allows the iam:ListUsers action" in str(refused.value)
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}}
    aws(empty, "iam", "put-user-policy", "--user-name", "ann", "--policy-name", "p", "--policy-document", json.dumps(policy))
    assert [user["UserName"] for user in ann.list_users()["Users"]] == ["ann"]
    aws(empty, "iam", "update-access-key", "--user-name", "ann", "--access-key-id", key["AccessKeyId"], "--status", "Inactive")
    with pytest.raises(ClientError) as refused:
        ann.list_users()
    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_malformed_policies_are_refused_on_write(empty):
    iam = empty.client("iam")
    iam.create_user(UserName="bob")
    for document in ["{", "{}", '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}']:
        with pytest.raises(ClientError) as refused:
            iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document)
        assert refused.value.response["Error"]["Code"] == "MalformedPolicyDocument"


def test_roles_are_assumed_with_tags_and_bounded_by_session_policies(empty):
    iam, account = empty.client("iam"), empty.client("sts").get_caller_identity()["Account"]
    user = iam.create_user(UserName="cleo")["User"]["Arn"]
    key = iam.create_access_key(UserName="cleo")["AccessKey"]
    allow = lambda action: json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
    )
    iam.put_user_policy(UserName="cleo", PolicyName="p", PolicyDocument=allow(["sts:AssumeRole", "sts:TagSession"]))
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": user}, "Action": ["sts:AssumeRole", "sts:TagSession"]},
    }
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=allow(["dynamodb:ListTables", "iam:ListUsers"]))
    sts = empty.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    arguments = {"RoleArn": f"arn:aws:iam::{account}:role/reader", "RoleSessionName": "session"}
    session = sts.assume_role(**arguments, Policy=allow("dynamodb:ListTables"))["Credentials"]
    chosen = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    assert empty.client("dynamodb", **chosen).list_tables()["TableNames"] == []
    with pytest.raises(ClientError) as refused:
        empty.client("iam", **chosen).list_users()
    assert "session policy" in str(refused.value)
    with pytest.raises(ClientError) as refused:
        empty.client("dynamodb", **(chosen | {"aws_session_token": "x" * 180})).list_tables()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_tables_and_items(empty):
    aws(
        empty, "dynamodb", "create-table", "--table-name", "items", "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", "AttributeName=pk,AttributeType=S", "--key-schema", "AttributeName=pk,KeyType=HASH",
    )
    aws(empty, "dynamodb", "wait", "table-exists", "--table-name", "items")
    aws(empty, "dynamodb", "put-item", "--table-name", "items", "--item", '{"pk":{"S":"a"},"n":{"N":"1"}}')
    update = aws(
        empty, "dynamodb", "update-item", "--table-name", "items", "--key", '{"pk":{"S":"a"}}', "--return-values", "ALL_NEW",
        "--update-expression", "SET n = n + :one", "--expression-attribute-values", '{":one":{"N":"1"}}',
    )
    assert update["Attributes"]["n"] == {"N": "2"}
    refused = aws(
        empty, "dynamodb", "put-item", "--table-name", "items", "--item", '{"pk":{"S":"a"}}',
        "--condition-expression", "attribute_not_exists(pk)", check=False,
    )
    assert "ConditionalCheckFailedException" in refused.stderr
    assert aws(empty, "dynamodb", "scan", "--table-name", "items")["Count"] == 1


def test_log_groups(empty):
    aws(empty, "logs", "create-log-group", "--log-group-name", "/app")
    aws(empty, "logs", "create-log-stream", "--log-group-name", "/app", "--log-stream-name", "s")
    logs = empty.client("logs")
    import time

    now = int(time.time() * 1000)
    events = [{"timestamp": now + n, "message": f"line {n}"} for n in range(3)]
    logs.put_log_events(logGroupName="/app", logStreamName="s", logEvents=events)
    found = aws(empty, "logs", "filter-log-events", "--log-group-name", "/app", "--filter-pattern", '"line 1"')
    assert [event["message"] for event in found["events"]] == ["line 1"]


TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Name: {Type: String, Default: things}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Ref Name
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub "/things/${Table}"}
Outputs:
  TableArn: {Value: !GetAtt Table.Arn}
"""


def test_stacks_are_created_described_and_deleted(empty, tmp_path):
    template = tmp_path / "t.yaml"
    template.write_text(TEMPLATE)
    stack = ("--stack-name", "things")
    aws(empty, "cloudformation", "create-stack", *stack, "--template-body", f"file://{template}")
    aws(empty, "cloudformation", "wait", "stack-create-complete", *stack)
    described = aws(empty, "cloudformation", "describe-stacks", *stack)["Stacks"][0]
    assert described["Outputs"][0]["OutputValue"].endswith(":table/things")
    events = aws(empty, "cloudformation", "describe-stack-events", *stack)["StackEvents"]
    assert {"Table", "Group", "things"} <= {event["LogicalResourceId"] for event in events}
    aws(empty, "cloudformation", "delete-stack", *stack)
    aws(empty, "cloudformation", "wait", "stack-delete-complete", *stack)
    assert aws(empty, "dynamodb", "list-tables")["TableNames"] == []


def test_failed_stacks_roll_back_and_say_why(empty, tmp_path):
    empty.client("logs").create_log_group(logGroupName="/things/things")
    template = tmp_path / "t.yaml"
    template.write_text(TEMPLATE)
    aws(empty, "cloudformation", "create-stack", "--stack-name", "things", "--template-body", f"file://{template}")
    waited = aws(empty, "cloudformation", "wait", "stack-create-complete", "--stack-name", "things", check=False)
    assert waited.returncode != 0
    stack = aws(empty, "cloudformation", "describe-stacks", "--stack-name", "things")["Stacks"][0]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = aws(empty, "cloudformation", "describe-stack-events", "--stack-name", "things")["StackEvents"]
    assert any("already exists" in event.get("ResourceStatusReason", "") for event in events)
    assert aws(empty, "dynamodb", "list-tables")["TableNames"] == []
