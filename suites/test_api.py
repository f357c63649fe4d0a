"""The example through its REST API: who gets in, and who gets at which note."""

import base64
import json

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def create(notes, user, text="hello"):
    token = notes.tokens(user)["IdToken"]
    status, _, note = notes.call("POST", "/notes", token, {"text": text})
    assert status in (200, 201), note
    return token, note


def test_a_signed_in_user_creates_and_lists_notes(notes):
    token, note = create(notes, "alice", "my first")
    status, _, listed = notes.call("GET", "/notes", token)
    assert status == 200 and any(found["id"] == note["id"] for found in listed["notes"])


def test_without_a_token_the_answer_is_401(notes):
    status, headers, body = notes.call("GET", "/notes")
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["x-amzn-ErrorType"] == "UnauthorizedException"


def test_tampered_foreign_and_access_tokens_are_401(notes):
    tokens = notes.tokens("alice")
    head, body, signature = tokens["IdToken"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "someone-else"}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    other = notes.idp.create_user_pool(PoolName="other")["UserPool"]["Id"]
    client = notes.idp.create_user_pool_client(
        UserPoolId=other, ClientName="c", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )["UserPoolClient"]["ClientId"]
    notes.idp.admin_create_user(UserPoolId=other, Username="eve", MessageAction="SUPPRESS")
    notes.idp.admin_set_user_password(UserPoolId=other, Username="eve", Password="Correct-Horse-1!", Permanent=True)
    foreign = notes.idp.admin_initiate_auth(
        UserPoolId=other, ClientId=client, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "eve", "PASSWORD": "Correct-Horse-1!"},
    )["AuthenticationResult"]["IdToken"]
    for token in (f"{head}.{forged}.{signature}", f"{none}.{body}.", "garbage", tokens["AccessToken"], foreign):
        status, _, answer = notes.call("GET", "/notes", token)
        assert (status, answer) == (401, {"message": "Unauthorized"}), token[:40]


def test_another_users_note_is_refused_by_iam_and_the_record_names_the_layer(notes):
    _, note = create(notes, "alice", "private")
    mallory = notes.tokens("mallory")["IdToken"]
    status, _, answer = notes.call("DELETE", f"/notes/{note['id']}?owner={note['owner']}", mallory)
    assert status == 403, answer
    refused = notes.server.wait_for_audit(
        "assumed-role/notes-user", lambda record: record["outcome"].get("code") == "AccessDeniedException"
    )
    assert refused[-1]["operation"] == "DeleteItem"
    assert refused[-1]["decision"]["verdict"] == "implicit-deny"
    assert "identity-based" in refused[-1]["decision"]["because"]
    alice = notes.tokens("alice")["IdToken"]
    _, _, listed = notes.call("GET", "/notes", alice)
    assert any(found["id"] == note["id"] for found in listed["notes"])


def test_a_shared_note_reaches_the_other_user(notes):
    token, note = create(notes, "alice", "for bob")
    bob = notes.tokens("bob")
    status, _, answer = notes.call("POST", f"/notes/{note['id']}/share", token, {"with": sub(bob["IdToken"])})
    assert status == 200, answer
    status, _, listed = notes.call("GET", "/notes", bob["IdToken"])
    assert any(found["text"] == "for bob" for found in listed["notes"] + listed.get("shared", []))


def sub(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["sub"]


def test_unknown_routes_are_403_as_on_aws(notes):
    status, headers, body = notes.call("GET", "/nothing/here")
    assert (status, body) == (403, {"message": "Missing Authentication Token"})
    assert headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


def test_the_admin_route_asks_the_lambda_authorizer(notes):
    status, _, body = notes.call("GET", "/admin")
    assert status == 401 and body == {"message": "Unauthorized"}
    status, _, body = notes.call("GET", "/admin", "wrong")
    assert status in (401, 403), body


def test_the_iam_route_wants_a_signature_and_a_permission(notes):
    status, _, body = notes.call("GET", "/status")
    assert (status, body) == (403, {"message": "Missing Authentication Token"})
    key, secret = notes.server.keys
    request = AWSRequest("GET", notes.url + "/status")
    SigV4Auth(Credentials(key, secret), "execute-api", "us-east-1").add_auth(request)
    status, _, body = notes.call("GET", "/status", headers=dict(request.headers))
    assert status == 200, body
    iam = notes.server.client("iam")
    iam.create_user(UserName="nobody")
    weak = iam.create_access_key(UserName="nobody")["AccessKey"]
    request = AWSRequest("GET", notes.url + "/status")
    SigV4Auth(Credentials(weak["AccessKeyId"], weak["SecretAccessKey"]), "execute-api", "us-east-1").add_auth(request)
    status, _, body = notes.call("GET", "/status", headers=dict(request.headers))
    assert status == 403 and "is not authorized to perform: execute-api:Invoke" in body["Message"]
