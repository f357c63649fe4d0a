"""KMS with boto3 and the AWS CLI: encryption, key policies, grants, and who is refused."""

import base64
import json
import subprocess
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import Server, until
from functions import PYTHON, package, role as execution_role

AWS = Path(__file__).resolve().parent / ".venv/bin/aws"
DENIED = "AccessDeniedException"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("kms") / "data").start()
    assert running.process.poll() is None, running.text
    yield House(running)
    running.stop()


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def refused(code, call, *arguments, **named):
    with pytest.raises(ClientError) as refusal:
        call(*arguments, **named)
    assert refusal.value.response["Error"]["Code"] == code, refusal.value
    return refusal.value.response["Error"]["Message"]


class House:
    def __init__(self, server):
        self.server = server
        self.iam = server.client("iam")
        self.root = server.client("kms")
        self.id = server.client("sts").get_caller_identity()["Account"]
        _, self.admin = self.user(allow("kms:*"))

    def user(self, *statements):
        """A user with these statements: its ARN and a client of KMS."""
        arn, own = self.person(*statements)
        return arn, self.server.client("kms", **own)

    def person(self, *statements):
        """A user with these statements: its ARN and its keys."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return arn, {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def role(self, name=None):
        """A role without rights: its ARN."""
        name = name or f"role-{uuid.uuid4().hex[:8]}"
        trust = document({"Effect": "Allow", "Principal": {"AWS": self.id}, "Action": "sts:AssumeRole"})
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def session(self, role, name="session", **more):
        name_of = f"taker-{uuid.uuid4().hex[:8]}"
        self.iam.create_user(UserName=name_of)
        self.iam.put_user_policy(
            UserName=name_of, PolicyName="p", PolicyDocument=document(allow("sts:AssumeRole"))
        )
        key = self.iam.create_access_key(UserName=name_of)["AccessKey"]
        own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        made = self.server.client("sts", **own).assume_role(RoleArn=role, RoleSessionName=name, **more)
        made = made["Credentials"]
        return self.server.client(
            "kms",
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )

    def key(self, *statements, **more):
        """A new key whose policy lets the account decide and has these statements."""
        own = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.id}:root"}, "Action": "kms:*"}
        policy = document(own | {"Resource": "*"}, *statements)
        return self.admin.create_key(Policy=policy, **more)["KeyMetadata"]["KeyId"]

    def aws(self, *arguments):
        return subprocess.run(
            [AWS, *arguments], env=self.server.environment, capture_output=True, text=True, timeout=120
        )


def test_the_command_line_encrypts_and_decrypts(house, tmp_path):
    made = house.aws("kms", "create-key", "--description", "by hand", "--tags", "TagKey=team,TagValue=a")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["KeyMetadata"]
    assert key["Arn"] == f"arn:aws:kms:us-east-1:{house.id}:key/{key['KeyId']}"
    alias = f"alias/{uuid.uuid4().hex[:8]}"
    assert house.aws("kms", "create-alias", "--alias-name", alias, "--target-key-id", key["KeyId"]).returncode == 0
    (tmp_path / "plain").write_bytes(b"hush")
    sealed = house.aws(
        "kms", "encrypt", "--key-id", alias, "--plaintext", f"fileb://{tmp_path}/plain", "--encryption-context",
        "team=a",
    )
    assert sealed.returncode == 0, sealed.stderr
    (tmp_path / "sealed").write_bytes(base64.b64decode(json.loads(sealed.stdout)["CiphertextBlob"]))
    decrypt = ["kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/sealed"]
    opened = house.aws(*decrypt, "--encryption-context", "team=a")
    assert base64.b64decode(json.loads(opened.stdout)["Plaintext"]) == b"hush", opened.stderr
    wrong = house.aws(*decrypt, "--encryption-context", "team=b")
    assert wrong.returncode != 0 and "InvalidCiphertextException" in wrong.stderr
    tags = json.loads(house.aws("kms", "list-resource-tags", "--key-id", key["KeyId"]).stdout)
    assert tags["Tags"] == [{"TagKey": "team", "TagValue": "a"}]


def test_ciphertexts_and_data_keys_open_only_as_they_were_made(house):
    key, kms = house.key(), house.admin
    context = {"purpose": "test"}
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    blob = made["CiphertextBlob"]
    assert len(made["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == made["Plaintext"]
    for wrong in ({}, {"purpose": "other"}, {"Purpose": "test"}, context | {"more": "x"}):
        refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob, EncryptionContext=wrong)
    for index in (len(blob) - 1, 60, 40, 31):
        changed = bytearray(blob)
        changed[index] ^= 1
        refused(
            "InvalidCiphertextException", kms.decrypt, CiphertextBlob=bytes(changed), EncryptionContext=context
        )
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=b"anything")
    other = house.key()
    refused("IncorrectKeyException", kms.decrypt, CiphertextBlob=blob, KeyId=other, EncryptionContext=context)
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=other)
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=other)["Plaintext"] == made["Plaintext"]
    assert "Plaintext" not in kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_128")
    assert len(kms.generate_random(NumberOfBytes=64)["Plaintext"]) == 64


def test_disabled_and_deleted_keys_do_nothing(house):
    key, kms = house.key(), house.admin
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    refused("DisabledException", kms.decrypt, CiphertextBlob=blob)
    refused("DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x")
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    refused("KMSInvalidStateException", kms.decrypt, CiphertextBlob=blob)
    refused("KMSInvalidStateException", kms.enable_key, KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=key)
    refused("DisabledException", kms.decrypt, CiphertextBlob=blob)


def test_material_survives_a_restart(house):
    key, kms = house.key(), house.admin
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    kms.rotate_key_on_demand(KeyId=key)
    house.server.stop()
    house.server.start()
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    assert kms.list_key_rotations(KeyId=key)["Rotations"][0]["RotationType"] == "ON_DEMAND"


def test_nobody_without_rights_uses_a_key(house):
    key = house.key()
    blob = house.admin.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    _, nobody = house.user()
    for call, named in (
        (nobody.encrypt, {"KeyId": key, "Plaintext": b"x"}),
        (nobody.decrypt, {"CiphertextBlob": blob}),
        (nobody.decrypt, {"CiphertextBlob": blob, "KeyId": key}),
        (nobody.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        (nobody.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": key}),
        (nobody.describe_key, {"KeyId": key}),
        (nobody.get_key_policy, {"KeyId": key}),
        (nobody.create_grant, {"KeyId": key, "GranteePrincipal": house.role(), "Operations": ["Decrypt"]}),
        (nobody.list_grants, {"KeyId": key}),
        (nobody.schedule_key_deletion, {"KeyId": key}),
        (nobody.create_key, {}),
        (nobody.list_keys, {}),
        (nobody.generate_random, {"NumberOfBytes": 1}),
    ):
        refused(DENIED, call, **named)


def test_the_key_policy_is_the_root_of_every_right(house):
    arn, keeper = house.user()
    only = document(allow("kms:*", Principal={"AWS": arn}))
    key = house.admin.create_key(Policy=only, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["KeyId"]
    keeper.encrypt(KeyId=key, Plaintext=b"x")
    for client in (house.admin, house.root):
        refused(DENIED, client.encrypt, KeyId=key, Plaintext=b"x")
        refused(DENIED, client.put_key_policy, KeyId=key, Policy=only)
        refused(DENIED, client.schedule_key_deletion, KeyId=key)
    refused("MalformedPolicyDocumentException", house.admin.create_key, Policy=only)
    denied = house.key({"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"})
    blob = house.admin.encrypt(KeyId=denied, Plaintext=b"x")["CiphertextBlob"]
    for client in (house.admin, house.root):
        refused(DENIED, client.decrypt, CiphertextBlob=blob)


def test_a_namesake_inherits_neither_policy_nor_grant(house):
    name = f"role-{uuid.uuid4().hex[:8]}"
    role = house.role(name)
    session_arn = f"arn:aws:sts::{house.id}:assumed-role/{name}/session"
    key = house.key(
        allow("kms:Encrypt", Principal={"AWS": role}), allow("kms:DescribeKey", Principal={"AWS": session_arn})
    )
    grant = house.admin.create_grant(KeyId=key, GranteePrincipal=role, Operations=["GenerateDataKey"])["GrantId"]
    first = house.session(role)
    first.encrypt(KeyId=key, Plaintext=b"x")
    first.describe_key(KeyId=key)
    first.generate_data_key(KeyId=key, KeySpec="AES_256")
    refused(DENIED, house.session(role, "other").describe_key, KeyId=key)
    house.iam.delete_role(RoleName=name)
    house.role(name)
    second = house.session(role)
    refused(DENIED, second.encrypt, KeyId=key, Plaintext=b"x")
    refused(DENIED, second.describe_key, KeyId=key)
    refused(DENIED, second.generate_data_key, KeyId=key, KeySpec="AES_256")
    shown = house.admin.list_grants(KeyId=key, GrantId=grant)["Grants"][0]["GranteePrincipal"]
    assert shown.startswith("AROA")
    assert role not in house.admin.get_key_policy(KeyId=key)["Policy"]


def test_the_encryption_context_decides(house):
    key = house.key()
    condition = {"StringEquals": {"kms:EncryptionContext:team": "a"}}
    _, kms = house.user(allow(["kms:Encrypt", "kms:Decrypt"], Condition=condition))
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "a"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"team": "a"})["Plaintext"] == b"x"
    refused(DENIED, kms.decrypt, CiphertextBlob=blob)
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x")
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"team": "b"})
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"team": "a", "Team": "b"})


def test_a_grant_gives_its_operations_within_its_constraints(house):
    key, role = house.key(), house.role()
    kms = house.session(role)
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x")
    grant = house.admin.create_grant(
        KeyId=key,
        GranteePrincipal=role,
        Operations=["Encrypt", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"team": "a"}},
    )
    context = {"team": "a", "n": "1"}
    token = [grant["GrantToken"]]
    made = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context, GrantTokens=token)
    blob = made["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"x"
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x")
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x", GrantTokens=token)
    refused(DENIED, kms.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    refused(DENIED, kms.re_encrypt, CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=key)
    refused(DENIED, kms.describe_key, KeyId=key)
    refused(DENIED, house.session(house.role()).decrypt, CiphertextBlob=blob, EncryptionContext=context,
            GrantTokens=token)
    refused("InvalidGrantTokenException", house.admin.encrypt, KeyId=key, Plaintext=b"x", GrantTokens=["none"])
    narrow = document(allow("kms:Decrypt"))
    confined = house.session(role, Policy=narrow)
    refused(DENIED, confined.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context)
    house.iam.put_role_policy(
        RoleName=role.split("/")[-1],
        PolicyName="deny",
        PolicyDocument=document({"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}),
    )
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context)
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"x"
    house.admin.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    refused(DENIED, kms.decrypt, CiphertextBlob=blob, EncryptionContext=context)


def test_a_grant_is_retired_by_whom_it_names_and_by_nobody_else(house):
    key, role = house.key(), house.role()
    retirer, retires = house.user()
    _, bystander = house.user()
    make = lambda **more: house.admin.create_grant(
        KeyId=key, GranteePrincipal=role, Operations=["Encrypt"], **more
    )
    mine, other = make(RetiringPrincipal=retirer), make()
    arn = f"arn:aws:kms:us-east-1:{house.id}:key/{key}"
    refused(DENIED, bystander.retire_grant, GrantToken=mine["GrantToken"])
    refused(DENIED, retires.retire_grant, KeyId=arn, GrantId=other["GrantId"])
    refused(DENIED, retires.revoke_grant, KeyId=key, GrantId=mine["GrantId"])
    listed = house.admin.list_retirable_grants(RetiringPrincipal=retirer)["Grants"]
    assert [grant["GrantId"] for grant in listed] == [mine["GrantId"]]
    kms = house.session(role)
    retires.retire_grant(GrantToken=mine["GrantToken"])
    kms.encrypt(KeyId=key, Plaintext=b"x")
    house.admin.revoke_grant(KeyId=key, GrantId=other["GrantId"])
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x")


def test_a_grant_from_a_grant_cannot_exceed_it(house):
    key, parent, child = house.key(), house.role(), house.role()
    house.admin.create_grant(
        KeyId=key,
        GranteePrincipal=parent,
        Operations=["Encrypt", "CreateGrant"],
        Constraints={"EncryptionContextEquals": {"team": "a"}},
    )
    makes = house.session(parent)
    equal = {"EncryptionContextEquals": {"team": "a"}}
    for operations, constraints in (
        (["Encrypt"], {}),
        (["Encrypt"], {"EncryptionContextSubset": {"team": "a"}}),
        (["Encrypt"], {"EncryptionContextEquals": {"team": "b"}}),
        (["Encrypt", "Decrypt"], equal),
        (["DescribeKey"], equal),
    ):
        refused(DENIED, makes.create_grant, KeyId=key, GranteePrincipal=child, Operations=operations,
                Constraints=constraints)
    makes.create_grant(KeyId=key, GranteePrincipal=child, Operations=["Encrypt"], Constraints=equal)
    uses = house.session(child)
    uses.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "a"})
    refused(DENIED, uses.encrypt, KeyId=key, Plaintext=b"x")


def test_another_account_needs_both_sides(house):
    organizations_user = house.iam.create_user(UserName="boss")["User"]["UserName"]
    house.iam.put_user_policy(UserName="boss", PolicyName="p", PolicyDocument=document(allow("*")))
    key = house.iam.create_access_key(UserName=organizations_user)["AccessKey"]
    boss = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    organizations = house.server.client("organizations", **boss)
    organizations.create_organization(FeatureSet="ALL")
    made = organizations.create_account(AccountName="other", Email="other@example.com")["CreateAccountStatus"]
    status = organizations.describe_create_account_status(CreateAccountRequestId=made["Id"])
    other = status["CreateAccountStatus"]["AccountId"]
    role = f"arn:aws:iam::{other}:role/OrganizationAccountAccessRole"
    made = house.server.client("sts", **boss).assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    inside = house.server.client(
        "kms",
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    mine = f"arn:aws:kms:us-east-1:{house.id}:key/{house.key()}"
    refused(DENIED, inside.encrypt, KeyId=mine, Plaintext=b"x")
    refused(DENIED, inside.describe_key, KeyId=mine)
    shared = house.key(allow(["kms:Encrypt", "kms:PutKeyPolicy"], Principal={"AWS": f"arn:aws:iam::{other}:root"}))
    shared = f"arn:aws:kms:us-east-1:{house.id}:key/{shared}"
    blob = inside.encrypt(KeyId=shared, Plaintext=b"x")["CiphertextBlob"]
    refused(DENIED, inside.decrypt, CiphertextBlob=blob)
    refused(DENIED, inside.put_key_policy, KeyId=shared, Policy=document(allow("kms:*", Principal="*")))
    assert house.admin.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    granted = house.key()
    house.admin.create_grant(KeyId=granted, GranteePrincipal=role, Operations=["Encrypt"])
    granted = f"arn:aws:kms:us-east-1:{house.id}:key/{granted}"
    inside.encrypt(KeyId=granted, Plaintext=b"x")
    refused(DENIED, inside.generate_data_key, KeyId=granted, KeySpec="AES_256")


SHOW = "import os\ndef handler(event, context):\n    return {k: v for k, v in os.environ.items() if k.startswith('MY_')}\n"


class Sealed:
    """A function whose variables are under a key."""

    def __init__(self, house, key, maker=None, **more):
        self.house, self.name = house, f"f-{uuid.uuid4().hex[:10]}"
        self.role = execution_role(house.server, self.name, [])
        self.key = f"arn:aws:kms:us-east-1:{house.id}:key/{key}"
        self.lambda_ = maker or house.server.client("lambda")
        variables = {"MY_SECRET": "hush-hush", "MY_EMPTY": ""} | more.pop("variables", {})
        self.made = self.lambda_.create_function(
            FunctionName=self.name, Runtime=PYTHON, Handler="app.handler", Role=self.role, Timeout=20,
            Code={"ZipFile": package({"app.py": SHOW})}, Environment={"Variables": variables}, KMSKeyArn=self.key,
        )

    def invoke(self):
        answer = self.house.server.client("lambda").invoke(FunctionName=self.name)
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read())

    def cold(self):
        """Lets no environment be kept: the next request starts one."""
        self.house.server.client("lambda").update_function_configuration(
            FunctionName=self.name, Description=uuid.uuid4().hex
        )


def test_a_functions_variables_are_decrypted_by_its_role_and_shown_to_who_may_decrypt(house):
    function = Sealed(house, house.key())
    assert function.made["KMSKeyArn"] == function.key
    assert function.made["Environment"]["Variables"]["MY_SECRET"] == "hush-hush"
    assert function.invoke() == {"MY_SECRET": "hush-hush", "MY_EMPTY": ""}
    _, own = house.person(allow("lambda:*"), allow("iam:PassRole"))
    reader = house.server.client("lambda", **own)
    for shown in (
        reader.get_function_configuration(FunctionName=function.name),
        reader.get_function(FunctionName=function.name)["Configuration"],
    ):
        assert "hush-hush" not in str(shown) and "Variables" not in shown["Environment"]
        assert shown["Environment"]["Error"]["ErrorCode"] == "AccessDeniedException"
        assert shown["KMSKeyArn"] == function.key
    listed = reader.list_functions()["Functions"] + reader.list_versions_by_function(
        FunctionName=function.name)["Versions"]
    published = reader.publish_version(FunctionName=function.name)
    assert "hush-hush" not in str(listed) + str(published)
    # A change of something else needs no right to the key; one of variables, key or role does.
    reader.update_function_configuration(FunctionName=function.name, Timeout=10)
    new = {"Variables": {"MY_SECRET": "new"}}
    refused(DENIED, reader.update_function_configuration, FunctionName=function.name, Environment=new)
    refused(DENIED, reader.update_function_configuration, FunctionName=function.name, KMSKeyArn="")
    other = execution_role(house.server, f"r-{uuid.uuid4().hex[:8]}", [])
    refused(DENIED, reader.update_function_configuration, FunctionName=function.name, Role=other)
    refused(DENIED, Sealed, house, house.key(), reader)
    assert function.invoke() == {"MY_SECRET": "hush-hush", "MY_EMPTY": ""}


def test_a_function_without_its_key_does_not_start(house):
    key = house.key()
    function = Sealed(house, key)
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    house.admin.disable_key(KeyId=key)
    function.cold()
    refused("KMSDisabledException", function.invoke)
    house.admin.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    refused("KMSInvalidStateException", function.invoke)
    house.admin.cancel_key_deletion(KeyId=key)
    house.admin.enable_key(KeyId=key)
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    grants = house.admin.list_grants(KeyId=key)["Grants"]
    assert [grant["GranteePrincipal"] for grant in grants] == [function.role]
    assert grants[0]["Constraints"]["EncryptionContextEquals"] == {
        "aws:lambda:FunctionArn": function.made["FunctionArn"]
    }
    house.admin.revoke_grant(KeyId=key, GrantId=grants[0]["GrantId"])
    function.cold()
    assert "hush" not in refused("KMSAccessDeniedException", function.invoke)


def test_no_process_is_made_for_who_may_not_read_the_variables_any_more_and_a_start_asks_once(house):
    key = house.key()
    function = Sealed(house, key, variables={"CASEMATE_REUSE": "per-invocation"})

    def asked():
        # Of its role: whoever made the function encrypted.
        records = house.server.audit(function.name, last=10_000)
        return sum(record.get("operation") == "Decrypt" for record in records)

    assert function.invoke()["MY_SECRET"] == "hush-hush"
    assert until(lambda: asked() >= 2)
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    # Records are in the order of what happened: had one of the earlier processes asked twice, they would be more by now.
    assert until(lambda: asked() >= 3)
    assert asked() == 3, "once for the start and the process of the request, once for each process of a next one"
    house.admin.disable_key(KeyId=key)
    # The process that waits was made before. It is the last one.
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    refused("KMSDisabledException", function.invoke)


def test_variables_move_between_keys_and_out_of_them(house):
    first, second = house.key(), house.key()
    function = Sealed(house, first, variables={"CASEMATE_REUSE": "per-invocation"})
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    change = function.lambda_.update_function_configuration
    second_arn = f"arn:aws:kms:us-east-1:{house.id}:key/{second}"
    moved = change(FunctionName=function.name, KMSKeyArn=second_arn)
    assert moved["KMSKeyArn"] == second_arn
    assert moved["Environment"]["Variables"]["MY_SECRET"] == "hush-hush"
    house.admin.disable_key(KeyId=first)
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    change(FunctionName=function.name, Environment={"Variables": {"MY_SECRET": "x" * 3900}})
    assert function.invoke() == {"MY_SECRET": "x" * 3900}
    other = execution_role(house.server, f"r-{uuid.uuid4().hex[:8]}", [])
    change(FunctionName=function.name, Role=other)
    assert function.invoke() == {"MY_SECRET": "x" * 3900}
    out = change(FunctionName=function.name, KMSKeyArn="")
    assert "KMSKeyArn" not in out and out["Environment"]["Variables"] == {"MY_SECRET": "x" * 3900}
    house.admin.disable_key(KeyId=second)
    assert function.invoke() == {"MY_SECRET": "x" * 3900}


def test_a_grant_ends_with_the_last_use_of_its_role(house):
    key = house.key()
    function = Sealed(house, key)
    change, name = function.lambda_.update_function_configuration, function.name

    def grantees():
        return sorted(grant["GranteePrincipal"] for grant in house.admin.list_grants(KeyId=key)["Grants"])

    first, second, third = function.role, *(
        execution_role(house.server, f"r-{uuid.uuid4().hex[:8]}", []) for _ in range(2))
    change(FunctionName=name, Role=second)
    assert grantees() == [second]
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    # A version keeps its role, and the right of it.
    version = function.lambda_.publish_version(FunctionName=name)["Version"]
    change(FunctionName=name, Role=third)
    assert grantees() == sorted([second, third])
    answer = function.lambda_.invoke(FunctionName=name, Qualifier=version)
    assert json.loads(answer["Payload"].read())["MY_SECRET"] == "hush-hush"
    function.lambda_.delete_function(FunctionName=name, Qualifier=version)
    assert grantees() == [third]
    # What fails leaves no new grant, and the old one.
    with pytest.raises(ClientError):
        change(FunctionName=name, Role=first, RevisionId=str(uuid.uuid4()))
    assert grantees() == [third]
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    change(FunctionName=name, KMSKeyArn="")
    assert grantees() == []
    change(FunctionName=name, KMSKeyArn=function.key)
    assert grantees() == [third]
    function.lambda_.delete_function(FunctionName=name)
    assert grantees() == []
    with pytest.raises(ClientError):
        function.lambda_.create_function(
            FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=first, KMSKeyArn=function.key,
            Code={"ZipFile": b"no package"})
    assert grantees() == []


def test_a_key_may_be_named_by_its_alias(house):
    key, alias = house.key(), f"alias/{uuid.uuid4().hex[:10]}"
    house.admin.create_alias(AliasName=alias, TargetKeyId=key)
    named = f"arn:aws:kms:us-east-1:{house.id}:{alias}"
    role = execution_role(house.server, f"r-{uuid.uuid4().hex[:8]}", [])
    lambda_ = house.server.client("lambda")
    made = lambda_.create_function(
        FunctionName=f"f-{uuid.uuid4().hex[:10]}", Runtime=PYTHON, Handler="app.handler", Role=role, KMSKeyArn=named,
        Code={"ZipFile": package({"app.py": SHOW})})
    assert made["KMSKeyArn"] == named
    answer = lambda_.invoke(FunctionName=made["FunctionName"])
    assert json.loads(answer["Payload"].read()) == {}
    assert [grant["GranteePrincipal"] for grant in house.admin.list_grants(KeyId=key)["Grants"]] == [role]


def test_a_key_can_be_for_use_through_lambda_only(house):
    arn, own = house.person(allow("lambda:*"), allow("iam:PassRole"))
    through = {"StringEquals": {"kms:ViaService": "lambda.us-east-1.amazonaws.com"}}
    key = house.key(allow(["kms:Encrypt", "kms:Decrypt", "kms:CreateGrant"], Principal={"AWS": arn},
                          Condition=through | {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
                    allow(["kms:Encrypt", "kms:Decrypt"], Principal={"AWS": arn}, Condition=through))
    kms = house.server.client("kms", **own)
    refused(DENIED, kms.encrypt, KeyId=key, Plaintext=b"x")
    refused(DENIED, kms.create_grant, KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])
    function = Sealed(house, key, house.server.client("lambda", **own))
    assert function.made["Environment"]["Variables"]["MY_SECRET"] == "hush-hush"
    assert function.invoke()["MY_SECRET"] == "hush-hush"
    elsewhere = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    other = house.key(allow("kms:*", Principal={"AWS": arn}, Condition=elsewhere))
    refused(DENIED, Sealed, house, other, house.server.client("lambda", **own))
