"""Inventories, each of which breaks one rule."""

from tests.model import hardware_specs as hardware
from tests.model.legal import Change, Data, setting
from tests.model.refused import RefusalCase

BY_ID = "/dev/disk/by-id"
DISK, NEXT = "servers.0.disks.0", "servers.0.disks.1"
SIZE = {"size_mib": 915_715}


def rack(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The example's racks with these changes."""
    return RefusalCase(rule, path, lambda: hardware.inventory(*changes))


def one_hall(data: Data) -> None:
    """Rack b1 stands beside a1."""
    data["sites"][0]["halls"] = [{"name": "north", "racks": ["a1", "b1"]}]


def second_site(data: Data) -> None:
    """Another site with a chain, a rack and a switch; nothing of the first one is there."""
    data["sites"].append({"name": "lyon", "halls": [{"name": "east", "racks": ["c1"]}]})
    data["chains"] += [{"name": "green", "site": "lyon"}, {"name": "gold", "site": "lyon"}]
    switch = {"name": "leaf-c", "model": "7050SX3", "manufacturer": "arista", "rack": "c1"}
    data["switches"].append({**switch, "psus": [{"feed": "green"}, {"feed": "gold"}], "uplinks": ["gate-a", "gate-b"]})
    data["shelf"].append({"site": "lyon", "model": "7050SX3"})


def third_leaf(data: Data) -> None:
    """Another switch beside leaf-a, by the same manufacturer."""
    data["switches"].append({**data["switches"][0], "name": "leaf-c"})


def in_one_rack(data: Data) -> None:
    """Both switches stand in a1, and there is one service."""
    data["services"].pop()
    data["switches"][1] |= {"rack": "a1", "psus": [{"feed": "a1-red"}, {"feed": "a1-blue"}]}


def one_operator(data: Data) -> None:
    """Both routers have their sessions with the same one."""
    for router in data["routers"]:
        router["upstreams"] = ["cogent"]


def no_spare(data: Data) -> None:
    """The idle servers are of another model."""
    for index in (4, 5):
        data["servers"][index]["model"] = "PowerEdge R660"


def renamed_host(data: Data) -> None:
    """The first host's name is a character too long."""
    old, new = data["hosts"][0]["name"], "h" * 27
    data["hosts"][0]["name"] = new
    for service in data["services"]:
        service["hosts"] = [new if host == old else host for host in service["hosts"]]


def same_disk(path: str, other: str) -> RefusalCase:
    """Two names, of which somebody thought that they are two disks."""
    one, two = ({**SIZE, "path": f"{BY_ID}/{name}", "serial": "S5Y1"} for name in (path, other))
    return rack("raid.same-disk-twice", "servers[0].disks[1]", setting(DISK, one), setting(NEXT, two))


HARDWARE = [
    rack("raid.two-disks", "servers[0].disks", lambda data: data["servers"][0]["disks"].pop()),
    rack("raid.same-disk-twice", "servers[0].disks[1]", setting(f"{NEXT}.serial", "S64FNE0R802101")),
    rack("raid.same-disk-twice", "servers[0].disks[1]", setting(f"{NEXT}.serial", "s64fne0r802101")),
    rack("raid.same-disk-twice", "servers[1].disks[0]", setting("servers.1.disks.0.serial", "S64FNE0R802102")),
    rack(
        "raid.same-disk-twice",
        "servers[0].spare_disks[0]",
        setting("servers.0.spare_disks", [{**SIZE, "serial": "S64FNE0R802101"}]),
    ),
    same_disk("ata-Samsung_SSD_870_EVO_1TB_S5Y1", "wwn-0x5002538f00000001"),
    same_disk("nvme-SAMSUNG_MZQL2960HCJR-00A07_S5Y1", "nvme-eui.36344830582016610025384300000001"),
    same_disk("nvme-SAMSUNG_MZQL2960HCJR-00A07_S5Y1", "nvme-SAMSUNG_MZQL2960HCJR-00A07_S5Y1_1"),
    same_disk("scsi-SATA_Samsung_SSD_870_S5Y1", "ata-Samsung_SSD_870_EVO_1TB_S5Y1"),
    same_disk("virtio-S5Y1", "scsi-35002538f00000001"),
    rack(
        "raid.same-disk-twice",
        "servers[0].disks[1]",
        setting(DISK, {**SIZE, "serial": "A1", "path": f"{BY_ID}/wwn-0x5002538f00000001"}),
        setting(NEXT, {**SIZE, "serial": "A2", "path": f"{BY_ID}/scsi-35002538F00000001"}),
    ),
    rack("raid.disk-serial", "servers[0].disks[0]", setting(DISK, SIZE)),
    rack("raid.disk-too-small", "servers[0].disks[1]", setting(f"{NEXT}.size_mib", 7_000)),
    rack("raid.name-length", "hosts[0].name", renamed_host),
    *(
        rack("raid.disk-serial", "servers[0].disks[0]", setting(DISK, {**SIZE, "path": f"{BY_ID}/{name}"}))
        for name in (
            "wwn-0x5002538f00000001",
            "nvme-eui.36344830582016610025384300000001",
            "nvme-nvme.1af4-64697363-51454d55-00000001",
            "scsi-35002538f00000001",
        )
    ),
    rack("raid.disk-serial", "servers[0].disks[0]", setting(f"{DISK}.path", f"{BY_ID}/ata-ST4000NM_ZC1")),
    rack("power.two-chains", "servers[0].psus", setting("servers.0.psus.1.feed", "a1-red")),
    rack("power.two-chains", "servers[0].psus", setting("servers.0.psus.1.feed", "ups-red")),
    rack("power.two-chains", "servers[0].psus", setting("servers.0.psus", [{"feed": "blue"}])),
    rack("power.two-chains", "switches[1].psus", setting("switches.1.psus.0.feed", "b1-blue")),
    rack("power.two-chains", "routers[0].psus", setting("routers.0.psus", [{"feed": "a1-red"}])),
    rack("network.two-nics-two-switches", "servers[0].nics", setting("servers.0.nics.1.switch", "leaf-a")),
    rack("network.two-nics-two-switches", "servers[2].nics", lambda data: data["servers"][2]["nics"].pop()),
    rack("network.two-manufacturers", "routers[1].manufacturer", setting("routers.1.manufacturer", "juniper")),
    rack(
        "network.two-manufacturers",
        "servers[0].nics",
        third_leaf,
        setting("servers.0.nics.1.switch", "leaf-c"),
    ),
    rack("network.two-manufacturers", "switches[0].uplinks", setting("switches.0.uplinks", ["gate-b", "leaf-b"])),
    rack("network.duplicate-mac", "servers[1].nics[0].mac", setting("servers.1.nics.0.mac", "0C:42:A1:00:01:00")),
    rack("network.two-ways-out", "switches[0].uplinks", setting("switches.0.uplinks", ["gate-a"])),
    rack("network.two-ways-out", "switches[0].uplinks", setting("switches.0.uplinks", [])),
    rack("spare.per-model-and-site", "spares", no_spare),
    rack("spare.per-model-and-site", "spares", setting("spares", [])),
    rack("spare.per-model-and-site", "shelf", lambda data: data["shelf"].pop()),
    rack("placement.spread-racks", "services[0].hosts", setting("services.0.needs", 2)),
    rack("placement.spread-racks", "services[0].hosts", setting("services.0.hosts", ["web-1", "web-1"])),
    rack("placement.spread-racks", "services[0].hosts", setting("services.0.hosts", ["web-1", "edge-1"])),
    rack("placement.spread-racks", "services[1].hosts", setting("services.1.spread", "site")),
    rack("ipv6.native", "services[0].listeners[1].ipv6", lambda data: data["services"][0]["listeners"][1].pop("ipv6")),
    *(
        rack("ipv6.native", "services[1].listeners[0].ipv6", setting("services.1.listeners.0.ipv6", address))
        for address in ("::ffff:192.0.2.80", "2002:c000:250::1", "2001:0:c000:250::1", "fe80::1", "::1", "fd00::80")
    ),
    rack("hardware.duplicate-name", "pdus[0].name", setting("sites.0.halls.0.name", "a1-red")),
    rack("hardware.duplicate-name", "sites[0].halls[1].racks[1]", setting("sites.0.halls.1.racks", ["b1", "a1"])),
    rack("hardware.duplicate-name", "services[1].name", setting("services.1.name", "inspection")),
    rack("hardware.same-site", "servers[0].psus[1].feed", second_site, setting("servers.0.psus.1.feed", "green")),
    rack("hardware.same-site", "servers[0].nics[1].switch", second_site, setting("servers.0.nics.1.switch", "leaf-c")),
    rack("hardware.same-site", "pdus[0].feed", second_site, setting("pdus.0.feed", "gold")),
    rack("hardware.server-taken", "hosts[1].server", setting("hosts.1.server", "iron-1")),
    rack("hardware.server-taken", "spares[1]", setting("spares", ["iron-5", "iron-1"])),
    rack("host.duplicate-address", "hosts[1].ipv4", setting("hosts.1.ipv4", "192.0.2.11/24")),
    rack("host.duplicate-address", "hosts[1].ipv6", setting("hosts.1.ipv6", "2001:db8:1::11/64")),
    rack("host.gateway", "hosts[0].gateway4", setting("hosts.0.gateway4", "192.0.3.1")),
    rack("host.gateway", "hosts[0].gateway6", setting("hosts.0.gateway6", "2001:db8:1::11")),
    *(
        rack("hardware.name-unknown", path, setting(dotted, value))
        for path, dotted, value in (
            ("chains[0].site", "chains.0.site", "par2"),
            ("upss[0].feed", "upss.0.feed", "ups-blue"),
            ("pdus[0].feed", "pdus.0.feed", "b1-red"),
            ("pdus[0].rack", "pdus.0.rack", "a2"),
            ("servers[0].rack", "servers.0.rack", "a2"),
            ("servers[0].psus[0].feed", "servers.0.psus.0.feed", "a2-red"),
            ("servers[0].nics[0].switch", "servers.0.nics.0.switch", "gate-a"),
            ("switches[0].uplinks[1]", "switches.0.uplinks.1", "iron-1"),
            ("spares[1]", "spares", ["iron-5", "iron-9"]),
            ("shelf[0].site", "shelf.0", {"site": "par2", "model": "MX204"}),
            ("hosts[0].server", "hosts.0.server", "iron-9"),
            ("services[0].hosts[2]", "services.0.hosts", ["web-1", "web-2", "web-9"]),
        )
    ),
    *(
        rack("spec.type", path, setting(dotted, value))
        for path, dotted, value in (
            ("servers[0].disks[0].path", f"{DISK}.path", f"{BY_ID}/ata-ST4000NM_S64FNE0R802101-part1"),
            ("servers[0].disks[0].path", f"{DISK}.path", "/dev/sda"),
            ("servers[0].disks[0].size_mib", f"{DISK}.size_mib", 900.5),
            ("servers[0].nics[0].mac", "servers.0.nics.0.mac", "01:00:5e:00:00:01"),
            ("servers[0].model", "servers.0.model", "R650\n"),
            ("switches[0].manufacturer", "switches.0.manufacturer", "Juniper"),
            ("hosts[0].ipv4", "hosts.0.ipv4", "192.0.2.11"),
            ("hosts[0].ipv6", "hosts.0.ipv6", "2001:db8::1%lan0/64"),
            ("resolvers", "resolvers", []),
        )
    ),
    rack("placement.spread-racks", "services[0].hosts", in_one_rack),
    rack("network.two-ways-out", "routers[0].upstreams", one_operator),
]
