"""Function URLs: both permissions, signatures, the event, the answer's forms, CORS, streams, and what is refused."""

import base64
import http.client
import json
import time
import uuid

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from functions import Function, node_runtime

ECHO = """
exports.handler = async (event) => {
  const wish = event.queryStringParameters?.answer;
  if (wish === 'text') return 'hello';
  if (wish === 'error') throw new Error('no');
  if (wish === 'oversize') return 'x'.repeat(6291600);
  if (wish === 'proxy') {
    return { statusCode: 201, headers: { 'X-Made': 'here', 'content-type': 'image/png', 'access-control-allow-origin': 'https://own.example' },
      cookies: ['a=1; Secure', 'b=2'], body: Buffer.from([1, 2, 255]).toString('base64'), isBase64Encoded: true };
  }
  if (wish === 'bad') return { statusCode: 'x' };
  return event;
};
"""

STREAM = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const wish = event.queryStringParameters?.answer;
  if (wish === 'error') throw new Error('no');
  if (wish !== 'plain') {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 203, headers: { 'X-Made': 'here', 'content-type': 'text/plain' }, cookies: ['a=1'] });
  }
  for (let number = 0; number < 4; number += 1) {
    stream.write(`piece ${number}\\n`);
    await new Promise((done) => setTimeout(done, 150));
    if (wish === 'late' && number === 1) throw new Error('later');
  }
  stream.end();
});
"""


def opened(function, auth="NONE", principal="*", both=True, **options):
    """Gives the function an URL and admits the principal; returns its host name."""
    made = function.lambda_.create_function_url_config(FunctionName=function.name, AuthType=auth, **options)
    if principal:
        function.lambda_.add_permission(
            FunctionName=function.name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal=principal,
            FunctionUrlAuthType=auth,
        )
        if both:
            function.lambda_.add_permission(
                FunctionName=function.name, StatementId="invoke", Action="lambda:InvokeFunction", Principal=principal,
                InvokedViaFunctionUrl=True,
            )
    return made["FunctionUrl"].split("/")[2]


class Answer:
    def __init__(self, response, arrived=()):
        self.status, self.headers, self.arrived = response.status, response.headers, list(arrived)
        self.body = b"".join(piece for _, piece in self.arrived)

    @property
    def json(self):
        return json.loads(self.body)


def call(server, host, path="/", method="GET", body=None, headers=None, keys=None):
    """Sends a request as a browser or, with keys, as a signing client would."""
    headers = {"Host": host} | (headers or {})
    if keys:
        access, secret, *token = keys
        request = AWSRequest(method, f"http://{host}{path}", data=body, headers=headers)
        SigV4Auth(Credentials(access, secret, *token), "lambda", "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    arrived = []
    while piece := response.read1(65536):
        arrived.append((time.monotonic(), piece))
    return Answer(response, arrived)


@pytest.fixture(scope="module")
def echo(server):
    function = Function(server, {"app.js": ECHO}, runtime=node_runtime(server))
    cors = {"AllowOrigins": ["https://page.example"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-own"], "MaxAge": 60}
    return function, opened(function, Cors=cors)


@pytest.fixture(scope="module")
def stream(server):
    function = Function(server, {"app.js": STREAM}, runtime=node_runtime(server))
    return opened(function, InvokeMode="RESPONSE_STREAM")


def user(server, actions, resource="*"):
    iam = server.client("iam")
    name = f"u-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    if actions:
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


# ---- the event --------------------------------------------------------------------------------------------------------


def test_the_event_is_payload_format_two(server, echo):
    function, host = echo
    answer = call(server, host, "/a%20b/c?x=1&x=2&y=z", headers={"Cookie": "k=v; l=w", "X-Own": "yes", "X-Forwarded-For": "6.6.6.6"})
    event = answer.json
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a%20b/c")
    assert event["rawQueryString"] == "x=1&x=2&y=z" and event["queryStringParameters"] == {"x": "1,2", "y": "z"}
    assert event["cookies"] == ["k=v", "l=w"] and event["headers"]["x-own"] == "yes" and "cookie" not in event["headers"]
    # The client cannot say where it comes from.
    assert event["headers"]["x-forwarded-for"] == event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    context = event["requestContext"]
    assert context["accountId"] == "anonymous" and "authorizer" not in context
    assert context["domainName"] == host.split(":")[0] and context["apiId"] == context["domainPrefix"] == host.split(".")[0]
    assert context["requestId"] == answer.headers["x-amzn-requestid"] and context["stage"] == "$default"


def test_bodies_are_text_or_base64_by_their_type(server, echo):
    _, host = echo
    event = call(server, host, method="POST", body=b'{"a":1}', headers={"Content-Type": "application/json"}).json
    assert (event["body"], event["isBase64Encoded"]) == ('{"a":1}', False)
    event = call(server, host, method="POST", body=b"\xff\x00", headers={"Content-Type": "image/png"}).json
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff\x00", True)


# ---- answers ----------------------------------------------------------------------------------------------------------


def test_answers_take_their_forms(server, echo):
    _, host = echo
    assert call(server, host, "/?answer=text").body == b'"hello"'
    answer = call(server, host, "/?answer=proxy")
    assert (answer.status, answer.body, answer.headers["x-made"]) == (201, b"\x01\x02\xff", "here")
    assert answer.headers.get_all("set-cookie") == ["a=1; Secure", "b=2"]
    for wish in ("error", "oversize", "bad"):
        failed = call(server, host, f"/?answer={wish}")
        assert (failed.status, failed.json) == (502, {"Message": "Internal Server Error"}), wish


def test_requests_beyond_six_megabytes_are_refused(server, echo):
    _, host = echo
    # Base64 makes an event of this that is too large.
    answer = call(server, host, method="POST", body=b"\xff" * 5_000_000, headers={"Content-Type": "image/png"})
    assert answer.status == 413


def test_cors_is_the_urls_own(server, echo):
    _, host = echo
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    answer = call(server, host, method="OPTIONS", headers=asked)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["access-control-allow-methods"] == "GET,PUT"
    assert answer.headers["access-control-allow-headers"] == "x-own" and answer.headers["access-control-max-age"] == "60"
    other = call(server, host, method="OPTIONS", headers=asked | {"Origin": "https://evil.example"})
    assert other.status == 200 and "access-control-allow-origin" not in other.headers
    # What the function says itself does not count.
    plain = call(server, host, "/?answer=proxy", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in plain.headers


def test_streams_arrive_as_they_are_made(server, stream):
    answer = call(server, stream)
    assert (answer.status, answer.headers["x-made"], answer.headers["set-cookie"]) == (203, "here", "a=1")
    assert answer.body == b"".join(b"piece %d\n" % number for number in range(4))
    assert answer.arrived[-1][0] - answer.arrived[0][0] > 0.3
    plain = call(server, stream, "/?answer=plain")
    assert (plain.status, plain.headers["content-type"]) == (200, "application/octet-stream")
    assert call(server, stream, "/?answer=error").status == 502


def test_a_stream_that_fails_is_broken_off_and_recorded_once(server, stream):
    with pytest.raises((http.client.IncompleteRead, ConnectionError, http.client.HTTPException)) as broken:
        call(server, stream, "/late?answer=late")
    assert broken
    records = server.wait_for_audit("/late", lambda record: record.get("operation") == "function-url")
    assert len(records) == 1 and "broke off" in records[0]["detail"]


# ---- who may ----------------------------------------------------------------------------------------------------------


def forbidden(answer):
    assert (answer.status, answer.json) == (403, {"Message": "Forbidden"})
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"


def test_open_urls_still_need_both_permissions(server):
    function = Function(server, {"app.js": ECHO}, runtime=node_runtime(server))
    host = opened(function, principal=None)
    forbidden(call(server, host))
    function.lambda_.add_permission(
        FunctionName=function.name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    forbidden(call(server, host))
    function.lambda_.add_permission(
        FunctionName=function.name, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True
    )
    assert call(server, host).status == 200
    # And not without the URL.
    stranger = server.client("lambda", **dict(zip(("aws_access_key_id", "aws_secret_access_key"), user(server, []))))
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.invoke(FunctionName=function.name)
    function.lambda_.delete_function_url_config(FunctionName=function.name)
    forbidden(call(server, host))


def test_signed_urls_take_signatures_with_rights_only(server):
    function = Function(server, {"app.js": ECHO}, runtime=node_runtime(server))
    host = opened(function, auth="AWS_IAM", principal=None)
    granted = user(server, ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], function.arn)
    answer = call(server, host, "/x?a=1", method="POST", body=b"hi", headers={"Content-Type": "text/plain"}, keys=granted)
    assert answer.status == 200, answer.body
    event = answer.json
    identity = event["requestContext"]["authorizer"]["iam"]
    assert ":user/u-" in identity["userArn"] and event["requestContext"]["accountId"] == identity["accountId"]
    assert "authorization" not in event["headers"]
    forbidden(call(server, host))
    forbidden(call(server, host, keys=(granted[0], "wrong")))
    forbidden(call(server, host, keys=("AKIAIOSFODNN7EXAMPLE", "wrong")))
    for actions in ([], ["lambda:InvokeFunctionUrl"], ["lambda:InvokeFunction"]):
        forbidden(call(server, host, keys=user(server, actions)))
    forbidden(call(server, host, keys=user(server, ["lambda:*"], function.arn + "-other")))
    # A signature for one path does not fit another.
    request = AWSRequest("GET", f"http://{host}/mine", headers={"Host": host})
    SigV4Auth(Credentials(*granted), "lambda", "us-east-1").add_auth(request)
    forbidden(call(server, host, "/other", headers=dict(request.headers.items())))


def test_unknown_urls_are_forbidden_and_every_request_is_one_record(server, echo):
    forbidden(call(server, f"{'a' * 32}.lambda-url.us-east-1.localhost:{server.port}"))
    path = f"/{uuid.uuid4().hex}"
    call(server, echo[1], path)
    records = server.wait_for_audit(path, lambda record: record.get("operation") == "function-url")
    assert len(records) == 1 and records[0]["caller"] == "anonymous"
    assert records[0]["asks"][0]["action"] == "lambda:InvokeFunctionUrl"
