"""Temporary credentials: sessions of users, federated users, tokens of a pool of this server, SAML and MFA."""

import base64
import datetime
import hashlib
import hmac
import json
import struct
import time
import uuid

import boto3
import botocore
import pytest
import requests
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.crt.auth import CrtSigV4AsymAuth
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import CanonicalizationMethod, XMLSigner, methods

ALL = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
LIST_TABLES = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}}
)


def refused(call, code):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code, error.value
    return error.value.response["Error"]["Message"]


def keys(credentials):
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def trust(principal, action="sts:AssumeRole", **conditions):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if conditions:
        statement["Condition"] = conditions
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


class Account:
    def __init__(self, server):
        self.server = server
        self.iam = server.client("iam")
        self.id = server.client("sts").get_caller_identity()["Account"]

    def user(self, policy=ALL):
        name = f"user-{uuid.uuid4().hex[:8]}"
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return name, {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def role(self, document, policy=ALL):
        name = f"role-{uuid.uuid4().hex[:8]}"
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        return arn

    def phone(self, user):
        made = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone-{user}")["VirtualMFADevice"]
        phone = Phone(made["SerialNumber"], base64.b32decode(made["Base32StringSeed"]))
        now = time.time()
        self.iam.enable_mfa_device(
            UserName=user,
            SerialNumber=phone.serial,
            AuthenticationCode1=phone.code(now - 60),
            AuthenticationCode2=phone.code(now - 30),
        )
        return phone

    def unsigned(self):
        nobody = botocore.config.Config(signature_version=botocore.UNSIGNED)
        return boto3.client("sts", endpoint_url=self.server.endpoint, region_name="us-east-1", config=nobody)


class Phone:
    def __init__(self, serial, seed):
        self.serial, self.seed = serial, seed

    def code(self, at):
        tag = hmac.new(self.seed, struct.pack(">q", int(at) // 30), hashlib.sha1).digest()
        number = struct.unpack(">I", tag[tag[19] & 15 :][:4])[0] & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"


@pytest.fixture(scope="module")
def account(server):
    return Account(server)


def test_a_session_token_acts_as_its_user_but_not_on_iam_without_mfa(account):
    name, own = account.user()
    phone = account.phone(name)
    sts = account.server.client("sts", **own)
    plain = keys(sts.get_session_token(DurationSeconds=900)["Credentials"])
    assert account.server.client("sts", **plain).get_caller_identity()["Arn"].endswith(f":user/{name}")
    account.server.client("dynamodb", **plain).list_tables()
    refused(account.server.client("iam", **plain).list_users, "InvalidClientTokenId")
    text = refused(account.server.client("sts", **plain).get_session_token, "AccessDenied")
    assert text == "Cannot call GetSessionToken with session credentials"
    proven = sts.get_session_token(SerialNumber=phone.serial, TokenCode=phone.code(time.time()))["Credentials"]
    account.server.client("iam", **keys(proven)).list_users()


def test_a_session_token_without_mfa_reaches_iam_through_no_stack_either(account):
    _, own = account.user()
    plain = keys(account.server.client("sts", **own).get_session_token(DurationSeconds=900)["Credentials"])
    trust = {"Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    template = json.dumps({"Resources": {"Role": role}})
    stacks = account.server.client("cloudformation", **plain)
    stacks.create_stack(StackName="through", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    with pytest.raises(botocore.exceptions.WaiterError):
        stacks.get_waiter("stack_create_complete").wait(StackName="through", WaiterConfig={"Delay": 1})
    events = stacks.describe_stack_events(StackName="through")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events if event["LogicalResourceId"] == "Role"]
    assert any("security token" in reason for reason in reasons), reasons
    # The same template, made with the user's own key.
    stacks = account.server.client("cloudformation", **own)
    stacks.create_stack(StackName="itself", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    stacks.get_waiter("stack_create_complete").wait(StackName="itself", WaiterConfig={"Delay": 1})


def test_a_federated_user_has_what_both_sides_allow(account):
    _, own = account.user()
    sts = account.server.client("sts", **own)
    made = sts.get_federation_token(Name="bob", Policy=LIST_TABLES)
    assert made["FederatedUser"]["Arn"] == f"arn:aws:sts::{account.id}:federated-user/bob"
    bob = keys(made["Credentials"])
    account.server.client("dynamodb", **bob).list_tables()
    refused(lambda: account.server.client("dynamodb", **bob).describe_limits(), "AccessDeniedException")
    nothing = keys(sts.get_federation_token(Name="bob")["Credentials"])
    refused(account.server.client("dynamodb", **nothing).list_tables, "AccessDeniedException")


def test_a_role_that_wants_mfa_takes_each_code_once(account):
    name, own = account.user()
    phone = account.phone(name)
    arn = account.role(trust({"AWS": account.id}, Bool={"aws:MultiFactorAuthPresent": "true"}))
    sts = account.server.client("sts", **own)
    assume = lambda **more: sts.assume_role(RoleArn=arn, RoleSessionName="s1", **more)
    refused(assume, "AccessDenied")
    proof = {"SerialNumber": phone.serial, "TokenCode": phone.code(time.time())}
    session = keys(assume(**proof)["Credentials"])
    account.server.client("dynamodb", **session).list_tables()
    assert "invalid MFA one time pass code" in refused(lambda: assume(**proof), "AccessDenied")
    _, other = account.user()
    stolen = account.server.client("sts", **other)
    proof["TokenCode"] = phone.code(time.time() + 30)
    refused(lambda: stolen.assume_role(RoleArn=arn, RoleSessionName="s1", **proof), "AccessDenied")


def test_an_id_token_of_a_pool_of_this_server_becomes_a_session(account, notes):
    issuer = f"{account.server.endpoint}/{notes.pool}"
    host = issuer.split("://")[1]
    provider = account.iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[notes.client_id])
    provider = provider["OpenIDConnectProviderArn"]
    tokens = notes.tokens("alice")
    subject = json.loads(base64.urlsafe_b64decode(tokens["IdToken"].split(".")[1] + "=="))["sub"]
    federated = {"Federated": provider}
    action = "sts:AssumeRoleWithWebIdentity"
    right = {f"{host}:aud": notes.client_id, f"{host}:sub": subject}
    arn = account.role(trust(federated, action, StringEquals=right), LIST_TABLES)
    other = account.role(trust(federated, action, StringEquals=right | {f"{host}:sub": "somebody"}))
    sts = account.unsigned()
    assume = lambda token, role=arn: sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="web", WebIdentityToken=token
    )
    made = assume(tokens["IdToken"])
    assert made["SubjectFromWebIdentityToken"] == subject and made["Provider"] == issuer
    session = keys(made["Credentials"])
    account.server.client("dynamodb", **session).list_tables()
    refused(account.server.client("iam", **session).list_users, "AccessDenied")
    text = refused(lambda: assume(tokens["IdToken"], other), "AccessDenied")
    assert text == "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    refused(lambda: assume(tokens["AccessToken"]), "InvalidIdentityToken")
    head, body, signature = tokens["IdToken"].split(".")
    refused(lambda: assume(".".join([head, body, "A" * len(signature)])), "InvalidIdentityToken")
    account.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    refused(lambda: assume(tokens["IdToken"]), "InvalidIdentityToken")


class IdentityProvider:
    ENTITY = "https://idp.example.com/metadata"

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), 7, now, now + datetime.timedelta(days=1))
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def metadata(self):
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        return f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.ENTITY}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">
<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate>
</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""

    def response(self, role, provider, name="ann@example.com"):
        stamp = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        ours = "https://signin.aws.amazon.com/saml"
        attribute = lambda key, value: (
            f'<saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/{key}">'
            f"<saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>"
        )
        text = f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0"
 IssueInstant="{stamp(0)}" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:Issuer>{self.ENTITY}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
