"""Mapping templates, throttling and schema limits of a REST API without functions, with boto3 and plain HTTP."""

import json
import urllib.error
import urllib.request

import pytest

PREFLIGHT_REQUEST = """\
## Only origins that are listed may call.
#set($origin = $input.params().header.get('Origin'))
#set($allowed = ['https://a.example', 'https://b.example'])
#if($allowed.contains($origin))
{ statusCode: 204 }
#else
{ "statusCode": 403 }
#end
"""

PREFLIGHT_RESPONSE = """\
#set($context.responseOverride.header.Access-Control-Allow-Origin = $input.params('Origin'))
#set($methods = [])
#foreach($method in ['GET', 'POST', 'OPTIONS'])
  #set($added = $methods.add($method))
#end
#set($context.responseOverride.header.Access-Control-Allow-Methods = "$methods.toString().replaceAll('[\\[\\] ]', '')")
"""

ORDER_RESPONSE = """\
#set($order = $input.path('$'))
{
  "id": "$util.escapeJavaScript($input.params('id'))",
  "total": #set($total = 0)#foreach($line in $order.lines)#set($total = $total + $line.price * $line.count)#end$total,
  "names": [#foreach($line in $order.lines)"$util.escapeJavaScript($line.name)"#if($foreach.hasNext), #end#end],
  "first": $input.json('$.lines[0]'),
  "stage": "$context.stage", "color": "$stageVariables.color", "from": "$context.identity.sourceIp"
}
#if($total > 100)#set($context.responseOverride.status = 202)#end
"""


def method(gateway, api, resource, verb, request, responses, **more):
    where = {"restApiId": api, "resourceId": resource, "httpMethod": verb}
    gateway.put_method(**where, authorizationType="NONE", **more)
    gateway.put_integration(**where, type="MOCK", requestTemplates={"application/json": request})
    for status, (pattern, template) in responses.items():
        gateway.put_method_response(**where, statusCode=status)
        selection = {"selectionPattern": pattern} if pattern else {}
        templates = {"application/json": template} if template else {}
        gateway.put_integration_response(**where, statusCode=status, responseTemplates=templates, **selection)


def call(verb, url, body=None, headers=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, method=verb, headers=headers or {})
    if data:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read().decode()


@pytest.fixture
def shop(empty):
    """A REST API with one resource: (client, API id, resource id, a function that deploys and gives the URL)."""
    gateway = empty.client("apigateway")
    api = gateway.create_rest_api(name="shop")
    resource = gateway.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="{id}")["id"]

    def deploy():
        gateway.create_deployment(restApiId=api["id"], stageName="prod", variables={"color": "red"})
        return f"{empty.endpoint}/_aws/execute-api/{api['id']}/prod"

    return gateway, api["id"], resource, deploy


def test_a_preflight_is_answered_by_templates(shop):
    gateway, api, resource, deploy = shop
    responses = {"204": ("204", PREFLIGHT_RESPONSE), "403": (None, '{"message": "no"}')}
    method(gateway, api, resource, "OPTIONS", PREFLIGHT_REQUEST, responses)
    url = deploy() + "/7"
    status, headers, body = call("OPTIONS", url, headers={"Origin": "https://b.example"})
    assert (status, body.strip()) == (204, "")
    assert headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert headers["Access-Control-Allow-Methods"] == "GET,POST,OPTIONS"
    status, headers, body = call("OPTIONS", url, headers={"Origin": "https://evil.example"})
    assert (status, json.loads(body)) == (403, {"message": "no"})
    assert headers["Access-Control-Allow-Origin"] is None


def test_a_body_is_mapped_and_the_status_overridden(shop):
    gateway, api, resource, deploy = shop
    method(gateway, api, resource, "POST", '{"statusCode": 200}', {"200": (None, ORDER_RESPONSE)})
    url = deploy() + "/o%22-1"
    lines = [{"name": 'a "pen"', "price": 2, "count": 3}, {"name": "book", "price": 100, "count": 1}]
    status, _, body = call("POST", url, {"lines": lines})
    assert status == 202, body
    assert json.loads(body) == {
        "id": "o%22-1",
        "total": 106,
        "names": ['a "pen"', "book"],
        "first": lines[0],
        "stage": "prod",
        "color": "red",
        "from": "127.0.0.1",
    }
    status, _, body = call("POST", url, {"lines": lines[:1]})
    assert (status, json.loads(body)["total"]) == (200, 6)


def test_a_template_that_does_not_parse_is_refused_with_its_place(shop):
    gateway, api, resource, _ = shop
    with pytest.raises(gateway.exceptions.BadRequestException, match="#if without #end at line 2, column 1"):
        method(gateway, api, resource, "GET", '{"statusCode": 200}\n#if($x)', {})


def test_a_template_that_fails_is_a_500_and_the_trail_says_why(empty, shop):
    gateway, api, resource, deploy = shop
    method(gateway, api, resource, "GET", "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])#end#end#end", {})
    status, headers, body = call("GET", deploy() + "/1")
    assert (status, json.loads(body)) == (500, {"message": "Internal server error"})
    assert headers["x-amzn-ErrorType"] == "InternalServerErrorException"
    assert empty.wait_for_audit("too many steps", lambda record: record["outcome"]["status"] == 500)


def test_a_stage_throttles_its_methods(shop):
    gateway, api, resource, deploy = shop
    method(gateway, api, resource, "GET", '{"statusCode": 200}', {"200": (None, None)})
    url = deploy() + "/1"
    patch = lambda what, value: {"op": "replace", "path": f"/*/*/throttling/{what}", "value": value}
    stage = gateway.update_stage(
        restApiId=api, stageName="prod", patchOperations=[patch("rateLimit", "0.01"), patch("burstLimit", "3")]
    )
    assert stage["methodSettings"]["*/*"]["throttlingBurstLimit"] == 3
    answers = [call("GET", url) for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    assert json.loads(answers[-1][2]) == {"message": "Too Many Requests"}
    assert answers[-1][1]["x-amzn-ErrorType"] == "TooManyRequestsException"


def test_a_model_whose_references_double_is_refused(shop):
    gateway, api, _, _ = shop
    definitions = {"l24": {"type": "object"}}
    for level in range(24):
        next_level = {"$ref": f"#/definitions/l{level + 1}"}
        definitions[f"l{level}"] = {"allOf": [next_level, next_level]}
    schema = json.dumps({"$ref": "#/definitions/l0", "definitions": definitions})
    with pytest.raises(gateway.exceptions.BadRequestException, match="more than 2000 schemas"):
        gateway.create_model(restApiId=api, name="Bomb", contentType="application/json", schema=schema)
