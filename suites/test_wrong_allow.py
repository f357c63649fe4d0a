"""Twenty-eight ways in which an emulator has been seen to allow what AWS refuses. Each is tried over the wire, with boto3 where
boto3 can say it and with a raw signed request where it cannot, and each must be refused."""

import io
import json
import time
import urllib.error
import urllib.request
import zipfile

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
QUICK = Config(retries={"total_max_attempts": 1}, read_timeout=60)


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Person:
    """An IAM user with a key and one inline policy."""

    def __init__(self, server, name, *statements, tags=()):
        self.server, self.name, self.iam = server, name, server.client("iam")
        self.arn = self.iam.create_user(UserName=name, Tags=list(tags))["User"]["Arn"]
        if statements:
            self.put(*statements)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.key = (key["AccessKeyId"], key["SecretAccessKey"])

    def put(self, *statements):
        self.iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=document(*statements))

    def client(self, service):
        return client(self.server, service, *self.key)


def client(server, service, key, secret, token=None):
    return boto3.client(
        service, endpoint_url=server.endpoint, region_name="us-east-1", config=QUICK,
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
    )


def code(call):
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["Error"]["Code"]


def denied(call):
    assert code(call) in ("AccessDenied", "AccessDeniedException")


def raw(server, method="POST", path="/", headers=None, body=b""):
    request = urllib.request.Request(server.endpoint + path, data=body if method == "POST" else None, method=method)
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def signed(server, service, body, headers, key, method="POST", path="/"):
    request = AWSRequest(method, server.endpoint + path, data=body, headers=headers)
    SigV4Auth(Credentials(*key), service, "us-east-1").add_auth(request)
    return dict(request.headers)


GET_ITEM = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}


@pytest.fixture(scope="module")
def tables(server):
    dynamodb = server.client("dynamodb")
    for name in ("wa-one", "wa-two"):
        dynamodb.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        dynamodb.put_item(TableName=name, Item={"pk": {"S": "a"}, "open": {"S": "x"}, "secret": {"S": "y"}})
    return lambda name: f"arn:aws:dynamodb:us-east-1:{account(server)}:table/{name}"


def account(server):
    return server.client("sts").get_caller_identity()["Account"]


def role(server, name, principal, *statements, condition=None):
    trust = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    if condition:
        trust["Condition"] = condition
    iam = server.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
    return arn


def assumed(server, sts, arn, **options):
    made = sts.assume_role(RoleArn=arn, RoleSessionName="session", **options)["Credentials"]
    return lambda service: client(
        server, service, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]
    )


def test_01_an_action_that_nobody_mapped(server):
    body = b"Action=GrantMeEverything&Version=2011-06-15"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert raw(server, headers=signed(server, "sts", body, headers, server.keys), body=body) in (400, 403)


def test_02_an_access_key_that_does_not_exist(server):
    assert code(client(server, "sts", "AKIAAAAAAAAAAAAAAAAA", "s").get_caller_identity) == "InvalidClientTokenId"


def test_03_no_signature(server):
    anonymous = boto3.client(
        "dynamodb", endpoint_url=server.endpoint, region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )
    assert code(anonymous.list_tables) == "MissingAuthenticationTokenException"


def test_04_a_presigned_url_of_someone_without_the_right(server):
    nobody = Person(server, "wa04")
    url = nobody.client("iam").generate_presigned_url("list_users", HttpMethod="GET")
    assert raw(server, "GET", url.removeprefix(server.endpoint)) == 403


def test_05_another_body_under_a_captured_signature(server):
    headers = signed(server, "dynamodb", b"{}", GET_ITEM, server.keys)
    assert raw(server, headers=headers, body=b"{}") == 200
    assert raw(server, headers=headers, body=b'{"Limit":1}') == 400


def test_06_an_inactive_key_and_a_presigned_url_that_has_ended(server):
    person = Person(server, "wa06", ALL)
    ended = person.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET", ExpiresIn=1)
    person.client("sts").get_caller_identity()
    person.iam.update_access_key(UserName="wa06", AccessKeyId=person.key[0], Status="Inactive")
    assert code(person.client("sts").get_caller_identity) == "InvalidClientTokenId"
    assert raw(server, "GET", ended.removeprefix(server.endpoint)) == 403


def test_07_a_scope_of_another_service(server):
    assert raw(server, headers=signed(server, "iam", b"{}", GET_ITEM, server.keys), body=b"{}") in (400, 403)


def test_08_a_denial_in_lower_case(server):
    person = Person(server, "wa08", ALL, {"Effect": "Deny", "Action": "DYNAMODB:listtables", "Resource": "*"})
    denied(person.client("dynamodb").list_tables)


def test_09_a_denial_on_a_key_that_is_missing(server):
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalTag/team": "blue"}}}
    denied(Person(server, "wa09", ALL, deny).client("dynamodb").list_tables)
    blue = Person(server, "wa09b", ALL, deny, tags=[{"Key": "team", "Value": "blue"}])
    blue.client("dynamodb").list_tables()