<saml:Assertion ID="_a" Version="2.0" IssueInstant="{stamp(0)}"><saml:Issuer>{self.ENTITY}</saml:Issuer><saml:Subject>
<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">ann</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData Recipient="{ours}" NotOnOrAfter="{stamp(300)}"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{stamp(-60)}" NotOnOrAfter="{stamp(300)}"><saml:AudienceRestriction>
<saml:Audience>{ours}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AttributeStatement>
{attribute("Role", f"{role},{provider}")}{attribute("RoleSessionName", name)}</saml:AttributeStatement></saml:Assertion>
</samlp:Response>"""
        root = etree.fromstring(text)
        assertion = root.find("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion")
        signer = XMLSigner(
            method=methods.enveloped, c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
        )
        root.replace(assertion, signer.sign(assertion, key=self.key, cert=[self.certificate], reference_uri="_a"))
        return etree.tostring(root)


def test_a_signed_saml_response_becomes_a_session(account):
    idp, stranger = IdentityProvider(), IdentityProvider()
    provider = account.iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata())["SAMLProviderArn"]
    usual = {"SAML:aud": "https://signin.aws.amazon.com/saml", "SAML:sub": "ann"}
    arn = account.role(trust({"Federated": provider}, "sts:AssumeRoleWithSAML", StringEquals=usual), LIST_TABLES)
    sts = account.unsigned()
    assume = lambda response: sts.assume_role_with_saml(
        RoleArn=arn, PrincipalArn=provider, SAMLAssertion=base64.b64encode(response).decode()
    )
    made = assume(idp.response(arn, provider))
    assert made["Subject"] == "ann" and made["AssumedRoleUser"]["Arn"].endswith("/ann@example.com")
    session = keys(made["Credentials"])
    account.server.client("dynamodb", **session).list_tables()
    refused(account.server.client("iam", **session).list_users, "AccessDenied")
    forged = idp.response(arn, provider).replace(b"ann@example.com", b"admin@example.com")
    assert refused(lambda: assume(forged), "InvalidIdentityToken") == "Response signature invalid"
    refused(lambda: assume(stranger.response(arn, provider)), "InvalidIdentityToken")


def test_an_access_key_tells_its_account(account):
    _, own = account.user()
    sts = account.server.client("sts")
    assert sts.get_access_key_info(AccessKeyId=own["aws_access_key_id"])["Account"] == account.id


def asymmetric(server, key, secret, regions="*"):
    """Who that is, asked with a SigV4A signature of AWS's common runtime."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = AWSRequest("POST", server.endpoint + "/", data=body, headers=headers)
    CrtSigV4AsymAuth(Credentials(key, secret), "sts", regions).add_auth(asked)
    return requests.post(server.endpoint + "/", data=body, headers=dict(asked.headers.items()))


def test_asymmetric_signatures_are_taken_and_others_refused(account):
    name, own = account.user()
    key, secret = own["aws_access_key_id"], own["aws_secret_access_key"]
    for regions in ("*", "us-east-1", "eu-west-1,us-*"):
        answer = asymmetric(account.server, key, secret, regions)
        assert answer.status_code == 200 and f":user/{name}<" in answer.text, answer.text
    wrong = asymmetric(account.server, key, "another")
    assert wrong.status_code == 403 and "SignatureDoesNotMatch" in wrong.text, wrong.text
    elsewhere = asymmetric(account.server, key, secret, "eu-west-1")
    assert elsewhere.status_code == 403 and f":user/{name}<" not in elsewhere.text, elsewhere.text
    account.iam.update_access_key(UserName=name, AccessKeyId=key, Status="Inactive")
    inactive = asymmetric(account.server, key, secret)
    assert inactive.status_code == 403 and "InvalidClientTokenId" in inactive.text, inactive.text
