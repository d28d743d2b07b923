"""What a visitor of the first zone gets, through both edges."""

import socket

import httpx
import pytest

from bench.project import Project
from hdinfra.operate.containers import open_containers, said
from hdinfra.operate.waiting import seconds_until
from tests.local.zone_visitors import BLOG, SHOP, get

ATTACKS = ({"q": "<script>alert(1)</script>"}, {"id": "1' OR '1'='1"})
EDGES = (0, 1)


def inside(project: Project, machine: str, command: str) -> str:
    """What a command says inside a machine."""
    container = open_containers().client.containers.get(f"{project.namespace}-{machine}")
    return said(container.exec_run(["sh", "-c", command]))


@pytest.mark.parametrize("edge", EDGES)
def test_both_sites_answer_with_their_own_page(zone: Project, edge: int) -> None:
    for host in (SHOP, BLOG):
        answer = get(zone.urls[edge], host)
        assert (answer.status_code, host in answer.text) == (200, True)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: next(iter(attack)))
def test_mitigation_refuses_an_attack(zone: Project, edge: int, attack: dict[str, str]) -> None:
    assert get(zone.urls[edge], SHOP, **attack).status_code == httpx.codes.FORBIDDEN


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: next(iter(attack)))
def test_record_passes_an_attack_and_writes_it_down(zone: Project, attack: dict[str, str]) -> None:
    def records() -> int:
        count = "cat /var/log/hdinfra-tenants/globex/blog.globex.test.audit.json 2>/dev/null | grep -c messages"
        return sum(int(inside(zone, machine, count).strip() or 0) for machine in ("a-web-1", "b-web-1"))

    before = records()
    assert get(zone.urls[0], BLOG, **attack).status_code == httpx.codes.OK
    # nginx writes it after it has answered.
    assert seconds_until(lambda: records() > before, within=30) is not None


@pytest.mark.parametrize("edge", EDGES)
def test_an_unknown_host_is_misdirected(zone: Project, edge: int) -> None:
    assert get(zone.urls[edge], "nobody.example.test").status_code == httpx.codes.MISDIRECTED_REQUEST


def test_every_edge_says_that_it_is_well(zone: Project) -> None:
    assert [httpx.get(f"{url}/healthz", trust_env=False).status_code for url in zone.urls] == [200, 200]


def test_nothing_but_the_published_ports_listens_on_this_computer(zone: Project) -> None:
    ports = {
        int(binding["HostPort"])
        for container in open_containers().client.containers.list(
            filters={"label": f"hdinfra.namespace={zone.namespace}"}
        )
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    }
    first = zone.spec["control"]["publish"]["port"]
    assert ports - {first, first + 1} == {*(int(url.rpartition(":")[2]) for url in zone.urls), *zone.https_ports}
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
