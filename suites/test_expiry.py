"""Tokens and credentials that have really expired, refused over the wire.

The server is stopped and started again under a clock that runs ahead (libfaketime, preloaded into the server alone), so that
what it issued an hour or a month ago is presented to it for real. The clients' clock stays right.
"""

import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import ROOT, Notes, Server

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)


def ahead(offset):
    """The environment of a server whose clock is ahead, e.g. by "+2h"."""
    library = next((name for name in LIBRARIES if os.path.exists(name)), None)
    assert library, "libfaketime is missing: ./test installs it"
    # Timers go by the monotonic clock, which stays as it is.
    return {"LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """What a server issued (the notes example's tokens, the administrator's session), and the server stopped."""
    data_dir = tmp_path_factory.mktemp("expiry") / "data"
    server = Server(data_dir, ROOT / "examples/notes/template.yaml").start()
    notes = Notes(server)
    tokens = notes.tokens("alice")
    status, _, answer = notes.call("GET", "/notes", tokens["IdToken"])
    assert status == 200, answer
    idp = server.client("cognito-idp")
    assert idp.get_user(AccessToken=tokens["AccessToken"])["Username"] == "alice"
    session = server.client("sts").get_session_token(DurationSeconds=3600)["Credentials"]
    assert account(server, session)
    server.stop()
    return notes, tokens, session


def account(server, session):
    """Whose credentials of a session they are."""
    client = server.client(
        "sts", aws_access_key_id=session["AccessKeyId"], aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    return client.get_caller_identity()["Account"]


def at(issued, offset):
    notes, _, _ = issued
    return Server(notes.server.data_dir, port=notes.server.port, environment=ahead(offset)).start()


def refusal(call):
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def renew(notes, server, tokens):
    return server.client("cognito-idp").initiate_auth(
        ClientId=notes.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]}
    )


def test_credentials_of_a_session_end_with_it(issued, clients_clock):
    """Signed by a client whose clock is as far ahead as the server's: the signature is fresh, the session is over. It is known
    for a day that there was one; this is the first test of this server because a later clock sweeps it away."""
    _, _, session = issued
    for offset, hours in (("+30m", 0.5), ("+61m", 61 / 60), ("+24h", 24)):
        server = at(issued, offset)
        try:
            with clients_clock(hours * 3600):
                if hours < 1:
                    assert account(server, session)
                else:
                    code, text = refusal(lambda: account(server, session))
                    assert (code, text) == ("ExpiredToken", "The security token included in the request is expired")
        finally:
            server.stop()


def test_two_hours_later_id_and_access_tokens_are_refused_and_the_refresh_token_renews(issued):
    notes, tokens, _ = issued
    server = at(issued, "+2h")
    try:
        status, headers, body = notes.call("GET", "/notes", tokens["IdToken"])
        assert (status, body) == (401, {"message": "The incoming token has expired"})
        assert headers["x-amzn-ErrorType"] == "UnauthorizedException"
        code, text = refusal(lambda: server.client("cognito-idp").get_user(AccessToken=tokens["AccessToken"]))
        assert (code, text) == ("NotAuthorizedException", "Access Token has expired")
        fresh = renew(notes, server, tokens)["AuthenticationResult"]
        assert server.client("cognito-idp").get_user(AccessToken=fresh["AccessToken"])["Username"] == "alice"
        # The function's clock is not ahead, so what it signs is stale; but the authorizer has let the token through to it.
        status, _, _ = notes.call("GET", "/notes", fresh["IdToken"])
        assert status != 401
    finally:
        server.stop()


def test_a_month_later_the_refresh_token_is_refused(issued):
    notes, tokens, _ = issued
    server = at(issued, "+31d")
    try:
        code, text = refusal(lambda: renew(notes, server, tokens))
        assert (code, text) == ("NotAuthorizedException", "Refresh Token has expired")
    finally:
        server.stop()


def test_requests_signed_by_a_clock_that_is_two_hours_behind_are_refused(issued):
    server = at(issued, "+2h")
    try:
        # botocore learns the server's time from such a refusal and would try again: this one has one attempt.
        code, text = refusal(lambda: server.client("sts").get_caller_identity())
        assert code == "SignatureDoesNotMatch" and text.startswith("Signature expired: "), text
    finally:
        server.stop()
