"""The Telemetry API and the Logs API: an extension hears what is told inside its environment, and nothing leaves it."""

import json

import pytest
from test_extensions import HANDLER, deploy, extension, lines, python, retire  # noqa: F401

LISTEN = '''
import http.server, threading
HEARD = []

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        HEARD.extend(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

threading.Thread(target=http.server.HTTPServer(("sandbox.localdomain", 8080), Listener).serve_forever, daemon=True).start()

def subscribe(api="/2022-07-01/telemetry", identifier=None, **body):
    wanted = {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
              "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}}
    return call("PUT", api, {**wanted, **body}, Lambda_Extension_Identifier=identifier or IDENTIFIER)
'''

SAY = '''
    if event["eventType"] == "SHUTDOWN":
        time.sleep(0.5)
        say("heard", json.dumps(HEARD))
'''

PRINTS = HANDLER.replace("    return", "    print('said by the function')\n    return")


def heard(function, name):
    retire(function)
    return json.loads(lines(function, f"{name} heard")[0].split(" heard ", 1)[1])


def of(events, kind):
    return [event["record"] for event in events if event["type"] == kind]


def test_an_extension_hears_what_the_platform_and_the_function_tell(server, python):  # noqa: F811
    after = LISTEN + 'say("subscribed", subscribe()[::2])'
    function = deploy(server, {"ears": extension(python, after=after, each=SAY.strip("\n ").lstrip())}, code=PRINTS)
    answer, first = function.invoke()
    assert "FunctionError" not in answer, first
    second = function.invoke()[1]
    assert lines(function, "ears subscribed") == ["ears subscribed (200, 'OK')"]
    assert lines(function, "TELEMETRY")[0] == "TELEMETRY\tName: ears\tState: Subscribed\tTypes: [platform, function]"
    events = heard(function, "ears")
    assert of(events, "platform.initStart")[0]["functionName"] == function.name, "what was told before it subscribed"
    assert of(events, "platform.initRuntimeDone")[0]["status"] == "success"
    assert of(events, "platform.telemetrySubscription") == [{"name": "ears", "state": "Subscribed", "types": ["platform", "function"]}]
    assert of(events, "platform.extension")[0]["events"] == ["INVOKE", "SHUTDOWN"]
    assert of(events, "platform.initReport")[0]["metrics"]["durationMs"] > 0
    for kind in ("platform.start", "platform.runtimeDone", "platform.report"):
        assert [record["requestId"] for record in of(events, kind)] == [first["id"], second["id"]], kind
    assert of(events, "platform.report")[0]["status"] == "success"
    assert of(events, "function") == ["said by the function"] * 2
    assert of(events, "extension") == []
    assert all(event["time"].endswith("Z") for event in events)


def test_the_older_api_and_tcp(server, python):  # noqa: F811
    after = LISTEN + '''
import socket
LINES = []
SERVER = socket.create_server(("sandbox.localdomain", 9999))
def take():
    while True:
        with SERVER.accept()[0] as taken:
            LINES.extend(taken.makefile().readlines())
threading.Thread(target=take, daemon=True).start()
say("subscribed", subscribe("/2020-08-15/logs", schemaVersion="2021-03-18", destination={"protocol": "TCP", "port": 9999})[0])
'''
    each = SAY.strip("\n ").replace("HEARD", "[json.loads(line) for line in LINES]")
    function = deploy(server, {"older": extension(python, after=after, each=each)}, code=PRINTS)
    first = function.invoke()[1]
    events = heard(function, "older")
    assert of(events, "platform.report")[0]["requestId"] == first["id"]
    assert of(events, "platform.logsSubscription")[0]["name"] == "older"
    assert of(events, "platform.initStart") == [] and of(events, "function") == ["said by the function"]


