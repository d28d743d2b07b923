"""Under a real systemd: a tenant has programs of its own, which come when asked, and sees nothing of the others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent.commands import Result
from hdinfra.agent.eyes import _life
from hdinfra.agent.paths import TENANTS_IN_FORCE
from hdinfra.agent.tenant_names import key_of
from hdinfra.agent.waf import site_key
from hdinfra.machine.sources import asset
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian
from tests.machine.sync_stack import eventually
from tests.machine.tenants_machine import applied, asked, pids, policy, status, waf_machine

ATTACK = "/?id=1%27%20OR%20%271%27=%271"
TWO = (("acme", "shop.acme.test"), ("glo-bex", "blog.globex.test"))


@pytest.fixture(scope="module")
def machine(engine: Engine) -> Iterator[Debian]:
    """A WAF machine whose systemd runs, with an origin on it."""
    with waf_machine(engine) as place:
        yield place


@pytest.fixture
def place(machine: Debian) -> Debian:
    """Two tenants with a site each."""
    applied(machine, policy(*TWO))
    return machine


def wide_awake(place: Debian) -> None:
    assert [status(place, host) for _, host in TWO] == [200, 200]


def test_a_request_wakes_the_tenants_own_nginx_and_nobody_elses(place: Debian) -> None:
    place.run("systemctl", "stop", "hdinfra-tenant@acme", "hdinfra-tenant@glo_bex")
    assert (pids(place, "acme"), pids(place, "glo_bex")) == ([], [])
    assert status(place, "shop.acme.test") == 200
    assert len(pids(place, "acme")) >= 2
    assert pids(place, "glo_bex") == []


def test_attacks_are_refused_and_written_to_the_tenants_own_log(place: Debian) -> None:
    assert (status(place, "shop.acme.test", ATTACK), status(place, "blog.globex.test", ATTACK)) == (403, 403)
    log = "/var/log/hdinfra-tenants/acme/shop.acme.test.audit.json"
    assert place.run("stat", "-c", "%U %a", "/var/log/hdinfra-tenants/acme", log)[1].split("\n")[:2] == [
        "hdt-acme 700",
        "hdt-acme 600",
    ]
    assert "shop.acme.test" in place.run("cat", log)[1]
    assert "globex" not in place.run("cat", log)[1]


def test_exclusions_reach_the_inherited_rules(place: Debian) -> None:
    document = policy(*TWO)
    document["sites"][1]["exclusions"] = [942100]
    applied(place, document)
    assert (status(place, "shop.acme.test", ATTACK), status(place, "blog.globex.test", ATTACK)) == (403, 200)


@pytest.mark.parametrize(("edges", "client"), [((), "127.0.0.1"), (("127.0.0.1",), "203.0.113.9")])
def test_edges_alone_say_who_the_client_is(place: Debian, edges: tuple[str, ...], client: str) -> None:
    applied(place, policy(*TWO, edges=edges))
    told = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    ((code, body),) = asked(place, ("shop.acme.test", "/", told))
    seen = json.loads(body)
    assert (code, seen["x-forwarded-for"], seen["x-real-ip"]) == (200, client, client)
    assert seen["x-forwarded-proto"] == ("https" if edges else "http")


def test_unknown_hosts_are_misdirected_and_health_is_the_routers(place: Debian) -> None:
    hosts = ("unknown.test", "shop.acme.test.", "waf.hdinfra.internal")
    assert [status(place, host) for host in hosts] == [421, 421, 404]
    assert status(place, "waf.hdinfra.internal", "/healthz") == 200


def test_a_drained_waf_answers_503_to_its_checker_alone(place: Debian) -> None:
    try:
        assert place.run("hdctl", "drain")[0] == 0
        assert (status(place, "waf.hdinfra.internal", "/healthz"), status(place, "shop.acme.test")) == (503, 200)
    finally:
        place.run("hdctl", "undrain")
    assert status(place, "waf.hdinfra.internal", "/healthz") == 200


def test_port_80_is_closed_without_sites(place: Debian) -> None:
    applied(place, policy())
    assert place.run("sh", "-c", "ss -Hltn sport = :80")[1] == ""
    assert place.run("systemctl", "list-units", "-q", "--state=active", "hdinfra-tenant@*")[1] == ""


def test_a_third_tenant_leaves_the_others_programs_alone(place: Debian) -> None:
    wide_awake(place)
    before = [pids(place, key) for key in ("acme", "glo_bex")]
    third = "t" * 32  # the longest name
    changed = applied(place, policy(*TWO, (third, "www.third.test")))
    names = [name for key in ("acme", "glo_bex") for name in (f"/{key}/", f"/tenant-{key}.")]
    assert [path for path in changed if any(name in path for name in names)] == []
    assert [path for path in changed if f"/tenant-{key_of(third)}." in path]
    assert status(place, "www.third.test") == 200
    assert [pids(place, key) for key in ("acme", "glo_bex")] == before
    assert pids(place, key_of(third))


def test_a_changed_tenant_swaps_its_workers_without_losing_a_request(place: Debian) -> None:
    wide_awake(place)
    others, (master, *workers) = pids(place, "glo_bex"), pids(place, "acme")
    with asked_all_along(place) as codes:
        applied(place, policy(*TWO, ("acme", "more.acme.test")))
        eventually(lambda: not set(pids(place, "acme")) & set(workers), 30)
    assert set(codes) == {200}
    assert (pids(place, "acme")[0], pids(place, "glo_bex")) == (master, others)


def test_a_change_right_after_another_is_in_force_when_it_says_so(place: Debian) -> None:
    """Workers of the change before it may still be coming, and are not its own."""
    wide_awake(place)
    loose = policy(*TWO)
    loose["sites"][0]["exclusions"] = [942100]
    for _ in range(6):
        applied(place, loose)
        applied(place, policy(*TWO))
        assert status(place, "shop.acme.test", ATTACK) == 403


def test_a_change_that_meets_a_tenant_as_it_wakes_is_in_force_when_it_says_so(place: Debian) -> None:
    loose = policy(*TWO)
    loose["sites"][0]["exclusions"] = [942100]
    for document, answer in ((loose, 200), (policy(*TWO), 403)) * 3:
        assert place.run("systemctl", "restart", "hdinfra-tenant@acme") == (0, "")
        applied(place, document)
        assert status(place, "shop.acme.test", ATTACK) == answer


# One request after the other, from before whatever happens until one that began after it.
LOAD = """
import http.client, json, pathlib
codes, over = [], False
while not over:
    over = pathlib.Path("/root/over").exists()
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=20)
    connection.request("GET", "/", headers={"Host": "shop.acme.test", "User-Agent": "test", "Accept": "*/*"})
    codes.append(connection.getresponse().status)
    connection.close()
    pathlib.Path("/root/begun").touch()
