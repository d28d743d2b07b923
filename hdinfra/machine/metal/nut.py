"""A host whose site has batteries that are watched: NUT's files and units, and what stops and starts services in order.

`on_ups` is the same for every host of a role; what one host is told of its site, passwords included, is `told`.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace

from hdinfra.machine.machine import File, Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.power import Battery, HostPower, Supply

PORT = 3493
"""NUT's own (IANA)."""

PACKAGES = ("libnss3-tools", "nut-client", "nut-server", "openssl")

HOSTS, SERVERS = "ups_hosts", "ups_servers"
"""Sets of the firewall: who may ask this host for its batteries, and whom this host asks and waits for."""

_PATIENCE_SECONDS = 1_800
"""What a site's batteries take to charge by a third, with some to spare; then services start all the same."""
_ETC = "/etc/nut"
_DATABASE = "/var/lib/hdinfra-nut"
_RUN = "/run/nut"
_SILENT_SECONDS = 30
_FILES = (
    File("/usr/lib/hdinfra/power", asset("power"), 0o755),
    # No Unit: of a template there is nothing that a first boot could stop.
    File("/etc/systemd/system/nut-driver@.service.d/50-hdinfra.conf", asset("nut-driver@.service.conf")),
)
_UNITS = (
    Unit("hdinfra-power-down.service", content=asset("power-down.service"), enabled=False),
    Unit("hdinfra-turn@.service", content=asset("power-turn@.service"), enabled=False),
    Unit("hdinfra-power-up.service", content=asset("power-up.service")),
    Unit("hdinfra-power-papers.service", content=asset("power-papers.service")),
    Unit("hdinfra-power-papers.path", content=asset("power-papers.path")),
    Unit("nut-server.service", drop_in=asset("nut-server.service.conf")),
    Unit("nut-monitor.service", drop_in=asset("nut-monitor.service.conf")),
)


def on_ups(machine: Machine) -> Machine:
    """The Machine on a host of a site with watched batteries."""
    return replace(
        machine,
        packages=tuple(sorted({*machine.packages, *PACKAGES})),
        files=(*machine.files, *_FILES),
        units=(*machine.units, *_UNITS),
        firewall=_firewall(machine.firewall),
    )


def _firewall(firewall: Firewall) -> Firewall:
    return replace(
        firewall,
        restricted_tcp={**firewall.restricted_tcp, PORT: HOSTS},
        outbound_sets=(*firewall.outbound_sets, SERVERS),
    )


def told(power: HostPower, secret: str) -> tuple[File, ...]:
    """What this host alone is told. `secret` is the site's, of which every pair of hosts has a password of its own;
    what is readable for root and NUT alone holds it."""
    return (
        File(f"{_ETC}/nut.conf", nut_conf(power)),
        File(f"{_ETC}/ups.conf", ups_conf(power), 0o640, group="nut"),
        File(f"{_ETC}/upsd.conf", upsd_conf(power), 0o640, group="nut"),
        File(f"{_ETC}/upsd.users", upsd_users(power, secret), 0o600, "nut", "nut"),
        File(f"{_ETC}/upsmon.conf", upsmon_conf(power, secret), 0o600, "nut", "nut"),
        File(f"{_ETC}/upssched.conf", upssched_conf(power), 0o640, group="nut"),
        File("/etc/hdinfra/power.json", power_json(power)),
        File("/etc/hdinfra/first/ups.nft", ups_nft(power)),
        *_turns(power),
    )


def password(secret: str, server: str, client: str) -> str:
    """What `client` shows to upsd on `server`; whoever has one of them can make no other."""
    return hmac.new(secret.encode(), f"nut {server} {client}".encode(), hashlib.sha256).hexdigest()


def nut_conf(power: HostPower) -> str:
    """Which of NUT's programs run here. Where power comes back while the site goes down, the battery may not notice;
    then whoever commands it off starts again by itself."""
    if not power.batteries:
        return "MODE=netclient\n"
    return "MODE=netserver\nPOWEROFF_WAIT=120\n"


def ups_conf(power: HostPower) -> str:
    """The batteries at this host's cables. When one is low is decided by its driver, from the seconds that it says are
    left (ups.conf(5), `ignorelb`): what a battery has for that by itself is often two minutes, less than a site takes.
    It is low as well below the charge that it has for that. A driver to which neither is told does not start."""
    return "maxretry = 3\n" + "".join(map(_section, power.batteries))


def _section(battery: Battery) -> str:
    serial = f'    serial = "{battery.serial}"\n' if battery.serial else ""
    low = f"    ignorelb\n    override.battery.runtime.low = {battery.low_seconds}\n"
    return f"\n[{battery.name}]\n    driver = {battery.driver}\n    port = {battery.port}\n{serial}{low}"


def upsd_conf(power: HostPower) -> str:
    """Where it listens: to itself alone unless others hang on its batteries. Whoever watches speaks TLS (`FORCESSL`)
    and shows a password; certificates of clients cannot be asked for, as Debian builds NUT without that."""
    own = ("::1", "127.0.0.1", *((str(power.ipv6), str(power.ipv4)) if power.peers else ()))
    return _lines(
        *(f"LISTEN {address} {PORT}" for address in own),
        f"CERTPATH {_DATABASE}",
        'CERTIDENT machine ""',
        "DISABLE_WEAK_SSL true",
        # Drivers look every 2 s; 15 s is upsd's own measure for one that is stuck.
        "MAXAGE 15",
    )


def upsd_users(power: HostPower, secret: str) -> str:
    """One user a host: this one, and those that hang on its batteries."""
    if not power.batteries:
        return ""
    peers = ((peer.name, "secondary") for peer in power.peers)
    return "".join(
        f"[{name}]\n    password = {password(secret, power.name, name)}\n    upsmon {role}\n"
        for name, role in ((power.name, "primary"), *peers)
    )


