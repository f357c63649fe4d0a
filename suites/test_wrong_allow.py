"""Twenty-eight ways in which an emulator has been seen to allow what AWS refuses. Each is tried over the wire, with boto3 where
boto3 can say it and with a raw signed request where it cannot, and each must be refused."""

import io
import json
import time
import types
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


def answer(server, method="POST", path="/", headers=None, body=b""):
    """Sends a request as it is: status and text."""
    request = urllib.request.Request(server.endpoint + path, data=body if method == "POST" else None, method=method)
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=60) as received:
            return received.status, received.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def raw(*arguments, **options):
    return answer(*arguments, **options)[0]


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


def test_06_an_inactive_key_and_a_presigned_url_that_has_ended(server, clients_clock):
    person = Person(server, "wa06", ALL)
    sts = person.client("sts")
    get = lambda url: answer(server, "GET", url.removeprefix(server.endpoint))
    made = lambda seconds: sts.generate_presigned_url("get_caller_identity", HttpMethod="GET", ExpiresIn=seconds)
    # Two minutes old, of a key that is good: only how long it says it lasts tells them apart.
    with clients_clock(-120):
        lasting, ended = made(900), made(60)
    assert get(lasting)[0] == 200
    status, text = get(ended)
    assert status == 403 and "Signature expired: " in text, text
    # Nor can it be made to last.
    status, text = get(ended.replace("X-Amz-Expires=60", "X-Amz-Expires=900"))
    assert status == 403 and "signature we calculated does not match" in text, text
    sts.get_caller_identity()
    person.iam.update_access_key(UserName="wa06", AccessKeyId=person.key[0], Status="Inactive")
    assert code(sts.get_caller_identity) == "InvalidClientTokenId"
    status, text = get(lasting)
    assert status == 403 and "InvalidClientTokenId" in text, text


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


def own_function(server, name):
    functions = server.client("lambda")
    function_role = role(server, f"{name}-function", {"Service": "lambda.amazonaws.com"})
    functions.create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=function_role, Code={"ZipFile": package()}
    )
    return functions


def permit(functions, function, statement, principal):
    functions.add_permission(
        FunctionName=function, StatementId=statement, Action="lambda:InvokeFunction", Principal=principal
    )


def dry_run(functions, name="wa15"):
    return functions.invoke(FunctionName=name, InvocationType="DryRun")


LITTLE = document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})


def test_15_a_grant_of_the_resource_stays_within_the_session_policy_and_the_boundary(server):
    arn = role(server, "wa15", {"AWS": account(server)})
    functions = own_function(server, "wa15")
    sts = Person(server, "wa15", ALL).client("sts")
    denied(lambda: dry_run(assumed(server, sts, arn)("lambda")))
    permit(functions, "wa15", "s", arn)
    dry_run(assumed(server, sts, arn)("lambda"))
    denied(lambda: dry_run(assumed(server, sts, arn, Policy=LITTLE)("lambda")))
    bound = server.client("iam").create_policy(PolicyName="wa15", PolicyDocument=LITTLE)["Policy"]["Arn"]
    server.client("iam").put_role_permissions_boundary(RoleName="wa15", PermissionsBoundary=bound)
    denied(lambda: dry_run(assumed(server, sts, arn)("lambda")))


def test_15_a_grant_to_everybody_stays_within_the_session_policy(server):
    arn = role(server, "wa15-open", {"AWS": account(server)})
    functions = own_function(server, "wa15-open")
    sts = Person(server, "wa15-open", ALL).client("sts")
    permit(functions, "wa15-open", "everybody", "*")
    dry_run(assumed(server, sts, arn)("lambda"), "wa15-open")
    denied(lambda: dry_run(assumed(server, sts, arn, Policy=LITTLE)("lambda"), "wa15-open"))


