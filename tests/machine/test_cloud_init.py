"""One description, the same bytes everywhere but for the identity."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.machine.cloud_init import IDENTITY_PATH, all_files, cloud_config, description_digest, user_data_bytes
from hdinfra.machine.firewall import ruleset
from hdinfra.machine.first_boot import FIRST_BOOT_PATH, sample_first_boot
from hdinfra.machine.machine import Firewall
from hdinfra.machine.roles import MANAGED, ROLES, machine_of
from tests.machine.debian import Debian, planned

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,30}[a-z0-9]", fullmatch=True)


def decoded(role: str, zone: str, name: str) -> dict[str, Any]:
    """What cloud-init will read."""
    config: dict[str, Any] = yaml.load(cloud_config(machine_of(zone, planned(role, name))), Loader=yaml.CSafeLoader)
    return config


@pytest.mark.parametrize("role", sorted(ROLES))
# A YAML of 60 kB takes a while to read back: few examples, no deadline for each.
@settings(max_examples=8, deadline=None)
@given(zones=st.tuples(NAMES, NAMES), names=st.tuples(NAMES, NAMES))
def test_machines_of_a_role_differ_in_identity_alone(role: str, zones: tuple[str, str], names: tuple[str, str]) -> None:
    one, other = (decoded(role, zone, name) for zone, name in zip(zones, names, strict=True))
    assert [file["path"] for file in one["write_files"]].count(IDENTITY_PATH) == 1
    for config in (one, other):
        config["write_files"] = [file for file in config["write_files"] if file["path"] != IDENTITY_PATH]
    assert one == other


def test_a_machine_of_one_tenant_says_whose_it_is_and_others_say_nothing() -> None:
    plan = planned("waf")
    shared, own = (cloud_config(machine_of("india", one)) for one in (plan, replace(plan, tenant="initech")))
    assert '"tenant": "initech"' in own
    assert own.replace(', "tenant": "initech"', "") == shared


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_file_arrives_as_it_is(role: str) -> None:
    machine = machine_of("india", planned(role))
    written = {file["path"]: file["content"] for file in decoded(role, "india", "c1-shop-1")["write_files"]}
    assert {file.path: file.content for file in all_files(machine)}.items() <= written.items()
    assert len(written) == len(all_files(machine)) + 1


@pytest.mark.parametrize("role", sorted(ROLES))
def test_fits_into_14_kib_with_all_that_a_first_boot_is_told(role: str) -> None:
    told = (sample_first_boot(["x" * 63] * 4, control=True).file(),)
    assert user_data_bytes(machine_of("india", planned(role, "x" * 63)), told) <= 14 * 1024


@pytest.mark.parametrize("role", sorted(ROLES))
def test_what_a_first_boot_is_told_is_for_root_and_describes_no_machine(role: str) -> None:
    machine = machine_of("india", planned(role))
    told = sample_first_boot(["a-control-1"], control=False).file()
    config = yaml.load(cloud_config(machine, (told,)), Loader=yaml.CSafeLoader)
    (entry,) = [file for file in config["write_files"] if file["path"] == FIRST_BOOT_PATH]
    assert (entry["permissions"], entry["owner"], entry["content"]) == ("0600", "root:root", told.content)
    others = {**config, "write_files": [file for file in config["write_files"] if file is not entry]}
    assert others == decoded(role, "india", "c1-shop-1")
    assert description_digest(machine) == description_digest(machine_of("india", planned(role)))
    assert description_digest(machine) != description_digest(machine_of("india", planned(role, "c2-shop-1")))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_is_valid_cloud_config(debian: Callable[[str], Debian], role: str) -> None:
    place = debian(role)
    place.put({"/tmp/user-data": cloud_config(place.machine)})
    code, words = place.run("cloud-init", "schema", "--config-file", "/tmp/user-data")
    assert (code, "Valid schema" in words) == (0, True), words


@pytest.mark.parametrize("role", sorted(ROLES))
def test_units_are_valid(debian: Callable[[str], Debian], role: str) -> None:
    place = debian(role)
    code, words = place.run("systemd-analyze", "verify", "--man=no", *(unit.name for unit in place.machine.units))
    assert (code, [line for line in words.splitlines() if "hdinfra" in line]) == (0, []), words


@pytest.mark.parametrize("role", sorted(MANAGED))
def test_the_agent_starts_with_what_lies_there(debian: Callable[[str], Debian], role: str) -> None:
    code, words = debian(role).run("hdctl", "apply", "--help")
    assert (code, "previous policy stays in force" in words) == (0, True), words


@pytest.mark.parametrize("role", sorted(ROLES))
def test_denies_by_default_in_both_directions(role: str) -> None:
    text = ruleset(machine_of("india", planned(role)).firewall)
    assert text.count("policy drop;") == text.count("type filter hook") == 3
    assert "dport 22" not in text


def test_another_firewall_is_another_file() -> None:
    machine = machine_of("india", planned("waf"))
    opened = replace(machine, firewall=replace(machine.firewall, public_tcp=(443,)))
    differing = {one.path for one, other in zip(all_files(machine), all_files(opened), strict=True) if one != other}
    assert differing == {"/etc/hdinfra/firewall.nft"}


def test_api_users_alone_may_ask_the_api() -> None:
    rules = {role: ruleset(machine_of("india", planned(role)).firewall) for role in ("waf", "control", "bundle-store")}
    assert 'meta skuid { "root" } tcp dport 9000 accept' in rules["waf"]
    assert 'meta skuid { "root", "hdinfra-control" } tcp dport 9000 accept' in rules["control"]
    assert "9000" not in rules["bundle-store"]


def test_udp_is_open_between_the_members_of_a_set_alone(debian: Callable[[str], Debian]) -> None:
    rules = ruleset(Firewall(restricted_udp={51820: "mesh"}, outbound_udp={51820: "mesh"}))
    inbound, outbound = (
        rules.partition(f"chain {name}")[2].partition("}\n    ")[0] for name in ("inbound", "outbound")
    )
    for family, version in (("ip", 4), ("ip6", 6)):
        assert f"{family} saddr @mesh{version} udp dport 51820 accept" in inbound
        assert f"{family} daddr @mesh{version} udp dport 51820 accept" in outbound
    assert rules.count("51820") == 4
    place = debian("waf")
    place.put({"/tmp/udp.nft": rules})
    assert place.run("nft", "-c", "-f", "/tmp/udp.nft") == (0, "")
