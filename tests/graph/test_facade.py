"""`import hdinfra` costs nothing, and everything public is there."""

import json
import subprocess
import sys

import pulumi
import pytest

import hdinfra as hd
from hdinfra.clouds import cloud
from hdinfra.model.spec import Provider
from hdinfra.model.spec_file import parse_spec
from tests.graph.specs import LOCAL

LISTED = "import hdinfra, json, sys; json.dump(sorted(sys.modules), sys.stdout)"


def test_import_loads_nothing_of_pulumi_or_a_cloud() -> None:
    done = subprocess.run([sys.executable, "-c", LISTED], check=True, capture_output=True, text=True, timeout=60)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "hdinfra" in loaded
    assert loaded.isdisjoint({"pulumi", "pydantic", "yaml", "docker", "typer", "rich", "grpc"})


def test_every_public_name_is_found() -> None:
    assert dir(hd) == sorted(hd.__all__)
    assert all(getattr(hd, name) is not None for name in hd.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Zoen'"):
        hd.Zoen  # noqa: B018  the look-up is what is tested


def test_a_missing_extra_is_named_with_the_order_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "SDKS", {Provider.LOCAL: "no_such_package"})
    with pytest.raises(pulumi.RunError, match=r'fix: pip install "hdinfra\[local\]"'):
        cloud.cloud_of(Provider.LOCAL)


def test_refusals_of_the_plan_come_out_of_planned() -> None:
    one_operator = LOCAL.replace("region: lab-south", "region: lab-north")
    with pytest.raises(hd.RefusedError) as refused:
        hd.planned(parse_spec(one_operator, "test.yaml"))
    assert "cluster.duplicate-data-centre" in {refusal.rule for refusal in refused.value.refusals}


def test_user_data_that_is_too_big_is_refused_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    too_big = (hd.Refusal("instances[0]", "machine.user-data-limit", "m", "f"),)
    monkeypatch.setattr("hdinfra.planning.user_data_refusals", lambda _: too_big)
    with pytest.raises(hd.RefusedError) as refused:
        hd.planned(parse_spec(LOCAL, "test.yaml"))
    assert refused.value.refusals == too_big
