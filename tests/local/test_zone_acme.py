"""A zone whose certificates come from an ACME server (a real pebble), which asks the edges themselves for its proof."""

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.project import Project, make_project
from hdinfra.operate.containers import open_containers
from tests.local.test_zone_tls import EDGES, MORE, renewing
from tests.local.tls_visitors import Visitor, visitors
from tests.local.zone_visitors import BLOG, SHOP, get
from tests.pebble import Pebble, pebble_serving

PROVEN_AT = {SHOP: ("east-edge", "IPAddress"), BLOG: ("west-edge", "GlobalIPv6Address")}
"""At which edge, and over which family, each site is proven."""
_HTTP = 80


@dataclass(frozen=True)
class AcmeZone:
    """A zone that is up, and two servers, of which it takes certificates from the first."""

    project: Project
    first: Pebble
    second: Pebble


@pytest.fixture(scope="module")
def acme_zone(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[AcmeZone]:
    made = make_project(tmp_path_factory.mktemp("acme-zone"), f"acme-{worker}")

    def resolve(host: str) -> str:
        machine, family = PROVEN_AT[host]
        container = open_containers().client.containers.get(f"{made.namespace}-{machine}")
        (network,) = container.attrs["NetworkSettings"]["Networks"].values()
        return str(network[family])

    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    with pebble_serving(folders[0], _HTTP, resolve) as first, pebble_serving(folders[1], _HTTP, resolve) as second:
        trusted = bundle(folders[0] / "servers.pem", first.root.read_text(), second.root.read_text())
        project = replace(made, environment={**made.environment, "REQUESTS_CA_BUNDLE": str(trusted)})
        take_from(project, first)
        try:
            project.must("up")
            yield AcmeZone(project, first, second)
        finally:
            project.down()


def bundle(path: Path, *roots: str) -> Path:
    """A file with all of them."""
    path.write_text("".join(roots))
    return path


def take_from(project: Project, server: Pebble) -> None:
    """Ask that server for certificates from now on. One site shows everybody the way to HTTPS, also who asks for a
    proof there."""
    spec = project.spec
    acme = {"directory": server.directory, "contact": "ops@acme.test"}
    spec["edge"]["tls"] = {"issuer": "acme", "acme": acme}
    spec["instances"][0]["tenants"][0]["sites"][0]["https"]["redirect"] = True
    project.write_spec(spec)


def shown(port: int, host: str, context: ssl.SSLContext) -> str:
    """The name of whoever issued what an edge shows for a host."""
    issuer = Visitor(port, host, context).shown()["issuer"]
    return str(dict(pair for (pair,) in issuer)["commonName"])


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("host", [SHOP, BLOG])
def test_a_visitor_who_believes_the_server_is_served_over_https(acme_zone: AcmeZone, edge: int, host: str) -> None:
    context, port = ssl.create_default_context(cadata=acme_zone.first.believed()), acme_zone.project.https_ports[edge]
    assert shown(port, host, context).startswith("Pebble Intermediate CA")
    visitor = Visitor(port, host, context)
    status, text, _ = visitor.get()
    visitor.close()
    assert (status, host in text) == (200, True)


def test_who_believes_another_server_is_not(acme_zone: AcmeZone) -> None:
    stranger = ssl.create_default_context(cadata=acme_zone.second.believed())
    with pytest.raises(ssl.SSLCertVerificationError):
        Visitor(acme_zone.project.https_ports[0], SHOP, stranger).get()


def test_the_server_asked_each_edge_although_one_site_redirects(acme_zone: AcmeZone) -> None:
    said = acme_zone.first.log.read_text()
    for host in (SHOP, BLOG):
        assert re.search(rf"Attempting to validate w/ HTTP: http://{host}:80/\.well-known/acme-challenge/", said), said
    assert get(acme_zone.project.urls[0], SHOP).status_code == 308


def test_another_up_asks_for_nothing(acme_zone: AcmeZone) -> None:
    before = acme_zone.first.log.read_text()
    told = acme_zone.project.run("up")
    assert (told.returncode, "made anew" in told.stderr) == (0, False), told.stderr
    assert "/dir" not in acme_zone.first.log.read_text().removeprefix(before)


def test_moving_to_another_server_under_load_loses_no_request(acme_zone: AcmeZone) -> None:
    """As a renewal does; only that here the new certificates can be told from the old."""
    project, servers = acme_zone.project, (acme_zone.first, acme_zone.second)
    context = ssl.create_default_context(cadata="".join(server.believed() for server in servers))
    ports = project.https_ports
    before = {shown(port, host, context) for port in ports for host in (SHOP, BLOG)}
    take_from(project, acme_zone.second)
    with renewing(project) as told, visitors(ports, context) as sent:
        told += list(told.rest)
        sent.await_more(MORE)
        after = {shown(port, host, context) for port in ports for host in (SHOP, BLOG)}
    print(json.dumps(sent.answers))
    assert (len(before), len(after), before & after) == (1, 1, set())
    assert (sent.failed, sent.certificates) == ({}, {SHOP: 2, BLOG: 2})
