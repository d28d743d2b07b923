"""A Machine's Firewall as one nftables table that is replaced whole, so that it never stands half open."""

from hdinfra.machine.machine import Firewall

_ICMP = "{ destination-unreachable, time-exceeded, parameter-problem, echo-request, echo-reply }"
# RFC 4890: without packet-too-big and neighbour discovery IPv6 does not work at all.
_ICMPV6 = (
    "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, echo-reply, "
    "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, "
    "mld-listener-report, mld2-listener-report }"
)


def ruleset(firewall: Firewall) -> str:
    """The base ruleset: deny both ways in both families, then what is named; policy fills the sets."""
    lines = [
        "table inet hdinfra",
        "delete table inet hdinfra",
        "table inet hdinfra {",
        *_sets(firewall),
        *_chain("inbound", "input", [*_common("iif"), *_inbound(firewall)]),
        *_chain("forwarded", "forward", []),
        *_chain("outbound", "output", [*_common("oif"), *_outbound(firewall)]),
        "}",
        # What counts until the first policy; policy empties the sets that it fills.
        'include "/etc/hdinfra/first/*.nft"',
        'include "/etc/hdinfra/policy/firewall/*.nft"',
    ]
    return "".join(line + "\n" for line in lines)


def _sets(firewall: Firewall) -> list[str]:
    sources = sorted(set(firewall.restricted_tcp.values()))
    return [
        f"    set {name}{version} {{ type ipv{version}_addr{kind}; }}"
        # Sources are addresses or whole networks, hence intervals.
        for names, kind in (
            (sources, "; flags interval; auto-merge"),
            (sorted(firewall.outbound_sets), " . inet_service"),
        )
        for name in names
        for version in (4, 6)
    ]


def _chain(name: str, hook: str, rules: list[str]) -> list[str]:
    head = [f"    chain {name} {{", f"        type filter hook {hook} priority filter; policy drop;"]
    return [*head, *(f"        {rule}" for rule in rules), "    }"]


def _common(direction: str) -> list[str]:
    return [
        f'{direction} "lo" accept',
        "ct state established,related accept",
        f"icmp type {_ICMP} accept",
        f"icmpv6 type {_ICMPV6} accept",
    ]


def _inbound(firewall: Firewall) -> list[str]:
    public = [f"tcp dport {port} accept" for port in sorted(firewall.public_tcp)]
    restricted = [
        f"{family} saddr @{name}{version} tcp dport {port} accept"
        for port, name in sorted(firewall.restricted_tcp.items())
        for family, version in (("ip", 4), ("ip6", 6))
    ]
    return ["udp sport 67 udp dport 68 accept", "udp sport 547 udp dport 546 accept", *public, *restricted]


def _outbound(firewall: Firewall) -> list[str]:
    sets = [
        f"{family} daddr . tcp dport @{name}{version} accept"
        for name in sorted(firewall.outbound_sets)
        for family, version in (("ip", 4), ("ip6", 6))
    ]
    users = ", ".join(f'"{user}"' for user in firewall.api_users)
    api = [f"meta skuid {{ {users} }} tcp dport 9000 accept"] if users else []
    return [
        "udp dport { 53, 67, 123, 547 } accept",
        "tcp dport 53 accept",
        'meta skuid { "root", "_apt" } tcp dport { 80, 443 } accept',
        *api,
        *sets,
        # Refused at once, so that a local program sees the reason instead of a time-out.
        "reject with icmpx admin-prohibited",
    ]
