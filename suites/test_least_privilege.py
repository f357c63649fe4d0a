"""The recorder, `casemate least-privilege` and shadow mode, with boto3 and the command line."""

import difflib
import json
import shutil
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import BINARY, ROOT

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"]},
    ],
}
WIDE = {"Version": "2012-10-17", "Statement": [{"Sid": "Wide", "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}


def code_of(refusal):
    return refusal.value.response["Error"]["Code"]


class Role:
    """A role with everything on DynamoDB, and a table."""

    def __init__(self, server):
        self.server = server
        self.iam = server.client("iam")
        account = server.client("sts").get_caller_identity()["Account"]
        trust = json.loads(json.dumps(TRUST))
        self.iam.create_user(UserName="operator")
        trust["Statement"][0]["Principal"]["AWS"] = f"arn:aws:iam::{account}:user/operator"
        key = self.iam.create_access_key(UserName="operator")["AccessKey"]
        self.operator = dict(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
        self.arn = self.iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.put(WIDE)
        server.client("dynamodb").create_table(
            TableName="notes",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "owner", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}],
        )

    def put(self, policy, name="p"):
        self.iam.put_role_policy(RoleName="app", PolicyName=name, PolicyDocument=json.dumps(policy))

    def session(self, user):
        sts = self.server.client("sts", **self.operator)
        made = sts.assume_role(RoleArn=self.arn, RoleSessionName=user.rjust(2, "0"), Tags=[{"Key": "user", "Value": user}])
        keys = made["Credentials"]
        return self.server.client(
            "dynamodb",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    def minimal(self):
        return json.loads(self.server.casemate("least-privilege", "app", "--json").stdout)


@pytest.fixture
def role(empty):
    return Role(empty)


def work(role, user):
    """What the application does for a user."""
    table = role.session(user)
    table.put_item(TableName="notes", Item={"owner": {"S": user}, "text": {"S": "hello"}})
    return table.get_item(TableName="notes", Key={"owner": {"S": user}})["Item"]["text"]["S"]


def test_minimal_policy_allows_what_was_used_and_nothing_else(role):
    for user in ("alice", "bobby"):
        assert work(role, user) == "hello"
    with pytest.raises(ClientError):
        role.session("alice").get_item(TableName="missing-table", Key={"owner": {"S": "alice"}})

    answer = role.minimal()
    assert answer["certified"] is True, answer["certificate"]
    assert answer["certificate"]["replay"]["requests"] >= 4
    statements = [s for policy in answer["policies"] for s in policy["document"]["Statement"]]
    tagged = [s for s in statements if "${aws:PrincipalTag/user}" in json.dumps(s)]
    assert tagged, statements

    assert len(answer["policies"]) == 1
    role.put(answer["policies"][0]["document"])
    for user in ("alice", "bobby", "carol"):
        assert work(role, user) == "hello"
    alice = role.session("alice")
    with pytest.raises(ClientError) as refused:
        alice.get_item(TableName="notes", Key={"owner": {"S": "bobby"}})
    assert code_of(refused) == "AccessDeniedException"
    with pytest.raises(ClientError) as refused:
        alice.scan(TableName="notes")
    assert code_of(refused) == "AccessDeniedException"
    with pytest.raises(ClientError) as refused:
        alice.delete_item(TableName="notes", Key={"owner": {"S": "alice"}})
    assert code_of(refused) == "AccessDeniedException"


def test_text_shows_the_difference_the_proofs_and_a_sam_fragment(role):
    work(role, "alice")
    shown = role.server.casemate("least-privilege", role.arn).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["-", '"Action":', '"dynamodb:*",'] in lines and ["+", '"Resource":'] in [line[:2] for line in lines]
    assert shown.count("certified: ") == 3 and "NOT CERTIFIED" not in shown
    sam = role.server.casemate("least-privilege", "app", "--sam").stdout
    assert sam.startswith("      Policies:\n") and "!Sub" in sam and "${AWS::AccountId}" in sam


YAML = """\
# A role that may do too much, and a table.
Resources:
  Notes:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: owner, AttributeType: S}]
      KeySchema: [{AttributeName: owner, KeyType: HASH}]
  App:
    Type: AWS::IAM::Role
    Properties:
      RoleName: app
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {AWS: !Sub 'arn:${AWS::Partition}:iam::${AWS::AccountId}:user/operator'}
            Action: [sts:AssumeRole, sts:TagSession]
      Policies:   # for the time being
        - PolicyName: p
          PolicyDocument:
            Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "dynamodb:*", Resource: !GetAtt Notes.Arn}

      # So that somebody can look.
      ManagedPolicyArns:
        - arn:aws:iam::aws:policy/ReadOnlyAccess
Outputs:
  Table: {Value: !Ref Notes}
"""
JSON = json.dumps({
    "Resources": {
        "Notes": {"Type": "AWS::DynamoDB::Table", "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}]}},
        "App": {"Type": "AWS::IAM::Role", "Properties": {
            "Policies": [{"PolicyName": "p", "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "dynamodb:*", "Resource": {"Fn::GetAtt": ["Notes", "Arn"]}}}}],
            "RoleName": "app",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/operator"}},
                "Action": ["sts:AssumeRole", "sts:TagSession"]}]}}}},
    "Outputs": {"Table": {"Value": {"Ref": "Notes"}}},
}, indent=2)


def patched(text, folder):
    """Applies a patch as a person would."""
    subprocess.run(["patch", "-p1", "--fuzz=0", "-d", folder], input=text, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("text", [YAML, JSON], ids=["yaml", "json"])
def test_a_patch_narrows_the_role_in_its_template_and_nothing_else(empty, tmp_path, monkeypatch, text):
    iam = empty.client("iam")
    iam.create_user(UserName="operator")
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    operator = dict(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    template = tmp_path / "app" / ("template.yaml" if text is YAML else "template.json")
    template.parent.mkdir()
    template.write_text(text)
    empty.casemate("deploy", template)
    table = empty.client("cloudformation").describe_stacks(StackName="app")["Stacks"][0]["Outputs"][0]["OutputValue"]

    def session(user):
        role = iam.get_role(RoleName="app")["Role"]["Arn"]
        made = empty.client("sts", **operator).assume_role(
            RoleArn=role, RoleSessionName=user, Tags=[{"Key": "user", "Value": user}])["Credentials"]
        return empty.client("dynamodb", aws_access_key_id=made["AccessKeyId"],
                            aws_secret_access_key=made["SecretAccessKey"], aws_session_token=made["SessionToken"])

    def work(user):
        session(user).put_item(TableName=table, Item={"owner": {"S": user}})
        assert session(user).get_item(TableName=table, Key={"owner": {"S": user}})["Item"]["owner"]["S"] == user

    for user in ("alice", "bobby"):
        work(user)
    done = subprocess.run([BINARY, "least-privilege", "app", "--sam", f"./app/{template.name}"], cwd=tmp_path,
                          env=empty.environment | {"CASEMATE_DATA_DIR": str(empty.data_dir)},
                          capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith(f"--- a/app/{template.name}\n+++ b/app/{template.name}\n@@ ")
    assert done.stderr.count("certified: ") == 3, done.stderr
    assert template.read_text() == text, "the command itself changes nothing"
    patched(done.stdout, tmp_path)
    now = template.read_text()
    assert now != text and "${Notes}" in now and "dynamodb:*" not in now and "ReadOnlyAccess" not in now
    head, tail = text[:text.index("Policies")], text[text.index("Outputs"):]
    assert now.startswith(head) and now.endswith(tail)
    if text is YAML:
        assert "\n\n      # So that somebody can look.\n      ManagedPolicyArns: []\nOutputs" in now
    else:
        before, after = json.loads(text), json.loads(now)
        del before["Resources"]["App"]["Properties"]["Policies"], after["Resources"]["App"]["Properties"]["Policies"]
        assert before == after

    empty.casemate("deploy", template)
    for user in ("alice", "carol"):
        work(user)
    for refused in (lambda: session("alice").get_item(TableName=table, Key={"owner": {"S": "bobby"}}),
                    lambda: session("alice").scan(TableName=table)):
        with pytest.raises(ClientError) as refusal:
            refused()
        assert code_of(refusal) == "AccessDeniedException"
    assert not iam.list_attached_role_policies(RoleName="app")["AttachedPolicies"]
    elsewhere = empty.casemate("least-privilege", "app", "--sam", template, check=False)
    assert elsewhere.returncode == 1 and "run this in the template's folder" in elsewhere.stderr
    monkeypatch.chdir(template.parent)
    again = empty.casemate("least-privilege", "app", "--sam", template)
    assert again.stdout == "" and "has these policies already" in again.stderr


def test_a_role_that_is_not_the_templates_is_left_alone_unless_named(role, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work(role, "alice")
    template = tmp_path / "template.yaml"
    template.write_text(YAML)
    done = role.server.casemate("least-privilege", "app", "--sam", template, check=False)
    assert done.returncode == 1 and done.stdout == "" and "--resource" in done.stderr
    named = ("least-privilege", "app", "--sam", template, "--resource")
    patched(role.server.casemate(*named, "App").stdout, tmp_path)
    assert "table/notes" in template.read_text()
    for resource, why in (("Notes", "neither a role"), ("Nobody", "neither a role")):
        done = role.server.casemate(*named, resource, check=False)
        assert done.returncode == 1 and done.stdout == "" and why in done.stderr
    template.write_text(YAML.replace("      Policies:   #", "      Policies: !If [Small, [], []]\n      Other: #"))
    done = role.server.casemate(*named, "App", check=False)
    assert done.returncode == 1 and "depends on conditions" in done.stderr
    done = role.server.casemate("least-privilege", "app", "--sam", tmp_path / "nothing.yaml", check=False)
    assert done.returncode == 1 and "nothing.yaml" in done.stderr


def test_the_function_of_the_notes_example_is_patched_where_it_stands_alone(notes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    token = notes.tokens("alice")["IdToken"]
    assert notes.call("POST", "/notes", token, {"text": "hello"})[0] in (200, 201)
    assert notes.call("GET", "/notes", token)[0] == 200
    stack = notes.server.client("cloudformation").describe_stack_resources(StackName="notes")["StackResources"]
    physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in stack}
    template = tmp_path / "template.yaml"
    shutil.copy(ROOT / "examples/notes/template.yaml", template)
    old = template.read_text()
    patch = notes.server.casemate("least-privilege", physical["ListNotesRole"], "--sam", template).stdout
    assert "-      Policies: *on-behalf-of-users\n" in patch
    assert [line for line in patch.splitlines() if line.startswith("-")][1:] == ["-      Policies: *on-behalf-of-users"]
    patched(patch, tmp_path)
    kept = [line for line in difflib.ndiff(old.splitlines(), template.read_text().splitlines()) if line.startswith("- ")]
    assert kept == ["-       Policies: *on-behalf-of-users"]
    shared = notes.server.casemate("least-privilege", physical["CreateNoteRole"], "--sam", template, check=False)
    assert shared.returncode == 1 and shared.stdout == "" and "YAML anchor" in shared.stderr


def test_lint_names_what_was_never_used(role):
    role.put({"Version": "2012-10-17", "Statement": [
        {"Sid": "Used", "Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Scan"], "Resource": "*"},
        {"Sid": "Never", "Effect": "Allow", "Action": "dynamodb:DeleteTable", "Resource": "*"},
    ]})
    work(role, "alice")
    done = role.server.casemate("policy", "lint", "--role", "app", "--json", check=False)
    assert done.returncode == 1, done.stderr
    file, trust = json.loads(done.stdout)["files"]
    assert file["file"] == "app/p"
    assert trust == {"file": "app/AssumeRolePolicyDocument", "findings": []}
    unused = {f["sid"]: f["message"] for f in file["findings"] if f["rule"]["id"] == "CM060"}
    assert unused == {"Used": "never used: dynamodb:Scan", "Never": "never used: dynamodb:DeleteTable"}
    missing = role.server.casemate("policy", "lint", "--role", "nobody", check=False)
    assert missing.returncode == 2 and "nobody" in missing.stderr
    assert role.server.casemate("policy", "lint", check=False).returncode == 2


def test_lint_looks_at_whom_a_role_trusts(role):
    host = "token.actions.githubusercontent.com"
    provider = role.iam.create_open_id_connect_provider(Url=f"https://{host}", ClientIDList=["sts.amazonaws.com"])
    role.iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider["OpenIDConnectProviderArn"]},
        "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"}, "StringLike": {f"{host}:sub": "repo:*"}},
    }}))
    done = role.server.casemate("policy", "lint", "--role", "deploy", check=False)
    assert done.returncode == 1, done.stderr
    assert "deploy/AssumeRolePolicyDocument:1: error CM032" in done.stdout
    assert f"StringLike on {host}:sub binds nobody" in done.stdout


