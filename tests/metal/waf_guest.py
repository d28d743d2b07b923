"""A guest that is a WAF machine, booted from what our own renderer gives, with tenants on real plans."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hdinfra.machine.installer import SEED, bundle_files
from hdinfra.machine.roles import machine_of
from hdinfra.machine.sources import asset
from hdinfra.machine.unmanaged import brought_along, unmanaged
from hdinfra.model.plan import TenantPlan
from hdinfra.model.plans import limits_of
from hdinfra.model.policy import WafPolicy
from hdinfra.model.spec import HostingPlan
from hdinfra.operate.byol import iso_maker, seed_iso
from tests.machine.debian import planned
from tests.machine.sync_stack import eventually
from tests.machine.tenants_machine import ORIGIN, policy
from tests.metal.guest import BOOT_SECONDS, Guest, guest
from tests.metal.image import ensure_image

PLANS = {"acme": HostingPlan.FREE, "globex": HostingPlan.FREE, "initech": HostingPlan.FREE}
SMALL_DISK_MIB = 32
DISKS = {"volume": 512, "strange": 64}
"""Beside the guest's own, in MiB: tests/metal/waf/test_volume.py says what for."""
SLICES = "/sys/fs/cgroup/hdinfra.slice/hdinfra-tenants.slice"
_HERE = Path(__file__).parent
_TOOLS = "/usr/local/lib/hdinfra"
OUTSIDE = ("chrt", "--fifo", "1", "/usr/bin/python3", "-IB")
"""Origins and visitors stand for other computers: nobody on this one may slow them down."""


@contextmanager
def waf_guest() -> Iterator[Guest]:
    """One that has finished its first boot and serves these tenants, a site each, all of them awake."""
    machine = unmanaged(machine_of("india", planned("waf")))
    files = bundle_files(machine, brought_along("waf", WafPolicy(sites=(), edges=())))
    with guest(ensure_image(), _iso(files), disks=DISKS) as place:
        code, words = place.run("cloud-init", "status", "--wait", seconds=BOOT_SECONDS)
        assert code == 0 and words.strip().endswith("status: done"), f"{words}\n{_why_not_booted(place)}"
        prepare(place)
        yield place


def _iso(files: Mapping[str, bytes]) -> bytes:
    """What `hdinfra byol bundle --iso` makes of such a bundle."""
    with TemporaryDirectory() as temporary:
        for path in SEED:
            file = Path(temporary, path)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(files[path])
        return seed_iso(iso_maker(), Path(temporary))


def _why_not_booted(place: Guest) -> str:
    looks = (
        "systemctl --failed --no-pager",
        "tail -n 60 /var/log/cloud-init-output.log",
        "journalctl -b -p 3 --no-pager",
    )
    return "\n".join(place.run("sh", "-c", look)[1] for look in looks)


def prepare(place: Guest) -> None:
    """Tools, an origin, and a policy with the tenants."""
    place.put({f"{_TOOLS}/{name}": (_HERE / name).read_text() for name in ("hostile.py", "shares.py", "visitor.py")})
    place.put({f"{_TOOLS}/origin.py": ORIGIN, "/root/document.json": json.dumps(document(PLANS))})
    place.put({"/etc/systemd/system/hdinfra-hostile@.service": _hostile_unit()})
    place.must("systemctl", "daemon-reload")
    place.must("systemd-run", "--unit=origin", "--collect", *OUTSIDE, f"{_TOOLS}/origin.py")
    place.must("hdctl", "apply", "/root/document.json", "--wait", "60", seconds=240)
    for name in PLANS:
        assert set(visits(place, name, 3)["codes"]) == {200}


def document(plans: Mapping[str, HostingPlan]) -> dict[str, object]:
    """A policy with a site of each tenant, and the limits that the catalogue gives for its plan; the last tenant's
    disk is small, so that its end comes soon."""
    limits = [limits_of(TenantPlan(name, plan)).model_dump() for name, plan in plans.items()]
    limits[-1]["disk_mib"] = SMALL_DISK_MIB
    return {**policy(*((name, host_of(name)) for name in plans)), "tenants": limits}


def host_of(tenant: str) -> str:
    """Its site."""
    return f"www.{tenant}.test"


def _hostile_unit() -> str:
    """The unit of a tenant's nginx, whose sandbox and slice it is, but for what is started."""
    unit = asset("hdinfra-tenant@.service").replace("Restart=on-failure\n", "").replace("Type=exec", "Type=oneshot")
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    run = f"ExecStart=/usr/bin/python3 -IB {_TOOLS}/hostile.py %i $DEED\nEnvironmentFile=/root/deed-%i"
    return unit.replace(start, f"{run}\nStandardOutput=truncate:/root/told-%i")


@contextmanager
def hostile(place: Guest, tenant: str, deed: str, amount: int) -> Iterator[None]:
    """That tenant does it all the while, beside its own nginx."""
    begin_deed(place, tenant, deed, amount)
    try:
        yield
    finally:
        place.must("systemctl", "kill", "--signal=KILL", f"hdinfra-hostile@{tenant}")
        place.run("systemctl", "stop", f"hdinfra-hostile@{tenant}")
        place.run("systemctl", "reset-failed", f"hdinfra-hostile@{tenant}")


def begin_deed(place: Guest, tenant: str, deed: str, amount: int) -> None:
    """Start it, and do not wait for its end."""
    place.must("rm", "-f", f"/root/told-{tenant}")
    place.put({f"/root/deed-{tenant}": f"DEED={deed} {amount}\n"})
    place.must("systemctl", "start", "--no-block", f"hdinfra-hostile@{tenant}")


def done_deed(place: Guest, tenant: str, deed: str, amount: int, seconds: float = 240) -> str:
    """What it says at its end."""
    place.put({f"/root/deed-{tenant}": f"DEED={deed} {amount}\n"})
    place.must("systemctl", "start", f"hdinfra-hostile@{tenant}", seconds=seconds)
    return place.must("cat", f"/root/told-{tenant}").strip()


def ended_deed(place: Guest, tenant: str, within: float) -> str:
    """What it says at its end, which has to come in time."""
    eventually(lambda: place.run("test", "-s", f"/root/told-{tenant}")[0] == 0, within)
    return place.must("cat", f"/root/told-{tenant}").strip()


def visits(place: Guest, tenant: str, count: int, every: float = 0) -> dict[str, list[float]]:
    """Codes and seconds of requests to its site, measured inside the guest."""
    words = place.must(*OUTSIDE, f"{_TOOLS}/visitor.py", host_of(tenant), str(count), str(every), seconds=240)
    told: dict[str, list[float]] = json.loads(words)
    return told


def shares(place: Guest, seconds: float, every: float, *tenants: str) -> list[list[float]]:
    """Rows of seconds since the first, and microseconds of CPU that each tenant has used."""
    words = place.must(*OUTSIDE, f"{_TOOLS}/shares.py", str(seconds), str(every), *tenants, seconds=seconds * 2 + 60)
    rows: list[list[float]] = json.loads(words)
    return rows


def of_slice(place: Guest, tenant: str, file: str) -> str:
    """What the kernel says in that file of its slice."""
    return place.must("cat", f"{SLICES}/hdinfra-tenants-{tenant}.slice/{file}").strip()
