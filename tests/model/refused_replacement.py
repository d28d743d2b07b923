"""Replacements, each of which breaks one rule."""

from hdinfra.model.hardware.replacement import Wish, decide
from tests.model import hardware_specs as hardware
from tests.model.legal import Change, Data, setting
from tests.model.refused import RefusalCase

WISH = Wish("web-2", "iron-5")
SPARE = "servers.4"


def moved(rule: str, path: str, *changes: Change, wish: Wish = WISH) -> RefusalCase:
    """The example's racks with these changes, in which that is wished for."""
    return RefusalCase(rule, path, lambda: decide(hardware.spec_of(*changes), wish))


def elsewhere(data: Data) -> None:
    """The spare stands at another site, with all that it needs there."""
    data["sites"].append({"name": "lyon", "halls": [{"name": "east", "racks": ["c1"]}]})
    data["chains"] += [{"name": "green", "site": "lyon"}, {"name": "gold", "site": "lyon"}]
    for name, manufacturer in (("leaf-c", "arista"), ("leaf-d", "juniper")):
        made = {"name": name, "model": "7050SX3", "manufacturer": manufacturer, "rack": "c1"}
        data["switches"].append(
            {**made, "psus": [{"feed": "green"}, {"feed": "gold"}], "uplinks": ["gate-a", "gate-b"]}
        )
    nics = [{"mac": f"0c:42:a1:00:05:0{number}", "switch": f"leaf-{end}"} for number, end in enumerate("cd")]
    data["servers"][4] |= {"rack": "c1", "psus": [{"feed": "green"}, {"feed": "gold"}], "nics": nics}


def third_disk(data: Data) -> None:
    """The server that is left mirrors three."""
    data["servers"][2]["disks"].append({"serial": "S64FNE0R802303", "size_mib": 915_715})


def third_port(data: Data) -> None:
    """The server that is left has one port more."""
    data["servers"][2]["nics"].append({"mac": "0c:42:a1:00:03:02", "switch": "leaf-a"})


REPLACEMENT = [
    moved("replace.host", "host", wish=Wish("web-9", "iron-5")),
    moved("replace.host", "host", setting("hosts", []), setting("services", []), wish=WISH),
    moved("replace.server", "with", wish=Wish("web-2", "iron-9")),
    moved("replace.spare", "with", wish=Wish("web-2", "iron-4", in_spite_of=frozenset({"replace.weaker"}))),
    moved("replace.spare", "with", setting("spares", [])),
    moved("replace.site", "with", elsewhere, wish=Wish("web-2", "iron-5", in_spite_of=frozenset({"replace.weaker"}))),
    moved("replace.disks", "with", third_disk),
    moved("replace.disks", "with", setting(f"{SPARE}.disks.1.size_mib", 457_862)),
    moved("replace.ports", "with", third_port),
    moved("replace.model", "with", setting(f"{SPARE}.model", "PowerEdge R350")),
    moved("replace.still-needed", "host", wish=Wish("web-2", "iron-5", serving=frozenset({"web-2", "edge-1"}))),
    moved("replace.weaker", "with", wish=Wish("web-1", "iron-5")),
]
