"""An inventory as a picture (SVG): colours are power chains and manufacturers, so what hangs on one of them is seen."""

from xml.etree import ElementTree as ET

from hdinfra.model.hardware.inventory import Device, Inventory, Kind
from hdinfra.model.hardware.layout import HEADER, MARGIN, SERVER_WIDTH, Box, Rack, Site, layout_of
from hdinfra.model.hardware.spec import ServerSpec
from hdinfra.model.svg import attributes, printable

_CHAINS = ("#b42318", "#1f6fb5", "#1e7b4a", "#b9770e", "#7d3c98", "#566573")
_MANUFACTURERS = ("#0f766e", "#8e44ad", "#c2571a", "#475569", "#9d174d", "#4d7c0f")
_STYLE = """
text { fill: #1f2933 } .small { font-size: 11px } .name { font-weight: bold } .feed { font-size: 10px; fill: #ffffff }
.place { fill: none; stroke: #9aa5b1 } .box { fill: #f4f6f8; stroke: #52606d } .dashed { stroke-dasharray: 5 4 }
.disk { fill: #52606d } .empty { fill: none; stroke: #52606d; stroke-dasharray: 2 2 }
.line { stroke: #52606d; fill: none }
@media (prefers-color-scheme: dark) { text { fill: #e4e7eb } .box { fill: #323f4b } .disk { fill: #cbd2d9 } }
"""
_LETTER = 6.6
"""How wide a small letter is on average, in pixels."""
_Point = tuple[float, float]


def picture(inventory: Inventory) -> str:
    """The SVG's text; of the same inventory always the same. Whatever names hold is shown, never obeyed."""
    return _Picture(inventory).text()