print(json.dumps(codes))
"""


@contextmanager
def asked_all_along(place: Debian) -> Iterator[list[int]]:
    """acme's site is asked while this lasts; afterwards the list has every answer's status."""
    codes: list[int] = []
    place.put({"/root/load.py": LOAD})
    place.run("rm", "-f", "/root/load", "/root/begun", "/root/over")
    place.run("sh", "-c", "python3 /root/load.py >/root/load 2>&1 &")
    eventually(lambda: place.run("test", "-e", "/root/begun")[0] == 0, 30)
    try:
        yield codes
    finally:
        place.run("touch", "/root/over")
    eventually(lambda: place.run("test", "-s", "/root/load")[0] == 0, 30)
    codes += json.loads(place.run("cat", "/root/load")[1])


def test_hdsync_may_do_all_of_it_inside_its_own_sandbox(place: Debian) -> None:
    wide_awake(place)
    assert place.run("systemctl", "start", "hdsync")[0] == 0
    try:
        eventually(lambda: place.run("hdctl", "sites")[0] == 0, 20)
        master, workers = pids(place, "acme")[0], pids(place, "acme")[1:]
        done = place.run("hdctl", "bypass", "shop.acme.test")
        assert done[0] == 0, done
        assert status(place, "shop.acme.test", ATTACK) == 200
        assert place.run("hdctl", "reset", "shop.acme.test")[0] == 0
        assert status(place, "shop.acme.test", ATTACK) == 403
        assert (pids(place, "acme")[0], set(pids(place, "acme")) & set(workers)) == (master, set())
        others = pids(place, "glo_bex")
        done = place.run("hdctl", "reload")
        assert done[0] == 0, done
        assert pids(place, "glo_bex")[0] == others[0]
        assert pids(place, "glo_bex") != others
    finally:
        place.run("systemctl", "stop", "hdsync")


def test_what_nginx_refuses_leaves_every_tenant_as_it_was(place: Debian) -> None:
    wide_awake(place)
    before = [pids(place, key) for key in ("acme", "glo_bex")]
    # A module that is gone from under one directive: the check fails for a reason that no document shows.
    place.run("mv", "/etc/nginx/modules-enabled", "/etc/nginx/modules-away")
    place.run("mkdir", "/etc/nginx/modules-enabled")
    try:
        place.put({"/root/document.json": json.dumps(policy(*TWO, ("acme", "more.acme.test")))})
        code, words = place.run("hdctl", "apply", "/root/document.json")
        assert (code, "unknown directive" in words) == (1, True), words
    finally:
        place.run("sh", "-c", "rmdir /etc/nginx/modules-enabled; mv /etc/nginx/modules-away /etc/nginx/modules-enabled")
    assert [pids(place, key) for key in ("acme", "glo_bex")] == before
    assert (status(place, "more.acme.test"), status(place, "shop.acme.test")) == (421, 200)


def problems(place: Debian) -> list[str]:
    told: list[str] = json.loads(place.run("hdctl", "status", "--json")[1])["problems"]
    return [problem for problem in told if problem.startswith("tenant ")]


def test_a_tenant_that_does_not_take_its_change_is_named_and_holds_nobody_up(place: Debian) -> None:
    """Its nginx cannot fork, so there are no new workers."""
    wide_awake(place)
    master = pids(place, "acme")[0]
    as_tenant = ("setpriv", "--reuid=hdt-acme", "--regid=hdt-acme", "--clear-groups", "prlimit", "--pid", master)
    done = place.run(*as_tenant, "--nproc=0:64")
    assert done[0] == 0, done
    more = [("acme", "more.acme.test"), ("glo-bex", "more.globex.test"), ("third", "www.third.test")]
    try:
        applied(place, policy(*TWO, *more))
        assert [status(place, host) for host in ("more.globex.test", "www.third.test")] == [200, 200]
        (named,) = problems(place)
        assert named.startswith("tenant acme: nginx of acme kept its old workers")
        # Neither is a version after it refused for that, and it is not lost from sight.
        applied(place, policy(*TWO, *more[:2]))
        assert (status(place, "www.third.test"), status(place, "more.globex.test")) == (421, 200)
        assert problems(place) == [named]
    finally:
        place.run(*as_tenant, "--nproc=64:64")
    assert place.run("systemctl", "start", "hdinfra-tenants-rest")[0] == 0
    assert (problems(place), status(place, "more.acme.test")) == ([], 200)
    assert pids(place, "acme")[0] == master


def test_a_tenant_that_does_not_end_is_ended(place: Debian) -> None:
    wide_awake(place)
    place.run("kill", "-STOP", pids(place, "glo_bex")[0])
    applied(place, policy(TWO[0]))
    assert (pids(place, "glo_bex"), status(place, "blog.globex.test")) == ([], 421)


def test_falling_asleep_loses_no_request(place: Debian) -> None:
    wide_awake(place)
    with asked_all_along(place) as codes:
        for _ in range(2):
            before = pids(place, "acme")[0]
            assert place.run("systemctl", "stop", "hdinfra-tenant@acme.service")[0] == 0
            eventually(lambda before=before: pids(place, "acme")[:1] not in ([], [before]), 30)
    assert set(codes) == {200}


def test_who_is_gone_leaves_nothing_running_and_comes_back_as_itself(place: Debian) -> None:
    wide_awake(place)
    number = place.run("id", "-u", "hdt-glo_bex")[1]
    applied(place, policy(TWO[0]))
    assert (pids(place, "glo_bex"), status(place, "blog.globex.test")) == ([], 421)
    assert place.run("test", "-e", "/var/lib/haproxy/tenants/glo_bex.sock")[0] == 1
    applied(place, policy(TWO[0], ("other", "www.other.test"), TWO[1]))
    assert (place.run("id", "-u", "hdt-glo_bex")[1], place.run("id", "-u", "hdt-other")[1] == number) == (number, False)


def test_a_boot_brings_sockets_and_limits_back(place: Debian) -> None:
    place.run("sh", "-c", "systemctl enable $(cat /etc/hdinfra/units)")
    place.container.restart(timeout=20)
    eventually(lambda: place.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded"), 60)
    place.run("systemctl", "stop", "hdsync")
    place.run("systemd-run", "--unit=origin", "/usr/bin/python3", "/root/origin.py")
    eventually(lambda: status(place, "shop.acme.test") == 200, 20)
    wide_awake(place)
    assert place.run("systemctl", "is-active", "nginx")[1].strip() == "inactive"
    limit = place.run("systemctl", "show", "--value", "-p", "MemoryMax", "hdinfra-tenants-acme.slice")[1].strip()
    assert limit == str(512 << 20)


def test_a_crash_is_mended_and_counted_which_sleep_is_not(place: Debian) -> None:
    def life() -> str:
        return _life(lambda argv: Result(*place.run(*argv)), "hdinfra-tenant@*.service")

    wide_awake(place)
    before = life()
    place.run("systemctl", "stop", "hdinfra-tenant@glo_bex.service")
    wide_awake(place)
    assert life() == before
    assert place.run("systemctl", "kill", "--signal=SIGKILL", "hdinfra-tenant@*.service")[0] == 0
    eventually(lambda: life() not in (before, ""), 10)
    wide_awake(place)


def test_a_plans_limits_are_the_slices(place: Debian) -> None:
    names = ("CPUWeight", "IOWeight", "MemoryHigh", "MemoryLow", "MemoryMax", "TasksMax")
    words = ",".join(names)
    told = place.run("systemctl", "show", "-p", words, "hdinfra-tenants-acme.slice")[1].split()
    mebibyte = 1 << 20
    wanted = (100, 50, 384 * mebibyte, 192 * mebibyte, 512 * mebibyte, 128)
    assert sorted(told) == sorted(f"{name}={value}" for name, value in zip(names, wanted, strict=True))
    # What protects a tenant's memory is only as good as what protects all of them.
    around = place.run("systemctl", "show", "--value", "-p", "MemoryLow", "hdinfra.slice", "hdinfra-tenants.slice")[1]
    assert around.split() == [str(2 * 192 * mebibyte)] * 2


def test_a_container_cannot_keep_a_disks_quota_and_says_so(place: Debian) -> None:
    assert "disk" in json.loads(place.run("hdctl", "status", "--json")[1])["limits_unenforced"]


def test_logs_stay_in_bounds_and_lead_nowhere_else(place: Debian) -> None:
    wide_awake(place)
    log = "/var/log/hdinfra-tenants/acme/shop.acme.test.audit.json"
    victim = "/root/victim.json"
    place.run("sh", "-c", f"truncate -s 30M {log} {victim}; ln -sf {victim} /var/log/hdinfra-tenants/acme/x.json")
    try:
        assert place.run("systemctl", "start", "hdinfra-tenants-rest")[0] == 0
        assert place.run("stat", "-c", "%s", log, victim)[1].split() == ["0", str(30 << 20)]
    finally:
        place.run("sh", "-c", f"rm -f {victim} /var/log/hdinfra-tenants/acme/x.json {log}.*")


def test_logs_that_cannot_be_rotated_in_time_keep_nobody_elses(place: Debian) -> None:
    """As where it has more to copy than its time is for; it comes first."""
    wide_awake(place)
    conf, log = "/etc/hdinfra/policy/tenants/acme/logrotate.conf", "/var/log/hdinfra-tenants/glo_bex/error.log"
    hung = "/root/hung {\n    size 1\n    copytruncate\n    firstaction\n        sleep 100\n    endscript\n}\n"
    kept = place.run("cat", conf)[1]
    place.put({conf: hung, "/root/hung": "more than one byte"})
    place.run("truncate", "-s", "30M", log)
    try:
        assert place.run("systemctl", "start", "hdinfra-tenants-rest")[0] == 0
        assert place.run("stat", "-c", "%s", log)[1].split() == ["0"]
    finally:
        place.put({conf: kept})
        place.run("sh", "-c", f"rm -f {log}.*")


PROBE = Path(__file__).with_name("tenants_probe.py")
OF_OTHERS = (
    "/etc/hdinfra/policy/tenants/glo_bex",
    "/etc/hdinfra/policy/tenants/glo_bex/main.conf",
    "/etc/hdinfra/policy/haproxy",
    "/etc/hdinfra/policy/haproxy/tenants.map",
    "/var/log/hdinfra-tenants/glo_bex",
    "/var/log/hdinfra-tenants/glo_bex/error.log",
    "/var/log/hdinfra-tenants/glo_bex/blog.globex.test.audit.json",
    "/var/lib/hdinfra",
    "/var/lib/hdinfra/policy.json",
    "/etc/shadow",
)


def probed(place: Debian, **asks: list[str]) -> dict[str, Any]:
    """What acme can do inside the very sandbox of its nginx, whose unit this is but for what is started."""
    unit = asset("hdinfra-tenant@.service").replace("Restart=on-failure\n", "").replace("Type=exec", "Type=oneshot")
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    argument = json.dumps({"reads": [], "writes": [], "connects": [], **asks}).replace('"', '\\"')
    run = f'ExecStart=/usr/bin/python3 -IB /usr/local/lib/probe.py "{argument}"\nStandardOutput=truncate:/root/told'
    place.put({"/etc/systemd/system/hdinfra-probe@.service": unit.replace(start, run)})
    place.put({"/usr/local/lib/probe.py": PROBE.read_text()})
    place.run("systemctl", "daemon-reload")
    code, words = place.run("systemctl", "start", "hdinfra-probe@acme")
    assert code == 0, words + place.run("journalctl", "-n", "20", "--no-pager", "-u", "hdinfra-probe@acme")[1]
    told: dict[str, Any] = json.loads(place.run("cat", "/root/told")[1])
    return told


def test_a_tenant_sees_its_own_and_nothing_else(place: Debian) -> None:
    wide_awake(place)
    own = ["/etc/hdinfra/policy/tenants/acme/main.conf", "/var/log/hdinfra-tenants/acme"]
    # What is not there, or empty, nobody could read.
    assert status(place, "blog.globex.test", ATTACK) == 403
    place.run("sh", "-c", "echo a line >>/var/log/hdinfra-tenants/glo_bex/error.log")
    for path in OF_OTHERS:
        assert place.run("sh", "-c", '[ -n "$(ls -A "$0")" ] && [ -d "$0" -o -s "$0" ]', path)[0] == 0, path
    mine, theirs = (f"/run/hdinfra-origins/{site_key(host)}.sock" for _, host in TWO)
    assert place.run("test", "-S", theirs)[0] == 0
    doors = ["/var/lib/haproxy/tenants/glo_bex.sock", "/var/lib/haproxy/tenants/acme.sock", "/run/haproxy/admin.sock"]
    told = probed(
        place,
        reads=[*OF_OTHERS, *own],
        writes=[
            "/etc/hdinfra",
            "/run",
            "/usr",
            "/var",
            "/var/log/hdinfra-tenants",
            "/etc/hdinfra/policy/tenants/acme",
            own[1],
        ],
        connects=[mine, theirs, *doors, "/run/hdinfra/hdctl.sock", "/run/dbus/system_bus_socket"],
    )
    number = int(place.run("id", "-u", "hdt-acme")[1])
    assert (told["uid"], told["processes"]) == (number, [number])
    assert (told["reads"], told["writes"]) == (own, [own[1]])
    assert told["connects"] == [mine]
    assert told["opens"] == []


def test_a_tenant_that_forks_and_fills_is_contained(place: Debian) -> None:
    told = probed(place)
    assert 0 < told["forks"] < 64
    assert 100 < told["filled"] <= 128
    wide_awake(place)


def test_at_a_boot_the_router_answers_when_every_tenant_can_be_asked(place: Debian) -> None:
    """It says that the machine is well; a request that came before a tenant's socket would be answered with 503."""
    wide_awake(place)
    sockets = ("hdinfra-tenant@acme.socket", "hdinfra-tenant@glo_bex.socket")
    programs = [socket.replace(".socket", ".service") for socket in sockets]
    place.run("systemctl", "stop", "haproxy", "hdinfra-tenants", *sockets, *programs)
    assert place.run("rm", "-r", TENANTS_IN_FORCE)[0] == 0  # with all else in /run
    assert place.run("systemctl", "start", "hdinfra-tenants", "haproxy")[0] == 0
    listening = [_begun(place, socket, "ActiveEnterTimestampMonotonic") for socket in sockets]
    assert max(listening) < _begun(place, "haproxy", "ExecMainStartTimestampMonotonic")
    wide_awake(place)


def _begun(place: Debian, unit: str, of: str) -> int:
    """Microseconds since the kernel began."""
    return int(place.run("systemctl", "show", "--value", "-p", of, unit)[1])
