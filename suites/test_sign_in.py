"""SRP sign-in with three Cognito clients, and everything that must be refused."""

import base64
import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from pycognito import Cognito
from pycognito.aws_srp import AWSSRP

JS = Path(__file__).parent / "js"


def code_of(error):
    return error.value.response["Error"]["Code"]


def text_of(error):
    return error.value.response["Error"]["Message"]


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def node(notes, script, **extra):
    """Runs a JavaScript client; it exits 0 when all it checks holds."""
    environment = notes.server.environment | {
        "USER_POOL_ID": notes.pool,
        "CLIENT_ID": notes.client_id,
        "API_URL": notes.url,
        "NODE_NO_WARNINGS": "1",
    }
    done = subprocess.run(
        ["node", str(JS / script)], env=environment | extra, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pycognito_signs_in_by_srp(notes):
    tokens = notes.tokens("alice")
    identity, access = claims(tokens["IdToken"]), claims(tokens["AccessToken"])
    assert identity["token_use"] == "id" and identity["aud"] == notes.client_id
    assert access["token_use"] == "access" and access["client_id"] == notes.client_id
    assert identity["sub"] == access["sub"] and identity["exp"] - identity["iat"] == 3600


def test_keys_of_the_pool_verify_both_tokens(notes):
    tokens = notes.tokens("alice")
    user = Cognito(
        notes.pool, notes.client_id, username="alice", boto3_client_kwargs={"endpoint_url": notes.server.endpoint},
        id_token=tokens["IdToken"], access_token=tokens["AccessToken"], refresh_token=tokens["RefreshToken"],
    )
    import urllib.request

    with urllib.request.urlopen(f"{notes.server.endpoint}/{notes.pool}/.well-known/jwks.json") as answer:
        keys = {key["kid"] for key in json.load(answer)["keys"]}
    used = {json.loads(base64.urlsafe_b64decode(t.split(".")[0] + "=="))["kid"] for t in (tokens["IdToken"], tokens["AccessToken"])}
    assert len(keys) == 2 and used == keys
    assert user.access_token == tokens["AccessToken"]


def test_amazon_cognito_identity_js_signs_in_by_srp(notes):
    name, password = notes.user("js-user")
    node(notes, "identity-js.mjs", NAME=name, PASSWORD=password)


def test_amplify_signs_in_by_srp_and_refreshes(notes):
    name, password = notes.user("amplify-user")
    node(notes, "amplify.mjs", NAME=name, PASSWORD=password)


def test_sdk_for_javascript_speaks_every_protocol(notes):
    node(notes, "sdk.mjs")


def test_wrong_password_is_refused(notes):
    notes.user("walter")
    srp = AWSSRP(username="walter", password="Wrong-Horse-1!", pool_id=notes.pool, client_id=notes.client_id, client=notes.idp)
    with pytest.raises(ClientError) as refused:
        srp.authenticate_user()
    assert code_of(refused) == "NotAuthorizedException"
    assert text_of(refused) == "Incorrect username or password."


class Proof:
    """An SRP sign-in in its two steps, so that the second can be tampered with."""

    def __init__(self, notes, name, password="Correct-Horse-1!"):
        notes.user(name, password)
        self.notes = notes
        self.srp = AWSSRP(username=name, password=password, pool_id=notes.pool, client_id=notes.client_id, client=notes.idp)
        parameters = self.srp.get_auth_params()
        self.challenge = notes.idp.initiate_auth(
            AuthFlow="USER_SRP_AUTH", ClientId=notes.client_id, AuthParameters=parameters
        )
        self.answers = self.srp.process_challenge(self.challenge["ChallengeParameters"], parameters)

    def respond(self, **changed):
        return self.notes.idp.respond_to_auth_challenge(
            ClientId=self.notes.client_id, ChallengeName="PASSWORD_VERIFIER", ChallengeResponses=self.answers | changed
        )


def test_a_replayed_proof_is_refused(notes):
    proof = Proof(notes, "rita")
    assert proof.respond()["AuthenticationResult"]["IdToken"]
    with pytest.raises(ClientError) as refused:
        proof.respond()
    assert code_of(refused) == "NotAuthorizedException"


def test_a_tampered_proof_or_foreign_block_is_refused(notes):
    proof, other = Proof(notes, "tom"), Proof(notes, "tim")
    flipped = base64.b64encode(bytes([base64.b64decode(proof.answers["PASSWORD_CLAIM_SIGNATURE"])[0] ^ 1] + [0] * 31)).decode()
    for changed in (
        {"PASSWORD_CLAIM_SIGNATURE": flipped},
        {"PASSWORD_CLAIM_SECRET_BLOCK": other.answers["PASSWORD_CLAIM_SECRET_BLOCK"]},
    ):
        with pytest.raises(ClientError) as refused:
            Proof(notes, "tom").respond(**changed) if "PASSWORD_CLAIM_SIGNATURE" in changed else proof.respond(**changed)
        assert code_of(refused) == "NotAuthorizedException"


def test_a_padded_day_or_stale_timestamp_is_refused(notes):
    for stamp in ("Mon Nov 02 12:00:00 UTC 2026", "Mon Jan 5 12:00:00 UTC 2026"):
        with pytest.raises(ClientError) as refused:
            Proof(notes, "dora").respond(TIMESTAMP=stamp)
        assert code_of(refused) == "NotAuthorizedException"


@pytest.mark.parametrize("multiple", [0, 1, 2])
def test_a_multiple_of_the_modulus_is_refused(notes, multiple):
    from pycognito.aws_srp import N_HEX

    notes.user("zero")
    value = format(int(N_HEX, 16) * multiple, "x")
    with pytest.raises(ClientError) as refused:
        notes.idp.initiate_auth(
            AuthFlow="USER_SRP_AUTH", ClientId=notes.client_id, AuthParameters={"USERNAME": "zero", "SRP_A": value}
        )
    assert code_of(refused) in ("InvalidParameterException", "NotAuthorizedException")


def test_unsigned_administration_is_refused(notes):
    from botocore import UNSIGNED
    from botocore.config import Config
    import boto3

    anonymous = boto3.client(
        "cognito-idp", endpoint_url=notes.server.endpoint, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    with pytest.raises(ClientError) as refused:
        anonymous.admin_get_user(UserPoolId=notes.pool, Username="alice")
    assert code_of(refused) == "MissingAuthenticationTokenException"


def test_the_lockout_ladder_bites_and_also_for_the_right_password(notes):
    notes.user("lou")
    attempt = lambda password: notes.idp.admin_initiate_auth(
        UserPoolId=notes.pool, ClientId=notes.client_id, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "lou", "PASSWORD": password},
    )
    try:
        attempt("Correct-Horse-1!")
    except ClientError as refused:
        pytest.skip(f"the example's client does not allow password sign-in: {refused}")
    texts = []
    for _ in range(8):
        with pytest.raises(ClientError) as refused:
            attempt("Wrong-Horse-1!")
        texts.append(text_of(refused))
    assert "Password attempts exceeded" in texts[-1]
    with pytest.raises(ClientError) as refused:
        attempt("Correct-Horse-1!")
    assert text_of(refused) == "Password attempts exceeded"


def test_sign_up_is_confirmed_with_the_code_from_the_outbox(notes):
    import re
    import time

    name = f"newcomer-{os.getpid()}-{int(time.time())}"
    base = ("user", "--client-id", notes.client_id)
    notes.server.casemate(*base, "sign-up", name, "--email", "new@example.com", stdin="Correct-Horse-1!\n")
    refused = notes.server.casemate(*base, "confirm", name, "000000", check=False)
    assert "CodeMismatchException" in refused.stderr
    message = json.loads(notes.server.casemate("outbox", "--json", "--to", name).stdout.splitlines()[-1])
    code = re.search(r"\d{6}", message["text"]).group()
    notes.server.casemate(*base, "confirm", name, code)
    token = notes.server.casemate(
        *base, "sign-in", name, "--user-pool-id", notes.pool, stdin="Correct-Horse-1!\n"
    ).stdout.strip()
    assert claims(token)["cognito:username"] == name


def test_the_outbox_is_for_administrators(notes):
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{notes.server.endpoint}/_casemate/outbox")
    assert refused.value.code == 403


def test_revoked_and_signed_out_tokens_are_refused(notes):
    tokens = notes.tokens("rob")
    notes.idp.get_user(AccessToken=tokens["AccessToken"])
    notes.idp.global_sign_out(AccessToken=tokens["AccessToken"])
    with pytest.raises(ClientError) as refused:
        notes.idp.get_user(AccessToken=tokens["AccessToken"])
    assert text_of(refused) == "Access Token has been revoked"
    with pytest.raises(ClientError) as refused:
        notes.idp.initiate_auth(
            ClientId=notes.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]}
        )
    assert code_of(refused) == "NotAuthorizedException"


