"""Identities through boto3 and the AWS CLI: groups, the simulator, reports, service-linked roles, AWS's own policies."""

import csv
import io
import json
import subprocess

import pytest
from botocore.exceptions import ClientError

from test_command_line import aws


def policy(action, effect="Allow", resource="*", **condition):
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user(server, name):
    """A user without policies, and a client that acts as it."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return server.client("iam", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]


def test_a_group_grants_until_the_user_leaves_it(empty):
    iam, ann = empty.client("iam"), user(empty, "ann")
    iam.create_group(GroupName="readers", Path="/team/")
    iam.put_group_policy(GroupName="readers", PolicyName="list", PolicyDocument=policy("iam:ListUsers"))
    assert refusal(ann.list_users)["Code"] == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    assert [found["UserName"] for found in ann.list_users()["Users"]] == ["ann"]
    assert [found["UserName"] for found in iam.get_group(GroupName="readers")["Users"]] == ["ann"]
    assert iam.list_groups_for_user(UserName="ann")["Groups"][0]["Arn"].endswith(":group/team/readers")
    assert refusal(iam.delete_user, UserName="ann")["Code"] == "DeleteConflict"
    assert refusal(iam.delete_group, GroupName="readers")["Code"] == "DeleteConflict"
    iam.remove_user_from_group(GroupName="readers", UserName="ann")
    assert refusal(ann.list_users)["Code"] == "AccessDenied"


def test_a_deny_of_a_group_is_named_in_the_record(empty):
    iam, bob = empty.client("iam"), user(empty, "bob")
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.create_group(GroupName="limited")
    iam.put_group_policy(
        GroupName="limited", PolicyName="no-roles", PolicyDocument=policy("iam:ListRoles", effect="Deny")
    )
    assert bob.list_roles()["Roles"] == []
    iam.add_user_to_group(GroupName="limited", UserName="bob")
    assert "explicit deny in an identity-based policy" in refusal(bob.list_roles)["Message"]
    record = empty.wait_for_audit("ListRoles", lambda record: record["outcome"].get("code") == "AccessDenied")[-1]
    assert "group/limited/no-roles" in json.dumps(record["decision"])


def test_the_simulator_says_what_the_gate_does(empty):
    iam, eve = empty.client("iam"), user(empty, "eve")
    arn = iam.get_user(UserName="eve")["User"]["Arn"]
    iam.put_user_policy(
        UserName="eve",
        PolicyName="self",
        PolicyDocument=policy("iam:GetUser", resource="arn:aws:iam::*:user/${aws:username}"),
    )
    other = arn.replace("/eve", "/ann")
    simulated = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["iam:GetUser"], ResourceArns=[arn, other]
    )["EvaluationResults"]
    assert [result["EvalDecision"] for result in simulated] == ["allowed", "implicitDeny"]
    assert simulated[0]["MatchedStatements"][0]["SourcePolicyId"] == "user_eve_self"
    assert "OrganizationsDecisionDetail" not in simulated[0]
    assert eve.get_user(UserName="eve")["User"]["Arn"] == arn
    assert refusal(eve.get_user, UserName="ann")["Code"] == "AccessDenied"


def test_a_simulation_takes_typed_context_and_names_what_is_missing(empty):
    iam = empty.client("iam")
    document = policy("s3:GetObject", NumericLessThan={"s3:max-keys": "10"}, Bool={"aws:SecureTransport": "true"})
    asked = {"PolicyInputList": [document], "ActionNames": ["s3:GetObject"]}
    missing = iam.simulate_custom_policy(**asked)["EvaluationResults"][0]
    assert missing["EvalDecision"] == "implicitDeny"
    assert sorted(missing["MissingContextValues"]) == ["aws:SecureTransport", "s3:max-keys"]
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"]
    assert sorted(keys) == ["aws:SecureTransport", "s3:max-keys"]
    entries = [
        {"ContextKeyName": "s3:max-keys", "ContextKeyType": "numeric", "ContextKeyValues": ["5"]},
        {"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]},
    ]
    allowed = iam.simulate_custom_policy(**asked, ContextEntries=entries)["EvaluationResults"][0]
    assert (allowed["EvalDecision"], allowed["MissingContextValues"]) == ("allowed", [])
    assert allowed["MatchedStatements"][0]["StartPosition"]["Line"] == 1
    pages = iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[document], ActionNames=[f"s3:Get{n}" for n in range(7)], PaginationConfig={"PageSize": 3}
    )
    names = [result["EvalActionName"] for page in pages for result in page["EvaluationResults"]]
    assert names == [f"s3:Get{n}" for n in range(7)]


def shared(action, resource, principal="*", **more):
    statement = {"Sid": "One", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_the_simulator_goes_by_the_rules_of_queues_topics_and_secrets(empty):
    iam = empty.client("iam")
    account, other = empty.client("sts").get_caller_identity()["Account"], "210987654321"
    queue, topic = f"arn:aws:sqs:us-east-1:{other}:orders", f"arn:aws:sns:us-east-1:{other}:news"
    secret = f"arn:aws:secretsmanager:us-east-1:{other}:secret:db-a1B2c3"
    asked = {"PolicyInputList": [policy("*")], "CallerArn": f"arn:aws:iam::{account}:user/ann"}

    def says(document, resource, actions, owner=other, **more):
        answer = iam.simulate_custom_policy(
            **asked, ActionNames=actions, ResourceArns=[resource], ResourcePolicy=document, ResourceOwner=owner, **more
        )
        return [result["EvalDecision"] for result in answer["EvaluationResults"]]

    everything = shared("sqs:*", queue)
    assert says(everything, queue, ["sqs:SendMessage", "sqs:SendMessageBatch"]) == ["allowed", "allowed"]
    closed = ["sqs:SetQueueAttributes", "sqs:DeleteQueue", "sqs:AddPermission", "sqs:StartMessageMoveTask"]
    assert says(everything, queue, closed) == ["implicitDeny"] * 4
    assert says(everything, queue, closed, owner=account) == ["allowed"] * 4
    but_deleting = shared("sns:DeleteTopic", topic).replace('"Action"', '"NotAction"')
    assert says(but_deleting, topic, ["sns:Publish", "sns:TagResource"]) == ["allowed", "implicitDeny"]
    by_https = shared("sns:Subscribe", topic, Condition={"StringEquals": {"sns:Protocol": "https"}})
    protocol = lambda name: [{"ContextKeyName": "sns:Protocol", "ContextKeyType": "string", "ContextKeyValues": [name]}]
    assert says(by_https, topic, ["sns:Subscribe"], ContextEntries=protocol("https")) == ["allowed"]
    assert says(by_https, topic, ["sns:Subscribe"], ContextEntries=protocol("email")) == ["implicitDeny"]
    read = "secretsmanager:GetSecretValue"
    assert says(shared(read, secret[:-6] + "??????"), secret, [read]) == ["allowed"]
    for document, resource, why in [
        (shared("sqs:SendMessage", queue + "2"), queue, "is not the queue"),
        (shared("sns:Publish", queue), queue, "is no action of a queue policy"),
        (shared("sqs:SendMessageBatch", queue), queue, "InvalidParameterValue"),
        (shared("sns:CreateTopic", topic), topic, "Policy statement action out of service scope!"),
        (shared("sns:*", topic), topic, "Policy statement action out of service scope!"),
        (shared(read, secret[:-7]), secret, "MalformedPolicyDocumentException"),
        (shared("sqs:*", queue, Condition={"StringLike": {"aws:userid": "x" * 8192}}), queue, "may have 8192"),
    ]:
        refused = refusal(
            iam.simulate_custom_policy, **asked, ActionNames=["sqs:SendMessage"], ResourceArns=[resource], ResourcePolicy=document
        )
        assert refused["Code"] == "InvalidInput" and why in refused["Message"], refused


def test_authorization_details_show_everything_once(empty):
    iam = empty.client("iam")
    user(empty, "ann")
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName="ann")
    iam.attach_group_policy(GroupName="devs", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1})
    found = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    for page in pages:
        for kind, entries in found.items():
            entries.extend(page[kind])
    assert [entry["GroupList"] for entry in found["UserDetailList"]] == [["devs"]]
    assert found["GroupDetailList"][0]["AttachedManagedPolicies"][0]["PolicyName"] == "ReadOnlyAccess"
    assert [entry["PolicyName"] for entry in found["Policies"]] == ["ReadOnlyAccess"]
    document = found["Policies"][0]["PolicyVersionList"][0]["Document"]
    assert document["Statement"][0]["Effect"] == "Allow"
    assert aws(empty, "iam", "get-account-summary")["SummaryMap"]["Users"] == 1


def test_the_credential_report_is_a_table_of_everybody(empty):
    iam, ann = empty.client("iam"), user(empty, "ann")
    iam.create_login_profile(UserName="ann", Password="Correct-Horse-1")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=policy("iam:*"))
    ann.list_users()
    assert aws(empty, "iam", "generate-credential-report")["State"] == "STARTED"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = {row["user"]: row for row in csv.DictReader(io.StringIO(report["Content"].decode()))}
    assert set(rows) == {"<root_account>", "ann"}
    assert rows["ann"]["password_enabled"] == "true" and rows["ann"]["access_key_1_active"] == "true"
    assert rows["ann"]["access_key_1_last_used_service"] == "iam"
    assert rows["ann"]["access_key_1_last_rotated"].endswith("+00:00")
    key = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"][0]["AccessKeyId"]
    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("iam", "us-east-1")


def test_passwords_follow_the_accounts_policy(empty):
    iam, ann = empty.client("iam"), user(empty, "ann")
    iam.update_account_password_policy(MinimumPasswordLength=14, RequireSymbols=True, PasswordReusePrevention=1)
    weak = refusal(iam.create_login_profile, UserName="ann", Password="Correct-Horse")
    assert weak["Code"] == "PasswordPolicyViolation"
    iam.create_login_profile(UserName="ann", Password="Correct-Horse-1", PasswordResetRequired=True)
    old, new = {"OldPassword": "Correct-Horse-1"}, {"NewPassword": "Correct-Horse-2"}
    assert refusal(ann.change_password, **old, **new)["Code"] == "AccessDenied"
    iam.attach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/IAMUserChangePassword")
    wrong = refusal(ann.change_password, OldPassword="Wrong-Horse-111", **new)
    assert wrong["Message"] == "The old password was incorrect."
    ann.change_password(**old, **new)
    assert iam.get_login_profile(UserName="ann")["LoginProfile"]["PasswordResetRequired"] is False
    raw = b"".join(path.read_bytes() for path in empty.data_dir.rglob("*") if path.is_file())
    assert b"Correct-Horse" not in raw


def test_a_service_linked_role_belongs_to_its_service(empty):
    iam = empty.client("iam")
    role = aws(empty, "iam", "create-service-linked-role", "--aws-service-name", "ecs.amazonaws.com")["Role"]
    assert role["Path"] == "/aws-service-role/ecs.amazonaws.com/" and role["RoleName"] == "AWSServiceRoleForECS"
    taken = refusal(iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com")
    assert taken["Code"] == "InvalidInput" and "has been taken in this account" in taken["Message"]
    for call, more in [
        (iam.attach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": policy("*")}),
        (iam.update_assume_role_policy, {"PolicyDocument": json.dumps(role["AssumeRolePolicyDocument"])}),
        (iam.delete_role, {}),
    ]:
        assert refusal(call, RoleName="AWSServiceRoleForECS", **more)["Code"] == "UnmodifiableEntity"
    task = iam.delete_service_linked_role(RoleName="AWSServiceRoleForECS")["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refusal(iam.get_role, RoleName="AWSServiceRoleForECS")["Code"] == "NoSuchEntity"


def test_aws_own_policies_are_shown_and_cannot_be_changed(empty):
    iam = empty.client("iam")
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    shown = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=shown["DefaultVersionId"])["PolicyVersion"]
    assert "logs:PutLogEvents" in version["Document"]["Statement"][0]["Action"]
    pages = iam.get_paginator("list_policies").paginate(Scope="AWS")
    names = {found["PolicyName"] for page in pages for found in page["Policies"]}
    assert {"AdministratorAccess", "ReadOnlyAccess", "SecurityAudit", "ViewOnlyAccess", "PowerUserAccess"} <= names
    for call, more in [
        (iam.delete_policy, {}),
        (iam.create_policy_version, {"PolicyDocument": policy("*")}),
        (iam.tag_policy, {"Tags": [{"Key": "a", "Value": "b"}]}),
    ]:
        assert refusal(call, PolicyArn=arn, **more)["Code"] == "AccessDenied"


def test_an_instance_profile_holds_a_role_that_was_passed(empty):
    iam = empty.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName="box", Tags=[{"Key": "team", "Value": "a"}])
    iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="worker")
    assert iam.get_instance_profile(InstanceProfileName="box")["InstanceProfile"]["Roles"][0]["RoleName"] == "worker"
    assert refusal(iam.delete_role, RoleName="worker")["Code"] == "DeleteConflict"
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="box")
    iam.remove_role_from_instance_profile(InstanceProfileName="box", RoleName="worker")
    iam.delete_instance_profile(InstanceProfileName="box")
    iam.delete_role(RoleName="worker")


def made(folder, name, kind):
    """A certificate signed by its own key, as OpenSSL makes it: (certificate, key)."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", *kind, "-subj", f"/CN={name}", "-days", "30", "-out", cert, "-keyout", key],
        check=True, capture_output=True)
    return cert, key


