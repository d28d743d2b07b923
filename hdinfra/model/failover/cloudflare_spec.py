"""What a user writes of an edge at Cloudflare: the account, a tunnel for each site, and who holds its connectors."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from hdinfra.model.failover.spec import AccountPlan, FailoverSpec, MonitorSpec
from hdinfra.model.names import Email, Host, HttpsUrl, IPAddress, Name, Spec

CloudflareId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""How Cloudflare's API names accounts and zones."""

Service = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$", max_length=200)]
"""Scheme, host and port that a connector sends requests to, as seen from where the connector runs."""

Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9./:_-]*@sha256:[0-9a-f]{64}$", max_length=300)]
"""A container's image by its digest: whoever moves a tag changes nothing."""

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9./-]{0,200}$")]
"""The key of a label of Kubernetes nodes."""

Reason = Annotated[str, StringConstraints(min_length=10, max_length=400)]

ONE_UPLINK = "uplinks"
"""The waiver of a site that has a single way out."""


class ConnectorSpec(Spec):
    """One cloudflared of a site: on which machine, and through which way out it connects."""

    machine: Name
    uplink: Name


class KubernetesSpec(Spec):
    """Connectors as pods, no two of them on one node."""

    account: Name = Field(description="Settings `hdinfra:account-<name>` of the stack, with a `kubeconfig`")
    namespace: Name
    image: Image
    replicas: Annotated[int, Field(strict=True, ge=1, le=25)] = 2
    uplink_label: Label | None = Field(
        default=None, description="Label of nodes that says by which way out they connect; pods are spread over two"
    )


class TunnelSpec(Spec):
    """One site's tunnel: its connectors ask `service` for what users want. Either `connectors` or `kubernetes`."""

    name: Name
    service: Service
    direct: Host | None = Field(
        default=None, description="A name that leads to this site alone, for people and drills; it has no failover"
    )
    connectors: Annotated[tuple[ConnectorSpec, ...], Field(max_length=25)] = ()
    kubernetes: KubernetesSpec | None = None
    waivers: Annotated[dict[Literal["uplinks"], Reason], Field(max_length=1)] = Field(
        default={}, description="`uplinks`: why this site has one way out alone"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.connectors) == (self.kubernetes is not None):
            raise ValueError("either `connectors` or `kubernetes` is due")
        return self


class Lock(StrEnum):
    """How an origin is kept from those who would go around the edge.

    `tunnel-only`: nothing listens, since connectors only connect outwards. `cloudflare-only`: what listens lets in
    Cloudflare's networks alone, and Cloudflare shows a certificate (authenticated origin pulls).
    """

    TUNNEL_ONLY = "tunnel-only"
    CLOUDFLARE_ONLY = "cloudflare-only"


class WebhookSpec(Spec):
    """Where alerts are sent to; a secret that goes with them is the setting `webhook-<name>` of the account."""

    name: Name
    url: HttpsUrl


class NotifySpec(Spec):
    """Who is told that a pool or a tunnel changed its health."""

    emails: Annotated[tuple[Email, ...], Field(max_length=10)] = ()
    webhooks: Annotated[tuple[WebhookSpec, ...], Field(max_length=10)] = ()


class AccountSpec(Spec):
    """The account and the zone (domain) at Cloudflare, and what holds for all that this edge has there."""

    account: Name | None = Field(
        default=None,
        description="Settings `hdinfra:account-<name>` of the stack, with a `token`; left out, CLOUDFLARE_API_TOKEN",
    )
    account_id: CloudflareId
    zone_id: CloudflareId
    lock: Lock = Lock.TUNNEL_ONLY
    notify: NotifySpec = NotifySpec()


class CloudflareSpec(Spec):
    """One service at Cloudflare's edge, and the tunnels through which it reaches the sites."""

    edge: Name
    failover: FailoverSpec
    cloudflare: AccountSpec
    tunnels: Annotated[tuple[TunnelSpec, ...], Field(max_length=20)] = ()


class PairSpec(Spec):
    """Two sites of which the first one serves while it can. What a pair with a database needs is not asked, but so."""

    edge: Name
    host: Host
    primary: TunnelSpec
    failover: TunnelSpec
    fallback: Literal["primary", "failover"] = Field(
        description="Which site takes users when both are down, whatever its own health"
    )
    rto_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)]
    database: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Whether they share a database of which one alone takes writes"
    )
    drained: Literal["primary", "failover"] | None = Field(default=None, description="Which one is in maintenance")
    monitor: MonitorSpec = MonitorSpec()
    account_plan: AccountPlan = AccountPlan.PRO
    cloudflare: AccountSpec


class PackageSpec(Spec):
    """Debian's package of cloudflared: from where it comes, and what it must be. There is no default."""

    url: HttpsUrl
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class UplinkSpec(Spec):
    """One way out of a machine: its interface there, its own address and the gateway, all of one family."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9]{0,11})$")]
    interface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,14}$")]
    address: IPAddress
    gateway: IPAddress

    @model_validator(mode="after")
    def _one_family(self) -> Self:
        if self.address.version != self.gateway.version:
            raise ValueError("address and gateway are of one family, both IPv4 or both IPv6")
        return self


class TunnelPlan(Spec):
    """A machine's part in a tunnel: a connector for each of its ways out, each of which uses that one alone."""

    tunnel: Name
    package: PackageSpec
    uplinks: Annotated[tuple[UplinkSpec, ...], Field(min_length=1, max_length=4)]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if len({uplink.name for uplink in self.uplinks}) < len(self.uplinks):
            raise ValueError("every uplink has a name of its own")
        if len({uplink.interface for uplink in self.uplinks}) < len(self.uplinks):
            raise ValueError("two uplinks over one interface are one: it is lost with both")
        return self
