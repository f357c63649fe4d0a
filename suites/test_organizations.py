"""An organisation of accounts in one data directory, with boto3 and the AWS CLI, unmodified."""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from conftest import Server
from functions import package

AWS = str(Path(__file__).parent / ".venv/bin/aws")
EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("company") / "data").start()
    assert running.process.poll() is None, running.text
    yield Company(running)
    running.stop()


class Company:
    """A server whose home account manages an organisation, and a user there who may do everything."""

    def __init__(self, server):
        self.server = server
        iam = server.client("iam")
        iam.create_user(UserName="boss")
        iam.put_user_policy(UserName="boss", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        key = iam.create_access_key(UserName="boss")["AccessKey"]
        self.boss = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        self.organizations = server.client("organizations", **self.boss)
        self.id = self.organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        self.root = self.organizations.list_roots()["Roots"][0]["Id"]
        self.unit = self.organizations.create_organizational_unit(ParentId=self.root, Name="workloads")
        self.unit = self.unit["OrganizationalUnit"]["Id"]
        self.account = self.new_account("production")
        self.organizations.move_account(
            AccountId=self.account, SourceParentId=self.root, DestinationParentId=self.unit
        )
        self.inside = self.enter(self.account)

    def new_account(self, name):
        made = self.organizations.create_account(AccountName=name, Email=f"{name}@example.com")
        request = made["CreateAccountStatus"]["Id"]
        status = self.organizations.describe_create_account_status(CreateAccountRequestId=request)
        assert status["CreateAccountStatus"]["State"] == "SUCCEEDED", status
        return status["CreateAccountStatus"]["AccountId"]

    def enter(self, account):
        """Credentials of a session in an account, as keyword arguments of a client."""
        role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
        sts = self.server.client("sts", **self.boss)
        made = sts.assume_role(RoleArn=role, RoleSessionName="boss")["Credentials"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }

    def client(self, service):
        """A client inside the member account."""
        return self.server.client(service, **self.inside)

    def aws(self, *arguments, inside=False):
        environment = dict(self.server.environment)
        if inside:
            environment |= {name.upper(): value for name, value in self.inside.items()}
        return subprocess.run([AWS, *arguments], env=environment, capture_output=True, text=True, timeout=120)

    def policy(self, kind, name, statement):
        content = json.dumps({"Version": "2012-10-17", "Statement": statement})
        made = self.organizations.create_policy(Name=name, Description="", Type=kind, Content=content)
        return made["Policy"]["PolicySummary"]["Id"]


def refused(call, **arguments):
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    return refusal.value.response["Error"]["Code"], refusal.value.response["Error"]["Message"]


def test_the_cli_shows_the_organization(company):
    shown = json.loads(company.aws("organizations", "describe-organization").stdout)["Organization"]
    assert shown["Id"] == company.id and shown["FeatureSet"] == "ALL"
    listed = json.loads(company.aws("organizations", "list-accounts").stdout)["Accounts"]
    assert company.account in [account["Id"] for account in listed]
    units = company.aws("organizations", "list-organizational-units-for-parent", "--parent-id", company.root)
    assert json.loads(units.stdout)["OrganizationalUnits"][0]["Name"] == "workloads"


def test_a_session_of_the_access_role_works_in_its_account_only(company):
    assert company.client("sts").get_caller_identity()["Account"] == company.account
    cli = json.loads(company.aws("sts", "get-caller-identity", inside=True).stdout)
    assert cli["Account"] == company.account
    tables = company.client("dynamodb")
    made = tables.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    assert f":{company.account}:table/orders" in made["TableDescription"]["TableArn"]
    tables.put_item(TableName="orders", Item={"id": {"S": "1"}})
    assert "orders" not in company.server.client("dynamodb").list_tables()["TableNames"]
    logs = company.client("logs")
    logs.create_log_group(logGroupName="/orders")
    assert company.server.client("logs").describe_log_groups()["logGroups"] == []
    pool = company.client("cognito-idp").create_user_pool(PoolName="people")["UserPool"]
    assert f":{company.account}:userpool/" in pool["Arn"]
    code, _ = refused(company.server.client("cognito-idp").describe_user_pool, UserPoolId=pool["Id"])
    assert code == "ResourceNotFoundException"
    api = company.client("apigateway").create_rest_api(name="shop")
    assert company.server.client("apigateway").get_rest_apis()["items"] == []
    code, _ = refused(company.server.client("apigateway").get_rest_api, restApiId=api["id"])
    assert code == "NotFoundException"


def test_a_member_manages_nothing(company):
    organizations = company.client("organizations")
    assert organizations.describe_organization()["Organization"]["Id"] == company.id
    for call, arguments in [
        (organizations.list_accounts, {}),
        (organizations.create_account, {"AccountName": "more", "Email": "more@example.com"}),
        (organizations.create_organizational_unit, {"ParentId": company.root, "Name": "x"}),
        (organizations.detach_policy, {"PolicyId": "p-FullAWSAccess", "TargetId": company.account}),
    ]:
        code, _ = refused(call, **arguments)
        assert code == "AccessDeniedException"
    code, _ = refused(
        company.client("sts").assume_role,
        RoleArn=f"arn:aws:iam::{company.new_account('sister')}:role/OrganizationAccountAccessRole",
        RoleSessionName="sister",
    )
    assert code == "AccessDenied"


def test_a_service_control_policy_bites_at_once_and_says_so(company):
    tables = company.client("dynamodb")
    tables.list_tables()
    deny = company.policy("SERVICE_CONTROL_POLICY", "no tables", {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"})
    company.organizations.attach_policy(PolicyId=deny, TargetId=company.unit)
    code, message = refused(tables.list_tables)
    assert code == "AccessDeniedException"
    arn = company.organizations.describe_policy(PolicyId=deny)["Policy"]["PolicySummary"]["Arn"]
    assert message.endswith(f"with an explicit deny in a service control policy: {arn}"), message
    assert message.startswith(f"User: arn:aws:sts::{company.account}:assumed-role/OrganizationAccountAccessRole/boss is not")
    cli = company.aws("dynamodb", "list-tables", inside=True)
    assert cli.returncode != 0 and "service control policy" in cli.stderr
    company.server.client("dynamodb").list_tables()
    company.organizations.detach_policy(PolicyId=deny, TargetId=company.unit)
    tables.list_tables()


def test_without_an_allow_at_every_level_there_is_none(company):
    tables = company.client("dynamodb")
    only = company.policy("SERVICE_CONTROL_POLICY", "only logs", {"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    company.organizations.attach_policy(PolicyId=only, TargetId=company.unit)
    tables.list_tables()
    company.organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=company.unit)
    try:
        code, message = refused(tables.list_tables)
        assert code == "AccessDeniedException"
        assert message.endswith("because no service control policy allows the dynamodb:ListTables action"), message
        company.client("logs").describe_log_groups()
        code, _ = refused(company.organizations.detach_policy, PolicyId=only, TargetId=company.unit)
        assert code == "ConstraintViolationException"
    finally:
        company.organizations.attach_policy(PolicyId="p-FullAWSAccess", TargetId=company.unit)
    tables.list_tables()


def test_a_resource_control_policy_keeps_strangers_from_a_role_that_trusts_everybody(company):
    stranger = company.enter(company.new_account("stranger"))
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}}
    role = company.client("iam").create_role(RoleName="open", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    sts = company.server.client("sts", **stranger)
    sts.assume_role(RoleArn=role, RoleSessionName="stranger")
    company.organizations.enable_policy_type(RootId=company.root, PolicyType="RESOURCE_CONTROL_POLICY")
    own = company.policy(
        "RESOURCE_CONTROL_POLICY",
        "own principals",
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sts:AssumeRole",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalAccount": company.account}},
        },
    )
    company.organizations.attach_policy(PolicyId=own, TargetId=company.account)
    code, message = refused(sts.assume_role, RoleArn=role, RoleSessionName="stranger")
    assert code == "AccessDenied" and "with an explicit deny in a resource control policy" in message, message
    company.client("sts").assume_role(RoleArn=role, RoleSessionName="mine")
    company.organizations.detach_policy(PolicyId=own, TargetId=company.account)
    sts.assume_role(RoleArn=role, RoleSessionName="stranger")


