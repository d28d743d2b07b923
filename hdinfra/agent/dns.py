"""A name server: gdnsd, which asks every address of every place for its health and answers with what is well."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from hdinfra.protocol.edge_health import HOST, PATH

from .dns_policy import AnsweredPlace, DnsPolicy, Entrance
from .fields import Address
from .firewall import elements
from .gdnsd import CONFIG, GDNSD, ZONE, ZONES
from .paths import POLICY
from .services import FIREWALL, Service

SERVICES: tuple[Service, ...] = (FIREWALL, GDNSD, ZONE)
ALIAS = "sites"
"""The label of the one name that all sites' names are aliases of."""
_CHECK = "healthz"
_OURS = 3600
"""How long resolvers keep what names the servers themselves, in seconds: their addresses outlive machines."""
DRAINED: Mapping[str, str] = {}


def render(policy: DnsPolicy) -> Mapping[str, str]:
    """gdnsd's configuration, its one zone, and whom the firewall lets it ask."""
    asked = [(address, 80) for place in policy.places for address in place.addresses]
    return {
        CONFIG: _config(policy),
        f"{ZONES}{policy.name}": _zone(policy),
        f"{POLICY}/firewall/upstreams.nft": elements("upstreams", asked),
    }


def _config(policy: DnsPolicy) -> str:
    places = {place.name: place for place in policy.places}
    led = [one for one in policy.entrances if one.places]
    orders = "".join(_map(one, policy) for one in led)
    resources = "".join(_resource(one, places) for one in led)
    geoip = f"  geoip => {{\n    maps => {{\n{orders}    }}\n    resources => {{\n{resources}    }}\n  }}\n"
    # Who asks for the version is told nothing of it; a zone of ours without flaw is no hope but a condition.
    return (
        "options => {\n  listen => any\n  chaos_response => none\n  zones_strict_data => true\n}\n"
        f"service_types => {{\n{_service_type(policy)}}}\n"
        f"plugins => {{\n{geoip if led else ''}}}\n"
    )


def _service_type(policy: DnsPolicy) -> str:
    """`ok_thresh`: one good check and the failures before it do not count, so that failures are those in a row."""
    said = {
        "plugin": "http_status",
        "port": 80,
        "url_path": PATH,
        "vhost": HOST,
        "up_thresh": policy.recoveries,
        "ok_thresh": 1,
        "down_thresh": policy.failures,
        "interval": policy.interval_seconds,
        "timeout": policy.timeout_seconds,
    }
    return f"  {_CHECK} => {{ {', '.join(f'{key} => {value}' for key, value in said.items())} }}\n"


def _map(entrance: Entrance, policy: DnsPolicy) -> str:
    """In which order places are tried: the entrance's own, and that of networks near to some of them."""
    nets = [(near.network, [place for place in near.places if place in entrance.places]) for near in policy.near]
    said = "".join(f"          {network} => {_list(order)}\n" for network, order in nets if order)
    known = f"        nets => {{\n{said}        }}\n" if said else ""
    return f"      {entrance.name} => {{\n        datacenters => {_list(entrance.places)}\n{known}      }}\n"


def _resource(entrance: Entrance, places: Mapping[str, AnsweredPlace]) -> str:
    said = "".join(f"          {name} => {{ {_place(places[name])} }}\n" for name in entrance.places)
    name = entrance.name
    return f"      {name} => {{\n        map => {name}\n        dcmap => {{\n{said}        }}\n      }}\n"


def _place(place: AnsweredPlace) -> str:
    """The threshold lets one address that is well speak for a family; where a family has none, the next place answers
    (gdnsd-plugin-multifo(8))."""
    families = [(version, [one for one in place.addresses if one.version == version]) for version in (4, 6)]
    said = [f"addrs_v{version} => {{ {_labelled(own)} }}" for version, own in families if own]
    return f"service_types => {_CHECK}, up_thresh => 0.01, {', '.join(said)}"


def _labelled(addresses: Sequence[Address]) -> str:
    return ", ".join(f"a{number} => {address}" for number, address in enumerate(addresses, 1))


def _list(names: Iterable[str]) -> str:
    return f"[ {', '.join(names)} ]"


def _zone(policy: DnsPolicy) -> str:
    """The zone; its serial is its content's, so that servers which say the same can be told from others. Nobody copies
    it from them, so that no serial has to grow."""
    lines = [
        *(f"@ {_OURS} NS ns{number}" for number, _ in enumerate(policy.servers, 1)),
        *(
            f"ns{number} {_OURS} {'A' if address.version == 4 else 'AAAA'} {address}"
            for number, server in enumerate(policy.servers, 1)
            for address in (server.ipv4, server.ipv6)
            if address
        ),
        *(_entrance(one, policy.ttl_seconds) for one in policy.entrances),
        f"{ALIAS} {policy.ttl_seconds} CNAME {_leads_to(policy.in_force)}",
    ]
    text = "".join(f"{line}\n" for line in lines)
    serial = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    ttl = policy.ttl_seconds
    return f"$TTL {ttl}\n@ {ttl} SOA ns1 hostmaster ( {serial} 3600 600 86400 {ttl} )\n{text}"


def _entrance(entrance: Entrance, ttl: int) -> str:
    """gdnsd may shorten the TTL while a check has failed, down to what comes after the slash."""
    if entrance.target:
        return f"{entrance.name} {ttl} CNAME {_leads_to(entrance)}"
    return f"{entrance.name} {ttl}/5 DYNA geoip!{entrance.name}"


def _leads_to(entrance: Entrance) -> str:
    """A name elsewhere is whole; one of the zone's own is not."""
    return f"{entrance.target}." if entrance.target else entrance.name