def test_a_server_certificate_is_kept_without_showing_its_key(empty, tmp_path):
    iam = empty.client("iam")
    cert, key = made(tmp_path, "web", ["rsa:2048"])
    other, other_key = made(tmp_path, "other", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    aws(empty, "iam", "upload-server-certificate", "--server-certificate-name", "web", "--path", "/site/",
        "--certificate-body", f"file://{cert}", "--private-key", f"file://{key}")
    iam.upload_server_certificate(ServerCertificateName="other", CertificateBody=other.read_text(),
                                  PrivateKey=other_key.read_text(), Tags=[{"Key": "team", "Value": "a"}])
    shown = iam.get_server_certificate(ServerCertificateName="web")["ServerCertificate"]
    assert shown["CertificateBody"].split() == cert.read_text().split()
    assert shown["ServerCertificateMetadata"]["Arn"].endswith(":server-certificate/site/web")
    assert "PrivateKey" not in shown and "PRIVATE KEY" not in json.dumps(shown, default=str)
    pages = iam.get_paginator("list_server_certificates").paginate(PaginationConfig={"PageSize": 1})
    names = [one["ServerCertificateName"] for page in pages for one in page["ServerCertificateMetadataList"]]
    assert names == ["other", "web"]
    assert iam.list_server_certificate_tags(ServerCertificateName="other")["Tags"] == [{"Key": "team", "Value": "a"}]
    swapped = dict(ServerCertificateName="x", CertificateBody=cert.read_text(), PrivateKey=other_key.read_text())
    assert refusal(iam.upload_server_certificate, **swapped)["Code"] == "KeyPairMismatch"
    broken = dict(swapped, CertificateBody="no certificate")
    assert refusal(iam.upload_server_certificate, **broken)["Code"] == "MalformedCertificate"
    assert iam.get_account_summary()["SummaryMap"]["ServerCertificates"] == 2
    iam.update_server_certificate(ServerCertificateName="web", NewServerCertificateName="site")
    iam.delete_server_certificate(ServerCertificateName="site")
    assert refusal(iam.get_server_certificate, ServerCertificateName="site")["Code"] == "NoSuchEntity"
    secret = other_key.read_text().splitlines()[1]
    empty.stop()
    for file in empty.data_dir.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), f"the key lies open in {file}"
    empty.start()
    assert empty.client("iam").get_server_certificate(ServerCertificateName="other")["ServerCertificate"]
