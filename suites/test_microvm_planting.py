"""What a request leaves for the next in a machine: the programs escape/planting.*, in each way of using machines again. test_escape.py tries
them without machines."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from machines import MACHINE, Settled, slow
from planted import ENDED, is_gone, stays, stays_for_its_principal
from written import Written

# A custom runtime's processes end only with the machine (docs/environments.md).
ENDED_OF = {"custom": set()}
# Requests after which that machine has been asked which was planted in; between two the other may be.
LOOKS = 10


@pytest.fixture(scope="module")
def server(machines_for_all):
    return machines_for_all()


@pytest.fixture(scope="module", params=[
    pytest.param(["python", "custom"], id="python-custom"),
    pytest.param(["node", "ruby"], id="node-ruby", marks=slow), pytest.param(["java"], id="java", marks=slow),
])
def programs(request, server, tmp_path_factory):
    return [Written("planting", name, server, tmp_path_factory.mktemp(f"planting-{name}")) for name in request.param]


@pytest.fixture
def each(programs, server):
    """Tries this with a function of each of the languages that plants and looks, used again as the first argument says."""

    def trying(reuse, try_it):
        def one(program):
            variables = {"Environment": {"Variables": MACHINE | {"CASEMATE_REUSE": reuse}}}
            function = program.function(server, Settled, MemorySize=1024, Timeout=60, **variables)
            try_it(function, ENDED_OF.get(program.name, ENDED))

        try:
            with ThreadPoolExecutor(2) as both:
                list(both.map(one, programs))
        finally:
            # Why a machine was not started is told to the operator only.
            print("\n".join(line for line in server.output if "WARN" in line))

    return trying


def test_what_is_planted_in_a_warm_machine_stays_but_for_processes(each):
    each("warm", lambda function, ended: stays(function, ended, LOOKS))


def test_what_is_planted_for_one_principal_is_not_there_for_another(each):
    each("per-principal", lambda function, ended: stays_for_its_principal(function, ended, LOOKS))


def test_what_is_planted_in_a_machine_for_one_request_is_gone(each):
    each("per-invocation", lambda function, _: is_gone(function))
