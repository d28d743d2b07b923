"""A second opinion on what is left of an inventory: parts are taken out of its plain data, and what stays is walked."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

from hdinfra.model.hardware.inventory import Inventory, Kind, Part, cpu_parts, disk_parts, nic_parts
from tests.model.legal import Data

Taking = tuple[Part, Callable[[Data], None]]
NETWORK, DEVICES = ("routers", "switches"), ("routers", "switches", "servers")


def serving(data: Data) -> dict[str, int]:
    """How many hosts of every service have power, disks, and no link that leads nowhere."""
    feeds = {one["name"]: one.get("feed") for key in ("chains", "upss", "pdus") for one in data[key]}

    def fed(name: str | None) -> bool:
        return name is None or (name in feeds and fed(feeds[name]))

    live = {one["name"]: one for key in DEVICES for one in data[key] if any(fed(psu["feed"]) for psu in one["psus"])}
    cables = {(one["name"], other) for one in data["switches"] for other in one["uplinks"]}
    cables |= {(other, one) for one, other in cables}
    exits = {one["name"] for one in data["routers"] if one["upstreams"]} & live.keys()
    switches = {one["name"] for one in data["switches"]} & live.keys()
    leading: set[str] = set()
    for _ in switches:
        leading |= {one for one in switches if any((one, onwards) in cables for onwards in exits | leading)}

    def serves(host: str) -> bool:
        server = live.get(next(one["server"] for one in data["hosts"] if one["name"] == host))
        up = {nic["switch"] for nic in server["nics"]} & switches if server else set()
        return bool(server and server["disks"] and up and up <= leading)

    return {one["name"]: sum(map(serves, set(one["hosts"]))) for one in data["services"]}


def without(data: Data, *takings: Taking) -> Data:
    """The data with all that taken out."""
    left: Data = pickle.loads(pickle.dumps(data))
    for _, take in takings:
        take(left)
    return left


def takings(inventory: Inventory) -> Iterator[Taking]:
    """Everything that can be taken out, with its name in the model."""
    for server in inventory.spec.servers:
        for part in cpu_parts(server):
            yield part, _removed(lambda one, name=server.name: one["name"] == name)
        for key, parts in (("disks", disk_parts(server)), ("nics", nic_parts(server))):
            yield from ((part, _blank("servers", server.name, key, index)) for index, part in enumerate(parts))
    for device in inventory.devices.values():
        for index, psu in enumerate(device.psus):
            yield psu, _blank(_key(device.kind), device.name, "psus", index)
        yield device.part, _removed(lambda one, name=device.name: one["name"] == name)
    yield from (
        (feed.part(name), _removed(lambda one, n=name: one["name"] == n)) for name, feed in inventory.feeds.items()
    )
    for maker in {device.manufacturer for device in inventory.network}:
        yield Part(Kind.MANUFACTURER, maker), _removed(lambda one, m=maker: one.get("manufacturer") == m)
    for rack in inventory.sites:
        yield Part(Kind.RACK, rack), _removed(lambda one, r=rack: one.get("rack") == r)
    for operator in {name for router in inventory.spec.routers for name in router.upstreams}:
        yield Part(Kind.OPERATOR, operator), _left_by(operator)


def _key(kind: Kind) -> str:
    return {Kind.SERVER: "servers", Kind.SWITCH: "switches", Kind.ROUTER: "routers"}[kind]


def _removed(gone: Callable[[Data], bool]) -> Callable[[Data], None]:
    def take(data: Data) -> None:
        for key in ("chains", "upss", "pdus", *DEVICES):
            data[key] = [one for one in data[key] if not gone(one)]

    return take


def _blank(key: str, name: str, part: str, index: int) -> Callable[[Data], None]:
    # The place of what is gone stays, so that the index of another part that goes too still fits.
    nothing: dict[str, Any] = {"psus": {"feed": "nowhere"}, "nics": {"switch": "nowhere"}, "disks": None}

    def take(data: Data) -> None:
        for one in data[key]:
            if one["name"] == name:
                one[part] = [nothing[part] if at == index else kept for at, kept in enumerate(one[part])]
                if part == "disks" and not any(one[part]):
                    one[part] = []

    return take


def _left_by(operator: str) -> Callable[[Data], None]:
    def take(data: Data) -> None:
        for router in data["routers"]:
            router["upstreams"] = [name for name in router["upstreams"] if name != operator]

    return take
