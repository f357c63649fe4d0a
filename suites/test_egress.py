"""Connections out of functions: none without a list, and with one exactly what list and operator allow."""

import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import Server, address_of_the_host
from functions import Function, node_runtime
from two_families import NAMES


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"hello from outside"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A web server of this machine, once plain and once with TLS, and a port on which nobody listens."""
    folder = tmp_path_factory.mktemp("outside")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=outside", "-keyout", key, "-out", certificate,
         "-addext", f"subjectAltName=IP:{address_of_the_host()},IP:127.0.0.1"],
        check=True, capture_output=True,
    )
    plain = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Hello)
    secure = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Hello)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    closed = socket.socket()
    closed.bind(("0.0.0.0", 0))
    yield {
        "address": address_of_the_host(), "plain": plain.server_port, "secure": secure.server_port,
        "closed": closed.getsockname()[1], "certificate": certificate.read_text(),
    }
    closed.close()
    plain.shutdown()
    secure.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory, outside):
    """A server whose operator allows the web server's ports, and one name of the public internet."""
    address = outside["address"]
    ceiling = f"{address}:*,127.0.0.1:{outside['plain']},example.com:443,localhost:*"
    running = Server(tmp_path_factory.mktemp("egress") / "data", environment={"CASEMATE_EGRESS_CEILING": ceiling}).start()
    yield running
    running.stop()


PYTHON = '''
import asyncio, http.client, json, socket, ssl, urllib.request


def plain(event):
    connection = http.client.HTTPConnection(event["address"], event["plain"], timeout=10)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def secure(event):
    context = ssl.create_default_context(cadata=event["certificate"])
    with urllib.request.urlopen(f"https://{event['address']}:{event['secure']}/", context=context, timeout=10) as answer:
        return answer.read().decode()


async def fetch(event):
    reader, writer = await asyncio.open_connection(event["address"], event["plain"])
    writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    body = await reader.read()
    writer.close()
    return body.decode().splitlines()[-1]


def event_loop(event):
    async def many():
        return await asyncio.gather(*[fetch(event) for _ in range(50)])
    return sorted(set(asyncio.run(many())))


def closed(event):
    socket.create_connection((event["address"], event["closed"]), timeout=10)


def closed_in_a_loop(event):
    asyncio.run(fetch(event | {"plain": event["closed"]}))


def other_port_of_loopback(event):
    socket.create_connection(("127.0.0.1", event["secure"]), timeout=10)


def loopback(event):
    return plain(event | {"address": "127.0.0.1"})


def six(event):
    with socket.socket(socket.AF_INET6) as made:
        made.settimeout(10)
        made.connect(("::ffff:" + event["address"], event["plain"]))
        made.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return made.recv(100).decode().splitlines()[0]


def datagram(event):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect((event["address"], event["plain"]))


def datagram_at_once(event):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"x", (event["address"], event["plain"]))


def without_connect(event):
    with socket.socket() as made:
        made.sendto(b"x", socket.MSG_FASTOPEN, (event["address"], event["plain"]))


def relay_uninvited(event):
    with socket.create_connection(("127.0.0.1", 9003), timeout=10) as made:
        made.settimeout(10)
        made.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
        if made.recv(10) == b"":
            raise OSError("closed")


def metadata(event):
    socket.create_connection(("169.254.169.254", 80), timeout=10)


def elsewhere(event):
    socket.create_connection(("8.8.8.8", 443), timeout=10)


def unknown_name(event):
    return socket.getaddrinfo("example.org", 443)


def name_of_the_host(event):
    return socket.getaddrinfo("localhost.localdomain", event["plain"])


def name_that_leads_home(event):
    import struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(10)
        made.connect(("127.0.0.1", 53))
        made.send(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\\x09localhost\\x00" + struct.pack("!2H", 1, 1))
        code = made.recv(512)[3] & 15
        if code:
            raise OSError(f"code {code}")


def again_after_disconnecting(event):
    import ctypes
    with socket.create_connection((event["address"], event["plain"]), timeout=10) as made:
        unspecified = ctypes.create_string_buffer(16)
        ctypes.CDLL(None).connect(made.fileno(), unspecified, 16)
        made.connect(("8.8.8.8", 443))


def handler(event, context):
    results = {}
    for name in event["tries"]:
        try:
            results[name] = {"reached": True, "what": repr(globals()[name](event))[:300]}
        except BaseException as error:
            results[name] = {"reached": False, "why": f"{type(error).__name__}: {error}"[:300]}
    return results
'''

NODE = """
const http = require('node:http');
const https = require('node:https');

const get = (module, options) => new Promise((resolve, reject) => {
  module.get({ timeout: 10000, ...options }, (answer) => {
    let text = '';
    answer.on('data', (piece) => { text += piece; });
    answer.on('end', () => resolve(text));
  }).on('error', reject);
});

exports.handler = async (event) => {
  const host = event.address;
  const tries = {
    plain: () => get(http, { host, port: event.plain }),
    secure: () => get(https, { host, port: event.secure, ca: event.certificate }),
    fetched: async () => (await fetch(`http://${host}:${event.plain}/`)).text(),
    many: async () => [...new Set(await Promise.all(Array.from({ length: 50 }, () => get(http, { host, port: event.plain, agent: false }))))].join(),
    closed: () => get(http, { host, port: event.closed }),
    elsewhere: () => get(http, { host: '8.8.8.8', port: 443 }),
    unknown_name: () => get(https, { host: 'example.org' }),
  };
  const results = {};
  for (const name of event.tries) {
    try {
      results[name] = { reached: true, what: await tries[name]() };
    } catch (error) {
      results[name] = { reached: false, why: String(error) };
    }
  }
  return results;
};
"""


