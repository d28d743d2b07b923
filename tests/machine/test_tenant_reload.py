"""A tenant's nginx has taken its files when the workers that had others are gone. A small program plays its master."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from hdinfra.agent import tenants
from hdinfra.agent.commands import ApplyError, Result, children
from tests.machine.sync_stack import eventually

# Its second worker comes late, as any may; told to read anew it takes a while, makes new ones, and sends the old away.
MASTER = """
import os, signal, sys, time
def worker():
    if (pid := os.fork()) == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.pause()
    return pid
told, deaf = [], sys.argv[1] == "deaf"
signal.signal(signal.SIGHUP, lambda *_: told.append(1))
begin, old = time.monotonic(), []
if sys.argv[1] != "begins":
    old.append(worker())
while True:
    if len(old) < 2 and time.monotonic() > begin + 0.4:
        old.append(worker())
    if told and not deaf and time.monotonic() > begin + 1.2:
        new = [worker(), worker()]
        print("anew", flush=True)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        old = new
        told.clear()
    time.sleep(0.01)
"""


@pytest.fixture
def master(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """It runs; all of it is gone afterwards."""
    command = [sys.executable, "-c", MASTER, request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def told_by_systemd(master: subprocess.Popen[bytes]) -> tenants.Run:
    def run(argv: Sequence[str]) -> Result:
        assert argv == ("systemctl", "try-reload-or-restart", "hdinfra-tenant@acme.service")
        master.send_signal(signal.SIGHUP)
        return Result(0, "")

    return run


@pytest.mark.parametrize("master", ["awake", "begins"], indirect=True)
def test_workers_that_came_late_are_not_taken_for_new_ones(master: subprocess.Popen[bytes]) -> None:
    if "awake" in master.args:  # type: ignore[operator]
        eventually(lambda: children(master.pid))
    tenants._reload(told_by_systemd(master), "acme", master.pid, 30)
    assert select.select([master.stdout], [], [], 0)[0], "it has not read anew yet"


@pytest.mark.parametrize("master", ["deaf"], indirect=True)
def test_whose_workers_stay_has_not_taken_it(master: subprocess.Popen[bytes]) -> None:
    eventually(lambda: len(children(master.pid)) == 2)
    with pytest.raises(ApplyError, match="nginx of acme kept its old workers"):
        tenants._reload(told_by_systemd(master), "acme", master.pid, 1)
