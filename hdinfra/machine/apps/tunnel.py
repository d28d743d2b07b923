"""Connectors of a Cloudflare tunnel on a Machine: one for each way out, each of which leaves through that one alone."""

import json
from dataclasses import replace

from hdinfra.machine.machine import File, Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.failover.cloudflare_networks import cloudflare_networks
from hdinfra.model.failover.cloudflare_spec import TunnelPlan, UplinkSpec

TUNNELS, TUNNEL_HOSTS = "tunnels", "tunnel_hosts"
"""Sets of the firewall: address and TCP port, and addresses for UDP. They are the base's: no policy fills them."""

HOME = "/etc/hdinfra/tunnel"
TOKEN_PATH = f"{HOME}/token"
METRICS = 20_241
"""The first connector's port on the loopback where `/ready` answers; the next ones follow."""

_TABLE = 7_001
_NEVER = 4_278_198_272
"""A route's metric behind every other one, as systemd-networkd writes unreachable ones."""

_UNITS = (
    Unit("hdinfra-tunnel-package.service", content=asset("hdinfra-tunnel-package.service")),
    Unit("hdinfra-tunnel-ready.service", content=asset("hdinfra-tunnel-ready.service"), enabled=False),
    Unit("hdinfra-tunnel-ready.timer", content=asset("hdinfra-tunnel-ready.timer")),
    Unit("hdinfra-tunnel@.service", content=asset("hdinfra-tunnel@.service"), enabled=False),
    Unit("hdinfra-uplinks.service", content=asset("hdinfra-uplinks.service")),
    Unit("hdinfra-uplinks.timer", content=asset("hdinfra-uplinks.timer")),
)


def with_tunnel(machine: Machine, plan: TunnelPlan) -> Machine:
    """The machine with its part in a tunnel. It opens nothing inwards; outwards, Cloudflare's tunnels alone.

    Connectors start when the token is there (`tunnel-token`, or `token_file`), which is no part of the description: a
    new one makes no machine anew.
    """
    return replace(
        machine,
        packages=tuple(sorted({*machine.packages, "iproute2"})),
        files=(*machine.files, *_files(plan)),
        units=(*machine.units, *_UNITS, *(Unit(f"hdinfra-tunnel@{uplink.name}.service") for uplink in plan.uplinks)),
        firewall=_firewall(machine.firewall),
    )


def token_file(token: str) -> File:
    """What a Machine is told of the token at its first boot, where that is told over no provider's user data."""
    return File(TOKEN_PATH, f"{token}\n", 0o600)


def _files(plan: TunnelPlan) -> tuple[File, ...]:
    package = {"url": plan.package.url, "sha256": plan.package.sha256}
    return (
        File("/etc/hdinfra/first/tunnel.nft", tunnel_nft()),
        File(f"{HOME}/package.json", json.dumps(package) + "\n"),
        *(
            File(f"{HOME}/{uplink.name}.env", _environment(uplink, METRICS + index))
            for index, uplink in enumerate(plan.uplinks)
        ),
        File("/etc/systemd/networkd.conf.d/hdinfra-uplinks.conf", asset("uplinks-networkd.conf")),
        File("/usr/lib/hdinfra/tunnel-package", asset("tunnel-package"), 0o755),
        File("/usr/lib/hdinfra/tunnel-ready", asset("tunnel-ready"), 0o755),
        File("/usr/lib/hdinfra/uplinks", uplinks_script(plan.uplinks), 0o755),
        File("/usr/sbin/tunnel-token", asset("tunnel-token"), 0o755),
    )


def _environment(uplink: UplinkSpec, port: int) -> str:
    return f"TUNNEL_EDGE_BIND_ADDRESS={uplink.address}\nTUNNEL_METRICS=127.0.0.1:{port}\n"


def tunnel_nft() -> str:
    """Elements of the sets, as the base's ruleset includes them."""
    networks = cloudflare_networks()
    lines: list[str] = []
    for version in (4, 6):
        addresses = [str(address) for address in networks.tunnels if address.version == version]
        pairs = ", ".join(f"{address} . {networks.port}" for address in addresses)
        lines.append(f"add element inet hdinfra {TUNNELS}{version} {{ {pairs} }}\n")
        lines.append(f"add element inet hdinfra {TUNNEL_HOSTS}{version} {{ {', '.join(addresses)} }}\n")
    return "".join(lines)


def uplinks_script(uplinks: tuple[UplinkSpec, ...]) -> str:
    """A table of routes for each uplink's address, and a rule that what speaks from it goes by that table.

    Where the uplink is gone, what speaks from its address goes nowhere: another provider would drop it, or worse, not.
    The kernel forgets the way when a cable is pulled, so a timer has it set again.
    """
    lines = [
        "#!/bin/sh",
        "# Every step leaves alone what is as it should be, and an uplink that is gone is in no other's way.",
    ]
    lines += ["ends=0"]
    for index, uplink in enumerate(uplinks):
        table = _TABLE + index
        ip = f"ip -{uplink.address.version}"
        rule = f"from {uplink.address} lookup {table} priority {table}"
        way = f"default via {uplink.gateway} dev {uplink.interface} onlink table {table}"
        lines += [
            f"# {uplink.name}",
            f"{ip} route replace unreachable default metric {_NEVER} table {table} || ends=1",
            f'[ -n "$({ip} rule list {rule})" ] || {ip} rule add {rule} || ends=1',
            f"{ip} route replace {way} || ends=1",
        ]
    return "\n".join([*lines, "exit $ends"]) + "\n"


def _firewall(firewall: Firewall) -> Firewall:
    return replace(
        firewall,
        outbound_sets=(*firewall.outbound_sets, TUNNELS),
        outbound_udp={**firewall.outbound_udp, cloudflare_networks().port: TUNNEL_HOSTS},
    )