def test_10_several_values_of_a_negated_operator(server):
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*",
             "Condition": {"StringNotEquals": {"aws:username": ["wa10", "wa10b"]}}}
    denied(Person(server, "wa10", allow).client("dynamodb").list_tables)
    denied(Person(server, "wa10b", allow).client("dynamodb").list_tables)


def test_11_a_resource_in_other_case(server, tables):
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": tables("WA-ONE")}
    denied(lambda: Person(server, "wa11", allow).client("dynamodb").describe_table(TableName="wa-one"))


def test_12_a_star_in_a_tag_that_a_policy_uses_as_variable(server, tables):
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": tables("${aws:PrincipalTag/table}")}
    arn = role(server, "wa12", {"AWS": account(server)}, allow)
    person = Person(server, "wa12", ALL)
    sts = person.client("sts")
    right = assumed(server, sts, arn, Tags=[{"Key": "table", "Value": "wa-one"}])
    right("dynamodb").describe_table(TableName="wa-one")
    denied(lambda: right("dynamodb").describe_table(TableName="wa-two"))
    try:
        wide = assumed(server, sts, arn, Tags=[{"Key": "table", "Value": "*"}])
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "ValidationError"
    else:
        denied(lambda: wide("dynamodb").describe_table(TableName="wa-two"))


def test_13_a_policy_that_cannot_be_understood(server):
    person = Person(server, "wa13")
    for bad in ('{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*"}]}',
                '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*",'
                '"Condition":{"StringEqualz":{"a":"b"}}}]}', "{"):
        put = lambda: person.iam.put_user_policy(UserName="wa13", PolicyName="p", PolicyDocument=bad)
        assert code(put) == "MalformedPolicyDocument"


def test_14_the_account_as_principal_only_delegates(server):
    arn = role(server, "wa14", {"AWS": account(server)}, ALL)
    denied(lambda: Person(server, "wa14").client("sts").assume_role(RoleArn=arn, RoleSessionName="session"))


def package():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return 1\n")
    return out.getvalue()


def test_15_a_grant_of_the_resource_stays_within_the_session_policy_and_the_boundary(server):
    arn = role(server, "wa15", {"AWS": account(server)})
    function_role = role(server, "wa15-function", {"Service": "lambda.amazonaws.com"})
    functions = server.client("lambda")
    functions.create_function(
        FunctionName="wa15", Runtime="python3.12", Handler="app.handler", Role=function_role, Code={"ZipFile": package()}
    )
    functions.add_permission(FunctionName="wa15", StatementId="s", Action="lambda:InvokeFunction", Principal=arn)
    sts = Person(server, "wa15", ALL).client("sts")
    invoke = lambda made: made("lambda").invoke(FunctionName="wa15", InvocationType="DryRun")
    invoke(assumed(server, sts, arn))
    little = document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})
    denied(lambda: invoke(assumed(server, sts, arn, Policy=little)))
    bound = server.client("iam").create_policy(PolicyName="wa15", PolicyDocument=little)["Policy"]["Arn"]
    server.client("iam").put_role_permissions_boundary(RoleName="wa15", PermissionsBoundary=bound)
    denied(lambda: invoke(assumed(server, sts, arn)))


def test_16_an_explicit_denial_beats_every_grant(server):
    deny = {"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": "*"}
    person = Person(server, "wa16", ALL, deny)
    functions = server.client("lambda")
    functions.add_permission(FunctionName="wa15", StatementId="t", Action="lambda:InvokeFunction", Principal=person.arn)
    denied(lambda: person.client("lambda").invoke(FunctionName="wa15", InvocationType="DryRun"))


def test_17_conditions_of_a_trust_policy(server):
    condition = {"StringEquals": {"sts:ExternalId": "agreed"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
    external = {"StringEquals": {"sts:ExternalId": "agreed"}}
    person = Person(server, "wa17", ALL)
    arn = role(server, "wa17", {"AWS": person.arn}, ALL, condition=external)
    sts = person.client("sts")
    denied(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="session"))
    denied(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="session", ExternalId="guessed"))
    sts.assume_role(RoleArn=arn, RoleSessionName="session", ExternalId="agreed")
    with_mfa = role(server, "wa17m", {"AWS": person.arn}, ALL, condition=condition)
    denied(lambda: sts.assume_role(RoleArn=with_mfa, RoleSessionName="session", ExternalId="agreed"))


def test_18_a_role_that_is_called_like_a_service(server):
    for_service = role(server, "wa18", {"Service": "lambda.amazonaws.com"}, ALL)
    impostor = role(server, "lambda.amazonaws.com", {"AWS": account(server)}, ALL)
    made = assumed(server, Person(server, "wa18", ALL).client("sts"), impostor)
    denied(lambda: made("sts").assume_role(RoleArn=for_service, RoleSessionName="session"))


