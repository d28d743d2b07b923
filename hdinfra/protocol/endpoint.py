"""Where an API machine is, as first boots, releases and API machines say it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`name` is whom its certificate must name. `ipv6` is empty where its cloud has none."""

    name: str
    ipv4: str
    ipv6: str
    port: int
