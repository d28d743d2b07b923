"""A BYOL Instance's plan: complete, the same at every run, and only what its licence allows."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.byol import ByolSpec
from hdinfra.model.policy import WafPolicy, canonical
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec_file import is_byol, load_byol
from hdinfra.model.typed import validated
from tests.model import byol_specs as byol
from tests.model.legal import setting


@given(machines=st.integers(1, 200), licensed=st.integers(1, 200))
def test_there_are_never_more_machines_than_the_licence_covers(machines: int, licensed: int) -> None:
    data, licence = byol.on_cloud(setting("machines", machines)), byol.licence(machines=licensed)
    if machines > licensed:
        with pytest.raises(RefusedError, match=r"byol\.licence-count"):
            byol.plan_of(data, licence)
        return
    plan = byol.plan_of(data, licence)
    assert [machine.name for machine in plan.machines] == [f"web-{n}" for n in range(1, machines + 1)]
    assert plan.ground is not None
    network = plan.ground.prefixes
    addresses = [address for machine in plan.machines for address in machine.public or ()]
    assert len(set(addresses)) == 2 * machines
    assert all(address in network.ipv4 or address in network.ipv6 for address in addresses)
    ports = [machine.publish.port for machine in plan.machines if machine.publish]
    assert ports == list(range(8280, 8280 + machines))


@given(data=st.permutations(byol.LEGAL["edges"]))
def test_the_order_of_a_spec_decides_nothing(data: list[str]) -> None:
    assert byol.plan_of(byol.installed(setting("edges", data))) == byol.plan_of(byol.installed())


def test_more_machines_move_nobody() -> None:
    few, many = (byol.plan_of(byol.on_cloud(setting("machines", count))).machines for count in (1, 4))
    assert few == many[:1]


def test_an_installed_machine_has_no_address_of_ours() -> None:
    plan = byol.plan_of(byol.installed())
    assert (plan.installs, plan.ground) == (True, None)
    assert [(machine.name, machine.public, machine.publish) for machine in plan.machines] == [
        ("web-1", None, None),
        ("web-2", None, None),
    ]
    assert byol.plan_of(byol.on_cloud()).installs is False


def test_the_policy_names_sites_and_who_may_come() -> None:
    policy = byol.plan_of(byol.installed()).policy
    assert [str(edge) for edge in policy.edges] == ["192.0.2.1", "2001:db8::1"]
    (site,) = policy.sites
    assert (site.host, site.tenant, site.mode) == ("shop.acme.test", "acme", "MITIGATION")
    assert WafPolicy.model_validate_json(canonical(policy)) == policy


def test_origins_may_stand_beside_the_machines() -> None:
    beside = byol.on_cloud(setting("sites.0.origins.0", {"address": "10.99.0.200"}))
    assert str(byol.plan_of(beside).policy.sites[0].origins[0].address) == "10.99.0.200"


def test_what_is_wrong_with_spec_and_licence_is_told_at_once() -> None:
    data = byol.on_cloud(setting("region", "r99"), setting("machines", 9))
    with pytest.raises(RefusedError) as refused:
        byol.plan_of(data, byol.licence(apps=("ddos",)), byol.YEAR_ENDS)
    assert [refusal.rule for refusal in refused.value.refusals] == [
        "byol.licence-app",
        "byol.licence-expired",
        "byol.licence-count",
        "zone.region-unknown",
    ]


def test_the_last_second_counts() -> None:
    assert byol.plan_of(byol.installed(), now=byol.YEAR_ENDS - 1).name == "web"
    assert byol.plan_of(byol.installed(), now=byol.YEAR_BEGINS).name == "web"


def test_a_file_says_what_it_describes(tmp_path: Path) -> None:
    own, zone = tmp_path / "own.yaml", tmp_path / "zone.yaml"
    own.write_text(yaml.safe_dump(byol.installed()))
    zone.write_text("zone: a\n")
    assert (is_byol(own), is_byol(zone)) == (True, False)
    assert load_byol(own) == validated(ByolSpec, byol.installed())


def test_a_password_in_the_codes_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(RefusedError) as refused:
        byol.plan_of(byol.on_cloud(setting("code_url", "https://acme:hunter2@code.acme.test/hdinfra")))
    (found,) = refused.value.refusals
    assert "without a user" in found.message and "https://***@code.acme.test" in found.message
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    "url", ["https://code.acme.test", "https://192.0.2.7:8443/a/b", "https://[2001:db8::7]/hdinfra"]
)
def test_the_codes_address_has_no_slash_at_its_end(url: str) -> None:
    assert byol.plan_of(byol.on_cloud(setting("code_url", f"{url}/"))).code_url == url
    assert byol.plan_of(byol.on_cloud(setting("code_url", url))).code_url == url
    assert byol.plan_of(byol.on_cloud()).code_url is None
