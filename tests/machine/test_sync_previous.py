"""Under a real systemd: code of ours that starts and then crashes gives way to what ran before it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hdinfra.agent.paths import CODE, CODE_LEFT, CODE_PREVIOUS, FIRST_BOOT, IDENTITY
from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.engine import Engine
from tests.machine.booted import booted
from tests.machine.debian import Debian, planned
from tests.machine.sync_stack import ME, ZONE, Stack, eventually

WORKS, CRASHES, OLD = (f"code-{letter * 16}" for letter in "abc")
CRASH = "def main() -> int:\n    raise RuntimeError('as soon as it runs')\n"
HOME = os.path.dirname(CODE)  # noqa: PTH120 - a path of the machine, not of this computer


@pytest.fixture(scope="module")
def machine(engine: Engine) -> Iterator[Debian]:
    """A WAF machine whose systemd runs, with its base files."""
    with booted(engine, machine_of(ZONE, planned("waf", ME))) as place:
        place.put({FIRST_BOOT: first_boot(), IDENTITY: json.dumps({"name": ME, "zone": ZONE, "role": "waf"})})
        yield place


def first_boot() -> str:
    """Of a machine that no API machine was named to."""
    stack = Stack()
    told: dict[str, Any] = {
        "signer": stack.trust.signer,
        "root": stack.root,
        "endpoints": [],
        "code": None,
        "token": None,
    }
    return json.dumps(told)


@pytest.fixture
def place(machine: Debian) -> Debian:
    """Three bundles lie on it, one of which crashes; none runs yet."""
    machine.run("systemctl", "stop", "hdsync", "hdsync-previous")
    machine.run("systemctl", "reset-failed")
    machine.run(
        "sh", "-c", f"rm -rf {HOME}/code* {CODE_LEFT}; mkdir {' '.join(f'{HOME}/{n}' for n in (WORKS, CRASHES, OLD))}"
    )
    for name in (WORKS, CRASHES, OLD):
        assert machine.container.put_archive(f"{HOME}/{name}", bundle_of("waf").content)
    machine.put({f"{HOME}/{CRASHES}/hdinfra/agent/hdsync.py": CRASH})
    return machine


def runs(place: Debian, name: str, before: str | None = None) -> None:
    """Have that bundle run, after another."""
    place.run("ln", "-s", name, CODE)
    if before:
        place.run("ln", "-s", before, CODE_PREVIOUS)
    place.run("systemctl", "start", "hdsync")


def said(place: Debian, *argv: str) -> str:
    return place.run(*argv)[1].strip()


def journal(place: Debian) -> Callable[[], str]:
    return lambda: said(place, "journalctl", "--no-pager", "-n", "40", "-u", "hdsync", "-u", "hdsync-previous")


def begun(place: Debian, unit: str) -> str:
    """Which start of it this is; changes with each."""
    return said(place, "systemctl", "show", "-P", "InvocationID", unit)


def test_what_crashes_again_and_again_gives_way_to_what_ran_before(place: Debian) -> None:
    began = time.monotonic()
    runs(place, CRASHES, before=WORKS)
    eventually(lambda: said(place, "readlink", CODE) == WORKS, 30, journal(place))
    assert time.monotonic() - began > 3, "it was not given its five starts"
    eventually(lambda: "b" * 16 in said(place, "hdctl", "status"), 10, journal(place))
    assert said(place, "systemctl", "is-active", "hdsync") == "active"
    assert said(place, "cat", CODE_LEFT) == CRASHES
    assert said(place, "sh", "-c", f"ls -d {HOME}/code*").split() == [CODE, f"{HOME}/{WORKS}"]


def test_one_crash_is_no_reason_to_go_back(place: Debian) -> None:
    runs(place, WORKS, before=OLD)
    eventually(lambda: place.run("hdctl", "status", "--json")[0] == 0, 10, journal(place))
    before, gone_back = begun(place, "hdsync"), begun(place, "hdsync-previous")
    place.run("systemctl", "kill", "--signal=KILL", "hdsync")
    eventually(
        lambda: begun(place, "hdsync") != before and said(place, "systemctl", "is-active", "hdsync") == "active",
        10,
        journal(place),
    )
    assert (said(place, "readlink", CODE), begun(place, "hdsync-previous")) == (WORKS, gone_back)
    assert said(place, "readlink", CODE_PREVIOUS) == OLD


def test_where_nothing_ran_before_it_is_started_on_and_on(place: Debian) -> None:
    gone_back = begun(place, "hdsync-previous")
    runs(place, CRASHES)
    eventually(lambda: begun(place, "hdsync-previous") != gone_back, 30, journal(place))
    after = begun(place, "hdsync")
    eventually(lambda: begun(place, "hdsync") != after, 10, journal(place))
    assert said(place, "readlink", CODE) == CRASHES
