"""Several accounts of Linode in one Zone, and the settings of each."""

import json

import pulumi
import pytest

from hdinfra.clouds.cloud import Scope
from hdinfra.clouds.linode import LinodeCloud
from hdinfra.testing import Recorder
from tests.graph.linode_zone import SPEC, declared, plan_of

ACCOUNT = SPEC.replace("region: in-maa, waivers", "region: in-maa, account: second, waivers")


def test_an_accounts_keys_are_its_clusters_alone_and_secret() -> None:
    settings = {"token": "t0ken", "obj_access_key": "id", "obj_secret_key": "key"}
    graph = declared(ACCOUNT, Recorder(config={"hdinfra:account-second": json.dumps(settings)}))
    given = graph.named("maa-provider")
    assert {given.inputs[key] for key in ("token", "objAccessKey", "objSecretKey")} == set(settings.values())
    assert given.secrets >= {"token", "objAccessKey", "objSecretKey"} and "objUseTempKeys" not in given.inputs
    assert graph.named("bom-provider").inputs == {"objUseTempKeys": "true"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('{"token": "t0ken", "region": "s3cret"}', "has the setting `region`, and its provider takes token, obj_"),
        ('{"obj_access_key": "s3cret"}', "account `second` has no `token`; fix: pulumi config set --secret --path"),
    ],
)
def test_a_wrong_account_says_what_to_do(settings: str, message: str) -> None:
    cluster = next(each for each in plan_of(ACCOUNT).clusters if each.account)
    scope = Scope("project", "stack", "namespace", "india")
    with pytest.raises(pulumi.RunError) as refused:
        Recorder(config={"hdinfra:account-second": settings})(
            lambda: LinodeCloud().provider("maa-provider", cluster, scope, pulumi.ResourceOptions())
        )
    assert message in str(refused.value) and "s3cret" not in str(refused.value)