def test_15_a_grant_of_the_resource_stays_within_the_ceiling_of_the_organisation(empty):
    """In a member account, to a user whom the function's policy names and whom no policy of its own allows anything."""
    boss = Person(empty, "boss", ALL)
    organizations = boss.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    made = organizations.create_account(AccountName="member", Email="member@example.com")["CreateAccountStatus"]
    made = organizations.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
    inside = assumed(empty, boss.client("sts"), f"arn:aws:iam::{made['AccountId']}:role/OrganizationAccountAccessRole")
    member = types.SimpleNamespace(endpoint=empty.endpoint, client=inside)
    ann = Person(member, "ann")
    functions = own_function(member, "wa15")
    denied(lambda: dry_run(ann.client("lambda")))
    permit(functions, "wa15", "ann", ann.arn)
    dry_run(ann.client("lambda"))
    ceiling = organizations.create_policy(
        Name="little", Description="", Type="SERVICE_CONTROL_POLICY", Content=LITTLE
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=ceiling, TargetId=made["AccountId"])
    dry_run(ann.client("lambda"))
    organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=made["AccountId"])
    denied(lambda: dry_run(ann.client("lambda")))
    organizations.attach_policy(PolicyId="p-FullAWSAccess", TargetId=made["AccountId"])
    dry_run(ann.client("lambda"))


def test_16_an_explicit_denial_beats_every_grant(server):
    functions = own_function(server, "wa16")
    deny = {"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": "*"}
    person, nobody = Person(server, "wa16", ALL), Person(server, "wa16b")
    permit(functions, "wa16", "by-name", person.arn)
    dry_run(person.client("lambda"), "wa16")
    person.put(ALL, deny)
    denied(lambda: dry_run(person.client("lambda"), "wa16"))
    # Public: whoever has no policy at all may, and whoever is denied may not.
    denied(lambda: dry_run(nobody.client("lambda"), "wa16"))
    permit(functions, "wa16", "public", "*")
    dry_run(nobody.client("lambda"), "wa16")
    denied(lambda: dry_run(person.client("lambda"), "wa16"))
    nobody.put(deny)
    denied(lambda: dry_run(nobody.client("lambda"), "wa16"))


def test_16_an_explicit_denial_of_an_api_beats_its_authorizer(server, notes):
    """The user pool's token is good; the policy of the API denies one path to everybody."""
    token = notes.tokens("wa16")["IdToken"]
    assert notes.call("GET", "/notes", token)[0] == 200
    gateway = server.client("apigateway")
    api = notes.url.removeprefix(server.endpoint).split("/")[-2]
    stage = notes.url.split("/")[-1]
    invoke = {"Principal": "*", "Action": "execute-api:Invoke"}
    place = f"arn:aws:execute-api:us-east-1:{account(server)}:{api}"
    put = lambda *statements: deploy(gateway, api, stage, document(*statements) if statements else "")
    try:
        put({"Effect": "Allow", "Resource": f"{place}/*", **invoke})
        assert notes.call("GET", "/notes", token)[0] == 200
        put({"Effect": "Allow", "Resource": f"{place}/*", **invoke},
            {"Effect": "Deny", "Resource": f"{place}/{stage}/GET/notes", **invoke})
        status, _, body = notes.call("GET", "/notes", token)
        assert status == 403 and "explicit deny" in json.dumps(body), (status, body)
        # Of this path only, and without a token it is still the authorizer that refuses.
        assert notes.call("POST", "/notes", token, {"text": "still"})[0] in (200, 201)
    finally:
        put()
    assert notes.call("GET", "/notes", token)[0] == 200


def deploy(gateway, api, stage, policy):
    gateway.update_rest_api(
        restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": policy}]
    )
    gateway.create_deployment(restApiId=api, stageName=stage)


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


def test_20_an_attribute_that_is_only_updated_or_only_a_condition(server, tables):
    allow = {"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": tables("wa-one"),
             "Condition": {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "open"]},
                           "StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]}}}
    update = Person(server, "wa20u", allow).client("dynamodb").update_item
    key = {"TableName": "wa-one", "Key": {"pk": {"S": "a"}}}
    value = {"ExpressionAttributeValues": {":v": {"S": "x"}}}
    names = {"ExpressionAttributeNames": {"#o": "open"}}
    update(**key, **value, **names, UpdateExpression="SET #o = :v")
    denied(lambda: update(**key, **value, UpdateExpression="SET secret = :v"))
    denied(lambda: update(**key, **value, **names, UpdateExpression="SET #o = :v REMOVE secret"))
    denied(lambda: update(**key, **names, UpdateExpression="SET #o = secret"))
    denied(lambda: update(**key, **value, **names, UpdateExpression="SET #o = :v", ConditionExpression="secret <> :v"))
    hidden = {"ExpressionAttributeNames": {"#o": "open", "#s": "secret"}}
    denied(lambda: update(**key, **value, **hidden, UpdateExpression="SET #o = :v, #s = :v"))
    denied(lambda: update(**key, **value, **names, UpdateExpression="SET #o = :v", ReturnValues="ALL_NEW"))
    item = server.client("dynamodb").get_item(TableName="wa-one", Key={"pk": {"S": "a"}})["Item"]
    assert item["secret"] == {"S": "y"} and item["open"] == {"S": "x"}, item