def test_19_a_call_about_several_items_of_which_one_is_forbidden(server, tables):
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": tables("wa-one")}
    dynamodb = Person(server, "wa19", allow).client("dynamodb")
    keys = {"Keys": [{"pk": {"S": "a"}}]}
    dynamodb.batch_get_item(RequestItems={"wa-one": keys})
    denied(lambda: dynamodb.batch_get_item(RequestItems={"wa-one": keys, "wa-two": keys}))
    put = lambda table: {"Put": {"TableName": table, "Item": {"pk": {"S": "b"}}}}
    denied(lambda: dynamodb.transact_write_items(TransactItems=[put("wa-one"), put("wa-two")]))
    found = server.client("dynamodb").get_item(TableName="wa-one", Key={"pk": {"S": "b"}})
    assert "Item" not in found, "nothing of a refused call may happen"


def test_20_an_attribute_that_is_only_filtered_by(server, tables):
    condition = {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "open"]},
                 "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}}
    allow = {"Effect": "Allow", "Action": ["dynamodb:Scan", "dynamodb:Query"], "Resource": tables("wa-one"),
             "Condition": condition}
    scan = Person(server, "wa20", allow).client("dynamodb").scan
    names = {"#o": "open"}
    scan(TableName="wa-one", ProjectionExpression="pk, #o", ExpressionAttributeNames=names)
    denied(lambda: scan(TableName="wa-one", ProjectionExpression="pk, secret"))
    denied(lambda: scan(
        TableName="wa-one", ProjectionExpression="pk", FilterExpression="secret = :v",
        ExpressionAttributeValues={":v": {"S": "y"}},
    ))
    denied(lambda: scan(TableName="wa-one"))


def test_21_passing_a_role_when_something_is_changed(server):
    person = Person(server, "wa21", {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"})
    strong = role(server, "wa21", {"Service": "lambda.amazonaws.com"}, ALL)
    update = person.client("lambda").update_function_configuration
    update(FunctionName="wa15", Description="fine")
    denied(lambda: update(FunctionName="wa15", Role=strong))


def test_22_a_user_made_again_under_the_same_name(server):
    person = Person(server, "wa22", ALL)
    arn = role(server, "wa22", {"AWS": person.arn}, ALL)
    person.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")
    iam = server.client("iam")
    iam.delete_access_key(UserName="wa22", AccessKeyId=person.key[0])
    iam.delete_user_policy(UserName="wa22", PolicyName="p")
    iam.delete_user(UserName="wa22")
    again = Person(server, "wa22", ALL)
    denied(lambda: again.client("sts").assume_role(RoleArn=arn, RoleSessionName="session"))


def test_23_a_right_that_was_taken_away_a_moment_ago(server):
    person = Person(server, "wa23", ALL)
    dynamodb = person.client("dynamodb")
    dynamodb.list_tables()
    person.put(ALL, {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"})
    denied(dynamodb.list_tables)
    person.put(ALL)
    dynamodb.list_tables()
    person.iam.delete_user_policy(UserName="wa23", PolicyName="p")
    denied(dynamodb.list_tables)


def test_24_headers_that_claim_an_address_or_encryption(server):
    inside = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    secure = {"Bool": {"aws:SecureTransport": "true"}}
    for number, condition in enumerate((inside, secure)):
        allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition}
        person = Person(server, f"wa24-{number}", allow)
        headers = GET_ITEM | {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https", "X-Real-Ip": "10.1.2.3"}
        assert raw(server, headers=signed(server, "dynamodb", b"{}", headers, person.key), body=b"{}") == 400


def test_25_a_pattern_that_could_take_for_ever(server):
    slow = "arn:aws:dynamodb:us-east-1:*:table/" + "a*" * 100 + "b"
    person = Person(server, "wa25", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": slow})
    begun = time.monotonic()
    denied(lambda: person.client("dynamodb").describe_table(TableName="a" * 200))
    assert time.monotonic() - begun < 5


def test_26_lists_that_are_empty(server):
    person = Person(server, "wa26")
    for empty in ({"NotAction": [], "Resource": "*"}, {"Action": "*", "NotResource": []}, {"Action": [], "Resource": "*"}):
        put = lambda: person.put({"Effect": "Allow"} | empty)
        assert code(put) == "MalformedPolicyDocument"


def test_27_other_methods_do_not_go_round_the_gate(server, notes):
    for method in ("HEAD", "OPTIONS", "GET", "PUT", "DELETE"):
        assert raw(server, method, headers=GET_ITEM) >= 400, method
    path = notes.url.removeprefix(server.endpoint) + "/notes"
    for method in ("HEAD", "DELETE", "PATCH"):
        assert raw(server, method, path) in (401, 403), method


def test_28_a_service_does_for_the_caller_only_what_the_caller_may(server):
    person = Person(server, "wa28", {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"})
    template = json.dumps({"Resources": {"Made": {"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": "wa28", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}}}})
    stacks = person.client("cloudformation")
    stacks.create_stack(StackName="wa28", TemplateBody=template)
    end = time.monotonic() + 30
    while (status := stacks.describe_stacks(StackName="wa28")["Stacks"][0]["StackStatus"]).endswith("IN_PROGRESS"):
        assert time.monotonic() < end, status
        time.sleep(0.1)
    assert status in ("ROLLBACK_COMPLETE", "CREATE_FAILED")
    assert "wa28" not in server.client("dynamodb").list_tables()["TableNames"]
