"""A site of hosts with real NUT under real systemd: machines in one network, batteries played by dummy-ups."""

import io
import json
import os
import secrets
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool

from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.machine import File, Firewall, Health, Identity, Machine
from hdinfra.machine.metal.nut import PACKAGES, on_ups, told
from hdinfra.model.hardware.inventory import inventory_of
from hdinfra.model.hardware.power_plan import power_plan
from hdinfra.model.power import HostPower, Pace, PowerPlan
from hdinfra.plugins.local.engine import Engine
from hdinfra.protocol.seal import public_of
from tests.machine.debian import LABEL, booted_container, lay_files
from tests.machine.sync_stack import ZONE, Stack, eventually
from tests.model import hardware_specs as hardware
from tests.model.legal import Data

PACE = Pace(poll=1, sync=3)
SECRET = "the site's"
BASE = ("ca-certificates", "nftables", "procps", "python3", "python3-cryptography")
BUSY_SECONDS = {"front": 1, "inspection": 2, "store": 1}
STATES = {
    "mains": ("OL", 100),
    "battery": ("OB DISCHRG", 60),
    "low": ("OB DISCHRG", 8),
    "charging": ("OL CHRG", 12),
    "charged": ("OL CHRG", 55),
}
LOW_SECONDS = 600
SECONDS_A_PERCENT = 60
_TRIES = 20
_END = "\nended with "
_TOLD = f'"$@" 2>&1; printf "{_END}%s" $?'.replace("\n", "\\n")
_SERVICE = Path(__file__).with_name("nut_service.py")
_UNIT = """\
[Unit]
Description={name}

[Service]
Type=notify
ExecStart=/usr/bin/python3 /root/nut_service.py {name} {port} {busy} {addresses}

[Install]
WantedBy=multi-user.target
"""


def three_hosts(data: Data) -> None:
    """One that users meet, two behind it, of which one has a store; each of these two has one battery's cable."""
    nut = {"driver": "dummy-ups", "low_seconds": LOW_SECONDS}
    data["upss"][0]["nut"] = {**nut, "host": "web-1", "port": "red.dev"}
    data["upss"][1]["nut"] = {**nut, "host": "web-2", "port": "blue.dev"}
    inspection, front = data["services"]
    inspection |= {"after": ["store"], "units": ["inspection.service"], "stop_seconds": 4}
    front |= {"after": ["inspection"], "units": ["front.service"], "stop_seconds": 3, "hosts": ["edge-1"]}
    front["listeners"] = [{"port": 443, "ipv4": "192.0.2.21", "ipv6": "2001:db8:1::21"}]
    store = {"name": "store", "hosts": ["web-1"], "needs": 1, "units": ["store.service"], "stop_seconds": 3}
    data["services"].append({**store, "listeners": [{"port": 5432, "ipv4": "192.0.2.11", "ipv6": "2001:db8:1::11"}]})
    data["hosts"] = [host for host in data["hosts"] if host["name"] != "edge-2"]


def site_plan() -> PowerPlan:
    """Of those three, at a test's pace. That they would not stand the loss of a rack is none of its business."""
    found = power_plan(inventory_of(hardware.spec_of(three_hosts)), "par1", PACE)
    assert found is not None
    return found


