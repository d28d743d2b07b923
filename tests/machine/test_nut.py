"""A site on batteries: real NUT under real systemd on three hosts, two batteries, each at another host's cable."""

import time
from collections.abc import Iterator

import pytest

from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import lay_files
from tests.machine.nut_site import PACE, Host, Site, running_site
from tests.machine.sync_stack import Stack

DOWN = "hdinfra-power-down.service"
PATIENCE = 4 * 30
"""Seconds; a quiet computer needs a quarter."""


@pytest.fixture(scope="module")
def calm(engine: Engine) -> Iterator[Site]:
    """A site that no test takes down."""
    with running_site(engine, Stack()) as site:
        yield site


def held(site: Site, since: float) -> None:
    """Twice as long as all hosts need to give up, had they to."""
    site.eventually(lambda: time.monotonic() - since > 2 * PACE.skew, within=4 * PACE.skew)


def nobody_stopped(site: Site) -> bool:
    """Every service runs, and no host thinks of going down."""
    return all(host.unit(DOWN) == "inactive" for host in site.hosts.values()) and not any(
        what.startswith(("ask", "stop")) for what in site.order()
    )


def test_mains_that_come_back_before_the_battery_is_low_stop_nothing(calm: Site) -> None:
    for name, battery in (("web-1", "red"), ("web-2", "blue")):
        calm.hosts[name].battery(battery, "battery")
    both = {"ups-red.battery", "ups-blue.battery"}
    calm.eventually(lambda: all(host.problems() == both for host in calm.hosts.values()), within=PATIENCE)
    held(calm, time.monotonic())
    for name, battery in (("web-1", "red"), ("web-2", "blue")):
        calm.hosts[name].battery(battery, "mains")
    calm.eventually(lambda: not any(host.problems() for host in calm.hosts.values()), within=PATIENCE)
    assert nobody_stopped(calm), calm.evidence()


def test_one_low_battery_of_two_stops_nothing(calm: Site) -> None:
    calm.hosts["web-1"].battery("red", "low")
    said = {"ups-red.battery", "ups-red.low"}
    calm.eventually(lambda: all(host.problems() == said for host in calm.hosts.values()), within=PATIENCE)
    held(calm, time.monotonic())
    assert nobody_stopped(calm), calm.evidence()
    calm.hosts["web-1"].battery("red", "mains")
    calm.eventually(lambda: not any(host.problems() for host in calm.hosts.values()), within=PATIENCE)
    assert nobody_stopped(calm), calm.evidence()


def test_a_battery_of_somebody_elses_certificate_is_not_believed(calm: Site) -> None:
    """Whoever answers at web-1's address shows a certificate for web-1; edge-1 now wants one for web-9."""
    edge, conf = calm.hosts["edge-1"], "/etc/nut/upsmon.conf"
    edge.must("sh", "-c", f'[ -e /root/kept ] || cp -p {conf} /root/kept; sed -i \'s/"web-1"/"web-9"/\' {conf}')
    edge.must("systemctl", "restart", "nut-monitor.service")
    calm.eventually(lambda: _watches(calm, "web-2"), within=PATIENCE)
    calm.eventually(lambda: "certificate called 'web-9'" in edge.journal(), within=PATIENCE)
    assert not _watches(calm, "web-1")
    edge.must("sh", "-c", f"cp -p /root/kept {conf}")
    edge.must("systemctl", "restart", "nut-monitor.service")
    calm.eventually(lambda: _watches(calm, "web-1") and _watches(calm, "web-2"), within=PATIENCE)


def _watches(site: Site, keeper: str) -> bool:
    """Whether edge-1 is logged in at that host's battery."""
    host, edge = site.hosts[keeper], site.hosts["edge-1"]
    return str(edge.power.ipv6) in host.run("upsc", "-c", host.power.batteries[0].name)[1]