def test_20_an_index_is_led_by_its_own_key(server):
    """The partition key of an index is another attribute: its values are the leading keys, not those of the table."""
    admin = server.client("dynamodb")
    text = lambda name: {"AttributeName": name, "AttributeType": "S"}
    admin.create_table(
        TableName="wa-index", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[text("pk"), text("owner")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "by-owner", "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }],
    )
    for owner in ("ann", "ben"):
        admin.put_item(TableName="wa-index", Item={"pk": {"S": f"of-{owner}"}, "owner": {"S": owner}})
    table = f"arn:aws:dynamodb:us-east-1:{account(server)}:table/wa-index"
    own = {"Null": {"dynamodb:LeadingKeys": "false"},
           "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ann"]}}
    allow = {"Effect": "Allow", "Action": ["dynamodb:Query", "dynamodb:Scan"], "Resource": [table, f"{table}/index/*"],
             "Condition": own}
    dynamodb = Person(server, "wa20i", allow).client("dynamodb")
    query = lambda owner, **options: dynamodb.query(
        TableName="wa-index", KeyConditionExpression="#k = :v", ExpressionAttributeValues={":v": {"S": owner}}, **options
    )
    index = {"IndexName": "by-owner", "ExpressionAttributeNames": {"#k": "owner"}}
    assert [item["pk"]["S"] for item in query("ann", **index)["Items"]] == ["of-ann"]
    denied(lambda: query("ben", **index))
    assert query("ann", ExpressionAttributeNames={"#k": "pk"})["Items"] == []
    denied(lambda: query("of-ann", ExpressionAttributeNames={"#k": "pk"}))
    denied(lambda: dynamodb.scan(TableName="wa-index", IndexName="by-owner"))


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


def test_22_a_role_made_again_under_the_same_name(server):
    """What was granted to the first role is not the second's: neither by a trust policy nor by a function's."""
    iam = server.client("iam")
    sts = Person(server, "wa22r-boss", ALL).client("sts")
    trust = {"AWS": account(server)}
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    first = role(server, "wa22r", trust, assume)
    beyond = role(server, "wa22r-beyond", {"AWS": first}, ALL)
    functions = own_function(server, "wa22r")
    permit(functions, "wa22r", "first", first)
    go_on = lambda made: made("sts").assume_role(RoleArn=beyond, RoleSessionName="session")
    old = assumed(server, sts, first)
    go_on(old)
    dry_run(old("lambda"), "wa22r")
    iam.delete_role_policy(RoleName="wa22r", PolicyName="p")
    iam.delete_role(RoleName="wa22r")
    assert role(server, "wa22r", trust, assume) == first
    again = assumed(server, sts, first)
    denied(lambda: go_on(again))
    denied(lambda: dry_run(again("lambda"), "wa22r"))
    # Credentials of the first role are nobody's now.
    assert code(lambda: go_on(old)) in ("InvalidClientTokenId", "AccessDenied", "ExpiredToken")
    assert code(lambda: dry_run(old("lambda"), "wa22r")) in ("UnrecognizedClientException", "AccessDeniedException")
    # A grant to the second is one.
    iam.update_assume_role_policy(RoleName="wa22r-beyond", PolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": first}, "Action": "sts:AssumeRole"}))
    go_on(again)


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
    headers = GET_ITEM | {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https", "X-Real-Ip": "10.1.2.3"}
    claimed = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"Bool": {"aws:SecureTransport": "true"}}
    true = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"Bool": {"aws:SecureTransport": "false"}}
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    person = Person(server, "wa24")
    send = lambda: answer(server, headers=signed(server, "dynamodb", b"{}", headers, person.key), body=b"{}")
    for wrong, right in zip(claimed, true, strict=True):
        person.put(allow | {"Condition": wrong})
        status, text = send()
        assert status == 400 and "AccessDeniedException" in text and "dynamodb:ListTables" in text, text
        # The very request is let in by what is so.
        person.put(allow | {"Condition": right})
        status, text = send()
        assert status == 200 and "TableNames" in text, text


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
