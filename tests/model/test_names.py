"""Hostile text is refused by type, wherever it stands in a spec or a policy, and never shown unescaped."""

import copy
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hdinfra.model.names import Host, IPAddress, Name, UrlPath
from hdinfra.model.policy import Backend, OriginAddress, WafPolicy
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import LONGEST_SHOWN, shown, validated
from tests.model.legal import LEGAL, Data, legal, setting

HOSTILE = [
    'a"b.test', "a'b.test", "a.test\n", "a.test\r\nx: y", "a.test;", "a{b}.test", "a b.test", "${x}.test", "a.test#",
    "a\\.test", "a.test\0", "../a.test", "a/b.test", "a" * 300, "a." * 200 + "test", "bücher.test", "a..test",
    "\uff41.test", ".a.test", "a.test.", "-a.test", "a-.test", "A.test", "localhost", "1.2.3.4", "a_b.test", "*.test",
    "", "\u202ea.test", "a" * 64 + ".test", "a.test%0a",
]  # fmt: skip

TEXTS = {
    "zone", "area", "clusters.0.name", "clusters.0.region", "clusters.0.provider", "clusters.0.ipv4", "clusters.0.ipv6",
    "instances.0.name", "instances.0.app", "instances.0.tenancy", "instances.0.clusters", "instances.0.tenants.0.name",
    "instances.0.tenants.0.sites.0.host", "instances.0.tenants.0.sites.0.mode",
    "instances.0.tenants.0.sites.0.health_path", "instances.0.tenants.0.sites.0.profile",
    "instances.0.tenants.0.sites.0.excluded_paths", "instances.0.tenants.0.sites.0.excluded_networks",
    "instances.0.tenants.0.sites.0.origins.0.address",
    "instances.0.tenants.0.sites.0.origins.0.lab", "edge.places.0.name", "edge.places.0.region",
    "edge.places.0.publish.address", "lab.origins.0.name", "lab.origins.0.region", "network.ipv4", "network.ipv6",
}  # fmt: skip


ADDRESSED = {
    "clusters.0.ipv4",
    "edge.places.0.publish.address",
    "instances.0.tenants.0.sites.0.excluded_networks",
    "instances.0.tenants.0.sites.0.origins.0.address",
    "network.ipv4",
}
# Neither is a host, but a proper name and a proper address; what they name is for the rules to judge.
HARMLESS = {"localhost", "1.2.3.4"}


def refused(data: Data) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        validated(ZoneSpec, data)
    return error.value


@pytest.mark.parametrize("text", HOSTILE, ids=shown)
@pytest.mark.parametrize("path", sorted(TEXTS))
def test_hostile_text_is_refused_everywhere(path: str, text: str) -> None:
    if text in HARMLESS and (text == "localhost" or path in ADDRESSED):
        return
    value = [text] if path.rpartition(".")[2] in ("clusters", "excluded_paths", "excluded_networks") else text
    error = refused(legal(setting("network", {}), setting(path, value)))
    assert [r.rule for r in error.refusals] == ["spec.type"]
    told = str(error)
    assert told.isascii()
    assert all(character.isprintable() for line in told.split("\n") for character in line)


@pytest.mark.parametrize("text", HOSTILE, ids=shown)
def test_hostile_keys_are_refused(text: str) -> None:
    data = copy.deepcopy(LEGAL)
    data["clusters"][0][text] = 1
    error = refused(data)
    assert [r.rule for r in error.refusals] == ["spec.unknown-key"]
    assert str(error).isascii()
    assert len(str(error).split("\n")) == 3


@pytest.mark.parametrize("scope", ['fe80::1%a"b', "fd00::1%\n}", "2001:db8::1%eth0"])
def test_an_address_with_a_scope_is_refused(scope: str) -> None:
    path = "instances.0.tenants.0.sites.0.origins"
    (refusal,) = refused(legal(setting(path, [{"address": scope}]))).refusals
    assert refusal.path == "instances[0].tenants[0].sites[0].origins[0].address"
    for model, data in (
        (OriginAddress, {"address": scope, "port": 80}),
        (WafPolicy, {"sites": [], "edges": [scope]}),
        (Backend, {"name": "a", "cluster": "a", "ipv4": "192.0.2.1", "ipv6": scope}),
    ):
        with pytest.raises(ValidationError, match="scope"):
            model.model_validate(data)


@pytest.mark.parametrize("value", [1, True, b"\x01\x02\x03\x04", ["192.0.2.1", 24]])
def test_an_address_is_text(value: object) -> None:
    for path in ("clusters.0.ipv4", "instances.0.tenants.0.sites.0.origins.0.address", "edge.places.0.publish.address"):
        (refusal,) = refused(legal(setting(path, value))).refusals
        assert refusal.rule == "spec.type"


@pytest.mark.parametrize("value", [True, "80", 80.0, 0, 65536, -1, None])
def test_a_port_is_a_whole_number(value: object) -> None:
    (refusal,) = refused(legal(setting("instances.0.tenants.0.sites.0.origins.0.port", value))).refusals
    assert refusal.path == "instances[0].tenants[0].sites[0].origins[0].port"


HOSTS: TypeAdapter[str] = TypeAdapter(Host)
NAMES: TypeAdapter[str] = TypeAdapter(Name)
PATHS: TypeAdapter[str] = TypeAdapter(UrlPath)
ADDRESSES: TypeAdapter[object] = TypeAdapter(IPAddress)


def taken(text: str) -> Iterator[str]:
    """What the types let through of that text, as it would be rendered."""
    for adapter in (HOSTS, NAMES, PATHS, ADDRESSES):
        try:
            yield str(adapter.validate_python(text))
        except ValidationError:
            continue


@given(st.text(max_size=40) | st.text(alphabet="ab0-.:/%\n\"';{}~_", max_size=12))
def test_what_passes_needs_no_quoting(text: str) -> None:
    for passed in taken(text):
        assert set(passed) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:/_~")


def test_names_of_real_life_pass() -> None:
    assert list(taken("shop.acme.test")) == ["shop.acme.test"]
    assert list(taken("xn--bcher-kva.example")) == ["xn--bcher-kva.example"]
    assert list(taken("a" * 63 + ".test")) == ["a" * 63 + ".test"]
    assert list(taken("acme-2")) == ["acme-2"]
    assert list(taken("/healthz")) == ["/healthz"]


def test_a_long_value_is_shown_in_part() -> None:
    (refusal,) = refused(legal(setting("zone", "Z" * 3000))).refusals
    assert len(refusal.message) < LONGEST_SHOWN + 120
    assert "Z" * 70 in refusal.message
    assert "..." in refusal.message
