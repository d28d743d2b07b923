"""The example as a user tests it: with hdinfra's recorder, without an engine or an account."""

# ruff: noqa: S101  tests assert

import json

from program import declare

from hdinfra.testing import Recorder

TOKEN = "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken"  # noqa: S105  a type
ACCOUNTS = {
    "hdinfra:account-cloudflare": json.dumps({"token": "of this test"}),
    "hdinfra:account-helsinki": json.dumps({"kubeconfig": "of this test"}),
}


def test_with_the_recorder() -> None:
    record = Recorder(config=ACCOUNTS, invokes={TOKEN: lambda _: {"token": "of this test"}})
    graph = record(declare)
    (balancer,) = graph.of_type("cloudflare:index/loadBalancer:LoadBalancer")
    assert balancer.inputs["defaultPools"] == ["shop-edge-paris-pool-id", "shop-edge-helsinki-pool-id"]
    assert graph.without_provider() == graph.orphans() == graph.unfinished() == ()
    assert graph.outputs["status"]["recover_seconds"] <= 120
