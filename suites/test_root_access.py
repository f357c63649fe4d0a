"""Central root access to a member account, with boto3 and the AWS CLI, unmodified."""

import json
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import Server
from test_organizations import AWS, Company, refused

TASK = "arn:aws:iam::aws:policy/root-task/"


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("company") / "data").start()
    assert running.process.poll() is None, running.text
    made = Company(running)
    made.iam = running.client("iam", **made.boss)
    made.sts = running.client("sts", **made.boss)
    yield made
    running.stop()


def keys(made):
    """Credentials of an answer, as keyword arguments of a client."""
    made = made["Credentials"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }


def root(company, task):
    return keys(company.sts.assume_root(TargetPrincipal=company.account, TaskPolicyArn={"arn": TASK + task}))


def test_the_features_are_switched_on_step_by_step(company):
    refusal = company.iam.exceptions.ServiceAccessNotEnabledException
    with pytest.raises(refusal):
        company.iam.enable_organizations_root_credentials_management()
    company.organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    with pytest.raises(company.iam.exceptions.CallerIsNotManagementAccountException):
        company.client("iam").enable_organizations_root_sessions()
    assert company.iam.list_organizations_features()["EnabledFeatures"] == []
    code, _ = refused(
        company.sts.assume_root,
        TargetPrincipal=company.account,
        TaskPolicyArn={"arn": TASK + "IAMAuditRootUserCredentials"},
    )
    assert code == "AccessDenied"
    made = company.iam.enable_organizations_root_credentials_management()
    assert made["OrganizationId"] == company.id and made["EnabledFeatures"] == ["RootCredentialsManagement"]
    made = company.iam.enable_organizations_root_sessions()
    assert sorted(made["EnabledFeatures"]) == ["RootCredentialsManagement", "RootSessions"]


def test_an_auditor_is_the_members_root_and_only_reads(company):
    session = root(company, "IAMAuditRootUserCredentials")
    who = company.server.client("sts", **session).get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{company.account}:root"
    iam = company.server.client("iam", **session)
    assert iam.list_access_keys()["AccessKeyMetadata"] == []
    assert iam.list_mfa_devices()["MFADevices"] == []
    assert iam.list_signing_certificates()["Certificates"] == []
    assert iam.get_user()["User"]["Arn"] == who["Arn"]
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0
    assert refused(iam.get_login_profile)[0] == "NoSuchEntity"
    for call, arguments in [
        (iam.create_access_key, {}),
        (iam.list_users, {}),
        (iam.create_user, {"UserName": "x"}),
        (company.server.client("dynamodb", **session).list_tables, {}),
        (company.server.client("lambda", **session).list_functions, {}),
    ]:
        code, text = refused(call, **arguments)
        assert code in ("AccessDenied", "AccessDeniedException"), (code, text)
        assert "with an explicit deny in a session policy" in text, text
    without = {name: value for name, value in session.items() if name != "aws_session_token"}
    assert refused(company.server.client("sts", **without).get_caller_identity)[0] == "InvalidClientTokenId"


def test_the_cli_assumes_root(company):
    environment = dict(company.server.environment)
    environment |= {name.upper(): value for name, value in company.boss.items()}
    environment.pop("AWS_SESSION_TOKEN", None)
    arguments = ["sts", "assume-root", "--target-principal", company.account, "--duration-seconds", "60"]
    task = ["--task-policy-arn", f"arn={TASK}SQSUnlockQueuePolicy"]
    made = subprocess.run([AWS, *arguments, *task], env=environment, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    session = keys(json.loads(made.stdout))
    who = company.server.client("sts", **session).get_caller_identity()
    assert who["Account"] == company.account


def test_a_session_ends_with_its_feature(company):
    session = root(company, "S3UnlockBucketPolicy")
    sts = company.server.client("sts", **session)
    assert sts.get_caller_identity()["Account"] == company.account
    company.iam.disable_organizations_root_sessions()
    assert refused(sts.get_caller_identity)[0] == "InvalidClientTokenId"
    with pytest.raises(ClientError) as refusal:
        root(company, "S3UnlockBucketPolicy")
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"
    company.iam.enable_organizations_root_sessions()


def test_a_closed_account_has_no_root_any_more(company):
    session = root(company, "IAMDeleteRootUserCredentials")
    iam = company.server.client("iam", **session)
    assert iam.list_access_keys()["AccessKeyMetadata"] == []
    company.organizations.close_account(AccountId=company.account)
    assert refused(iam.list_access_keys)[0] == "InvalidClientTokenId"
    with pytest.raises(ClientError):
        root(company, "IAMDeleteRootUserCredentials")