def test_a_malformed_policy_is_refused(company):
    code, _ = refused(
        company.organizations.create_policy,
        Name="broken",
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content='{"Version":"2012-10-17","Statement":{"Effect":"Maybe","Action":"*","Resource":"*"}}',
    )
    assert code == "MalformedPolicyDocumentException"


def test_what_there_is_none_of_is_not_found_and_services_are_listed(company):
    organizations = company.organizations
    assert organizations.list_inbound_responsibility_transfers(Type="BILLING")["ResponsibilityTransfers"] == []
    assert organizations.list_outbound_responsibility_transfers(Type="BILLING")["ResponsibilityTransfers"] == []
    for read, input, code in [
        ("list_delegated_services_for_account", {"AccountId": company.account}, "AccountNotRegisteredException"),
        ("describe_resource_policy", {}, "ResourcePolicyNotFoundException"),
        ("describe_handshake", {"HandshakeId": "h-a1b2c3d4"}, "HandshakeNotFoundException"),
        ("describe_responsibility_transfer", {"Id": "rt-a1b2c3d4"}, "ResponsibilityTransferNotFoundException"),
    ]:
        assert refused(getattr(organizations, read), **input)[0] == code
    organizations.enable_aws_service_access(ServicePrincipal="sso.amazonaws.com")
    code, _ = refused(organizations.enable_aws_service_access, ServicePrincipal="nobody")
    assert code == "InvalidInputException"
    # Not of a member, whatever its rights.
    inside = company.client("organizations")
    code, _ = refused(inside.enable_aws_service_access, ServicePrincipal="config.amazonaws.com")
    assert code == "AccessDeniedException"


def test_a_link_to_a_package_of_a_closed_account_is_closed_too(company):
    account = company.new_account("leaving")
    lambda_ = company.server.client("lambda", **company.enter(account))
    made = lambda_.publish_layer_version(LayerName="tools", Content={"ZipFile": package({"python/tools.py": ""})})
    link = made["Content"]["Location"]
    assert urllib.request.urlopen(link, timeout=30).status == 200
    company.organizations.close_account(AccountId=account)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(link, timeout=30)
    assert refused.value.code == 403 and b"Forbidden" in refused.value.read()


def test_everything_is_there_after_a_restart(company):
    company.server.stop()
    company.server.start()
    listed = company.organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
    assert [service["ServicePrincipal"] for service in listed] == ["sso.amazonaws.com"]
    assert company.client("sts").get_caller_identity()["Account"] == company.account
    assert company.client("organizations").describe_organization()["Organization"]["Id"] == company.id
    path = company.organizations.describe_account(AccountId=company.account)["Account"]["Arn"]
    assert path.endswith(f"account/{company.id}/{company.account}")
