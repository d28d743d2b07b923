"""What a user writes of the Zone's own name servers: one name for all sites, and what it may lead to."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from hdinfra.model.names import Host, Name, NetworkPart, Spec
from hdinfra.model.publish import PublishSpec

Times = Annotated[int, Field(strict=True, ge=1, le=10)]
"""How many checks in a row."""


class EntranceSpec(Spec):
    """One way into the Zone: places of the edge, or a name elsewhere, such as Cloudflare's. Exactly one of the two."""

    name: Name
    places: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Places of the edge, nearest first for whoever is in none of `near`"
    )
    target: Host | None = Field(default=None, description="What the sites' name becomes an alias of")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.places is None) == (self.target is None):
            raise ValueError("exactly one of `places` and `target` is due")
        return self


class NearSpec(Spec):
    """Users of a network, and the places in their order: the first that is well answers for them."""

    network: NetworkPart
    places: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]


class DnsSpec(Spec):
    """Name servers (one in each of at least two Clusters of two operators) that know which places are well.

    Ranges are gdnsd's own (gdnsd.config(5)), but for the longest TTL: who waits longer than an hour gains nothing by
    checks each few seconds.
    """

    name: Annotated[Host, Field(max_length=200)] = Field(
        description="A domain that is delegated to these servers; nobody else's names lie in it"
    )
    ttl_seconds: Annotated[int, Field(strict=True, ge=5, le=3600)] = Field(
        default=30, description="How long resolvers keep an answer"
    )
    interval_seconds: Annotated[int, Field(strict=True, ge=2, le=255)] = Field(
        default=5, description="Between two checks of one address"
    )
    timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=254)] = Field(
        default=2, description="How long a check may take; less than `interval_seconds`"
    )
    failures: Times = Field(default=2, description="How many failed checks in a row take an address out")
    recoveries: Times = Field(default=2, description="How many good checks in a row bring it back")
    rto_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] | None = Field(
        default=None, description="How soon after a place died its users are elsewhere; left out, nothing is promised"
    )
    clusters: tuple[Name, ...] | None = Field(default=None, description="Left out, the planner chooses")
    publish: PublishSpec | None = Field(
        default=None,
        description="Where the local cloud shows the first Cluster's server, over UDP and TCP; the next one's is next",
    )
    entrances: Annotated[tuple[EntranceSpec, ...], Field(max_length=16)] = Field(
        default=(), description="Left out, one called `edge` with all places; the first is in force until a switch"
    )
    near: Annotated[tuple[NearSpec, ...], Field(max_length=500)] = Field(
        default=(), description="Which networks are near which places; all others have an entrance's own order"
    )
    vcpu: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    memory_mib: Annotated[int, Field(strict=True, ge=128, le=262_144)] = 256
