"""What leads to a provider's credentials is looked for before anything is registered."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from typing import Any

import pulumi
import pytest

import hdinfra as hd
from hdinfra.clouds.cloud import SDKS
from hdinfra.clouds.credentials import BUCKET_CREDENTIALS, CREDENTIALS, check_bucket, check_clouds, check_credentials
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import Provider, ZoneSpec
from hdinfra.model.typed import validated
from hdinfra.testing import Recorder
from hdinfra.testing.credentials import dummy_credentials
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.specs import clock
from tests.model.cloud_specs import europe
from tests.model.legal import Change, setting

CLOUDS = [provider for provider, ways in CREDENTIALS.items() if ways]
EVERY = {name for ways in (*CREDENTIALS.values(), *BUCKET_CREDENTIALS.values()) for names in ways for name in names}
Data = dict[str, Any]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that leads nowhere."""
    for name in EVERY | {"ARM_CLIENT_ID"}:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("provider", CLOUDS)
@pytest.mark.usefixtures("bare")
def test_without_credentials_it_says_what_to_export(provider: Provider) -> None:
    with pytest.raises(pulumi.RunError, match=f"export {CREDENTIALS[provider][0][0]}="):
        check_credentials(provider, None)


@pytest.mark.parametrize(("provider", "names"), [(p, names) for p in CLOUDS for names in CREDENTIALS[p]])
def test_any_complete_set_is_enough_and_no_part_of_one(
    provider: Provider, names: tuple[str, ...], bare: pytest.MonkeyPatch
) -> None:
    for name in names[1:]:
        bare.setenv(name, "x")
    bare.setenv(names[0], "")
    with pytest.raises(pulumi.RunError, match="finds no credentials"):
        check_credentials(provider, None)
    bare.setenv(names[0], "x")
    check_credentials(provider, None)


def test_an_application_at_azure_needs_a_proof(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ARM_CLIENT_ID", "x")
    with pytest.raises(pulumi.RunError, match="export ARM_SUBSCRIPTION_ID="):
        check_credentials(Provider.AZURE, None)
    bare.setenv("ARM_SUBSCRIPTION_ID", "x")
    bare.setenv("ARM_TENANT_ID", "x")
    with pytest.raises(pulumi.RunError, match="export ARM_TENANT_ID=… ARM_CLIENT_SECRET="):
        check_credentials(Provider.AZURE, None)
    bare.setenv("ARM_CLIENT_SECRET", "x")
    check_credentials(Provider.AZURE, None)


@pytest.mark.parametrize(
    ("provider", "given"),
    [(Provider.AWS, {"role_arn"}), (Provider.GCP, {"project", "impersonate_service_account"})],
)
@pytest.mark.usefixtures("bare")
def test_an_account_that_brings_no_credentials_leans_on_the_environments(provider: Provider, given: set[str]) -> None:
    with pytest.raises(pulumi.RunError, match="finds no credentials"):
        check_credentials(provider, "main", given)
    check_credentials(provider, "main", given | {"access_key", "credentials"})


@pytest.mark.usefixtures("bare")
def test_a_bucket_wants_its_own_keys() -> None:
    with pytest.raises(pulumi.RunError, match="export SPACES_ACCESS_KEY_ID=… SPACES_SECRET_ACCESS_KEY=…"):
        check_bucket(Provider.DIGITALOCEAN, {"token"})
    check_bucket(Provider.DIGITALOCEAN, {"token", "spaces_access_id", "spaces_secret_key"})
    check_bucket(Provider.AWS)


def without(*names: str) -> Callable[[pytest.MonkeyPatch], None]:
    """An environment in which these are missing."""
    return lambda patch: [patch.delenv(name) for name in names] and None


def without_sdk(provider: Provider) -> Callable[[pytest.MonkeyPatch], None]:
    """A computer on which one extra is not installed."""
    found = importlib.util.find_spec

    def absent(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == SDKS[provider] else found(name, package)

    return lambda patch: patch.setattr("hdinfra.clouds.cloud.find_spec", absent)


def on_spaces(data: Data) -> None:
    """The first Cluster by name that has a bucket is DigitalOcean's."""
    data["clusters"][0] |= {"provider": "gcp", "region": "europe-west3", "name": "gcp"}


@pytest.mark.parametrize(
    ("changes", "lose", "config", "said"),
    [
        ((), without_sdk(Provider.HETZNER), {}, r'pip install "hdinfra\[hetzner\]"'),
        ((), without("HCLOUD_TOKEN"), {}, "export HCLOUD_TOKEN="),
        ((), without("AWS_SECRET_ACCESS_KEY"), {}, "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY="),
        ((on_spaces,), without("SPACES_SECRET_ACCESS_KEY"), {}, "export SPACES_ACCESS_KEY_ID="),
        ((setting("clusters.2.account", "shop"),), without(), {}, "hdinfra:account-shop.token"),
        ((setting("edge.places.1.account", "shop"),), without(), {}, "hdinfra:account-shop.token"),
        ((setting("clusters.2.account", "shop"),), without(), {"tokne": "x"}, "has the setting `tokne`"),
        ((setting("clusters.0.account", "shop"),), without(), {"access_key": "x"}, "has no `secret_key`"),
        (
            (setting("clusters.0.account", "shop"), setting("edge.places.0.account", "shop")),
            without("AWS_ACCESS_KEY_ID"),
            {"role_arn": "x"},
            "export AWS_ACCESS_KEY_ID=",
        ),
    ],
    ids=["extra", "token", "half of two keys", "spaces", "account", "place's", "slip", "half an account", "a role's"],
)
def test_nothing_is_registered_where_any_cloud_cannot_be_used(
    changes: tuple[Change, ...],
    lose: Callable[[pytest.MonkeyPatch], None],
    config: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clouds before it in the order of names have all that they need."""
    for name, value in dummy_credentials("of this test").items():
        monkeypatch.setenv(name, value)
    plan = plan_zone(validated(ZoneSpec, europe(*changes)))
    settings = {"hdinfra:account-shop": json.dumps(config)} if config else {}
    record = Recorder(outputs=OUTPUTS, invokes=INVOKES, config=settings)
    lose(monkeypatch)
    with pytest.raises(pulumi.RunError, match=said):
        record(lambda: hd.declare(plan, clock))
    assert record.failed is not None
    assert [one.name for one in record.failed.resources] == []


def test_a_lost_clusters_credentials_are_not_asked_for(bare: pytest.MonkeyPatch) -> None:
    place = setting("edge.places.1", {"name": "lon", "provider": "gcp", "region": "europe-west2"})
    plan = plan_zone(validated(ZoneSpec, europe(place)))
    for name, value in dummy_credentials("of this test").items():
        bare.setenv(name, value)
    bare.delenv("HCLOUD_TOKEN")
    check_clouds(replace(plan, withdrawn=("hz",)))
    with pytest.raises(pulumi.RunError, match="HCLOUD_TOKEN"):
        check_clouds(plan)
