"""A refusal is explained by its request id, and the change that the explanation proposes is enough."""

import json

import pytest
from botocore.exceptions import ClientError

VERSION = "2012-10-17"


def user(server, name, statement):
    """A user with one inline policy `p`, its ARN, and a maker of clients for it."""
    iam = server.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    put(server, name, {"Version": VERSION, "Statement": [statement]})
    key = iam.create_access_key(UserName=name)["AccessKey"]
    chosen = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return arn, lambda service: server.client(service, **chosen)


def put(server, name, document):
    server.client("iam").put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))


def explain(server, *arguments, code):
    done = server.casemate("explain", *arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def explained(server, *arguments, code):
    return json.loads(explain(server, *arguments, "--json", code=code))["explanations"]


@pytest.fixture
def table(empty):
    made = empty.client("dynamodb").create_table(
        TableName="explained",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return made["TableDescription"]["TableArn"]


def test_a_missing_action_is_named_and_the_proposed_change_lets_the_call_work(empty, table):
    arn, client = user(
        empty, "edna", {"Sid": "Read", "Effect": "Allow", "Action": ["dynamodb:Get*"], "Resource": table}
    )
    write = lambda: client("dynamodb").put_item(TableName="explained", Item={"id": {"S": "1"}})
    with pytest.raises(ClientError) as refused:
        write()
    request_id = refused.value.response["ResponseMetadata"]["RequestId"]

    (told,) = explained(empty, request_id, code=1)
    assert told["principal"] == arn and told["action"] == "dynamodb:PutItem" and told["resource"] == table
    assert told["then"]["policiesChanged"] is False
    identity = next(layer for layer in told["explanation"]["layers"] if layer["layer"] == "identity")
    assert identity["said"] == "nothing" and identity["refuses"] is True
    near = identity["nearest"][0]
    assert near["statement"] == {"policy": "p", "sid": "Read", "statement": 0}
    assert near["failed"][0]["name"] == "Action"
    assert near["failed"][0]["policy"] == ["dynamodb:Get*"]
    assert near["failed"][0]["request"] == {"one": "dynamodb:PutItem"}

    text = explain(empty, request_id, code=1)
    assert "policy `p`, statement 0 (Sid Read)" in text and '["dynamodb:Get*"]' in text and "\x1b" not in text

    (change,) = told["explanation"]["changes"]["changes"]
    assert change["policy"] == "p"
    put(empty, "edna", change["document"])
    write()

    (after,) = explained(empty, request_id, code=0)
    assert after["then"]["policiesChanged"] is True
    assert after["explanation"]["decision"]["verdict"] == "allow"
    assert "policies have changed since" in explain(empty, request_id, code=0)


def test_a_condition_is_explained_with_the_value_the_request_had(empty, table):
    _, client = user(
        empty,
        "otto",
        {
            "Effect": "Allow",
            "Action": "dynamodb:GetItem",
            "Resource": table,
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["otto"]}},
        },
    )
    with pytest.raises(ClientError) as refused:
        client("dynamodb").get_item(TableName="explained", Key={"id": {"S": "edna"}})
    (told,) = explained(empty, refused.value.response["ResponseMetadata"]["RequestId"], code=1)
    identity = next(layer for layer in told["explanation"]["layers"] if layer["layer"] == "identity")
    failed = identity["nearest"][0]["failed"][0]
    assert failed["key"] == "dynamodb:LeadingKeys" and failed["policy"] == ["otto"]
    assert "edna" in json.dumps(failed["request"])
    (change,) = told["explanation"]["changes"]["changes"]
    assert any("without the key" in warning for warning in change["warnings"])
    put(empty, "otto", change["document"])
    client("dynamodb").get_item(TableName="explained", Key={"id": {"S": "edna"}})


def test_questions_about_principals_are_answered_with_the_context_given(empty, table):
    arn, _ = user(
        empty,
        "hugo",
        {
            "Effect": "Allow",
            "Action": "dynamodb:*",
            "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        },
    )
    question = ["--principal", arn, "--action", "dynamodb:PutItem", "--resource", table]
    explain(empty, *question, code=1)
    explain(empty, *question, "--context", "aws:SourceIp=192.0.2.1", code=1)
    explain(empty, *question, "--context", "aws:SourceIp=10.1.2.3", code=0)
    explain(empty, "--principal", arn + "x", "--action", "dynamodb:PutItem", code=2)
    explain(empty, "--principal", "nobody", "--action", "dynamodb:PutItem", code=2)
    explain(empty, "00000000-0000-0000-0000-000000000000", code=2)


def test_only_who_may_explain_is_told(empty, table):
    arn, client = user(empty, "iris", {"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"})
    key = empty.client("iam").create_access_key(UserName="iris")["AccessKey"]
    done = empty.casemate(
        "explain", "--access-key-id", key["AccessKeyId"], "--secret-access-key", key["SecretAccessKey"],
        "--principal", arn, "--action", "dynamodb:ListTables", check=False,
    )
    assert done.returncode == 2
    assert "is not authorized to perform: casemate:Explain" in done.stderr
