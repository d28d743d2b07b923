"""Edges at Cloudflare as recorded graphs: what its provider would answer, and programs that declare one."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import pulumi_cloudflare as sdk
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Secret, ServiceAccount
from pulumi_kubernetes.networking.v1 import NetworkPolicy
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

import hdinfra as hd
from hdinfra.testing import Graph, Recorder
from tests.model import cloudflare_specs as specs
from tests.model.legal import Change

TOKEN = "recorded token of a tunnel"
API_TOKEN = "recorded token of the account"
KUBECONFIG = "recorded kubeconfig"
CONFIG = {
    "hdinfra:namespace": "hd-test",
    "hdinfra:account-k8s-hel": json.dumps({"kubeconfig": KUBECONFIG}),
}
ASKS = "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken"

CLASSES: Mapping[str, type[pulumi.CustomResource]] = {
    "cloudflare:index/authenticatedOriginPullsSettings:AuthenticatedOriginPullsSettings": (
        sdk.AuthenticatedOriginPullsSettings
    ),
    "cloudflare:index/dnsRecord:DnsRecord": sdk.DnsRecord,
    "cloudflare:index/loadBalancer:LoadBalancer": sdk.LoadBalancer,
    "cloudflare:index/loadBalancerMonitor:LoadBalancerMonitor": sdk.LoadBalancerMonitor,
    "cloudflare:index/loadBalancerPool:LoadBalancerPool": sdk.LoadBalancerPool,
    "cloudflare:index/notificationPolicy:NotificationPolicy": sdk.NotificationPolicy,
    "cloudflare:index/notificationPolicyWebhooks:NotificationPolicyWebhooks": sdk.NotificationPolicyWebhooks,
    "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared": sdk.ZeroTrustTunnelCloudflared,
    "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig": (
        sdk.ZeroTrustTunnelCloudflaredConfig
    ),
    "pulumi:providers:cloudflare": sdk.Provider,
    "pulumi:providers:kubernetes": k8s.Provider,
    "kubernetes:apps/v1:Deployment": Deployment,
    "kubernetes:core/v1:Secret": Secret,
    "kubernetes:core/v1:ServiceAccount": ServiceAccount,
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": NetworkPolicy,
    "kubernetes:policy/v1:PodDisruptionBudget": PodDisruptionBudget,
}
"""Every type that an edge declares, with its class."""


def named(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """As Kubernetes' provider names what the program does not."""
    return {"metadata": {**inputs["metadata"], "name": f"{name}-0a1b2c"}}


OUTPUTS = {"kubernetes:core/v1:Secret": named, "kubernetes:core/v1:ServiceAccount": named}


def asked(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The token of a tunnel."""
    return {**inputs, "token": f"{TOKEN} {inputs['tunnelId']}"}


def edge(*changes: Change, **args: Any) -> Callable[[], None]:
    """A program with the legal edge and these changes; `args` are further arguments of the component."""
    plan = hd.planned_edge(specs.edge(*changes))
    usual = {"api_token": API_TOKEN, **args}

    def declared() -> None:
        found = hd.CloudflareFailover("shop", hd.CloudflareFailoverArgs(plan, **usual))
        pulumi.export("status", hd.status_of_edge(found))
        pulumi.export("tunnel_tokens", hd.tokens_of_edge(found))

    return declared


def pair(*changes: Change) -> Callable[[], object]:
    """A program with the legal pair and these changes."""
    plan = hd.planned_edge(specs.pair(*changes))
    return lambda: hd.FailoverPair("shop", hd.FailoverPairArgs(plan, API_TOKEN))


def recorded(program: Callable[[], object], config: Mapping[str, str] = CONFIG) -> Graph:
    """Its graph."""
    return Recorder(config=config, outputs=OUTPUTS, invokes={ASKS: asked})(program)
