"""A bundle on a fresh Debian 13 that has no network at all: what is refused, what it makes, and that it lasts."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hdinfra.machine.apps import base
from hdinfra.machine.machine import Machine
from hdinfra.machine.roles import machine_of
from hdinfra.machine.unmanaged import unmanaged
from hdinfra.model.policy import digest
from hdinfra.operate.byol import write_bundles
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian, booted_container
from tests.machine.sync_stack import eventually
from tests.model import byol_specs as byol
from tests.model.legal import setting

HOME = "/root/web-1"
SEED = "/var/lib/cloud/seed/nocloud"
PLAN = byol.plan_of(byol.installed())
MACHINE: Machine = unmanaged(machine_of(PLAN.name, PLAN.machines[0]))
# Everything that an installer could have touched, with its content's size and the moment of its last change.
PASSED_BY = ("/proc", "/sys", "/run", "/tmp", "/var/log", "/root", "/var/lib/apt", "/var/cache")
LEFT_OUT = " -o ".join(f"-path {path}" for path in PASSED_BY)
STATE = f"find / -xdev \\( {LEFT_OUT} \\) -prune -o -type f -printf '%p %s %C@\\n' | grep -v ' /etc/os-release' | sort"


def bundle(folder: Path, *hosts: str) -> dict[str, str]:
    """The first machine's bundle by path, of these sites or of the spec's own."""
    sites = [{**byol.SITE, "host": host} for host in hosts] or [byol.SITE]
    written = write_bundles(byol.plan_of(byol.installed(setting("sites", sites))), folder)
    home = Path(written[0].folder)
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


def lay(place: Debian, files: dict[str, str]) -> None:
    """Copy a bundle to the machine."""
    place.run("rm", "-rf", HOME)
    place.put({f"{HOME}/{path}": content for path, content in files.items()})
    place.run("chmod", "755", f"{HOME}/install.sh")


def state(place: Debian) -> str:
    return place.run("sh", "-c", STATE)[1]


@pytest.fixture(scope="module")
def fresh(engine: Engine) -> Iterator[Debian]:
    """Debian 13 with its packages, and nothing of ours."""
    made = booted_container(engine, MACHINE.packages)
    yield Debian(made, MACHINE)
    made.remove(force=True)


@pytest.fixture(scope="module", params=["script", "seed"])
def installed(
    engine: Engine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Debian]:
    """The machine that a bundle makes, by either way."""
    files = bundle(tmp_path_factory.mktemp("bundles"))
    seed = {f"{SEED}/{name}": files[f"seed/{name}"] for name in ("user-data", "meta-data")}
    made = booted_container(engine, MACHINE.packages, seed if request.param == "seed" else {})
    place = Debian(made, MACHINE)
    try:
        lay(place, files)
        if request.param == "script":
            code, words = place.run(f"{HOME}/install.sh")
            assert (code, "serving" in words) == (0, True), words
        yield place
    finally:
        made.remove(force=True)


def status(place: Debian) -> Any:
    code, words = place.run("hdctl", "status", "--json")
    assert code == 0, words
    return json.loads(words)


def asked(place: Debian, target: str, host: str) -> str:
    """The status of one request to the machine itself."""
    return place.run(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}", f"127.0.0.1{target}"
    )[1]


def edited(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    """The bundle with one byte of that file changed."""

    def edit(files: dict[str, str]) -> dict[str, str]:
        text = files[name]
        middle = text.index("acme") if name == "policy.json" else len(text) // 2
        return {**files, name: f"{text[:middle]}{chr(ord(text[middle]) ^ 1)}{text[middle + 1 :]}"}

    return edit


def without_line(files: dict[str, str]) -> dict[str, str]:
    lines = files["SHA256SUMS"].splitlines(keepends=True)
    return {**files, "SHA256SUMS": "".join(line for line in lines if "policy.json" not in line)}


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda files: {path: text for path, text in files.items() if path != name}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (edited("files.tar"), "not as it was written"),
        (edited("policy.json"), "not as it was written"),
        (edited("seed/user-data"), "not as it was written"),
        (without("files.tar"), "not as it was written"),
        (without("SHA256SUMS"), "does not name install.sh"),
        (without_line, "does not name policy.json"),
    ],
    ids=["tar", "policy", "seed", "no-tar", "no-sums", "unnamed"],
)
def test_a_bundle_that_is_not_as_it_was_written_changes_nothing(
    fresh: Debian, tmp_path: Path, damage: Callable[[dict[str, str]], dict[str, str]], words: str
) -> None:
    lay(fresh, damage(bundle(tmp_path)))
    before = state(fresh)
    code, said = fresh.run(f"{HOME}/install.sh")
    assert (code, words in said, "Nothing was changed" in said) == (1, True, True), said
    assert state(fresh) == before
    assert len(before.splitlines()) > 1000


@dataclass(frozen=True)
class Elsewhere:
    """A machine that is not the one meant: how to make it so, how to run there, and what is said."""

    make: str
    heal: str
    words: str
    through: str = ""


ELSEWHERE = {
    "release": Elsewhere(
        "mv /etc/os-release /tmp/kept; sed s/13/12/ /tmp/kept >/etc/os-release",
        "mv /tmp/kept /etc/os-release",
        "`debian 12`",
    ),
    "root": Elsewhere("chmod 755 /root", "chmod 700 /root", "Only root may install", through="runuser -u nobody -- "),
    "zone": Elsewhere(
        "mkdir /etc/hdinfra; echo {} >/etc/hdinfra/first-boot.json", "rm -r /etc/hdinfra", "belongs to a Zone"
    ),
    "ssh": Elsewhere(
        "cp /bin/sh /tmp/sshd-session",
        "rm /tmp/sshd-session",
        "this SSH session would be cut",
        through="/tmp/sshd-session ",
    ),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_where_it_does_not_belong_it_changes_nothing(fresh: Debian, tmp_path: Path, name: str) -> None:
    there = ELSEWHERE[name]
    lay(fresh, bundle(tmp_path))
    assert fresh.run("sh", "-c", there.make)[0] == 0
    before = state(fresh)
    code, said = fresh.run("sh", "-c", f"{there.through}{HOME}/install.sh")
    after = state(fresh)
    assert fresh.run("sh", "-c", there.heal)[0] == 0
    assert (code, there.words in said, "Nothing was changed" in said) == (1, True, True), said
    assert after == before


def test_packages_that_cannot_be_had_change_nothing(engine: Engine, tmp_path: Path) -> None:
    made = booted_container(engine, base.PACKAGES)
    try:
        bare = Debian(made, MACHINE)
        lay(bare, bundle(tmp_path))
        before = state(bare)
        code, said = bare.run(f"{HOME}/install.sh")
        assert (code, "install these first" in said, "nginx" in said) == (1, True, True), said
        assert state(bare) == before
    finally:
        made.remove(force=True)


def test_what_stops_it_midway_is_said_and_the_next_run_finishes(engine: Engine, tmp_path: Path) -> None:
    made = booted_container(engine, MACHINE.packages)
    try:
        taken = Debian(made, MACHINE)
        lay(taken, bundle(tmp_path))
        taken.run("systemctl", "stop", "nginx")
        taken.run("systemd-run", "--unit=other", "python3", "-m", "http.server", "80", "--bind", "0.0.0.0")
        eventually(lambda: asked(taken, "/", "any.test") == "200")
        code, said = taken.run(f"{HOME}/install.sh")
        assert (code, "It stopped midway" in said, "haproxy refused the reload" in said) == (1, True, True), said
        taken.run("systemctl", "stop", "other")
        code, said = taken.run(f"{HOME}/install.sh")
        assert code == 0, said
        assert status(taken)["digest"] == digest(PLAN.policy)
    finally:
        made.remove(force=True)


def test_it_serves_what_the_spec_names(installed: Debian) -> None:
    told = status(installed)
    assert (told["app"], told["serving"], told["digest"], told["problems"]) == ("waf", True, digest(PLAN.policy), [])
    assert installed.run("nginx", "-t", "-q", "-c", "/etc/hdinfra/nginx.conf")[0] == 0
    assert installed.run("hdctl", "booted") == (0, "")
    assert asked(installed, "/?id=1%27%20OR%201=1--%20-", "shop.acme.test") == "403"
    assert asked(installed, "/", "unknown.test") == "421"


def test_nothing_on_it_calls_anybody_or_waits_for_a_call(installed: Debian) -> None:
    assert installed.run("test", "-e", "/usr/sbin/hdsync")[0] == 1
    assert installed.run("sh", "-c", "systemctl list-units --all | grep hdsync")[0] == 1
    rules = installed.run("nft", "list", "ruleset")[1]
    assert "chain inbound" in rules
    assert "9000" not in rules
    assert "dport 22" not in rules
    listeners = installed.run("ss", "-Hltn")[1].split()
    ports = {word.rpartition(":")[2] for word in listeners[3::5] if not word.startswith(("127.", "[::1]"))}
    assert ports == {"80"}


def test_installing_again_changes_nothing(installed: Debian, tmp_path: Path) -> None:
    lay(installed, bundle(tmp_path))
    code, words = installed.run(f"{HOME}/install.sh")
    assert code == 0, words
    assert status(installed)["digest"] == digest(PLAN.policy)


def test_another_bundle_brings_its_policy_and_a_reboot_keeps_it(installed: Debian, tmp_path: Path) -> None:
    lay(installed, bundle(tmp_path, "shop.acme.test", "news.acme.test"))
    code, words = installed.run(f"{HOME}/install.sh")
    assert code == 0, words
    now = status(installed)["digest"]
    assert now != digest(PLAN.policy)
    assert asked(installed, "/?id=1%27%20OR%201=1--%20-", "news.acme.test") == "403"
    installed.container.restart(timeout=10)
    eventually(
        lambda: installed.run("hdctl", "status", "--check")[0] == 0, 60, lambda: installed.run("journalctl", "-n", "60")
    )
    assert (status(installed)["digest"], status(installed)["serving"]) == (now, True)
