"""The picture shows everything by name, is well-formed whatever names hold, and is the same every time."""

from xml.etree import ElementTree as ET

from hypothesis import given

from hdinfra.model.hardware.inventory import Inventory, inventory_of
from hdinfra.model.hardware.picture import picture
from hdinfra.model.hardware.spec import HardwareSpec
from tests.model import hardware_specs as hardware
from tests.model.legal import setting
from tests.strategies import wirings

SVG = "{http://www.w3.org/2000/svg}"


def texts(inventory: Inventory) -> list[str]:
    """All that is written in the picture, tooltips too."""
    return [element.text or "" for element in ET.fromstring(picture(inventory)).iter() if element.tag != f"{SVG}style"]


def test_everything_is_there_by_name() -> None:
    found = "\n".join(texts(hardware.inventory()))
    spec = hardware.spec_of()
    things = (*spec.sites, *spec.chains, *spec.upss, *spec.pdus, *spec.routers, *spec.switches, *spec.servers)
    names = {thing.name for thing in (*things, *spec.hosts)}  # type: ignore[attr-defined]
    assert {name for name in names if name not in found} == set()
    assert "lan1 0c:42:a1:00:01:01 to leaf-b" in found
    assert "iron-5: spare" in found


def test_the_example_has_its_picture() -> None:
    """Written by `hdinfra hardware check hardware.yaml --svg hardware.svg`."""
    assert (hardware.EXAMPLE / "hardware.svg").read_text(encoding="utf-8") == picture(hardware.inventory())


def test_what_names_hold_is_shown_not_obeyed() -> None:
    hostile = "</text><script>alert(1)</script>&\"'\u202e\ufffe"
    inventory = inventory_of(hardware.spec_of(setting("servers.4.model", hostile)))
    root = ET.fromstring(picture(inventory))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "g", "style", "rect", "text", "path", "circle", "title",
    }  # fmt: skip
    assert any(text.startswith("</text><script>") for text in texts(inventory))
    assert "\u202e" not in "".join(texts(inventory))


@given(wirings())
def test_boxes_lie_inside_the_picture_and_not_on_one_another(spec: HardwareSpec) -> None:
    root = ET.fromstring(picture(inventory_of(spec)))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [tuple(float(one.attrib[key]) for key in ("x", "y", "width", "height")) for one in devices(root)]
    assert len(boxes) >= len(spec.servers) + len(spec.switches) + len(spec.routers)
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    for index, (x, y, w, h) in enumerate(boxes):
        others = boxes[index + 1 :]
        assert not [
            other
            for other in others
            if x < other[0] + other[2] and other[0] < x + w and y < other[1] + other[3] and other[1] < y + h
        ]


def devices(root: ET.Element) -> list[ET.Element]:
    """Boxes that stand for one thing, frames left out."""
    return [one for one in root.iter(f"{SVG}rect") if one.attrib.get("class", "").startswith("box")]