def upsmon_conf(power: HostPower, secret: str) -> str:
    """Which batteries are watched, and what happens when too few are left: one supply that lives is enough."""
    events = ("ONLINE", "ONBATT", "LOWBATT", "FSD", "COMMOK", "COMMBAD", "SHUTDOWN", "REPLBATT", "NOCOMM", "NOPARENT")
    return _lines(
        *(_monitor(power, supply, secret) for supply in power.supplies),
        "MINSUPPLIES 1",
        "RUN_AS_USER nut",
        'SHUTDOWNCMD "/usr/bin/systemctl start --no-block hdinfra-power-down.service"',
        # Memory: what is left of it by an odd end must not switch batteries off at the next shutdown.
        f'POWERDOWNFLAG "{_RUN}/killpower"',
        "NOTIFYCMD /usr/sbin/upssched",
        *(f"NOTIFYFLAG {event} SYSLOG+EXEC" for event in events),
        f"POLLFREQ {power.pace.poll}",
        f"POLLFREQALERT {power.pace.poll}",
        f"HOSTSYNC {power.pace.sync}",
        f"DEADTIME {max(15, 3 * power.pace.poll)}",
        "FINALDELAY 0",
        f"CERTPATH {_DATABASE}",
        'CERTIDENT machine ""',
        "CERTVERIFY 1",
        "FORCESSL 1",
        *(f'CERTHOST "{host}" "{name}" 1 1' for host, name in sorted(_servers(power))),
    )


def upssched_conf(power: HostPower) -> str:
    """What becomes of each event: a problem of this machine, until it is over."""
    lines = [
        'CMDSCRIPT "/usr/lib/hdinfra/power event"',
        f"PIPEFN {_RUN}/upssched/upssched.pipe",
        f"LOCKFN {_RUN}/upssched/upssched.lock",
    ]
    for supply in power.supplies:
        at, name = _system(power, supply), supply.ups
        lines += [
            f"AT ONBATT {at} EXECUTE battery.{name}",
            f"AT ONLINE {at} EXECUTE mains.{name}",
            f"AT LOWBATT {at} EXECUTE low.{name}",
            f"AT FSD {at} EXECUTE down.{name}",
            f"AT REPLBATT {at} EXECUTE replace.{name}",
            f"AT COMMBAD {at} START-TIMER silent.{name} {_SILENT_SECONDS}",
            f"AT COMMOK {at} CANCEL-TIMER silent.{name}",
            f"AT COMMOK {at} EXECUTE heard.{name}",
        ]
    return _lines(*lines)


def power_json(power: HostPower) -> str:
    """What `/usr/lib/hdinfra/power` does here."""
    plan = {
        "stops": [
            {"service": stop.service, "at": stop.at, "seconds": stop.seconds, "units": list(stop.units)}
            for stop in power.stops
        ],
        "off_at": power.off_at,
        "turns": [
            {
                "service": turn.service,
                "answers": [{"port": one.port, "addresses": list(one.addresses)} for one in turn.answers],
            }
            for turn in power.turns
        ],
        "supplies": [
            {
                "ups": supply.ups,
                "server": supply.server,
                "addresses": [str(supply.ipv6), str(supply.ipv4)],
                "percent": supply.restart_percent,
            }
            for supply in power.supplies
        ],
        "patience_seconds": _PATIENCE_SECONDS,
    }
    return json.dumps(plan, indent=1, sort_keys=True) + "\n"


def ups_nft(power: HostPower) -> str:
    """Who is in the firewall's two sets: the hosts that hang on these batteries, and whom this host asks."""
    peers = [str(address) for peer in power.peers for address in (peer.ipv4, peer.ipv6)]
    asked = {(str(address), PORT) for supply in power.supplies for address in (supply.ipv4, supply.ipv6)}
    asked |= {(address, one.port) for turn in power.turns for one in turn.answers for address in one.addresses}
    return "".join(
        (
            *(f"add element inet hdinfra {HOSTS}{_version(address)} {{ {address} }}\n" for address in peers),
            *(
                f"add element inet hdinfra {SERVERS}{_version(address)} {{ {address} . {port} }}\n"
                for address, port in sorted(asked)
            ),
        )
    )


def _turns(power: HostPower) -> Iterator[File]:
    """Each unit of a service starts behind the service's turn."""
    units: dict[str, list[str]] = {}
    for turn in power.turns:
        for unit in turn.units:
            units.setdefault(unit, []).append(f"hdinfra-turn@{turn.service}.service")
    for unit, turns in sorted(units.items()):
        wanted = " ".join(turns)
        content = f"[Unit]\nWants={wanted}\nAfter={wanted}\n"
        yield File(f"/etc/systemd/system/{unit}.d/60-hdinfra-turn.conf", content)


def _monitor(power: HostPower, supply: Supply, secret: str) -> str:
    role = "primary" if supply.server == power.name else "secondary"
    shown = password(secret, supply.server, power.name)
    return f"MONITOR {_system(power, supply)} {supply.psus} {power.name} {shown} {role}"


def _system(power: HostPower, supply: Supply) -> str:
    """A battery as NUT's clients name it."""
    return f"{supply.ups}@{'localhost' if supply.server == power.name else f'[{supply.ipv6}]'}"


def _servers(power: HostPower) -> set[tuple[str, str]]:
    """By what they are called here, whom their certificates name."""
    return {
        ("localhost" if supply.server == power.name else str(supply.ipv6), supply.server) for supply in power.supplies
    }


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
