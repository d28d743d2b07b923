"""Inventories whose batteries would not carry their site to an orderly end."""

from tests.model import hardware_specs as hardware
from tests.model.legal import Change, Data, setting
from tests.model.refused import RefusalCase


def watched(data: Data) -> None:
    """Both batteries are watched, and one service needs the other."""
    data["upss"][0]["nut"] = {"host": "web-1", "low_seconds": 300}
    data["upss"][1]["nut"] = {"host": "edge-2", "low_seconds": 300}
    data["services"][1]["after"] = ["inspection"]


def ups(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The example's racks on batteries, with these changes."""
    return RefusalCase(rule, path, lambda: hardware.inventory(watched, *changes))


def on_the_street(data: Data) -> None:
    """The first switch hangs on the chains themselves, past their batteries."""
    data["switches"][0]["psus"] = [{"feed": "red"}, {"feed": "blue"}]


def past_red(data: Data) -> None:
    """web-1's server hangs on blue's battery and on red's chain itself."""
    data["servers"][0]["psus"] = [{"feed": "red"}, {"feed": "a1-blue"}]


def one_cable(data: Data) -> None:
    """Both batteries are at web-1's USB ports."""
    data["upss"][1]["nut"]["host"] = "web-1"


UPS = [
    ups("ups.order-ring", "services[0].after", setting("services.0.after", ["front"])),
    ups("ups.order-ring", "services[0].after", setting("services.0.after", ["inspection"])),
    ups("ups.host", "upss[0].nut.host", past_red),
    ups("ups.told-apart", "upss[1].nut", one_cable),
    ups("ups.watched", "upss[1]", lambda data: data["upss"][1].pop("nut")),
    ups("ups.network-fed", "switches[0].psus", on_the_street),
    ups("ups.battery-lasts", "upss[1].nut.low_seconds", setting("upss.1.nut.low_seconds", 120)),
    ups("hardware.name-unknown", "upss[0].nut.host", setting("upss.0.nut.host", "web-9")),
    ups("hardware.name-unknown", "services[1].after[0]", setting("services.1.after", ["storage"])),
    ups("spec.type", "services[0].units[0]", setting("services.0.units", ["--now"])),
    ups("spec.type", "upss[0].nut.port", setting("upss.0.nut.port", "/etc/passwd x")),
]