def egress(outside):
    address = outside["address"]
    return f"{address}:{outside['plain']},{address}:{outside['secure']},{address}:{outside['closed']},127.0.0.1:{outside['plain']},localhost:1"


def function_with(server, files, destinations, **settings):
    return Function(server, files, Environment={"Variables": {"CASEMATE_EGRESS": destinations}}, MemorySize=1024, **settings)


REACHED = ["plain", "secure", "event_loop", "six", "loopback"]
REFUSED = [
    "closed", "closed_in_a_loop", "other_port_of_loopback", "datagram", "datagram_at_once", "without_connect", "relay_uninvited",
    "metadata", "elsewhere", "unknown_name", "name_of_the_host", "name_that_leads_home", "again_after_disconnecting",
]


def test_python_reaches_what_is_listed_and_nothing_else(server, outside):
    function = function_with(server, {"app.py": PYTHON}, egress(outside), Timeout=60)
    answer, results = function.invoke(outside | {"tries": REACHED + REFUSED})
    assert "FunctionError" not in answer, results
    assert [name for name in REACHED if not results[name]["reached"]] == [], results
    assert all("hello from outside" in results[name]["what"] for name in ("plain", "secure", "event_loop", "loopback"))
    assert "200" in results["six"]["what"]
    assert {name: results[name] for name in REFUSED if results[name]["reached"]} == {}
    assert "ConnectionRefused" in results["closed"]["why"] and "ConnectionRefused" in results["closed_in_a_loop"]["why"]

    def recorded(operation, word):
        server.wait_for_audit(function.name, lambda record: record.get("operation") == operation and word in json.dumps(record))

    recorded("sandbox.connecting", f"{outside['address']}:{outside['secure']}")
    recorded("sandbox.disconnected", f"{outside['address']}:{outside['plain']}")
    recorded("sandbox.connect-denied", "169.254.169.254:80")
    recorded("sandbox.connect-denied", "8.8.8.8:443")
    recorded("sandbox.name-refused", "example.org")
    recorded("sandbox.name-refused", "localhost")


def test_node_reaches_what_is_listed_and_nothing_else(server, outside):
    function = function_with(server, {"app.js": NODE}, egress(outside), Timeout=60, runtime=node_runtime(server))
    reached, refused = ["plain", "secure", "fetched", "many"], ["closed", "elsewhere", "unknown_name"]
    answer, results = function.invoke(outside | {"tries": reached + refused})
    assert "FunctionError" not in answer, results
    assert {name: results[name].get("what") for name in reached} == dict.fromkeys(reached, "hello from outside"), results
    assert {name: results[name] for name in refused if results[name]["reached"]} == {}
    assert "ECONNREFUSED" in results["closed"]["why"]


def test_without_a_list_nothing_is_reached(server, outside):
    function = Function(server, {"app.py": PYTHON}, Timeout=60)
    answer, results = function.invoke(outside | {"tries": REACHED + REFUSED})
    assert "FunctionError" not in answer, results
    assert {name: result for name, result in results.items() if result["reached"]} == {}


def test_a_list_beyond_the_operators_is_refused(server, outside):
    for destinations in ("8.8.8.8:53", "0.0.0.0/0:*", "*.example.com:443", "example.com:80", f"127.0.0.1:{outside['secure']}"):
        with pytest.raises(ClientError) as refused:
            function_with(server, {"app.py": PYTHON}, destinations)
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "CASEMATE_EGRESS" in str(refused.value)
    function = Function(server, {"app.py": PYTHON})
    with pytest.raises(ClientError):
        server.client("lambda").update_function_configuration(
            FunctionName=function.name, Environment={"Variables": {"CASEMATE_EGRESS": "8.8.8.8:53"}}
        )


def test_a_list_that_the_operator_has_narrowed_since_runs_no_more(tmp_path, outside):
    address = outside["address"]
    first = Server(tmp_path / "data", environment={"CASEMATE_EGRESS_CEILING": f"{address}:*"}).start()
    function = function_with(first, {"app.py": PYTHON}, f"{address}:{outside['plain']}")
    assert function.invoke(outside | {"tries": ["plain"]})[1]["plain"]["reached"]
    first.stop()
    second = Server(tmp_path / "data", port=first.port).start()
    try:
        with pytest.raises(ClientError) as refused:
            second.client("lambda").invoke(FunctionName=function.name, Payload=json.dumps(outside | {"tries": ["plain"]}))
        assert "beyond what this host allows" in str(refused.value)
    finally:
        second.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make network and mounts of their own that lead somewhere")
def test_a_name_whose_first_address_cannot_be_reached_is_reached_by_its_second(tmp_path_factory):
    """Clients try the addresses of both families (happy eyeballs, RFC 8305), and each try has its own answer at once."""
    folder = tmp_path_factory.mktemp("two-families")
    folder.chmod(0o755)
    script = Path(__file__).parent / "two_families.py"
    # With mounts and a network of its own; see there.
    done = subprocess.run(["unshare", "--net", "--mount", sys.executable, script, folder], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for language, hows in (("python", ["one_after_the_other", "by_library", "side_by_side"]), ("node", ["by_library", "fetched"])):
        for name, addresses in NAMES.items():
            said = told[language][name]
            assert said["addresses"] == list(addresses), "IPv6 comes first"
            assert [said[how] for how in hows] == ["hello by IPv4"] * len(hows), said
            tries = [f"[{addresses[0]}]:{told['port']} ({name})", f"{addresses[1]}:{told['port']} ({name})"] * len(hows)
            assert [detail.split(" connects to ")[1] for detail in said["connecting"]] == tries