def test_a_client_with_a_secret_signs_in_and_renews(notes):
    client = notes.idp.create_user_pool_client(UserPoolId=notes.pool, ClientName="confidential", GenerateSecret=True)["UserPoolClient"]
    name, password = notes.user("sec")
    secret = {"client_id": client["ClientId"], "client_secret": client["ClientSecret"]}
    tokens = AWSSRP(username=name, password=password, pool_id=notes.pool, client=notes.idp, **secret).authenticate_user()
    result = tokens["AuthenticationResult"]
    user = Cognito(
        notes.pool, client["ClientId"], client_secret=client["ClientSecret"], username=name,
        user_pool_region="us-east-1", boto3_client_kwargs={"endpoint_url": notes.server.endpoint},
        id_token=result["IdToken"], access_token=result["AccessToken"], refresh_token=result["RefreshToken"],
    )
    user.renew_access_token()
    assert user.access_token != result["AccessToken"]
    with pytest.raises(ClientError) as refused:
        AWSSRP(
            username=name, password=password, pool_id=notes.pool, client=notes.idp,
            client_id=client["ClientId"], client_secret="wrong" * 8,
        ).authenticate_user()
    assert code_of(refused) == "NotAuthorizedException"


def test_a_temporary_password_must_be_changed_before_anything_else(notes):
    notes.idp.admin_create_user(
        UserPoolId=notes.pool, Username="invited", TemporaryPassword="Temporary-Horse-1!", MessageAction="SUPPRESS"
    )
    start = lambda password: notes.idp.admin_initiate_auth(
        UserPoolId=notes.pool, ClientId=notes.client_id, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "invited", "PASSWORD": password},
    )
    challenge = start("Temporary-Horse-1!")
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    answer = lambda session: notes.idp.respond_to_auth_challenge(
        ClientId=notes.client_id, ChallengeName="NEW_PASSWORD_REQUIRED", Session=session,
        ChallengeResponses={"USERNAME": "invited", "NEW_PASSWORD": "Changed-Horse-1!"},
    )
    with pytest.raises(ClientError) as refused:
        answer("x" * 100)
    assert code_of(refused) == "NotAuthorizedException"
    assert answer(challenge["Session"])["AuthenticationResult"]["IdToken"]
    with pytest.raises(ClientError):
        answer(challenge["Session"])
    assert start("Changed-Horse-1!")["AuthenticationResult"]["IdToken"]