class _Picture:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._sites = layout_of(inventory)
        makers = sorted({device.manufacturer for device in inventory.network})
        chains = [chain.name for chain in inventory.spec.chains]
        self._maker = {name: _MANUFACTURERS[index % len(_MANUFACTURERS)] for index, name in enumerate(makers)}
        self._chain = {name: _CHAINS[index % len(_CHAINS)] for index, name in enumerate(chains)}
        width = max(site.box.x + site.box.width for site in self._sites) + MARGIN
        height = max(site.box.y + site.box.height for site in self._sites) + MARGIN
        self._svg = _svg(width, height, inventory.spec.hardware)
        self._under, self._over = (ET.SubElement(self._svg, "g") for _ in range(2))
        self._network = {name: box for site in self._sites for name, box in site.network.items()}

    def text(self) -> str:
        for site in self._sites:
            self._site(site)
        ET.indent(self._svg)
        return ET.tostring(self._svg, encoding="unicode") + "\n"

    def _site(self, site: Site) -> None:
        self._box(site.box, "place", radius=10)
        self._write((site.box.x + 12, site.box.y + 20), f"site {site.name}", "name")
        for name, box in site.operators.items():
            self._box(box, "box")
            self._write((box.x + 10, box.y + 18), name, "small", box.width - 20)
        for name, box in site.network.items():
            self._device(self._inventory.devices[name], box, site)
        for rack in site.racks:
            self._rack(rack, site)
        for name, box in site.power.items():
            self._power(name, box, site)

    def _device(self, device: Device, box: Box, site: Site) -> None:
        colour = self._maker[device.manufacturer]
        self._box(box, "box", stroke=colour)
        self._write((box.x + 10, box.y + 19), device.name, "name", box.width - 20 - 14 * len(device.feeds))
        told = f"{device.manufacturer} {device.model}, {device.rack}"
        self._write((box.x + 10, box.y + 38), told, "small", box.width - 20)
        for number, feed in enumerate(device.feeds):
            self._dot((box.x + box.width - 12 - 14 * number, box.y + 14), self._colour_of(feed), f"power from {feed}")
        for router in self._inventory.spec.routers:
            if router.name == device.name:
                for operator in router.upstreams:
                    self._line(site.operators[operator].bottom, box.top, colour)
        for switch in self._inventory.spec.switches:
            if switch.name == device.name:
                self._uplinks(switch.uplinks, box, colour)

    def _uplinks(self, names: tuple[str, ...], box: Box, colour: str) -> None:
        for name in sorted(set(names)):
            other = self._network[name]
            beside = other.y == box.y
            self._line(other.top if beside else other.bottom, box.top, colour, bend=-18 if beside else 0)

    def _rack(self, rack: Rack, site: Site) -> None:
        self._box(rack.box, "place")
        self._write((rack.box.x + 10, rack.box.y + 19), f"rack {rack.name}, hall {rack.hall}", "small")
        for feed, x in rack.feeds.items():
            self._strip(feed, x, rack, site)
        for server, box in rack.servers:
            self._server(server, box)
            self._cables(server, box, rack)
        for switch, x in rack.switches.items():
            colour = self._maker[self._inventory.devices[switch].manufacturer]
            self._line((x, rack.box.y + rack.box.height - 12), (x, rack.box.y), colour)
            self._line((x, rack.box.y), self._network[switch].bottom, colour)

    def _strip(self, feed: str, x: float, rack: Rack, site: Site) -> None:
        top, bottom = rack.box.y + HEADER - 4, rack.box.y + rack.box.height - 8
        found = self._inventory.feeds[feed]
        self._box(Box(x - 7, top, 14, bottom - top), "", radius=3, fill=self._colour_of(feed))
        room = bottom - top - 8
        self._write((x + 3.5, bottom - 5), feed, "feed", room, turned=True)
        source = site.power[found.upstream or feed] if found.kind is Kind.PDU else site.power[feed]
        self._line((x, bottom), source.top, self._colour_of(feed))

    def _server(self, server: ServerSpec, box: Box) -> None:
        spec = self._inventory.spec
        host = next((host for host in spec.hosts if host.server == server.name), None)
        told = host.name if host else "spare" if server.name in spec.spares else "idle"
        self._box(box, "box" if host else "box dashed")
        disks = 13 * (len(server.disks) + len(server.spare_disks))
        self._write((box.x + 10, box.y + 19), f"{server.name}: {told}", "name", SERVER_WIDTH - 20)
        does = f"{host.role}, {server.model}" if host else server.model
        self._write((box.x + 10, box.y + 38), does, "small", SERVER_WIDTH - 24 - disks)
        for number, disk in enumerate((*server.disks, *server.spare_disks)):
            kind = "disk" if number < len(server.disks) else "empty"
            where = Box(box.x + box.width - 8 - disks + 13 * number, box.y + 28, 9, 13)
            self._box(where, kind, radius=2, title=f"disk {disk.serial or disk.path}, {disk.size_mib:,} MiB")

    def _cables(self, server: ServerSpec, box: Box, rack: Rack) -> None:
        for number, psu in enumerate(server.psus):
            y = box.y + (number + 1) * box.height / (len(server.psus) + 1)
            x, colour = rack.feeds[psu.feed], self._colour_of(psu.feed)
            self._line((x, y), (box.x, y), colour)
            self._dot((box.x, y), colour, f"PSU {number + 1} on {psu.feed}")
        for number, nic in enumerate(server.nics):
            y = box.y + (number + 1) * box.height / (len(server.nics) + 1)
            colour = self._maker[self._inventory.devices[nic.switch].manufacturer]
            x = rack.switches[nic.switch]
            self._line((box.x + box.width, y), (x, y), colour)
            self._dot((x, y), colour, f"lan{number} {nic.mac} to {nic.switch}")

    def _power(self, name: str, box: Box, site: Site) -> None:
        feed, colour = self._inventory.feeds[name], self._colour_of(name)
        self._box(box, "box", stroke=colour)
        kind = "chain" if feed.kind is Kind.CHAIN else "UPS"
        self._write((box.x + 10, box.y + 18), f"{kind} {name}", "small", box.width - 20)
        if feed.upstream:
            self._line(box.bottom, site.power[feed.upstream].top, colour)

    def _colour_of(self, feed: str) -> str:
        return self._chain[self._inventory.chain_of(feed) or feed]

    def _box(self, box: Box, kind: str, *, radius: int = 6, title: str = "", **paint: str) -> None:
        where = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": radius}
        style = {"style": "; ".join(f"{key}: {value}" for key, value in paint.items())} if paint else {}
        made = ET.SubElement(self._over, "rect", attributes(where) | ({"class": kind} if kind else {}) | style)
        if title:
            ET.SubElement(made, "title").text = printable(title)

    def _line(self, start: _Point, end: _Point, colour: str, *, bend: float = 0) -> None:
        (x1, y1), (x2, y2) = start, end
        middle = f"Q{(x1 + x2) / 2:g} {min(y1, y2) + 2 * bend:g} " if bend else "L"
        path = f"M{x1:g} {y1:g}{middle}{x2:g} {y2:g}"
        ET.SubElement(self._under, "path", {"class": "line", "style": f"stroke: {colour}", "d": path})

    def _dot(self, where: _Point, colour: str, title: str) -> None:
        dot = ET.SubElement(
            self._over, "circle", attributes({"cx": where[0], "cy": where[1], "r": 4}) | {"fill": colour}
        )
        ET.SubElement(dot, "title").text = printable(title)

    def _write(self, where: _Point, text: str, kind: str, room: float = 0, *, turned: bool = False) -> None:
        fits = int(room / (_LETTER * (1.18 if kind == "name" else 0.92)))
        shown = text if not room or len(text) <= fits else f"{text[: fits - 1]}…"
        turn = {"transform": f"rotate(-90 {where[0]:g} {where[1]:g})"} if turned else {}
        made = ET.SubElement(self._over, "text", attributes({"x": where[0], "y": where[1]}) | {"class": kind} | turn)
        made.text = printable(shown)


def _svg(width: float, height: float, name: str) -> ET.Element:
    told = f"Racks of {name}: servers with their power supplies on chains and their ports on switches"
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            **attributes({"width": width, "height": height}),
            "viewBox": f"0 0 {width:g} {height:g}",
            "font-family": "sans-serif",
            "font-size": "13",
            "role": "img",
            "aria-label": printable(told),
        },
    )
    ET.SubElement(svg, "style").text = _STYLE
    return svg
