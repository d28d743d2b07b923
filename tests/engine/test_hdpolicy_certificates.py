"""The Certificates kind over its gRPC frame: issued, sealed for edges alone, renewed in time, and never lost."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

from hdinfra.plugins.policy import plane
from hdinfra.plugins.policy.delivery import digest
from hdinfra.plugins.policy.package import PolicyPath
from hdinfra.plugins.policy.site_keys import thumbprint
from hdinfra.protocol import certificate
from hdinfra.protocol.certificate import Life
from hdinfra.protocol.parcel import open_parcel, read_parcel
from hdinfra.protocol.seal import ProtocolError
from hdinfra.protocol.site_certificate import facts, flaws
from tests.engine.policy_api import TOKEN, ZONE, StackKeys, StandInApi, StandInFleet, StandInMachine, serving_api
from tests.engine.test_hdpolicy_policy import PACE
from tests.local.hdlocal_fixtures import Driver, Fault, driven

KIND = "hdpolicy:index:Certificates"
SHOP, BLOG = "shop.acme.test", "blog.globex.test"
SECRETS = ("issuerKey", "signingKey", "adminToken", "supplied")
DAY = 86_400


@dataclass
class Edge(StandInMachine):
    """Shows what it can open."""

    own: str = field(default_factory=certificate.new_key)
    shows: dict[str, int] = field(default_factory=dict)
    inside: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    number: int = 1

    @property
    def point(self) -> str:
        return certificate.public_point(certificate.new_root("edge", self.own, time.time()))

    def open(self, name: str, parcels: dict[str, str], signer: str) -> None:
        for host, text in parcels.items():
            parcel = read_parcel(text, signer, ZONE)
            if parcel.label.number > self.shows.get(host, 0) and not self.problems:
                with suppress(ProtocolError):  # sealed for its predecessor
                    self.inside[host] = json.loads(open_parcel(parcel, name, self.own) or "null")
                    self.shows[host] = parcel.label.number

    def told(self, name: str) -> dict[str, Any]:
        shown = {"key": self.point, "certificates": digest(self.shows), "problems": list(self.problems)}
        return {**super().told(name), **shown}


@pytest.fixture(scope="module")
def keys() -> StackKeys:
    return StackKeys.made()


@pytest.fixture
def fleet(keys: StackKeys) -> StandInFleet:
    made = StandInFleet(keys)
    made.machines |= {"east-edge": Edge(), "west-edge": Edge()}
    return made


@pytest.fixture
def apis(fleet: StandInFleet, tmp_path: Path) -> Iterator[list[StandInApi]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving_api(fleet, name, tmp_path)) for name in ("api-1", "api-2")]


@pytest.fixture
def plugin() -> Iterator[Driver]:
    with driven(PolicyPath(PACE)) as driver:
        assert driver.configure() == []
        yield driver


@pytest.fixture
def inputs(keys: StackKeys, apis: list[StandInApi], plugin: Driver) -> dict[str, Any]:
    _, authority, secrets = plugin.create("hdpolicy:index:SiteAuthority", "edge-authority", {"zone": ZONE})
    assert secrets == {"key"}
    return {
        "zone": ZONE,
        "scope": "edge",
        "generations": {"east-edge": "1", "west-edge": "1"},
        "hosts": [SHOP, BLOG],
        "supplied": {},
        "issuer": "local",
        "days": 90,
        "issuerCertificate": authority["certificate"],
        "issuerKey": authority["key"],
        "directory": "",
        "contact": "",
        "endpoints": [api.endpoint for api in apis],
        "root": keys.root,
        "signingKey": keys.signing,
        "adminToken": TOKEN,
    }


def created(plugin: Driver, inputs: dict[str, Any]) -> dict[str, Any]:
    resource_id, state, secrets = plugin.create(KIND, "edge-certificates", inputs, SECRETS)
    assert (resource_id, secrets) == ("test/edge-certificates", {*SECRETS, "certificates"})
    return dict(state)


def updated(plugin: Driver, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    return plugin.update(KIND, "edge-certificates", "test/edge-certificates", state, inputs)


def edges(fleet: StandInFleet) -> list[Edge]:
    return [machine for machine in fleet.machines.values() if isinstance(machine, Edge)]


def aged(inputs: dict[str, Any], state: dict[str, Any], host: str, days_ago: float) -> dict[str, Any]:
    """The state in which that certificate was issued so long ago."""
    key = state["certificates"][host]["key"]
    life = Life(time.time() - days_ago * DAY, days=90)
    old = certificate.issue_site(inputs["issuerCertificate"], inputs["issuerKey"], key, host, life)
    held = {**state["certificates"], host: {**state["certificates"][host], "certificate": old}}
    return {**state, "certificates": held}


def test_all_sites_are_certified_and_every_edge_opens_its_own_and_nobody_else(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    assert (state["shown"], state["numbers"], set(state["endsAt"])) == (True, {SHOP: 1, BLOG: 1}, {SHOP, BLOG})
    for edge in edges(fleet):
        for host in (SHOP, BLOG):
            chain, key = edge.inside[host]["certificate"], edge.inside[host]["key"]
            assert flaws(chain, key, host, time.time()) == ()
            certificate.check_issued(chain, inputs["issuerCertificate"])
            assert not any(line in text for line in key.split()[3:] for text in fleet.parcels.values())
    assert plugin.diff(KIND, state, inputs, inputs) == (set(), set(), False)
    assert plugin.read(KIND, "edge-certificates", "x", state) == state


@pytest.mark.parametrize(("days_ago", "due"), [(59, False), (61, True), (91, True)])
def test_less_than_a_third_left_is_an_update_in_place(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any], days_ago: float, due: bool
) -> None:
    old = aged(inputs, created(plugin, inputs), SHOP, days_ago)
    assert plugin.diff(KIND, old, inputs, inputs) == ({"endsAt"} if due else set(), set(), False)
    if due:
        state = updated(plugin, old, inputs)
        assert state["numbers"] == {SHOP: 2, BLOG: 1}
        assert facts(state["certificates"][SHOP]["certificate"]).ends_at > time.time() + 89 * DAY
        assert state["certificates"][BLOG] == old["certificates"][BLOG]
        assert all(edge.inside[SHOP]["key"] != old["certificates"][SHOP]["key"] for edge in edges(fleet))


def test_an_edge_that_was_made_anew_gets_them_in_the_same_run(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    fleet.machines["west-edge"] = Edge()
    state = updated(plugin, state, inputs | {"generations": {"east-edge": "1", "west-edge": "2"}})
    assert (state["numbers"], state["shown"]) == ({SHOP: 2, BLOG: 2}, True)
    east, west = edges(fleet)
    assert east.inside == west.inside
    assert {host: one["key"] for host, one in west.inside.items()} == {
        host: one["key"] for host, one in state["certificates"].items()
    }


def test_a_site_that_comes_touches_no_other_and_one_that_goes_is_taken_away(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    state = updated(plugin, state, inputs | {"hosts": [SHOP, "new.acme.test"]})
    assert state["numbers"] == {SHOP: 1, BLOG: 2, "new.acme.test": 1}
    assert set(state["certificates"]) == {SHOP, "new.acme.test"}
    assert all(edge.inside[BLOG] is None for edge in edges(fleet))


def test_a_supplied_certificate_is_shown_as_it_is(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    key = certificate.new_key()
    chain = certificate.issue_site(
        inputs["issuerCertificate"], inputs["issuerKey"], key, SHOP, Life(time.time(), days=9)
    )
    own = inputs | {"hosts": [BLOG], "supplied": {SHOP: {"certificate": chain, "key": key}}}
    state = created(plugin, own)
    assert edges(fleet)[0].inside[SHOP] == {"certificate": chain, "key": key}
    assert plugin.diff(KIND, state, own, own) == (set(), set(), False)


def test_what_does_not_belong_together_is_named_and_the_others_are_shown(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    key = certificate.new_key()
    chain = certificate.issue_site(
        inputs["issuerCertificate"], inputs["issuerKey"], key, SHOP, Life(time.time(), days=9)
    )
    wrong = {SHOP: {"certificate": chain, "key": certificate.new_key()}}
    with pytest.raises(Fault, match=r"no certificate for `shop.acme.test`: the certificate was made for another key"):
        plugin.create(KIND, "edge-certificates", inputs | {"hosts": [BLOG], "supplied": wrong}, SECRETS)
    assert set(edges(fleet)[0].inside) == {BLOG}


def test_an_edge_that_does_not_take_them_is_named_and_nothing_issued_is_lost(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    east = edges(fleet)[0]
    east.problems = (f"certificate of {SHOP}: the disk is full",)
    with pytest.raises(Fault, match=r"`east-edge` does not show them: certificate of shop.acme.test: the disk is full"):
        plugin.create(KIND, "edge-certificates", inputs, SECRETS)


def test_api_machines_that_name_different_keys_are_not_believed(
    plugin: Driver, fleet: StandInFleet, apis: list[StandInApi], inputs: dict[str, Any]
) -> None:
    apis[1].lies = {"east-edge": Edge().point}
    with pytest.raises(Fault, match=r"name different keys of `east-edge`"):
        plugin.create(KIND, "edge-certificates", inputs, SECRETS)
    assert fleet.parcels == {}


def test_one_that_names_a_key_of_its_own_does_not_outrun_the_others(
    plugin: Driver,
    fleet: StandInFleet,
    apis: list[StandInApi],
    inputs: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is not the first counts as silent in all other questions, were it a moment later."""
    monkeypatch.setattr(plane, "_GRACE_SECONDS", 0)
    honest, rogue = apis
    told, answered = honest.answer, threading.Event()
    lie = {"machines": [{**machine, "key": Edge().point} for machine in fleet.told_machines()["machines"]]}

    def lies(*_: Any) -> tuple[int, dict[str, Any]]:
        answered.set()
        return 200, lie

    def late(*asked: Any) -> tuple[int, dict[str, Any]]:
        assert answered.wait(10)
        return told(*asked)

    monkeypatch.setattr(rogue, "answer", lies)
    monkeypatch.setattr(honest, "answer", late)
    with pytest.raises(Fault, match=r"name different keys of `east-edge`|name different keys of `west-edge`"):
        plugin.create(KIND, "edge-certificates", inputs, SECRETS)
    assert fleet.parcels == {}


