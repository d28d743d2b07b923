"""The page of drills needs nothing but itself, shows what was measured, and obeys nothing that names hold."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from hdinfra.model.zone_map.zone_map import MapMachine, MapPlace, State, ZoneMap
from hdinfra.operate.drills.bounds import Drill
from hdinfra.operate.drills.catalogue import TRAFFIC
from hdinfra.operate.drills.finding import Finding
from hdinfra.operate.drills.page import page
from hdinfra.operate.drills.show import show_findings
from hdinfra.operate.drills.timeline import Bucket, Health, Lane, Mark, Span, Strip, Timeline
from hdinfra.operate.drills.timeline_picture import timeline_picture
from hdinfra.operate.report import Traffic

HOSTILE = "</text></td><script>alert(1)</script>&\"'\u202e\ufffe"
SVG = "{http://www.w3.org/2000/svg}"
_VOID = {"meta", "br"}
TIMELINE = Timeline(
    seconds=10,
    bucket_seconds=1,
    buckets=tuple(Bucket(float(at), 200, 1 if at == 4 else 0, 0.02 + (1.5 if at == 4 else 0)) for at in range(10)),
    faults=(Span(4, 7, "kill of a"),),
    views=(Strip("east sees a", (Span(0, 4.5, "", Health.UP), Span(4.5, 10, "", Health.DOWN))),),
    marks=(Mark(5, Lane.DECISION, "withdraw a: two edges agree"), Mark(9, Lane.PLAN, "b-web-1 comes")),
)


def finding(name: str = "cluster-loss", failed: int = 0, timeline: Timeline = TIMELINE) -> Finding:
    """A drill's, of which so many GETs failed."""
    drill = Drill(name, f"what {name} breaks", TRAFFIC)
    measured = {bound.key: bound.limit for bound in drill.bounds} | {"failed-gets": failed}
    place = MapPlace("a", "northwind", "lab-north", (MapMachine("a-web-1", "waf", State.ILL),))
    drawn = ZoneMap("drill", "lab", clusters=(place,))
    return Finding(
        drill, f"{name} of a", drill.judge(measured), Traffic(100, 95, failed), timeline, maps={"before": drawn}
    )


class Reader(HTMLParser):
    """Reads a page strictly: every element closed where it should be; keeps what is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more element."""
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """It must be the one that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """What is written."""
        if self.open and self.open[-1] != "style":
            self.said.append(data)


def read(text: str) -> Reader:
    """A page that was closed properly."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_needs_nothing_else() -> None:
    text = page("drill", "2026-11-29 14:00 UTC", [finding(), finding("edge-loss")])
    reader = read(text)
    assert reader.tags.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    assert [value for name, value in reader.attributes if name in ("src", "srcset") or name.startswith("on")] == []
    assert {value for name, value in reader.attributes if name == "href"} == {"#cluster-loss", "#edge-loss"}
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme: dark" in text


def test_every_promise_stands_there_with_its_limit_and_what_was_measured() -> None:
    reader = read(page("drill", "now", [finding(failed=3), finding("edge-loss")]))
    said = " ".join(reader.said)
    for words in (
        "1 of 2 broke a promise",
        "GETs that failed",
        "at most 0 GETs",
        "3 GETs",
        "broken",
        "kept",
        "a-web-1",
    ):
        assert words in said
    assert "all 1 kept their promises" in page("drill", "now", [finding()])


def test_what_names_hold_is_shown_not_obeyed() -> None:
    hostile = replace(
        finding(
            HOSTILE, timeline=replace(TIMELINE, marks=(Mark(1, Lane.PLAN, HOSTILE),), faults=(Span(1, 2, HOSTILE),))
        ),
        facts={HOSTILE: HOSTILE},
        maps={HOSTILE: ZoneMap(HOSTILE, HOSTILE)},
    )
    text = page(HOSTILE, HOSTILE, [hostile])
    assert "<script" not in text
    assert "\u202e" not in text
    assert "script" not in read(text).tags


@pytest.mark.parametrize("timeline", [TIMELINE, Timeline(0, 0.1), Timeline(3, 1, (Bucket(0), Bucket(1), Bucket(2)))])
def test_a_timeline_is_a_picture_inside_its_frame(timeline: Timeline) -> None:
    root = ET.fromstring(timeline_picture(timeline, "a timeline", 3.0))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_one_failed_request_among_thousands_is_seen() -> None:
    timeline = replace(TIMELINE, buckets=(Bucket(0, 100_000, 1, 0.1, 50_000),))
    boxes = ET.fromstring(timeline_picture(timeline, "x")).iter(f"{SVG}rect")
    failed = [
        box
        for box in boxes
        if box.attrib["class"] == "bad" and "1 failed, 50000 not counted" in (box.findtext(f"{SVG}title") or "")
    ]
    assert [float(box.attrib["height"]) >= 3 for box in failed] == [True]


def test_what_happened_is_named() -> None:
    told = [one.text or "" for one in ET.fromstring(timeline_picture(TIMELINE, "x")).iter(f"{SVG}text")]
    for words in ("kill of a", "east sees a", "decision, 5.0 s", "withdraw a: two edges agree", "plan, 9.0 s", "10 s"):
        assert words in told


def test_what_breaks_again_and_again_has_one_row() -> None:
    faults = tuple(Span(at, at + 1, "a away") for at in (1, 3, 5))
    root = ET.fromstring(timeline_picture(replace(TIMELINE, faults=faults), "x"))
    assert [one.text for one in root.iter(f"{SVG}text")].count("a away") == 1
    rows = [one for one in root.iter(f"{SVG}rect") if (one.findtext(f"{SVG}title") or "").startswith("a away: ")]
    assert len(rows) == 3
    assert len({one.attrib["y"] for one in rows}) == 1


def test_more_marks_than_can_be_shown_are_counted() -> None:
    marks = tuple(Mark(at / 10, Lane.DECISION, f"number {at}") for at in range(40))
    told = [one.text or "" for one in ET.fromstring(timeline_picture(replace(TIMELINE, marks=marks), "x")).iter()]
    assert "and 27 more" in told
    assert len([text for text in told if text.startswith("number ")]) == 13


def test_the_terminal_names_every_broken_promise() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    show_findings([finding(failed=3), finding("edge-loss")], console)
    told = console.export_text()
    assert "broken promise: GETs that failed: 3 GETs; at most 0 GETs was promised" in told
    assert told.count("cluster-loss") >= 2
