"""The escape suite inside machines: the probes of test_escape.py, which shows that they are live, and the same events of them."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from escapes import Host, Language, exhausted, seen, tried
from machines import MACHINE, Settled

# Not in the machines of this language: others do it. Filling the disk takes up to half a minute (Python does it), as a thousand threads of Java do
# (the static program makes processes). A thousand processes of Python have no room in its memory. Ruby's own limit of 15 s for making them
# passes first.
ELSEWHERE = {
    "python": ["processes"], "ruby": ["processes", "disk"], "node": ["disk"], "java": ["processes", "disk"], "custom": ["disk"],
}


@pytest.fixture(scope="module")
def server(machines_for_all):
    return machines_for_all()


@pytest.fixture(scope="module")
def host(server):
    """Its files do not lie in /tmp here (a clone may): what an environment looks for there is its own business, and a guest does not
    know what the host has there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        host = Host(Path(folder), server.process.pid)
        # Under emulation each of them takes long.
        host.inside["rounds"] = 200
        yield host
        host.close()


def attempted(name, server, host, folder):
    """All probes of a language: what wrote them, the function, and the requests' ids."""
    language = Language(name, server, folder)
    settings = {"MemorySize": 512, "Timeout": 120, "Environment": {"Variables": MACHINE}}
    function = language.function(server, Settled, **settings)
    requests = tried(function, host, ["memory", *ELSEWHERE.get(name, [])])
    return language, function, requests | exhausted(function, host)


@pytest.fixture(scope="module")
def attempts(request, server, host, tmp_path_factory):
    """Those of all languages that this run has chosen are begun here, two at a time: a machine waits as often as it works. Each test waits
    for its own."""
    names = [item.callspec.params["name"] for item in request.session.items if "attempts" in item.fixturenames]
    with ThreadPoolExecutor(2) as two:
        yield {name: two.submit(attempted, name, server, host, tmp_path_factory.mktemp(name)) for name in names}


@pytest.mark.parametrize("name", ["python", "java", "ruby", "node", "custom"])
def test_the_escape_suite_is_contained_and_visible_in_machines(name, server, host, attempts):
    try:
        language, function, requests = attempts[name].result()
    finally:
        # Why a machine was not started is told to the operator only.
        print("\n".join(line for line in server.output if "WARN" in line))
    seen(server, function, language, requests)
    assert host.planted() == []
