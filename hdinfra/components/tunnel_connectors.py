"""Connectors of a tunnel as pods of a Kubernetes cluster."""

from dataclasses import dataclass

import pulumi

from hdinfra.clouds.accounts import settings_of
from hdinfra.clouds.extras import need
from hdinfra.model.failover.cloudflare_spec import TunnelSpec


@dataclass(frozen=True, slots=True)
class TunnelConnectorsArgs:
    """`tunnel`: one with `kubernetes`; `token`: what its connectors show. `kubeconfig`: left out, the account's."""

    tunnel: TunnelSpec
    token: pulumi.Input[str]
    kubeconfig: pulumi.Input[str] | None = None


class TunnelConnectors(pulumi.ComponentResource):
    """Pods on different nodes that connect outwards alone. ValueError for a tunnel that machines hold."""

    def __init__(self, name: str, args: TunnelConnectorsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        pods = args.tunnel.kubernetes
        if pods is None:
            raise ValueError(f"tunnel `{args.tunnel.name}` is held by machines, not by pods")
        need_kubernetes(args.tunnel)
        super().__init__("hdinfra:index:TunnelConnectors", name, None, opts)
        from hdinfra.clouds.kubernetes_connectors import declare_connectors  # noqa: PLC0415  an SDK of seconds

        kubeconfig = (
            args.kubeconfig or settings_of(pods.account, known=("kubeconfig",), required=("kubeconfig",))["kubeconfig"]
        )
        declare_connectors(name, args.tunnel, pods, args.token, kubeconfig, self)
        self.register_outputs({"tunnel": args.tunnel.name, "replicas": pods.replicas})


def need_kubernetes(tunnel: TunnelSpec) -> None:
    """RunError without the SDK that declares that tunnel's pods."""
    need("pulumi_kubernetes", "kubernetes", f"tunnel `{tunnel.name}`, whose connectors are pods,")
