"""Faults for drills and tests: context managers that always heal, also when they are interrupted."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import assert_never

from docker.errors import APIError
from docker.models.containers import Container, ExecResult

from hdinfra.operate.at_once import each
from hdinfra.operate.containers import Containers, said
from hdinfra.operate.errors import ContainersError
from hdinfra.operate.how import How

Fault = Callable[[Containers, Sequence[str]], AbstractContextManager[None]]

# A cable that is out answers nothing: no RST, no ICMP, no ARP. Dropping in the machine's own kernel does the same on
# Docker and Podman, keeps addresses and routes for the way back, and leaves loopback (systemd, hdctl) alone.
_UNPLUG = """
table inet hdinfra_unplugged {
  chain in { type filter hook input priority -400; policy drop; iif lo accept; }
  chain out { type filter hook output priority -400; policy drop; oif lo accept; }
}
"""
_UNPLUG_ARP = """
table arp hdinfra_unplugged {
  chain in { type filter hook input priority -400; policy drop; }
  chain out { type filter hook output priority -400; policy drop; }
}
"""
_SEVERED = """
table inet hdinfra_severed {{
  chain out {{ type filter hook output priority -400; policy accept; {targets}}}
}}
"""


def fault_of(how: How) -> Fault:
    """The context manager of that fault."""
    match how:
        case How.KILL:
            return killed
        case How.FREEZE:
            return frozen
        case How.UNPLUG:
            return unplugged
        case _:
            assert_never(how)


@contextmanager
def killed(containers: Containers, names: Sequence[str]) -> Iterator[None]:
    """SIGKILL to every machine; healed by starting them."""
    machines = _machines(containers, names)
    try:
        each(lambda machine: machine.kill("SIGKILL"), machines)
        yield
    finally:
        each(_start, machines)


@contextmanager
def frozen(containers: Containers, names: Sequence[str]) -> Iterator[None]:
    """Every process stands still: connections stay open and say nothing."""
    machines = _machines(containers, names)
    try:
        each(lambda machine: machine.pause(), machines)
        yield
    finally:
        each(_unpause, machines)


@contextmanager
def stuttering(
    containers: Containers, names: Sequence[str], frozen_seconds: float, running_seconds: float
) -> Iterator[list[float]]:
    """The machines stand still and go on by turns. The list has when each stall began, by the monotonic clock."""
    over = threading.Event()
    stalls: list[float] = []

    def stall() -> None:
        while not over.wait(running_seconds):
            with frozen(containers, names):
                stalls.append(time.monotonic())
                over.wait(frozen_seconds)

    with ThreadPoolExecutor(1) as pool:
        stalling = pool.submit(stall)
        try:
            yield stalls
        finally:
            over.set()
        stalling.result()  # what went wrong there is raised here


@contextmanager
def unplugged(containers: Containers, names: Sequence[str]) -> Iterator[None]:
    """No packet in or out, in either family."""
    with cut_off(containers, names):
        yield


@contextmanager
def cut_off(containers: Containers, names: Sequence[str]) -> Iterator[dict[str, float]]:
    """The same; says of each machine when the cut began there (seconds since 1970, of the clock that all share)."""
    machines = _machines(containers, names)
    try:
        yield dict(zip(names, each(_unplug, machines), strict=True))
    finally:
        each(_plug, machines)


@contextmanager
def severed(containers: Containers, name: str, addresses: Sequence[str]) -> Iterator[None]:
    """One machine reaches those addresses no more, and everything else as before."""
    (machine,) = _machines(containers, [name])
    targets = "".join(f"{'ip6' if ':' in one else 'ip'} daddr {one} drop; " for one in addresses)
    try:
        done = _nft(machine, _SEVERED.format(targets=targets))
        if done.exit_code != 0:
            raise ContainersError(f"`{name}` cannot be cut off: {said(done)}")
        yield
    finally:
        machine.exec_run(["nft", "delete", "table", "inet", "hdinfra_severed"], user="root")


def _machines(containers: Containers, names: Sequence[str]) -> list[Container]:
    found = [containers.get(name) for name in names]
    missing = [name for name, machine in zip(names, found, strict=True) if machine is None]
    if missing or not names:
        raise ContainersError(
            f"There is nothing to break: {', '.join(missing) or 'the Cluster has no machines'} is not here.",
            retry="hdinfra up",
        )
    return [machine for machine in found if machine is not None]


def _start(machine: Container) -> None:
    machine.reload()
    if machine.status != "running":
        machine.start()


def _unpause(machine: Container) -> None:
    machine.reload()
    if machine.status == "paused":
        machine.unpause()


def _unplug(machine: Container) -> float:
    done = _nft(machine, _UNPLUG)
    if done.exit_code != 0:
        raise ContainersError(f"`{machine.name}` cannot be unplugged: {said(done)}")
    # A kernel without nftables' arp family answers ARP still; every IP packet is gone all the same.
    _nft(machine, _UNPLUG_ARP)
    return float(said(done).split()[0])


def _plug(machine: Container) -> None:
    for family in ("inet", "arp"):
        try:
            machine.exec_run(["nft", "delete", "table", family, "hdinfra_unplugged"], user="root")
        except APIError as gone:
            if gone.status_code not in (404, 409):
                raise


def _nft(machine: Container, rules: str) -> ExecResult:
    return machine.exec_run(["sh", "-c", f"date +%s.%N; nft -f - <<'END'\n{rules}END"], user="root")
