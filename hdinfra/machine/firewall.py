"""A Machine's Firewall as one nftables table that is replaced whole, so that it never stands half open."""

from collections.abc import Mapping

from hdinfra.machine.machine import Firewall, MeshFirewall

_ICMP = "{ destination-unreachable, time-exceeded, parameter-problem, echo-request, echo-reply }"
# RFC 4890: without packet-too-big and neighbour discovery IPv6 does not work at all.
_ICMPV6 = (
    "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, echo-reply, "
    "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, "
    "mld-listener-report, mld2-listener-report }"
)


_MESH = 'iifname "hdmesh*"'
_ANSWERS = (
    "ct state established,related accept",
    f"icmp type {_ICMP} accept",
    f"icmpv6 type {_ICMPV6} accept",
)


def ruleset(firewall: Firewall) -> str:
    """The base ruleset: deny both ways in both families, then what is named; policy fills the sets."""
    lines = [
        "table inet hdinfra",
        "delete table inet hdinfra",
        "table inet hdinfra {",
        *_sets(firewall),
        *_chain(
            "inbound",
            "input",
            [*_from_mesh(firewall.mesh), *_rates(firewall), *_common("iif"), *_inbound(firewall)],
        ),
        *_chain("forwarded", "forward", []),
        *_chain("outbound", "output", [*_into_mesh(firewall.mesh), *_common("oif"), *_outbound(firewall)]),
        "}",
        # What counts until the first policy; policy empties the sets that it fills.
        'include "/etc/hdinfra/first/*.nft"',
        'include "/etc/hdinfra/policy/firewall/*.nft"',
    ]
    return "".join(line + "\n" for line in lines)


def _sets(firewall: Firewall) -> list[str]:
    restricted = (firewall.restricted_tcp, firewall.restricted_udp, firewall.outbound_udp)
    mesh = firewall.mesh or MeshFirewall(("", ""))
    sources = sorted({name for ports in (*restricted, mesh.inbound_tcp) for name in ports.values()})
    rates = [
        f"    set udp{port}v{version} {{ type ipv{version}_addr; size 65535; flags dynamic,timeout; timeout 10s; }}"
        for port in sorted(firewall.public_udp)
        for version in (4, 6)
    ]
    return rates + [
        f"    set {name}{version} {{ type ipv{version}_addr{kind}; }}"
        # Who may come in, and to whom UDP may go, are addresses or whole networks, hence intervals.
        for names, kind in (
            (sources, "; flags interval; auto-merge"),
            (sorted({*firewall.outbound_sets, *mesh.outbound_sets}), " . inet_service"),
        )
        for name in names
        for version in (4, 6)
    ]


def _from_mesh(mesh: MeshFirewall | None) -> list[str]:
    """First of all, for what is said of other interfaces does not hold for these."""
    if mesh is None:
        return []
    opened = _between("saddr", "tcp", mesh.inbound_tcp)
    return [
        *(f"{_MESH} {rule}" for rule in (*_ANSWERS, *opened, "drop")),
        # An address of the mesh that comes from elsewhere is forged, answer or not.
        *(f'iif != "lo" {family} saddr {network} drop' for family, network in _families(mesh)),
    ]


def _into_mesh(mesh: MeshFirewall | None) -> list[str]:
    if mesh is None:
        return []
    named = [
        f"{family} daddr . tcp dport @{name}{version} accept"
        for name in sorted(mesh.outbound_sets)
        for family, version in (("ip", 4), ("ip6", 6))
    ]
    shut = "reject with icmpx admin-prohibited"
    return [
        *(f"{_MESH.replace('iif', 'oif')} {rule}" for rule in (*_ANSWERS, *named, shut)),
        # Where the tunnel is down, the default route would take it, in the clear.
        *(f'oif != "lo" {family} daddr {network} {shut}' for family, network in _families(mesh)),
    ]


def _families(mesh: MeshFirewall) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("ip", mesh.networks[0]), ("ip6", mesh.networks[1])


def _chain(name: str, hook: str, rules: list[str]) -> list[str]:
    head = [f"    chain {name} {{", f"        type filter hook {hook} priority filter; policy drop;"]
    return [*head, *(f"        {rule}" for rule in rules), "    }"]


def _common(direction: str) -> list[str]:
    return [f'{direction} "lo" accept', *_ANSWERS]


def _rates(firewall: Firewall) -> list[str]:
    """Before all that is established: a client that was answered once would count as that for good."""
    clients = ((4, "ip saddr"), (6, "ip6 saddr & ffff:ffff:ffff:ffff::"))
    return [
        f"udp dport {port} add @udp{port}v{version} "
        f"{{ {client} limit rate over {most}/second burst {most} packets }} drop"
        for port, most in sorted(firewall.public_udp.items())
        for version, client in clients
    ]


def _inbound(firewall: Firewall) -> list[str]:
    public = [f"tcp dport {port} accept" for port in sorted(firewall.public_tcp)]
    public += [f"udp dport {port} accept" for port in sorted(firewall.public_udp)]
    restricted = [
        *_between("saddr", "tcp", firewall.restricted_tcp),
        *_between("saddr", "udp", firewall.restricted_udp),
    ]
    return ["udp sport 67 udp dport 68 accept", "udp sport 547 udp dport 546 accept", *public, *restricted]


def _between(side: str, protocol: str, ports: Mapping[int, str]) -> list[str]:
    return [
        f"{family} {side} @{name}{version} {protocol} dport {port} accept"
        for port, name in sorted(ports.items())
        for family, version in (("ip", 4), ("ip6", 6))
    ]


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
        *_between("daddr", "udp", firewall.outbound_udp),
        # Refused at once, so that a local program sees the reason instead of a time-out.
        "reject with icmpx admin-prohibited",
    ]
