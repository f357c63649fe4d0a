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
    """What a server issued, the server stopped, and the notes example's address."""
    data_dir = tmp_path_factory.mktemp("expiry") / "data"
    server = Server(data_dir, ROOT / "examples/notes/template.yaml").start()
    notes = Notes(server)
    tokens = notes.tokens("alice")
    status, _, answer = notes.call("GET", "/notes", tokens["IdToken"])
    assert status == 200, answer
    idp = server.client("cognito-idp")
    assert idp.get_user(AccessToken=tokens["AccessToken"])["Username"] == "alice"
    server.stop()
    return notes, tokens


def at(issued, offset):
    notes, _ = issued
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


def test_two_hours_later_id_and_access_tokens_are_refused_and_the_refresh_token_renews(issued):
    notes, tokens = issued
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
    notes, tokens = issued
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
