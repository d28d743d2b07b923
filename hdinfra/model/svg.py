"""Pictures as SVG text in one style: light and dark, no script, no font and no address from anywhere else."""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

Point = tuple[float, float]
STYLE = """
text { fill: #1f2933 } .small { font-size: 11px } .name { font-weight: bold } .faint { fill: #616e7c }
.frame { fill: none; stroke: #9aa5b1 } .box { fill: #f4f6f8; stroke: #52606d } .line { stroke: #52606d; fill: none }
.well { fill: #e8f5ee; stroke: #1e7b4a } .ill { fill: #fdecea; stroke: #b42318; stroke-dasharray: 6 4 }
.out { fill: none; stroke: #7b8794; stroke-dasharray: 2 4 } .cut { stroke: #b42318; stroke-dasharray: 4 4; fill: none }
.good { fill: #1e7b4a } .bad { fill: #b42318 } .slow { fill: #b9770e } .none { fill: #9aa5b1 } .tip { fill: #52606d }
.curve { stroke: #1f6fb5; fill: none; stroke-width: 1.5 } .fault { fill: #b42318; opacity: 0.12 }
.grid { stroke: #cbd2d9; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb } .faint { fill: #9aa5b1 } .box { fill: #323f4b } .well { fill: #1d3d2d } .ill { fill: #4a2320 }
  .good { fill: #3fb27f } .bad { fill: #f5a59b } .slow { fill: #e0b457 } .curve { stroke: #7cb8ea }
  .fault { fill: #f5a59b; opacity: 0.18 } .grid { stroke: #3e4c59 }
}
"""
"""Every picture's classes: pictures on one page share them, so a class means the same in all."""
_LETTER = 6.6
"""How wide a small letter is on average, in pixels."""


class Drawing:
    """Draws from the back to the front. Whatever texts hold is shown, never obeyed."""

    def __init__(self, width: float, height: float, told: str) -> None:
        """`told` says in one line what is to be seen, to whoever cannot see it."""
        size = attributes({"width": width, "height": height})
        frame = {"viewBox": f"0 0 {width:g} {height:g}", "font-family": "sans-serif", "font-size": "13"}
        said = {"role": "img", "aria-label": printable(told)}
        self._svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **frame, **said})
        ET.SubElement(self._svg, "style").text = STYLE

    def text(self) -> str:
        """The picture; of the same strokes always the same bytes."""
        ET.indent(self._svg)
        return ET.tostring(self._svg, encoding="unicode") + "\n"

    def box(self, at: Point, size: Point, kind: str, *, radius: float = 6, title: str = "") -> None:
        """A rectangle of a class; `title` is shown to whoever points at it."""
        where = {"x": at[0], "y": at[1], "width": size[0], "height": size[1], "rx": radius}
        made = ET.SubElement(self._svg, "rect", attributes(where) | {"class": kind})
        _titled(made, title)

    def dot(self, at: Point, kind: str, *, radius: float = 4, title: str = "") -> None:
        """A filled circle."""
        made = ET.SubElement(self._svg, "circle", attributes({"cx": at[0], "cy": at[1], "r": radius}) | {"class": kind})
        _titled(made, title)

    def path(self, points: str, kind: str) -> None:
        """A path in SVG's own words, which are ours alone."""
        ET.SubElement(self._svg, "path", {"class": kind, "d": points})

    def line(self, start: Point, end: Point, kind: str = "line") -> None:
        """A straight line."""
        self.path(f"M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}", kind)

    def arrow(self, start: Point, end: Point, kind: str = "line") -> None:
        """A bow from left to right that ends in a tip; a `cut` one has none, since nothing arrives."""
        half = (end[0] - start[0]) / 2
        ends_at = end[0] if kind == "cut" else end[0] - 6
        self.path(
            f"M{start[0]:g} {start[1]:g}C{start[0] + half:g} {start[1]:g} {end[0] - half:g} {end[1]:g} "
            f"{ends_at:g} {end[1]:g}",
            kind,
        )
        if kind != "cut":
            self.path(f"M{end[0]:g} {end[1]:g}l-8 -4v8z", "tip")

    def write(self, at: Point, text: str, kind: str = "", *, room: float = 0, anchor: str = "") -> None:
        """One line of text, cut to `room` pixels where they are given; `anchor` as SVG has it."""
        shown = fitting(text, room, kind) if room else text
        extra = ({"class": kind} if kind else {}) | ({"text-anchor": anchor} if anchor else {})
        made = ET.SubElement(self._svg, "text", attributes({"x": at[0], "y": at[1]}) | extra)
        made.text = printable(shown)
        if shown != text:
            _titled(made, text)


def fitting(text: str, room: float, kind: str = "") -> str:
    """The text, or so much of it as fits so many pixels."""
    fits = int(room / (_LETTER * (0.92 if "small" in kind else 1.18 if "name" in kind else 1.08)))
    return text if len(text) <= fits else f"{text[: max(0, fits - 1)]}…"


def attributes(numbers: Mapping[str, float]) -> dict[str, str]:
    """Numbers as attributes, without digits that say nothing."""
    return {name: f"{number:g}" for name, number in numbers.items()}


def printable(text: str) -> str:
    """XML has no way to write some characters, and some would turn the text around them: those become `?`."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _titled(element: ET.Element, title: str) -> None:
    if title:
        ET.SubElement(element, "title").text = printable(title)
