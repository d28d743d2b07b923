"""Accounts of IBM Cloud: a key and a resource group, checked before anything is declared."""

import json
from collections.abc import Mapping

import pulumi
import pytest

from hdinfra.testing import Recorder
from tests.graph.ibm_zone import SPEC, declared, recorder

ACCOUNT = SPEC.replace("region: eu-de", "region: eu-de, account: second")


def test_an_account_has_its_own_key_and_resource_group() -> None:
    settings = json.dumps({"ibmcloud_api_key": "k3y", "resource_group": "7a"})
    graph = declared(ACCOUNT, recorder(config={"hdinfra:account-second": settings}))
    provider = graph.named("fra-provider")
    assert provider.inputs == {"region": "eu-de", "ibmcloudApiKey": "k3y", "resourceGroup": "7a"}
    assert "ibmcloudApiKey" in provider.secrets
    taking = [
        resource for resource in graph.resources if resource.type.startswith("ibm:") and "tags" in resource.inputs
    ]
    groups = {(resource.provider, resource.inputs.get("resourceGroup")) for resource in taking}
    assert groups == {("fra-provider", "7a"), *((f"{name}-provider", None) for name in ("lon", "mad", "tor"))}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ibmcloud_api_key": "k3y", "region": "x"}, "its provider takes ibmcloud_api_key, resource_group"),
        ({"resource_group": "7a"}, "no `ibmcloud_api_key`; fix: pulumi config set --secret"),
    ],
)
def test_a_wrong_account_is_one_clear_line(settings: Mapping[str, str], said: str) -> None:
    record = Recorder(config={"hdinfra:account-second": json.dumps(settings)})
    with pytest.raises(pulumi.RunError, match=said) as refused:
        declared(ACCOUNT, record)
    assert "k3y" not in str(refused.value)
    assert record.failed and not [resource for resource in record.failed.resources if resource.type.startswith("ibm:")]
