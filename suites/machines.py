"""Virtual machines by emulation, for the suites that start functions in them: what the operator says, and functions that are waited for."""

import os
import shutil
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from conftest import until
from functions import Function

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "target/tools/kernel"
INSTALL = "run `. .ci/install.sh && need_qemu` in the repository's root"
MACHINE = {"CASEMATE_ISOLATION": "microvm"}
ONCE = MACHINE | {"CASEMATE_INIT": "once"}
slow = pytest.mark.skipif(
    os.environ.get("CASEMATE_SLOW_SUITES") != "1", reason="takes minutes under emulation; CASEMATE_SLOW_SUITES=1 runs it"
)


def machines():
    """What the operator says."""
    kernels = sorted(KERNELS.glob("*.deb"))
    assert kernels and shutil.which("qemu-system-x86_64"), INSTALL
    return {"CASEMATE_MICROVM_KERNEL": str(kernels[-1]), "CASEMATE_MICROVM_EMULATION": "true"}


class Slow(Function):
    """A function whose start takes long, and is waited for."""

    def client(self, **credentials):
        key, secret = self.server.keys
        patient = Config(retries={"total_max_attempts": 1}, read_timeout=300)
        chosen = {"aws_access_key_id": key, "aws_secret_access_key": secret} | credentials
        return boto3.client("lambda", endpoint_url=self.server.endpoint, region_name="us-east-1", config=patient, **chosen)


class Settled(Slow):
    """Whoever wants the end of the log waits until the machine has all but done with the request: the next one mostly finds this machine,
    and no other is started for it."""

    def invoke(self, event=None, **options):
        return super().invoke(event, LogType="Tail", **options)


def qemus(server):
    """Machines of this server's, by their folders."""
    return sorted(path.name for path in (server.data_dir / "machines").glob("vm-*"))


def children(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text()


def ended(pids):
    return until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