def test_a_renewed_certificate_reaches_nut(calm: Site) -> None:
    host, shown = calm.hosts["web-2"], "certutil -L -d sql:/var/lib/hdinfra-nut -n machine -a"
    key, renewed = calm.stack.leaf("web-2", "waf", serial=7)
    before = host.must("sh", "-c", shown)
    lay_files(host.container, {"/var/lib/hdinfra/key.pem": key, "/var/lib/hdinfra/new.pem": renewed}, 0o600)
    host.must("cp", "-p", "/var/lib/hdinfra/new.pem", "/var/lib/hdinfra/certificate.pem")
    calm.eventually(lambda: host.run("sh", "-c", shown)[1] not in ("", before), within=PATIENCE)
    calm.eventually(lambda: host.unit("hdinfra-power-papers.service") == "inactive", within=PATIENCE)
    leaf = renewed.partition("-----END CERTIFICATE-----")[0]
    assert host.must("sh", "-c", shown).split()[:-2] == leaf.split()
    calm.eventually(lambda: _watches(calm, "web-1") and _watches(calm, "web-2"), within=PATIENCE)
    assert nobody_stopped(calm), calm.evidence()


def test_passwords_and_keys_are_nuts_alone(calm: Site) -> None:
    for host in calm.hosts.values():
        found = host.must(
            "sh", "-c", "stat -c '%a %U %n' /etc/nut/upsd.users /etc/nut/upsmon.conf /var/lib/hdinfra-nut/*"
        )
        assert {line.split()[0] for line in found.splitlines()} == {"600"}
        assert {line.split()[1] for line in found.splitlines()} == {"nut"}
        assert "secret" not in host.journal()


def test_a_site_goes_down_in_its_order_and_starts_in_the_other(engine: Engine) -> None:
    with running_site(engine, Stack()) as site:
        began = {f"start {service}" for service in ("front", "inspection", "store")}
        assert {what.split(" on ")[0] for what in site.order()} == began
        _goes_down(site)
        _starts_again(site)


def _goes_down(site: Site) -> None:
    before = len(site.order())
    for name, battery in (("web-1", "red"), ("web-2", "blue")):
        site.hosts[name].battery(battery, "low")
    site.eventually(lambda: all(host.off() for host in site.hosts.values()), within=PATIENCE + site.plan.seconds)
    told = site.order()[before:]
    # Each wave is over before the next one begins, on whichever host.
    assert told[:2] == ["ask front on edge-1", "stop front on edge-1"]
    assert {what.split()[0] for what in told[2:4]} | {what.split()[0] for what in told[4:6]} == {"ask", "stop"}
    assert {what.split(" ", 1)[1] for what in told[2:6]} == {"inspection on web-1", "inspection on web-2"}
    assert told[6:] == ["ask store on web-1", "stop store on web-1"]
    # Those with a cable go last, and have their batteries switched off.
    assert site.hosts["edge-1"].container.status == "exited"


def _starts_again(site: Site) -> None:
    before = len(site.order())
    # The front is the first to have power, the store the last; no battery would last for another shutdown.
    for name in ("edge-1", "web-2", "web-1"):
        site.hosts[name].start_again("charging")
    waits = [site.hosts["web-1"], "hdinfra-turn@store.service"], [site.hosts["edge-1"], "hdinfra-turn@front.service"]
    site.eventually(lambda: all(host.unit(unit) == "activating" for host, unit in waits), within=PATIENCE)
    site.eventually(lambda: "ups-red is at 12 % of 40 %" in site.hosts["web-1"].journal(), within=PATIENCE)
    assert site.order()[before:] == [], site.evidence()
    site.hosts["web-1"].battery("red", "charged")
    wanted = {"start store on web-1", "start inspection on web-1", "start inspection on web-2", "start front on edge-1"}
    site.eventually(lambda: set(site.order()[before:]) == wanted, within=PATIENCE)
    told = [what.split()[1] for what in site.order()[before:]]
    assert told == ["store", "inspection", "inspection", "front"]
    # From now on nothing waits, whatever the batteries say: a host that boots alone boots at once.
    site.eventually(lambda: not any(map(_marked, site.hosts.values())), within=PATIENCE)


def _marked(host: Host) -> bool:
    return host.run("test", "-e", "/var/lib/hdinfra/power-down")[0] == 0