@dataclass
class Host:
    """One of the site's machines."""

    power: HostPower
    container: Container

    def run(self, *argv: str) -> tuple[int, str]:
        """Exit code and everything said, within a minute; of a machine that is off, nothing. It may be run twice."""
        # Podman may lose the words of a program that ends at once, and with them their last line.
        for _ in range(_TRIES):
            code, words = self.container.exec_run(["timeout", "60", "sh", "-c", _TOLD, "sh", *argv])
            said, end, status = words.decode().rpartition(_END)
            if end or code:
                return (int(status), said) if end else (code, words.decode())
        return 1, ""

    def must(self, *argv: str) -> str:
        """What it said; it has to end well."""
        code, words = self.run(*argv)
        assert code == 0, (argv, words)
        return words

    def battery(self, name: str, state: str) -> None:
        """What the battery at its cable says from now on."""
        status, charge = STATES[state]
        text = _said(status, charge)
        self.must("sh", "-c", f"printf '{text}' > /etc/nut/{name}.new && mv /etc/nut/{name}.new /etc/nut/{name}.dev")

    def order(self) -> list[tuple[float, str]]:
        """What its services wrote down, also when it is off."""
        try:
            stream, _ = self.container.get_archive("/var/log/order")
        except NotFound:
            return []
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile("order")
            assert member is not None
            lines = member.read().decode().splitlines()
        return [(float(at), what) for at, _, what in (line.partition(" ") for line in lines)]

    def off(self) -> bool:
        """Whether it switched itself off. With a battery's cable, it then waits for the battery to end."""
        self.container.reload()
        if str(self.container.status) == "exited":
            return True
        code, first = self.run("cat", "/proc/1/comm")
        return code == 0 and first.startswith("systemd-shut")

    def unit(self, name: str) -> str:
        """The state of one of its units."""
        return self.run("systemctl", "is-active", name)[1].strip()

    def problems(self) -> set[str]:
        """What its agent would report of the batteries."""
        code, names = self.run("ls", "/run/nut/hdinfra")
        return set(names.split()) if code == 0 else set()

    def start_again(self, charge: str) -> None:
        """Power is back: the machine boots, and finds its battery in that state."""
        self.container.stop(timeout=0)
        for battery in self.power.batteries:
            status, percent = STATES[charge]
            text = _said(status, percent)
            lay_files(self.container, {f"/etc/nut/{battery.port}": text})
        self.container.start()
        give_addresses(self)

    def journal(self) -> str:
        """The end of what its programs said."""
        units = ("nut-server", "nut-monitor", "hdinfra-power-down", "hdinfra-power-papers", "hdinfra-turn@*")
        flags = [part for unit in units for part in ("-u", unit)]
        return self.run("journalctl", "--no-pager", "-n", "60", "-o", "short-monotonic", *flags)[1]


@dataclass
class Site:
    """All of them."""

    plan: PowerPlan
    hosts: dict[str, Host]
    stack: Stack

    def order(self) -> list[str]:
        """What happened, over all hosts: `stop front` and the like, by the clock that they share."""
        told = [(at, f"{what} on {name}") for name, host in self.hosts.items() for at, what in host.order()]
        return [what for _, what in sorted(told)]

    def evidence(self) -> str:
        """For whoever must mend it."""
        alive = [host for host in self.hosts.values() if not host.off()]
        return "\n".join([str(self.order()), *(f"{host.power.name}:\n{host.journal()}" for host in alive)])

    def eventually(self, condition: Callable[[], object], within: float) -> None:
        """Wait for that; evidence when it does not come."""
        eventually(condition, within, self.evidence)


def _said(status: str, charge: int) -> str:
    """The driver itself says that it is low, from how long it lasts; so that has to be known before the status is."""
    return f"battery.charge: {charge}\nbattery.runtime: {charge * SECONDS_A_PERCENT}\nups.status: {status}\n"


def machine(name: str) -> Machine:
    """As little as a host can have, and all that batteries ask for."""
    identity = Identity(name, ZONE, "par1", "waf")
    return on_ups(Machine(identity, BASE, (), (), Firewall(), Health(("true",), ("true",))))


@contextmanager
def running_site(engine: Engine, stack: Stack) -> Iterator[Site]:
    """Booted, all batteries full, all services up."""
    plan = site_plan()
    with ExitStack() as ends:
        hosts: dict[str, Host] = {}
        network = ends.enter_context(wire(engine))
        for power in plan.hosts:
            container = booted_container(engine, (*BASE, *PACKAGES), network=network)
            ends.callback(container.remove, force=True)
            hosts[power.name] = Host(power, container)
            give_addresses(hosts[power.name])
        for host in hosts.values():
            furnish(host, stack)
        site = Site(plan, hosts, stack)
        site.eventually(lambda: all(map(_sees_all, hosts.values())), within=90)
        yield site


def furnish(host: Host, stack: Stack) -> None:
    """As an installation lays files, and the first boot starts units."""
    power, made = host.power, machine(host.power.name)
    key, certificate = stack.leaf(power.name, "waf")
    units = tuple(unit for unit in made.units if unit.content or unit.drop_in)
    files = (
        *made.files,
        *told(power, SECRET),
        *(_unit_file(unit.name, unit.content, unit.drop_in) for unit in units),
        *_services(host),
        *_papers(power, key, certificate, stack),
        File("/root/nut_service.py", _SERVICE.read_text()),
    )
    lay(host, files)
    for battery in power.batteries:
        host.battery(battery.port.removesuffix(".dev"), "mains")
    services = [unit for turn in power.turns for unit in turn.units]
    host.must("systemctl", "daemon-reload")
    enabled = [unit.name for unit in units if unit.enabled]
    host.must("systemctl", "enable", "--quiet", *enabled, *services)
    # boot.sh starts what is enabled; the packages' own units were started by their installation.
    host.must("systemctl", "start", "nut-driver-enumerator.service", "hdinfra-power-papers.service")
    host.must("systemctl", "start", *enabled, *services)


