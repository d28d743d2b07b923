"""cloudflared in a Kubernetes cluster: pods without rights, on different nodes, that reach Cloudflare and one service.

Importing the SDK takes a while, so this module is imported at its first use.
"""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Secret, ServiceAccount
from pulumi_kubernetes.networking.v1 import NetworkPolicy
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from hdinfra.model.failover.cloudflare_networks import cloudflare_networks
from hdinfra.model.failover.cloudflare_spec import KubernetesSpec, TunnelSpec

METRICS = 2000
"""Where `/ready` answers: 200 while at least one connection to the edge stands (cloudflared, metrics/readiness.go)."""

_USER = 65532  # `nonroot` of cloudflared's image (its Dockerfile)
_DNS = ({"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53})
_RESOLVERS = (
    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
    {"ipBlock": {"cidr": "169.254.20.10/32"}},
)
"""The cluster's own, and a node's cache (NodeLocal DNSCache): names asked elsewhere would be a way out for anything."""


def declare_connectors(  # noqa: PLR0913, PLR0917  one for each thing that is decided elsewhere
    name: str,
    tunnel: TunnelSpec,
    spec: KubernetesSpec,
    token: pulumi.Input[str],
    kubeconfig: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """All of it in the namespace of the spec, which is there already."""
    provider = Provider(
        f"{name}-provider", kubeconfig=pulumi.Output.secret(kubeconfig), opts=pulumi.ResourceOptions(parent=parent)
    )
    opts = pulumi.ResourceOptions(parent=parent, provider=provider)
    labels = {"app.kubernetes.io/name": "cloudflared", "app.kubernetes.io/instance": name}
    there = {"namespace": spec.namespace, "labels": labels}
    # Another token is another Secret, whose name pods then ask for: they are made anew one by one.
    secret = Secret(
        f"{name}-token",
        metadata=there,
        immutable=True,
        string_data={"token": pulumi.Output.secret(token)},
        opts=opts,
    )
    account = ServiceAccount(f"{name}-account", metadata=there, automount_service_account_token=False, opts=opts)
    # Before any pod: none of them ever runs with the whole network open.
    policy = NetworkPolicy(f"{name}-egress", metadata=there, spec=_network(labels, tunnel.service), opts=opts)
    Deployment(
        f"{name}-pods",
        metadata=there,
        spec={
            "replicas": spec.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"labels": labels}, "spec": _pod(labels, spec, secret, account)},
        },
        opts=pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=[policy]),
    )
    PodDisruptionBudget(
        f"{name}-budget",
        metadata=there,
        spec={"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        opts=opts,
    )


def _pod(labels: dict[str, str], spec: KubernetesSpec, secret: Secret, account: ServiceAccount) -> dict[str, Any]:
    apart = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    spread = {
        "maxSkew": 1,
        "minDomains": 2,  # otherwise one way out alone would count as an even spread
        "topologyKey": spec.uplink_label,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "serviceAccountName": _name(account),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 45,  # cloudflared ends what it has begun within 30
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        **({"topologySpreadConstraints": [spread]} if spec.uplink_label else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec)],
        "volumes": [{"name": "token", "secret": {"secretName": _name(secret), "defaultMode": 0o440}}],
    }


def _name(made: Secret | ServiceAccount) -> pulumi.Output[str | None]:
    """What the provider called it; under mocks nobody does."""
    named: pulumi.Output[str | None] = made.metadata.apply(lambda metadata: metadata.get("name"))
    return named


def _container(spec: KubernetesSpec) -> dict[str, Any]:
    ready = {"path": "/ready", "port": METRICS}
    options = ["--no-autoupdate", "--metrics", f"0.0.0.0:{METRICS}"]
    return {
        "name": "cloudflared",
        "image": spec.image,
        "args": ["tunnel", *options, "run", "--token-file", "/etc/tunnel/token"],
        "ports": [{"name": "metrics", "containerPort": METRICS}],
        "volumeMounts": [{"name": "token", "mountPath": "/etc/tunnel", "readOnly": True}],
        "readinessProbe": {"httpGet": ready, "periodSeconds": 5, "failureThreshold": 2},
        # Two minutes without any connection: it may have missed that its node's network is back.
        "livenessProbe": {"httpGet": ready, "initialDelaySeconds": 30, "periodSeconds": 10, "failureThreshold": 12},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _network(labels: dict[str, str], service: str) -> dict[str, Any]:
    """Nobody comes in. Out: names, Cloudflare's tunnels at their port, and what the tunnel is for."""
    networks = cloudflare_networks()
    edges = [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}} for address in networks.tunnels]
    ports = [{"protocol": protocol, "port": networks.port} for protocol in ("TCP", "UDP")]
    return {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"to": edges, "ports": ports}, {"to": list(_RESOLVERS), "ports": list(_DNS)}, _origin(service)],
    }


def _origin(service: str) -> dict[str, Any]:
    """By a name (`shop.web.svc`) it is in that namespace of this cluster, at whatever port its pods have; by an address
    it is that one alone."""
    asked = urlsplit(service)
    host = asked.hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return {"to": [_pods(host.removesuffix(".").split("."))]}
    port = asked.port or (443 if asked.scheme == "https" else 80)
    block = {"cidr": f"{address}/{address.max_prefixlen}"}
    return {"to": [{"ipBlock": block}], "ports": [{"protocol": "TCP", "port": port}]}


def _pods(labels: list[str]) -> dict[str, Any]:
    """Of the service that a name leads to (Kubernetes, "DNS for Services and Pods"); in the tunnel's own namespace
    where it names none."""
    if len(labels) == 1:
        return {"podSelector": {}}
    namespace = labels[labels.index("svc") - 1] if "svc" in labels[2:] else labels[1]
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
