"""The map shows every machine once, is well-formed whatever names hold, and is the same every time."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

import hdinfra as hd
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.zone_map.mermaid import mermaid
from hdinfra.model.zone_map.picture import picture
from hdinfra.model.zone_map.zone_map import MapInstance, MapMachine, MapPlace, State, ZoneMap, map_of
from hdinfra.operate import cli
from hdinfra.operate.graph import seen_map
from tests.strategies import planned, zones

SVG = "{http://www.w3.org/2000/svg}"
STACKS = Path(__file__).parents[2] / "stacks"
HOSTILE = "</text><script>alert(1)</script>&\"'\u202e\ufffe]"


def drill_zone() -> ZoneMap:
    """The map of the Zone for drills."""
    return map_of(hd.planned(hd.load_spec(STACKS / "drill.yaml")))


def texts(drawn: ZoneMap) -> list[str]:
    """All that is written in the picture, tooltips too."""
    return [one.text or "" for one in ET.fromstring(picture(drawn)).iter() if one.tag in (f"{SVG}text", f"{SVG}title")]


def a_look(**healthy: bool) -> dict[str, object]:
    """As `hdinfra status` looks; machines that are not named are well."""

    def machines(*names: str) -> list[dict[str, object]]:
        return [{"name": name, "role": "waf", "healthy": healthy.get(name.replace("-", "_"), True)} for name in names]

    return {
        "clusters": [
            {"name": "a", "machines": machines("a-web-1", "a-old-1")},
            {"name": "b", "machines": []},
            {"name": "c", "machines": machines("c-web-1")},
        ],
        "edge": {"machines": machines("east-edge", "west-edge")},
        "control": machines("a-control-1", "b-control-1"),
        "dns": {"machines": machines("a-dns-1", "c-dns-1")},
        "bundles": machines("bundles-store"),
        "lab": machines("lab-acme-shop"),
    }


@given(zones())
def test_every_machine_is_there_once_under_its_place(spec: ZoneSpec) -> None:
    plan = planned(spec)
    drawn = map_of(plan)
    assert Counter(one.name for one in drawn.machines) == Counter(one.name for one in plan.machines)
    written = Counter(texts(drawn))
    assert {name: written[name] for name in (one.name for one in plan.machines)} == {
        one.name: 1 for one in plan.machines
    }
    assert {place.name: place.operator for place in drawn.clusters} == {one.name: one.operator for one in plan.clusters}


@given(zones())
def test_boxes_lie_inside_the_picture_and_not_on_one_another(spec: ZoneSpec) -> None:
    root = ET.fromstring(picture(map_of(planned(spec))))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    rects = [one for one in root.iter(f"{SVG}rect") if one.attrib["class"] != "frame"]
    boxes = [tuple(float(one.attrib[key]) for key in ("x", "y", "width", "height")) for one in rects]
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    for index, (x, y, w, h) in enumerate(boxes):
        others = boxes[index + 1 :]
        assert not [o for o in others if x < o[0] + o[2] and o[0] < x + w and y < o[1] + o[3] and o[1] < y + h]


@given(zones())
def test_the_same_plan_gives_the_same_bytes(spec: ZoneSpec) -> None:
    one, other = map_of(planned(spec)), map_of(planned(spec))
    assert (picture(one), mermaid(one)) == (picture(other), mermaid(other))


def test_what_names_hold_is_shown_not_obeyed() -> None:
    machine = MapMachine(HOSTILE, HOSTILE, State.ILL)
    place = MapPlace(HOSTILE, HOSTILE, HOSTILE, (machine,))
    drawn = ZoneMap(
        HOSTILE, HOSTILE, (place,), (place,), (MapInstance(HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,)),), (place,)
    )
    tags = {one.tag.removeprefix(SVG) for one in ET.fromstring(picture(drawn)).iter()}
    assert tags == {"svg", "style", "rect", "text", "path", "circle", "title"}
    assert any(text.startswith("</text><script>") for text in texts(drawn))
    assert "\u202e" not in picture(drawn)
    written = mermaid(drawn)
    labels = re.findall(r'\["([^"]*)"\]', written)
    assert len(labels) == 8
    assert [label for label in labels if "<script" in label or "[" in label] == []
    assert all(line.count('"') in (0, 2) for line in written.splitlines())


def test_colours_tell_what_is_well_what_is_not_and_what_is_withdrawn() -> None:
    drawn = seen_map(drill_zone(), a_look(a_web_1=False))
    clusters = {place.name: place for place in drawn.clusters}
    assert [clusters[name].state for name in "abc"] == [State.ILL, State.WELL, State.WELL]
    assert clusters["a"].machines[-1] == MapMachine("a-old-1", "waf", State.WELL)
    out = replace(drawn, clusters=(replace(clusters["a"], withdrawn=True), *drawn.clusters[1:]))
    assert out.clusters[0].state is State.OUT
    kinds = [Counter(one.attrib["class"] for one in ET.fromstring(picture(m)).iter(f"{SVG}rect")) for m in (drawn, out)]
    assert [kind["ill"] for kind in kinds] == [1, 0]
    assert [kind["out"] for kind in kinds] == [0, 1]
    assert 'c0m0["a-web-1<br/>waf"]:::ill' in mermaid(drawn)
    assert "e0 -.-x c0" in mermaid(drawn)
    assert "(withdrawn)" in mermaid(out).replace("#40;", "(").replace("#41;", ")")


def test_ten_thousand_sites_are_counted_not_listed() -> None:
    drawn = drill_zone()
    hosts = tuple(f"site-{number}.acme.test" for number in range(10_000))
    many = replace(drawn, instances=(replace(drawn.instances[0], hosts=hosts),))
    assert "and 9,993 more" in texts(many)
    assert len(picture(many)) < 1.3 * len(picture(drawn))
    assert "and 9,992 more" in mermaid(many)


@pytest.mark.parametrize(("written_as", "begin"), [("svg", "<svg "), ("mermaid", "flowchart LR\n")])
def test_the_command_writes_it_out_or_down(
    written_as: str, begin: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["graph", "--format", written_as]) == 0
    told = capsys.readouterr().out
    assert told.startswith(begin)
    assert cli.run(["graph", "--format", written_as, "--out", str(project / "map")]) == 0
    assert (project / "map").read_text() == told
    assert capsys.readouterr().out == ""
