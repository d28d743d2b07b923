"""What boots lets nothing in or out but what its role names: asked of every Machine's registered user data."""

import base64
import gzip
import re
from typing import Any

import yaml

from hdinfra.testing import Graph, Registered

EDGE = ["80", "443"]
PUBLIC = {"a-web-1": [], "b-web-1": [], "east-edge": EDGE, "west-edge": EDGE, "a-control-1": []}


def firewall_of(machine: Registered) -> str:
    config = yaml.safe_load(machine.inputs["userData"])
    (entry,) = [file for file in config["write_files"] if file["path"] == "/etc/hdinfra/firewall.nft"]
    return content_of(entry)


def content_of(entry: dict[str, Any]) -> str:
    if "encoding" not in entry:
        return str(entry["content"])
    raw = base64.b64decode(entry["content"])
    return (gzip.decompress(raw) if entry["encoding"].startswith("gz") else raw).decode()


def test_every_machine_drops_by_default_in_both_families(local_zone: Graph) -> None:
    machines = local_zone.of_type("hdlocal:index:Machine")
    assert len(machines) == 9
    for machine in machines:
        rules = firewall_of(machine)
        # `inet` is IPv4 and IPv6 at once; a chain of one family would leave the other open.
        assert set(re.findall(r"^table (\w+)", rules, re.MULTILINE)) == {"inet"}, machine.name
        policies = dict(re.findall(r"hook (\w+) priority \w+; policy (\w+);", rules))
        assert policies == {"input": "drop", "forward": "drop", "output": "drop"}, machine.name


def test_only_the_edges_are_open_to_the_world(local_zone: Graph) -> None:
    for name, ports in PUBLIC.items():
        rules = firewall_of(local_zone.named(name))
        assert re.findall(r"^\s*tcp dport (\d+) accept$", rules.partition("chain forwarded")[0], re.MULTILINE) == ports


def test_an_api_machine_is_reached_from_admin_networks_until_its_policy_says_more(local_zone: Graph) -> None:
    config = yaml.safe_load(local_zone.named("a-control-1").inputs["userData"])
    (entry,) = [file for file in config["write_files"] if file["path"] == "/etc/hdinfra/first/callers.nft"]
    assert entry["content"].splitlines() == [
        "add element inet hdinfra callers4 { 10.64.0.1/32 }",
        "add element inet hdinfra callers4 { 10.65.0.1/32 }",
        "add element inet hdinfra callers4 { 10.65.8.1/32 }",
        "add element inet hdinfra callers6 { fd25:bf8e:1a23::1/128 }",
        "add element inet hdinfra callers6 { fd25:bf8e:1a23:1::1/128 }",
        "add element inet hdinfra callers6 { fd25:bf8e:1a23:2::1/128 }",
    ]
    assert re.findall(r"saddr @(\w+) tcp dport 9000 accept", firewall_of(local_zone.named("a-control-1"))) == [
        "callers4",
        "callers6",
    ]
