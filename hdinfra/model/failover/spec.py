"""What a user writes of failover: pools of endpoints in order, the monitor that watches them, and who may switch."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hdinfra.model.names import Host, IPAddress, Name, Spec, UrlPath

Times = Annotated[int, Field(strict=True, ge=1, le=10)]
"""How often in a row something must be seen before it counts."""

FailBack = Literal["automatic", "by-hand"]
"""Whether users go back as soon as an earlier pool is up, or when somebody releases its latch."""


class Steering(StrEnum):
    """How users are spread over pools that are up.

    `order`: the first one of the list; `weighted`: each by its weight; `geo`: by the user's region; `proximity`: the
    nearest by its coordinates; `latency`: the one that answers the edge soonest.
    """

    ORDER = "order"
    WEIGHTED = "weighted"
    GEO = "geo"
    PROXIMITY = "proximity"
    LATENCY = "latency"


class Affinity(StrEnum):
    """Whether a user stays where they were: by a cookie of the edge's, or by cookie and address."""

    NONE = "none"
    COOKIE = "cookie"
    IP_COOKIE = "ip_cookie"


class AccountPlan(StrEnum):
    """What is booked at Cloudflare; model/failover/limits.toml says what each allows."""

    FREE = "free"
    PRO = "pro"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


class MonitorSpec(Spec):
    """How an endpoint is probed. Defaults are Cloudflare's, but for the path and `consecutive_down`."""

    path: UrlPath = "/edge-health"
    host: Host | None = Field(default=None, description="The Host header of probes; left out, the service's own host")
    expected_status: Annotated[int, Field(strict=True, ge=200, le=599)] = 200
    expected_body: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9 ._:-]*$")] = Field(
        default="", description="What the answer must contain, whatever its case; empty: anything"
    )
    interval_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = 60
    timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=10)] = 5
    retries: Annotated[int, Field(strict=True, ge=0, le=5)] = Field(
        default=2, description="How often a probe that had no answer is tried again at once"
    )
    consecutive_down: Times = 1
    consecutive_up: Times = 1


class EndpointSpec(Spec):
    """Where a pool's traffic goes: a tunnel, an address or a host. Exactly one of the three."""

    name: Name
    tunnel: Name | None = Field(default=None, description="One of `tunnels`, or of the site that holds one")
    address: IPAddress | None = None
    host: Host | None = None
    weight: Annotated[float, Field(ge=0, le=1)] = 1

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.tunnel, self.address, self.host)) != 1:
            raise ValueError("exactly one of `tunnel`, `address` and `host` is due")
        return self


class PoolSpec(Spec):
    """One site's endpoints, which are used together."""

    name: Name
    endpoints: Annotated[tuple[EndpointSpec, ...], Field(min_length=1)]
    weight: Annotated[float, Field(ge=0, le=1)] = Field(default=1, description="With `steering: weighted`")
    regions: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Z]{2,5}$")], ...], Field(max_length=16)] = Field(
        default=(), description="Cloudflare's region codes, such as WEU; with `steering: geo`"
    )
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = Field(default=None, description="With `proximity`")
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = Field(default=None, description="With `proximity`")
    minimum_healthy: Annotated[int, Field(strict=True, ge=1, le=20)] = Field(
        default=1, description="Fewer endpoints that are up than this, and the pool is down"
    )
    drained: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Maintenance: takes no users until it is let back in"
    )


class FailoverSpec(Spec):
    """One service behind pools in order. What the monitor says of them moves users; nothing else does."""

    host: Host
    pools: Annotated[tuple[PoolSpec, ...], Field(min_length=1)]
    monitor: MonitorSpec = MonitorSpec()
    steering: Steering = Steering.ORDER
    affinity: Affinity = Affinity.NONE
    fallback: Name | None = Field(
        default=None, description="The pool that takes users when every pool is down, whatever its own health"
    )
    database: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether the sites share a database of which one alone takes writes"
    )
    fail_back: FailBack = Field(
        default="automatic",
        description="Whether users go back as soon as an earlier pool is up, or when its latch is released",
    )
    ttl_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400)] = Field(
        default=0, description="How long users' resolvers keep an answer; 0 where the edge itself moves requests"
    )
    rto_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] | None = Field(
        default=None, description="How soon after an outage users must be served again; left out, nothing is promised"
    )
    account_plan: AccountPlan = AccountPlan.PRO
