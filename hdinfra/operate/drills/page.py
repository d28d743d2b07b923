"""Findings as one HTML page that needs nothing else: no script, no file beside it, no network; light and dark."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from hdinfra.model.svg import printable
from hdinfra.model.zone_map.picture import picture
from hdinfra.model.zone_map.zone_map import ZoneMap
from hdinfra.operate.drills.bounds import Verdict
from hdinfra.operate.drills.finding import Finding
from hdinfra.operate.drills.timeline_picture import timeline_picture

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --paper: #ffffff; --faint: #616e7c; --rule: #cbd2d9;
  --good: #1e7b4a; --bad: #b42318 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --paper: #1f2933; --faint: #9aa5b1; --rule: #3e4c59;
  --good: #3fb27f; --bad: #f5a59b } }
body { font: 15px/1.5 sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 64rem;
  padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.2rem; margin: 2.5rem 0 0.2rem }
h3 { font-size: 1rem; margin: 1.2rem 0 0.3rem } p { margin: 0.3rem 0 } .faint { color: var(--faint) }
table { border-collapse: collapse; margin: 0.8rem 0; width: 100% }
th, td { text-align: left; padding: 0.3rem 0.8rem 0.3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top }
.kept { color: var(--good); font-weight: bold } .broken { color: var(--bad); font-weight: bold }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto } a { color: inherit } section { margin-bottom: 2rem }
"""
_PLAIN = 'class="faint"'


def page(zone: str, when: str, findings: Sequence[Finding]) -> str:
    """The page's text. `when` as it is to be shown; whatever names hold is shown, never obeyed."""
    return "".join(f"{line}\n" for line in _page(zone, when, findings))


def _page(zone: str, when: str, findings: Sequence[Finding]) -> Iterator[str]:
    broken = sum(not finding.well for finding in findings)
    told = f"{broken} of {len(findings)} broke a promise" if broken else f"all {len(findings)} kept their promises"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Drills of Zone {_text(zone)}: {told}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>Drills of Zone {_text(zone)}</h1>"
    yield f'<p {_PLAIN}>{_text(when)}; <span class="{"broken" if broken else "kept"}">{told}</span></p>'
    yield from _table(("drill", "what it breaks", "GETs failed", "slowest answer", "result"), map(_summary, findings))
    for number, finding in enumerate(findings):
        yield from _section(number, finding)
    yield "</body>\n</html>"


def _summary(finding: Finding) -> tuple[str, ...]:
    traffic = finding.traffic
    return (
        f'<a href="#{_text(finding.drill.name)}">{_text(finding.drill.name)}</a>',
        _text(finding.drill.breaks),
        f"{traffic.failed_gets:,} of {traffic.gets:,}",
        f"{traffic.slowest_seconds:.2f} s",
        _mark(kept=finding.well),
    )


def _section(number: int, finding: Finding) -> Iterator[str]:
    yield f'<section id="{_text(finding.drill.name)}">\n<h2>{number + 1}. {_text(finding.drill.name)}</h2>'
    yield f"<p>Breaks {_text(finding.drill.breaks)}.</p>\n<p {_PLAIN}>{_text(finding.about)}</p>"
    yield from _table(("promise", "limit", "measured", ""), map(_verdict, finding.verdicts))
    yield "<h3>What happened</h3>"
    allowed = next((one.bound.limit for one in finding.verdicts if one.bound.key == "slowest"), None)
    title = f"Timeline of {finding.drill.name}: requests, slowest answers, the edges' views, faults and decisions"
    yield f'<div class="wide">{timeline_picture(finding.timeline, title, allowed)}</div>'
    if finding.facts:
        yield from _table(("further figures", ""), [(_text(name), _text(told)) for name, told in finding.facts.items()])
    shown: list[tuple[str, ZoneMap]] = []
    for when, drawn in finding.maps.items():
        before = next((named for named, other in shown if other == drawn), None)
        told = f"<p {_PLAIN}>as {_text(before)}</p>" if before else f'<div class="wide">{picture(drawn)}</div>'
        yield f"<h3>The Zone {_text(when)}</h3>\n{told}"
        shown.append((when, drawn))
    yield "</section>"


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    bound = verdict.bound
    return (
        _text(bound.what),
        _text(bound.told),
        _text(bound.shown(verdict.measured)),
        _mark(kept=verdict.kept),
    )


def _mark(*, kept: bool) -> str:
    return '<span class="kept">kept</span>' if kept else '<span class="broken">broken</span>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Cells are HTML already."""
    yield "<table>\n<tr>" + "".join(f"<th>{_text(head)}</th>" for head in heads) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _text(text: str) -> str:
    return escape(printable(text))