def test_without_any_api_machine_what_was_issued_is_kept(
    plugin: Driver, apis: list[StandInApi], inputs: dict[str, Any]
) -> None:
    for api in apis:
        api.server.shutdown()
        api.server.server_close()
    with pytest.raises(Fault) as failed:
        plugin.create(KIND, "edge-certificates", inputs, SECRETS)
    assert "run `hdinfra up` again" in str(failed.value)


def test_an_issuer_without_its_key_is_no_issuer(plugin: Driver, inputs: dict[str, Any]) -> None:
    found = plugin.check(KIND, inputs | {"issuer": "acme", "directory": "https://a.test", "contact": ""})
    assert found == [("contact", "`contact` is empty, and the issuer `acme` needs it")]


def test_an_accounts_thumbprint_is_what_its_library_says(plugin: Driver) -> None:
    _, state, secrets = plugin.create("hdpolicy:index:AcmeAccount", "account", {"zone": ZONE})
    own = JWKEC(key=ComparableECKey(load_pem_private_key(state["key"].encode(), None)))
    assert (thumbprint(state["key"]), secrets) == (state["thumbprint"], {"key"})
    assert own.thumbprint() == base64.urlsafe_b64decode(state["thumbprint"] + "=")


def test_an_authority_that_is_not_there_is_named(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    over = {"issuer": "acme", "directory": "https://127.0.0.1:9/dir", "contact": "ops@acme.test"}
    with pytest.raises(Fault, match=r"https://127.0.0.1:9/dir does not certify `shop.acme.test`"):
        plugin.create(KIND, "edge-certificates", {**inputs, **over, "hosts": [SHOP]}, SECRETS)
    assert fleet.parcels == {}
