"""Outbound federation with boto3: tokens that a stranger verifies with PyJWT, knowing nothing but the issuer's address."""

import json
import urllib.request

import jwt
import pytest
from botocore.exceptions import ClientError

OWN = "https://sts.amazonaws.com/"


def refused(call, **arguments):
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    return refusal.value.response["Error"]["Code"]


def believed(issuer, token, audience):
    """What a relying party makes of a token: discovery, keys, signature, issuer, audience and times."""
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=10) as answer:
        found = json.load(answer)
    assert found["issuer"] == issuer
    key = jwt.PyJWKClient(found["jwks_uri"]).get_signing_key_from_jwt(token)
    algorithms = found["id_token_signing_alg_values_supported"]
    return jwt.decode(token, key.key, algorithms=algorithms, audience=audience, issuer=issuer)


def test_a_stranger_recognises_a_session_by_its_token(empty):
    iam, sts = empty.client("iam"), empty.client("sts")
    ask = {"Audience": ["https://app.example.com"], "SigningAlgorithm": "RS256"}
    assert refused(sts.get_web_identity_token, **ask) == "OutboundWebIdentityFederationDisabledException"
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert issuer.startswith(empty.endpoint)
    assert refused(iam.enable_outbound_web_identity_federation) == "FeatureEnabled"
    info = iam.get_outbound_web_identity_federation_info()
    assert info["IssuerIdentifier"] == issuer and info["JwtVendingEnabled"]

    account = sts.get_caller_identity()["Account"]
    trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    may = {
        "Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": "*",
        "Condition": {
            "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": "https://app.example.com"},
            "NumericLessThanEquals": {"sts:DurationSeconds": "300"},
        },
    }
    document = lambda statement: json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document(may))
    iam.create_user(UserName="ann")
    assume = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=assume)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = empty.client(
        "sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    assert refused(ann.get_web_identity_token, **ask) == "AccessDenied"
    made = ann.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    session = empty.client(
        "sts", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    for algorithm in ("RS256", "ES384"):
        answer = session.get_web_identity_token(**(ask | {"SigningAlgorithm": algorithm}))
        claims = believed(issuer, answer["WebIdentityToken"], "https://app.example.com")
        assert claims["sub"] == role and claims[OWN]["aws_account"] == account
        assert claims["exp"] == int(answer["Expiration"].timestamp()) == claims["iat"] + 300
        with pytest.raises(jwt.InvalidAudienceError):
            believed(issuer, answer["WebIdentityToken"], "https://other.example.com")
    for wrong in ({"Audience": ["https://other.example.com"]}, {"DurationSeconds": 301}):
        assert refused(session.get_web_identity_token, **(ask | wrong)) == "AccessDenied"
    tagged = {"Tags": [{"Key": "job", "Value": "1"}]}
    assert refused(session.get_web_identity_token, **(ask | tagged)) == "AccessDenied"

    old = session.get_web_identity_token(**ask)["WebIdentityToken"]
    iam.disable_outbound_web_identity_federation()
    assert refused(session.get_web_identity_token, **ask) == "OutboundWebIdentityFederationDisabledException"
    assert refused(iam.disable_outbound_web_identity_federation) == "FeatureDisabled"
    believed(issuer, old, "https://app.example.com")
