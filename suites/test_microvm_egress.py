"""Connections out of virtual machines, under software emulation: what list and operator allow, decided by the host, as without a machine."""

import json
import socket
import struct
import threading

import pytest
from botocore.exceptions import ClientError
from machines import MACHINE, Slow
from test_egress import PYTHON, REACHED, REFUSED, egress, outside  # noqa: F401 (a fixture)

BULK = 1_000_000
HEAVY = "import asyncio, http.client, json, socket, ssl, urllib.request"
# Loading what is not needed takes an emulated machine half a minute.
LIGHT = "import json, select, socket, ssl"


def peer(listener):
    """Does with each connection what its first byte says."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=attend, args=(connection,), daemon=True).start()


def attend(connection):
    match connection.recv(1):
        case b"r":
            # Broken, not ended.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        case b"h":
            got = 0
            while piece := connection.recv(65_536):
                got += len(piece)
            connection.sendall(str(got).encode())
            connection.close()
        case b"b":
            connection.sendall(bytes(number % 251 for number in range(1_000)) * (BULK // 1_000))
            connection.close()


@pytest.fixture(scope="module")
def tcp():
    with socket.create_server(("0.0.0.0", 0), backlog=256) as listener:
        threading.Thread(target=peer, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def server(machines_for_all):
    return machines_for_all()


MORE = '''
def asked(made, event):
    made.sendall(b"GET / HTTP/1.1\\r\\nHost: outside\\r\\n\\r\\n")
    answer = b""
    while not answer.endswith(b"hello from outside"):
        answer += made.recv(1000) or (_ for _ in ()).throw(EOFError(answer))
    return answer.decode().splitlines()[-1]


def plain(event):
    with socket.create_connection((event["address"], event["plain"]), timeout=10) as made:
        return asked(made, event)


def secure(event):
    context = ssl.create_default_context(cadata=event["certificate"])
    with socket.create_connection((event["address"], event["secure"]), timeout=10) as made:
        with context.wrap_socket(made, server_hostname=event["address"]) as made:
            return asked(made, event)


def without_waiting(event, count):
    """As event loops do: all at once, and then whatever is ready."""
    waiting = {}
    for _ in range(count):
        made = socket.socket()
        made.setblocking(False)
        number = made.connect_ex((event["address"], event["plain"]))
        if number not in (0, 115):
            raise OSError(number, "at once")
        waiting[made.fileno()] = made
    said = set()
    while waiting:
        _, ready, _ = select.select([], list(waiting), [], 10)
        for number in ready:
            made = waiting.pop(number)
            if failed := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(failed, "later")
            made.setblocking(True)
            said.add(asked(made, event))
            made.close()
    return sorted(said)


def event_loop(event):
    return without_waiting(event, 20)


def closed_in_a_loop(event):
    return without_waiting(event | {"plain": event["closed"]}, 1)


def to_peer(event, word):
    made = socket.create_connection((event["address"], event["peer"]), timeout=30)
    made.sendall(word)
    return made


def half_close(event):
    with to_peer(event, b"h") as made:
        made.sendall(b"x" * 300_000)
        made.shutdown(socket.SHUT_WR)
        return made.recv(100).decode()


def broken(event):
    with to_peer(event, b"r") as made:
        return made.recv(100)


def bulk(event):
    with to_peer(event, b"b") as made:
        got = bytearray()
        while piece := made.recv(100_000):
            got += piece
    return len(got), got == bytes(number % 251 for number in range(1_000)) * (len(got) // 1_000)


kept = None


def on_the_same_connection(event):
    """Also in a later request, between which the machine stood still."""
    global kept
    new = kept is None
    kept = kept or socket.create_connection((event["address"], event["plain"]), timeout=10)
    return new, asked(kept, event)


def own_listeners(event):
    """What listens on the machine's loopback is the machine's, whatever the list says of the host's."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        with socket.create_connection(made.getsockname(), timeout=10) as there:
            return there.getpeername() == made.getsockname()


def with_the_time(name, event):
    import time
    began = time.monotonic()
    try:
        return {"reached": True, "what": repr(globals()[name](event))[:300], "took": time.monotonic() - began}
    except BaseException as error:
        return {"reached": False, "why": f"{type(error).__name__}: {error}"[:300], "took": time.monotonic() - began}


def handler(event, context):
    return {name: with_the_time(name, event) for name in event["tries"]}
'''

OWN = ["half_close", "bulk", "own_listeners", "on_the_same_connection"]


def test_a_machine_reaches_what_is_listed_and_nothing_else(server, outside, tcp):  # noqa: F811
    destinations = f"{egress(outside)},{outside['address']}:{tcp}"
    function = Slow(
        server, {"app.py": PYTHON.replace(HEAVY, LIGHT) + MORE}, Timeout=120, MemorySize=256,
        Environment={"Variables": MACHINE | {"CASEMATE_EGRESS": destinations}},
    )
    event = outside | {"peer": tcp}
    answer, results = function.invoke(event | {"tries": REACHED + REFUSED + OWN + ["broken"]})
    assert "FunctionError" not in answer, results
    print({name: round(result["took"], 2) for name, result in results.items()})
    assert [name for name in REACHED + OWN if not results[name]["reached"]] == [], results
    assert all("hello from outside" in results[name]["what"] for name in ("plain", "secure", "event_loop", "loopback"))
    assert "200" in results["six"]["what"]
    assert {name: results[name] for name in [*REFUSED, "broken"] if results[name]["reached"]} == {}
    for name in ("closed", "closed_in_a_loop"):
        assert "ConnectionRefused" in results[name]["why"], results[name]
    for name in ("metadata", "elsewhere", "again_after_disconnecting"):
        assert "Network is unreachable" in results[name]["why"], results[name]
    assert "ConnectionReset" in results["broken"]["why"], results["broken"]
    assert results["half_close"]["what"] == "'300000'"
    assert results["bulk"]["what"] == f"({BULK}, True)"
    assert results["own_listeners"]["what"] == "True"

    def recorded(operation, word):
        server.wait_for_audit(function.name, lambda record: record.get("operation") == operation and word in json.dumps(record))

    recorded("sandbox.connecting", f"{outside['address']}:{outside['secure']}")
    recorded("sandbox.disconnected", f"{outside['address']}:{outside['plain']}")
    recorded("sandbox.connect-denied", "169.254.169.254:80")
    recorded("sandbox.connect-denied", "8.8.8.8:443")
    recorded("sandbox.name-refused", "example.org")
    recorded("sandbox.name-refused", "localhost")

    # The machine has stood still in between.
    answer, results = function.invoke(event | {"tries": ["on_the_same_connection", "plain"]})
    assert "FunctionError" not in answer, results
    assert results["on_the_same_connection"]["what"] == "(False, 'hello from outside')", results
    assert results["plain"]["reached"], results


def test_what_no_list_allows_is_refused_when_the_function_is_made(server):
    for destinations in ("8.8.8.8:53", "0.0.0.0/0:*", "example.com:443"):
        with pytest.raises(ClientError, match="CASEMATE_EGRESS") as refused:
            Slow(server, {"app.py": PYTHON}, Environment={"Variables": MACHINE | {"CASEMATE_EGRESS": destinations}})
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
