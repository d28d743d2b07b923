"""The first zone over HTTPS: what visitors get, a renewal under load, and where no key may lie."""

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.project import Project
from tests.local.test_zone_answers import inside
from tests.local.tls_visitors import Visitor, believing, visitors
from tests.local.zone_visitors import BLOG, SHOP

EDGES = (0, 1)
MORE = 100
"""Requests that are answered after a renewal before its load ends: they meet the new certificates."""


def days(project: Project, value: int) -> None:
    """Ask for certificates of that length from now on."""
    spec = project.spec
    spec["edge"]["tls"] = {"days": value}
    project.write_spec(spec)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("host", [SHOP, BLOG])
def test_both_sites_answer_over_https_under_the_stacks_authority(zone: Project, edge: int, host: str) -> None:
    visitor = Visitor(zone.https_ports[edge], host, believing(zone))
    status, text, headers = visitor.get()
    visitor.close()
    assert (status, host in text) == (200, True)
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert visitor.shown()["subjectAltName"] == (("DNS", host),)


def test_plain_http_answers_on_and_says_nothing_of_hsts(zone: Project) -> None:
    for port in (int(url.rpartition(":")[2]) for url in zone.urls):
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        plain.request("GET", "/", headers={"Host": SHOP})
        answer = plain.getresponse()
        assert (answer.status, answer.getheader("Strict-Transport-Security")) == (200, None)
        plain.close()


def test_nobody_gets_in_without_a_name_or_with_a_strangers(zone: Project) -> None:
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|alert"):
        Visitor(zone.https_ports[0], "nobody.example.test", blind).connect()


def test_keys_lie_on_the_edges_for_root_alone_and_nowhere_on_an_api_machine(zone: Project) -> None:
    folder = "/etc/hdinfra/tls"
    for edge in ("east-edge", "west-edge"):
        modes = inside(zone, edge, f"stat -c '%a %U' {folder} {folder}/certificates {folder}/certificates/{SHOP}.pem")
        assert modes.split("\n")[:3] == ["700 root", "700 root", "600 root"]
    key = inside(zone, "east-edge", f"cat {folder}/certificates/{SHOP}.pem").split("-----")[2].split()
    assert len("".join(key)) > 150
    for api in ("a-control-1", "b-control-1"):
        database = "/var/lib/hdinfra-control/api.db*"
        assert int(inside(zone, api, f"cat {database} | grep -ac '{SHOP}'").strip()) > 0
        found = inside(zone, api, f"cat {database} | grep -aFc -e '{key[0]}' -e 'PRIVATE KEY'")
        assert found.strip() == "0"


def test_a_renewal_under_load_loses_no_request_and_touches_nothing_else(zone: Project) -> None:
    context, ports = believing(zone), zone.https_ports
    before = {port: Visitor(port, SHOP, context).shown()["serialNumber"] for port in ports}
    days(zone, 60)
    try:
        with renewing(zone) as told, visitors(ports, context) as sent:
            told += list(told.rest)
            sent.await_more(MORE)
            after = {port: Visitor(port, SHOP, context).shown()["serialNumber"] for port in ports}
        print(json.dumps(sent.answers))
        assert re.search(r"^done: \d+ same, 1 update$", "".join(told), re.MULTILINE), told
        assert not set(before.values()) & set(after.values())
        assert len(set(after.values())) == 1
        assert (sent.failed, sent.certificates) == ({}, {SHOP: 2, BLOG: 2})
    finally:
        days(zone, 90)


class Told(list[str]):
    """What `up` said, and what it still will."""

    rest: Iterator[str]


@contextmanager
def renewing(project: Project) -> Iterator[Told]:
    """An `up` that is about to change certificates: only then it is worth a load, under which all else takes longer."""
    process = project.start("up")
    assert process.stdout and process.stderr
    told = Told()
    try:
        told.rest = iter(process.stderr.readline, "")
        for line in told.rest:
            told.append(line)
            if "made anew" in line:
                break
        yield told
        assert process.wait(60) == 0, told
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_status_names_every_certificate(zone: Project) -> None:
    found = {one["host"]: one for one in zone.ask("status")["certificates"]}
    assert found.keys() == {SHOP, BLOG}
    assert all(one["well"] and not one["ends_soon"] and one["days"] > 21 for one in found.values())