def lay(host: Host, files: tuple[File, ...]) -> None:
    """Write them with their modes and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.size, member.mode = len(file.content.encode()), file.mode
            archive.addfile(member, io.BytesIO(file.content.encode()))
    assert host.container.put_archive("/", buffer.getvalue())
    for file in files:
        if (file.owner, file.group) != ("root", "root"):
            host.must("chown", f"{file.owner}:{file.group}", file.path)
    bundle = bundle_of("waf")
    host.must("mkdir", "-p", "/usr/lib/hdinfra/code")
    assert host.container.put_archive("/usr/lib/hdinfra/code", bundle.content)


@contextmanager
def wire(engine: Engine) -> Iterator[str]:
    """A network that leads nowhere; what a killed run left goes with `reap`."""
    number = secrets.randbits(16)
    pools = [
        IPAMPool(subnet=f"10.{128 + number % 64}.{number >> 8}.0/24"),
        IPAMPool(subnet=f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}::/64"),
    ]
    made = engine.client.networks.create(
        f"hdtest-machine-{uuid.uuid4().hex[:12]}",
        driver="bridge",
        internal=True,
        enable_ipv6=True,
        ipam=IPAMConfig(pool_configs=pools),
        labels={LABEL: str(os.getpid())},
    )
    try:
        yield str(made.name)
    finally:
        made.remove()


def give_addresses(host: Host) -> None:
    """Its own, beside those that the engine gives."""
    host.must("ip", "address", "replace", f"{host.power.ipv4}/24", "dev", "eth0")
    host.must("ip", "-6", "address", "replace", f"{host.power.ipv6}/64", "dev", "eth0", "nodad")


def _sees_all(host: Host) -> bool:
    """Its upsmon is logged in wherever it should be, and its services run."""
    journal = host.run("journalctl", "--no-pager", "-u", "nut-monitor")[1]
    services = [unit for turn in host.power.turns for unit in turn.units]
    up = host.run("systemctl", "is-active", "--quiet", *services, "nut-monitor")[0] == 0
    logins = [host.run("upsc", "-c", battery.name)[1].splitlines() for battery in host.power.batteries]
    watched = all(len([one for one in found if "Init SSL" not in one]) > len(host.power.peers) for found in logins)
    return up and watched and all(f"{supply.ups}@" in journal for supply in host.power.supplies)


def _unit_file(name: str, content: str | None, drop_in: str | None) -> File:
    if content is not None:
        return File(f"/etc/systemd/system/{name}", content)
    return File(f"/etc/systemd/system/{name}.d/50-hdinfra.conf", drop_in or "")


def _services(host: Host) -> Iterator[File]:
    spec = hardware.spec_of(three_hosts)
    own = {str(host.power.ipv4), str(host.power.ipv6)}
    for service in spec.services:
        if host.power.name in service.hosts:
            ours = [one for one in service.listeners if {str(one.ipv4), str(one.ipv6)} <= own]
            addresses = " ".join(f"{one.ipv4} {one.ipv6}" for one in ours)
            values = {"name": service.name, "port": ours[0].port, "busy": BUSY_SECONDS[service.name]}
            yield File(f"/etc/systemd/system/{service.name}.service", _UNIT.format(**values, addresses=addresses))


def _papers(power: HostPower, key: str, certificate: str, stack: Stack) -> Iterator[File]:
    told_once = {"token": None, "root": stack.root, "signer": public_of(stack.key), "endpoints": [], "code": {}}
    identity = {"name": power.name, "zone": ZONE, "place": "par1", "role": "waf"}
    yield File("/etc/hdinfra/first-boot.json", json.dumps(told_once), 0o600)
    yield File("/etc/hdinfra/identity.json", json.dumps(identity))
    yield File("/var/lib/hdinfra/key.pem", key, 0o600)
    yield File("/var/lib/hdinfra/certificate.pem", certificate, 0o600)
