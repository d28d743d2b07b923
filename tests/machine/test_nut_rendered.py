"""NUT's files: for whom they are, what is secret in them, and what nftables makes of the firewall."""

import json

import pytest
from docker.models.containers import Container

from hdinfra.machine.cloud_init import all_files, description_digest
from hdinfra.machine.firewall import ruleset
from hdinfra.machine.metal.nut import HOSTS, PORT, SERVERS, on_ups, password, told, ups_nft
from hdinfra.machine.roles import machine_of
from hdinfra.model.hardware.power_plan import power_plans
from hdinfra.model.power import HostPower, PowerPlan
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import lay_files, planned, start_container
from tests.machine.nut_site import BASE, SECRET
from tests.model import hardware_specs as hardware
from tests.model.legal import setting
from tests.model.refused_ups import watched


@pytest.fixture(scope="module")
def plan() -> PowerPlan:
    """The example's site on batteries: web-1 has one's cable, edge-2 the other's."""
    return power_plans(hardware.inventory(watched))[0]


def texts(power: HostPower) -> dict[str, str]:
    """By path what the host is told."""
    return {file.path: file.content for file in told(power, SECRET)}


def test_whoever_has_a_cable_serves_and_the_others_ask(plan: PowerPlan) -> None:
    keeper, other = texts(plan.host("web-1")), texts(plan.host("web-2"))
    assert keeper["/etc/nut/nut.conf"].startswith("MODE=netserver\n")
    assert other["/etc/nut/nut.conf"] == "MODE=netclient\n"
    assert "[ups-red]\n    driver = usbhid-ups\n    port = auto\n" in keeper["/etc/nut/ups.conf"]
    assert "[ups-" not in other["/etc/nut/ups.conf"]
    assert other["/etc/nut/upsd.users"] == ""
    for address in ("::1", "127.0.0.1", "2001:db8:1::11", "192.0.2.11"):
        assert f"LISTEN {address} 3493\n" in keeper["/etc/nut/upsd.conf"]


def test_one_supply_that_lives_is_enough(plan: PowerPlan) -> None:
    conf = texts(plan.host("web-2"))["/etc/nut/upsmon.conf"]
    lines = [line.split() for line in conf.splitlines() if line.startswith("MONITOR")]
    assert [(line[1], line[2], line[3], line[5]) for line in lines] == [
        ("ups-blue@[2001:db8:1::22]", "1", "web-2", "secondary"),
        ("ups-red@[2001:db8:1::11]", "1", "web-2", "secondary"),
    ]
    assert "\nMINSUPPLIES 1\n" in conf
    assert "\nFORCESSL 1\n" in conf
    assert "\nCERTVERIFY 1\n" in conf
    assert '\nCERTHOST "2001:db8:1::11" "web-1" 1 1\n' in conf


def test_every_pair_of_hosts_has_a_password_of_its_own(plan: PowerPlan) -> None:
    served = {
        (host.name, peer): password(SECRET, host.name, peer)
        for host in plan.hosts
        if host.batteries
        for peer in (host.name, *(one.name for one in host.peers))
    }
    assert len(set(served.values())) == len(served) == 8
    for (keeper, client), secret in served.items():
        assert f"[{client}]\n    password = {secret}\n" in texts(plan.host(keeper))["/etc/nut/upsd.users"]
        assert secret in texts(plan.host(client))["/etc/nut/upsmon.conf"]
    # What one host has opens nothing that another one may.
    known = [secret for secret in served.values() if secret in texts(plan.host("web-2"))["/etc/nut/upsmon.conf"]]
    assert known == [served["web-1", "web-2"], served["edge-2", "web-2"]]


def test_secrets_are_in_files_of_nuts_alone(plan: PowerPlan) -> None:
    for host in plan.hosts:
        secrets = {password(SECRET, one.server, host.name) for one in host.supplies}
        for file in told(host, SECRET):
            if any(secret in file.content for secret in secrets):
                assert (file.mode, file.owner) == (0o600, "nut")
            assert SECRET not in file.content


def test_a_host_more_makes_no_machine_anew(plan: PowerPlan) -> None:
    """What may change with the site is told, and no part of the description."""
    machine = on_ups(machine_of("india", planned("waf", "web-1")))
    digest = description_digest(machine)
    told_paths = {file.path for file in told(plan.host("web-1"), SECRET)}
    assert not told_paths & {file.path for file in all_files(machine)}
    assert description_digest(on_ups(machine_of("india", planned("waf", "web-1")))) == digest


def test_each_unit_starts_behind_its_services_turn(plan: PowerPlan) -> None:
    found = texts(plan.host("edge-1"))
    assert found["/etc/systemd/system/haproxy.service.d/60-hdinfra-turn.conf"] == (
        "[Unit]\nWants=hdinfra-turn@front.service\nAfter=hdinfra-turn@front.service\n"
    )
    answers = json.loads(found["/etc/hdinfra/power.json"])["turns"][0]["answers"]
    assert [one["addresses"] for one in answers] == [["2001:db8:1::11", "192.0.2.11"], ["2001:db8:1::12", "192.0.2.12"]]
    # A service that is the host's whole business has no unit that waits.
    whole = power_plans(hardware.inventory(watched, setting("services.1.units", [])))[0].host("edge-1")
    assert not any("turn.conf" in path for path in texts(whole))


def test_the_firewall_opens_the_port_to_the_sites_hosts_alone(plan: PowerPlan, engine: Engine) -> None:
    machine = on_ups(machine_of("india", planned("waf", "web-1")))
    assert machine.firewall.restricted_tcp[PORT] == HOSTS
    assert SERVERS in machine.firewall.outbound_sets
    assert PORT not in machine.firewall.public_tcp
    container = start_container(engine, BASE)
    try:
        for host in plan.hosts:
            rules = f"{ruleset(machine.firewall).partition('include')[0]}{ups_nft(host)}"
            lay_files(container, {"/root/all.nft": rules})
            code, words = container.exec_run(["nft", "-f", "/root/all.nft"])
            assert code == 0, words.decode()
            inside = {
                other.name
                for other in plan.hosts
                for name, address in ((f"{HOSTS}6", other.ipv6), (f"{HOSTS}4", other.ipv4))
                if _has(container, name, str(address))
            }
            assert inside == {peer.name for peer in host.peers}
            for supply in host.supplies:
                assert _has(container, f"{SERVERS}6", f"{supply.ipv6} . {PORT}")
                assert _has(container, f"{SERVERS}4", f"{supply.ipv4} . {PORT}")
    finally:
        container.remove(force=True)


def _has(container: Container, name: str, element: str) -> bool:
    found = container.exec_run(["nft", "get", "element", "inet", "hdinfra", name, f"{{ {element} }}"])
    return bool(found.exit_code == 0)
