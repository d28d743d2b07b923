"""What leads to a provider's credentials is looked for before anything is registered."""

import pulumi
import pytest

from hdinfra.clouds.cloud import CREDENTIALS, check_credentials
from hdinfra.components.zone import accounts_of
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import Provider, ZoneSpec
from hdinfra.model.typed import validated
from tests.model.cloud_specs import europe
from tests.model.legal import setting

CLOUDS = [provider for provider, names in CREDENTIALS.items() if names]


@pytest.mark.parametrize("provider", CLOUDS)
def test_without_credentials_it_says_what_to_export(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS[provider]:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pulumi.RunError, match=f"export {CREDENTIALS[provider][0]}="):
        check_credentials(provider, None)
    check_credentials(provider, "main")


@pytest.mark.parametrize(("provider", "name"), [(p, name) for p in CLOUDS for name in CREDENTIALS[p]])
def test_any_of_them_is_enough(provider: Provider, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in CREDENTIALS[provider]:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "x")
    check_credentials(provider, None)


def test_every_account_of_clusters_and_places_is_looked_for() -> None:
    spec = validated(ZoneSpec, europe(setting("clusters.0.account", "main")))
    assert set(accounts_of(plan_zone(spec))) == {
        (Provider.AWS, None),
        (Provider.AWS, "main"),
        (Provider.DIGITALOCEAN, None),
        (Provider.HETZNER, None),
    }