def test_tenants_with_short_names_are_not_open_to_each_other(role):
    for user in ("alice", "carol", "bob", "7"):
        item = {"owner": {"S": f"USER#{user}"}, "text": {"S": "hello"}}
        role.session(user).put_item(TableName="notes", Item=item)
    answer = role.minimal()
    assert answer["certified"] is True, answer["certificate"]
    (statement,) = answer["policies"][0]["document"]["Statement"]
    keys = statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
    assert keys == "USER#${aws:PrincipalTag/user}"


def test_records_outlive_a_restart_and_a_new_role_of_the_same_name_has_none(role):
    work(role, "alice")
    before = role.minimal()
    role.server.stop()
    role.server.start()
    assert role.minimal()["policies"] == before["policies"]
    role.iam.delete_role_policy(RoleName="app", PolicyName="p")
    role.iam.delete_role(RoleName="app")
    role.iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST | {"Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
    role.put(WIDE)
    done = role.server.casemate("least-privilege", "app", check=False)
    assert done.returncode == 1 and "nothing is recorded" in done.stderr


def test_records_are_for_those_who_may_read_them(role):
    work(role, "alice")
    other = {"AWS_ACCESS_KEY_ID": role.operator["aws_access_key_id"],
             "AWS_SECRET_ACCESS_KEY": role.operator["aws_secret_access_key"]}
    may_iam = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}
    role.iam.put_user_policy(UserName="operator", PolicyName="iam", PolicyDocument=json.dumps(may_iam))
    done = subprocess.run([BINARY, "least-privilege", "app"], env=role.server.environment | other,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "casemate:ReadRecorder" in done.stderr and "AccessDenied" in done.stderr
    done = subprocess.run([BINARY, "shadow", "clear", "app"], env=role.server.environment | other,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "casemate:ShadowClear" in done.stderr


def test_shadow_mode_reports_changed_decisions_and_changes_none(role, tmp_path):
    work(role, "alice")
    reads = {"Version": "2012-10-17", "Statement": [
        {"Sid": "Reads", "Effect": "Allow", "Action": "dynamodb:Get*", "Resource": "*"}]}
    candidate = tmp_path / "candidate.json"
    candidate.write_text(json.dumps(reads))
    role.server.casemate("shadow", "set", "app", candidate)
    assert work(role, "alice") == "hello", "the candidate must not be in force"
    report = json.loads(role.server.casemate("shadow", "report", "app", "--json").stdout)["shadows"][0]
    assert report["newlyRefused"] == 1 and report["newlyAllowed"] == 0 and report["evaluated"] == 2
    change = report["changes"][0]
    assert change["action"] == "dynamodb:PutItem" and change["resource"].endswith(":table/notes")
    assert change["before"] == {"allowed": True, "layer": "identity-based",
                                "decisive": {"policy": "p", "sid": "Wide", "statement": 0}}
    assert change["after"]["allowed"] is False and change["after"]["decisive"] is None
    assert "dynamodb:PutItem" in role.server.casemate("shadow", "report").stdout

    role.server.stop()
    role.server.start()
    report = json.loads(role.server.casemate("shadow", "report", "app", "--json").stdout)["shadows"][0]
    assert report["newlyRefused"] == 1, "candidate and report outlive a restart"
    assert "cleared" in role.server.casemate("shadow", "clear", "app").stdout
    assert json.loads(role.server.casemate("shadow", "report", "--json").stdout)["shadows"] == []
    candidate.write_text('{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}')
    assert role.server.casemate("shadow", "set", "app", candidate, check=False).returncode == 1


def test_the_role_of_the_notes_example_is_certified(notes):
    for name in ("alice", "bobby"):
        token = notes.tokens(name)["IdToken"]
        status, _, note = notes.call("POST", "/notes", token, {"text": "hello"})
        assert status in (200, 201), note
        status, _, _ = notes.call("GET", "/notes", token)
        assert status == 200
    answer = json.loads(notes.server.casemate("least-privilege", "notes-user", "--json").stdout)
    assert answer["certified"] is True, answer["certificate"]
    assert "${aws:PrincipalTag/user}" in json.dumps(answer["policies"])
    assert "dynamodb:DeleteItem" not in json.dumps(answer["policies"])
