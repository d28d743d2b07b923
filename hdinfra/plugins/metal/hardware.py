"""What a BMC sees of its server, and which of it is not well. Pure: it reads what `get` gives, of old BMCs and new."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdinfra.plugins.metal.bmc import AccessError, BmcError, SilentError

Json = Mapping[str, Any]
Get = Callable[[str], Json]
_MIB = 1024 * 1024
_GONE = frozenset({"UnavailableOffline", "Degraded"})
"""States that are no fault of health's and yet mean that the part does not do its work (Redfish's Resource.State)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A power supply, disk, fan or sensor. `health` is OK, Warning, Critical or empty where the BMC does not say;
    `reading` with its unit. `mib` is a disk's size."""

    kind: str
    name: str
    health: str = ""
    state: str = ""
    serial: str = ""
    mib: int = 0
    reading: str = ""
    foretold: bool = False

    @property
    def well(self) -> bool:
        """An empty slot is well; a part whose failure is foretold is not."""
        return self.health in ("", "OK") and self.state not in _GONE and not self.foretold

    def told(self) -> str:
        """What is wrong with it, in one line."""
        serial = f" (serial {self.serial})" if self.serial else ""
        ails = [self.health] if self.health not in ("", "OK") else []
        ails += [self.state] if self.state in _GONE else []
        ails += ["its failure is foretold"] if self.foretold else []
        return f"{self.kind} `{self.name}`{serial}: {', '.join(ails)}"


@dataclass(frozen=True, slots=True)
class Hardware:
    """One look. `unread` names what the BMC has and would not show: nothing is known of it."""

    power: str
    health: str
    model: str
    serial: str
    supplies: tuple[Part, ...] = ()
    disks: tuple[Part, ...] = ()
    sensors: tuple[Part, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Every part that is not well; the whole server where it is not and no part says why."""
        found = tuple(part.told() for part in (*self.supplies, *self.disks, *self.sensors) if not part.well)
        if not found and self.health not in ("", "OK"):
            return (f"server: {self.health}, and no part says why",)
        return found


def hardware(get: Get, system: Json) -> Hardware:
    """Reads power supplies, disks, fans and sensors of a system."""
    reader = _Reader(get)
    chassis = [reader.one(path) for path in _paths(_at(system, "Links").get("Chassis"))]
    status = _at(system, "Status")
    return Hardware(
        power=_text(system.get("PowerState")),
        health=_text(status.get("HealthRollup") or status.get("Health")),
        model=_text(system.get("Model")),
        serial=_text(system.get("SerialNumber")),
        supplies=tuple(part for one in chassis for part in _supplies(reader, one)),
        disks=tuple(_disks(reader, system)),
        sensors=tuple(part for one in chassis for part in _sensors(reader, one)),
        unread=tuple(reader.unread),
    )


def as_outputs(found: Hardware) -> dict[str, Any]:
    """As outputs: without readings, which are others with each look."""
    return {
        "power": found.power,
        "health": found.health,
        "model": found.model,
        "serial": found.serial,
        "supplies": [
            {"name": p.name, "health": p.health, "state": p.state, "serial": p.serial} for p in found.supplies
        ],
        "disks": [
            {"name": p.name, "health": p.health, "state": p.state, "serial": p.serial, "mib": p.mib}
            for p in found.disks
        ],
        "sensors": [{"kind": p.kind, "name": p.name, "health": p.health} for p in found.sensors],
        "failures": list(found.failures),
        "unread": list(found.unread),
    }


def mac_addresses(get: Get, system: Json) -> frozenset[str]:
    """Of all ports that the BMC knows, in lower case."""
    reader = _Reader(get)
    ports = reader.members(_link(system, "EthernetInterfaces"))
    names = ("MACAddress", "PermanentMACAddress")
    return frozenset(_text(port[name]).lower() for port in ports for name in names if port.get(name))


class _Reader:
    """Reads what is there; a part that is refused or damaged does not hide the others."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self.unread: list[str] = []

    def one(self, path: str) -> Json:
        try:
            return self._get(path) if path else {}
        except (AccessError, SilentError):
            raise
        except BmcError:
            self.unread.append(path)
            return {}

    def members(self, path: str) -> list[Json]:
        return [self.one(member) for member in _paths(self.one(path).get("Members"))]


def _supplies(reader: _Reader, chassis: Json) -> Iterator[Part]:
    # `Power` is deprecated since 2020 and still what most BMCs have; the others have a subsystem.
    if path := _link(chassis, "Power"):
        found = _list(reader.one(path).get("PowerSupplies"))
    else:
        found = reader.members(_link(reader.one(_link(chassis, "PowerSubsystem")), "PowerSupplies"))
    for one in found:
        yield _part("power supply", one, reading=_reading(one.get("LastPowerOutputWatts"), "W"))


def _disks(reader: _Reader, system: Json) -> Iterator[Part]:
    for storage in reader.members(_link(system, "Storage")):
        for path in _paths(storage.get("Drives")):
            if one := reader.one(path):
                yield _part("disk", one)


def _sensors(reader: _Reader, chassis: Json) -> Iterator[Part]:
    if path := _link(chassis, "Thermal"):
        thermal = reader.one(path)
        for one in _list(thermal.get("Temperatures")):
            yield _part("temperature", one, reading=_reading(one.get("ReadingCelsius"), "°C"))
        for one in _list(thermal.get("Fans")):
            yield _part("fan", one, reading=_reading(one.get("Reading"), _text(one.get("ReadingUnits"))))
        return
    for one in reader.members(_link(reader.one(_link(chassis, "ThermalSubsystem")), "Fans")):
        yield _part("fan", one, reading=_reading(_at(one, "SpeedPercent").get("Reading"), "%"))
    for one in reader.members(_link(chassis, "Sensors")):
        yield _part("sensor", one, reading=_reading(one.get("Reading"), _text(one.get("ReadingUnits"))))


def _part(kind: str, one: Json, reading: str = "") -> Part:
    status = _at(one, "Status")
    size = one.get("CapacityBytes")
    return Part(
        kind=kind,
        name=_text(one.get("Name") or one.get("MemberId") or one.get("Id") or "without a name"),
        health=_text(status.get("Health")),
        state=_text(status.get("State")),
        serial=_text(one.get("SerialNumber")),
        mib=int(size) // _MIB if isinstance(size, int | float) else 0,
        reading=reading,
        foretold=one.get("FailurePredicted") is True,
    )


def _reading(value: Any, unit: str) -> str:
    return f"{value:g} {unit}".strip() if isinstance(value, int | float) else ""


def _link(one: Json, name: str) -> str:
    return _text(_at(one, name).get("@odata.id"))


def _paths(value: Any) -> list[str]:
    return [path for one in _list(value) if (path := _text(one.get("@odata.id")))]


def _list(value: Any) -> Sequence[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _at(one: Json, name: str) -> Json:
    value = one.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
