"""Run by test_egress.py in network and mounts of its own: names that lead to two families of addresses, as the internet's do,
of which the first cannot be reached. Prints what functions made of them, as JSON.

Nothing of it is sent anywhere: the addresses are public ones that lead to this machine only within these namespaces."""

import http.server
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

from conftest import Server
from functions import Function, node_runtime

# By name. The first of each: somebody is there, and refuses; nobody can be there; nobody ever answers.
NAMES = {
    "refused": ("2600:db::9", "8.77.66.55"),
    "unreachable": ("2a00:db::9", "8.77.66.56"),
    "silent": ("2620:db::9", "8.77.66.57"),
}
# What clients that try one address after the other give each of them.
PATIENCE_S = {"refused": 10, "unreachable": 10, "silent": 4}

PYTHON = '''
import asyncio, http.client, socket, urllib.request

def one_after_the_other(name, port, patience):
    connection = http.client.HTTPConnection(name, port, timeout=patience)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()

def by_library(name, port, patience):
    return urllib.request.urlopen(f"http://{name}:{port}/", timeout=patience).read().decode()

def side_by_side(name, port, patience):
    async def fetch():
        reader, writer = await asyncio.open_connection(name, port, happy_eyeballs_delay=0.25)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        body = await reader.read()
        writer.close()
        return body.decode().splitlines()[-1]
    return asyncio.run(fetch())

def handler(event, context):
    name, port = event["name"], event["port"]
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    results = {"addresses": [address[0] for *_, address in found]}
    for how in (one_after_the_other, by_library, side_by_side):
        try:
            results[how.__name__] = how(name, port, event["patience"])
        except Exception as error:
            results[how.__name__] = f"{type(error).__name__}: {error}"
    return results
'''

NODE = """
const dns = require('node:dns/promises');
const http = require('node:http');

const get = (host, port) => new Promise((resolve) => {
  http.get({ host, port, agent: false, timeout: 10000 }, (answer) => {
    let text = '';
    answer.on('data', (piece) => { text += piece; });
    answer.on('end', () => resolve(text));
  }).on('error', (error) => resolve(String(error)));
});

exports.handler = async ({ name, port }) => ({
  addresses: (await dns.lookup(name, { all: true })).map((found) => found.address),
  by_library: await get(name, port),
  fetched: await fetch(`http://${name}:${port}/`).then((answer) => answer.text(), String),
});
"""


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello by IPv4")

    def log_message(self, *_):
        pass


def prepare(folder):
    """Names and addresses of these namespaces only."""
    hosts = folder / "hosts"
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {name}" for name, addresses in NAMES.items() for address in addresses]
    hosts.write_text("\n".join(lines) + "\n")
    hosts.chmod(0o644)
    # Reached from another address than themselves, so that they count as addresses of others.
    fours = [f"ip route add local {four}/32 dev lo src 127.0.0.1 table local" for _, four in NAMES.values()]
    six = f"ip -6 route add local {NAMES['refused'][0]}/128 dev lo src ::1"
    # The other end of this wire lets everything fall.
    silent = NAMES["silent"][0]
    wire = [
        "ip link add here type veth peer name there", "ip link set here up", "ip link set there up", "ip -6 addr add 2001:db8::1/64 dev here nodad",
        f"ip -6 route add {silent}/128 dev here", f"ip -6 neigh add {silent} lladdr 02:00:00:00:00:09 dev here nud permanent",
    ]
    for command in (f"mount --bind {hosts} /etc/hosts", "ip link set lo up", *fours, six, *wire):
        subprocess.run(command.split(), check=True)


def tried(server, function, port):
    done = {}
    for name, (_, four) in NAMES.items():
        answer, said = function.invoke({"name": name, "port": port, "patience": PATIENCE_S[name]})
        wanted = lambda record: record.get("operation") == "sandbox.connecting" and f"{four}:{port} ({name})" in json.dumps(record)
        server.wait_for_audit(function.name, wanted)
        request = answer["ResponseMetadata"]["RequestId"]
        said["connecting"] = [
            record["detail"] for record in server.audit(function.name)
            if record.get("operation") == "sandbox.connecting" and record["id"] == request
        ]
        done[name] = said
    return done


def main(folder):
    prepare(folder)
    web = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Hello)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    port = web.server_port
    allowed = ",".join(f"{name}:{port}" for name in NAMES)
    server = Server(folder / "data", environment={"CASEMATE_EGRESS_CEILING": allowed}).start()
    try:
        settings = {"Environment": {"Variables": {"CASEMATE_EGRESS": allowed}}, "MemorySize": 1024, "Timeout": 60}
        python = Function(server, {"app.py": PYTHON}, **settings)
        node = Function(server, {"app.js": NODE}, runtime=node_runtime(server), **settings)
        print(json.dumps({"python": tried(server, python, port), "node": tried(server, node, port), "port": port}))
    finally:
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