def test_subscriptions_that_lead_outside_or_are_wrong_or_late_are_refused(server, python):  # noqa: F811
    after = LISTEN + '''
over_http = lambda uri: {"protocol": "HTTP", "URI": uri}
say("refused", json.dumps([
    subscribe(destination=over_http("http://169.254.169.254:80/"))[0],
    subscribe(destination=over_http("http://127.0.0.1:8080/"))[0],
    subscribe(destination=over_http("http://sandbox.localdomain:9001/"))[0],
    subscribe(destination=over_http("http://sandbox.localdomain:4566/"))[0],
    subscribe(destination={"protocol": "TCP", "port": 0})[0],
    subscribe(types=[])[0],
    subscribe(schemaVersion="2020-01-01")[0],
    subscribe(buffering={"timeoutMs": 1})[0],
    subscribe(identifier="00000000-0000-4000-8000-000000000000")[0],
    subscribe(identifier="mine")[0],
    subscribe()[0],
    subscribe()[0],
    subscribe(types=["function"])[0],
    subscribe("/2020-08-15/logs", schemaVersion="2021-03-18")[0],
]))
'''
    each = 'event["eventType"] == "INVOKE" and say("late", subscribe("/2020-08-15/logs", schemaVersion="2021-03-18")[::2])'
    function = deploy(server, {"odd": extension(python, after=after, each=each)})
    answer, told = function.invoke()
    assert "FunctionError" not in answer, told
    assert json.loads(lines(function, "odd refused")[0].split("refused ", 1)[1]) == [400] * 8 + [403, 403, 200, 200, 403, 403]
    assert "Logs.SubscriptionClosed" in lines(function, "odd late")[0]
    assert len(lines(function, "TELEMETRY\tName: odd")) == 1, "the same again is one subscription"


FLOODED = '''
import sys
LISTENER = http.server.HTTPServer(("sandbox.localdomain", 8080), Listener, bind_and_activate=False)
REQUESTS = []

def listen():
    LISTENER.server_bind()
    LISTENER.server_activate()
    threading.Thread(target=LISTENER.serve_forever, daemon=True).start()

def lost():
    return [event["record"] for event in HEARD if event["type"] == "platform.logsDropped"]

def on(event):
    REQUESTS.append(event["eventType"])
    if REQUESTS == ["INVOKE"] * 2:
        if {late}:
            listen()
        while not lost():
            time.sleep(0.05)
        heard = sum(event["type"] == "function" for event in HEARD)
        say("lost", json.dumps(lost()[0]), "heard", heard)

if not {late}:
    listen()
say("subscribed", subscribe(types=["function", "platform"])[0])
'''


@pytest.mark.parametrize("late", [False, True])
def test_a_flood_is_bounded_and_what_is_dropped_is_told(server, python, late):  # noqa: F811
    """A subscriber that is slow, or does not listen at all for a while, costs the server no more than its queue."""
    after = LISTEN.replace("HEARD.extend", "time.sleep(0.2)\n        HEARD.extend")
    after = "\n".join(line for line in after.splitlines() if "serve_forever" not in line) + FLOODED.replace("{late}", str(late))
    code = "def handler(event, context):\n    for number in range(event.get('lines', 0)):\n        print('x' * 1000)\n    return 'done'\n"
    function = deploy(server, {"slow": extension(python, after=after, each="on(event)")}, code=code, Timeout=60, MemorySize=1769)
    assert function.invoke({"lines": 8000})[1] == "done"
    assert function.invoke()[1] == "done"
    told = lines(function, "slow lost", seconds=40)[0].split(" lost ", 1)[1]
    record, heard = told.split(" heard ")
    record = json.loads(record)
    assert 0 < record["droppedRecords"] < 8000 and record["droppedBytes"] > 1000 * record["droppedRecords"], record
    assert record["reason"].startswith("Consumer seems to have fallen behind")
    assert record["droppedRecords"] + int(heard) <= 8000
    assert len(lines(function, "REPORT RequestId", 2)) == 2, "what the platform writes survives the flood"
