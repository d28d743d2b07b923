"""What DigitalOcean is asked as whom: accounts' settings, and images that are looked up with a Cluster's own."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pytest

import hdinfra as hd
from hdinfra.clouds.cloud import MachineHandle
from hdinfra.testing import Graph, Recorder
from tests.graph.specs import clock
from tests.graph.test_digitalocean import IMAGE_ID, LOOK_UP, RHINE, Names, droplet, plan_of, recorded

ACCOUNT = [{**cluster, "account": "main"} for cluster in RHINE["clusters"]]


def with_account(settings: Mapping[str, str]) -> Graph:
    """The Clusters on an account with these settings, the edge on the environment's."""
    return recorded(plan_of(clusters=ACCOUNT), **{"hdinfra:account-main": json.dumps(settings)})


def test_an_accounts_keys_are_its_clusters_alone_and_secret() -> None:
    graph = with_account({"token": "dop", "spaces_access_id": "id", "spaces_secret_key": "key"})
    given = graph.named("fra-provider")
    assert {given.inputs[key] for key in ("token", "spacesAccessId", "spacesSecretKey")} == {"dop", "id", "key"}
    assert given.secrets >= {"token", "spacesAccessId", "spacesSecretKey"}
    assert "token" not in graph.named("lon-provider").inputs


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"token": "dop", "tokne": "x"}, "pulumi config rm --path 'hdinfra:account-main.tokne'"),
        ({"spaces_access_id": "id"}, "pulumi config set --secret --path 'hdinfra:account-main.token'"),
    ],
    ids=["unknown", "no token"],
)
def test_wrong_settings_of_an_account_are_one_clear_line(settings: Mapping[str, str], fix: str) -> None:
    with pytest.raises(pulumi.RunError, match=fix.replace(".", r"\.")):
        with_account(settings)


def test_an_image_is_looked_up_only_where_none_is_held() -> None:
    plan = plan_of()
    held = replace(plan, control=replace(plan.control, machines=tuple(map(_held, plan.control.machines))))
    declared: list[hd.Declared] = []
    found: dict[str, Any] = {}

    def program() -> None:
        declared.append(hd.declare(held, clock))
        (one,) = declared[0].instances
        machines: list[MachineHandle] = [*one.machines.values()]
        assert declared[0].zone.control is not None
        assert all(machine.image is None for machine in declared[0].zone.control.machines.values())
        pulumi.Output.all(*(machine.image for machine in machines)).apply(lambda ids: found.update(ids=ids))

    graph = Recorder(outputs=Names().outputs(), invokes=LOOK_UP)(program)
    assert found["ids"] == [str(IMAGE_ID)] * 2
    assert droplet(graph, "fra-control-1").inputs["image"] == "42"


def _held(machine: Any) -> Any:
    return replace(machine, image="42")
