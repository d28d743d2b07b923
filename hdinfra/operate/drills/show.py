"""Findings for people, as tables in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from hdinfra.operate.drills.bounds import Verdict
from hdinfra.operate.drills.finding import Finding
from hdinfra.operate.tables import table


def show_finding(finding: Finding, console: Console) -> None:
    """Print one drill's promises with what was measured, and its further figures."""
    console.print(f"[bold]{escape(finding.drill.name)}[/bold]: {escape(finding.about)}", highlight=False)
    console.print(table(("promise", "limit", "measured", ""), map(_row, finding.verdicts)))
    if finding.facts:
        console.print(table(("further figures", ""), finding.facts.items()))
    for broken in finding.broken_promises:
        console.print(f"[red]broken promise:[/red] {escape(broken)}")


def show_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print every drill, then one line each."""
    for finding in findings:
        show_finding(finding, console)
        console.print()
    rows = [
        (
            finding.drill.name,
            f"{finding.traffic.failed_gets:,} of {finding.traffic.gets:,}",
            f"{finding.traffic.slowest_seconds:.2f} s",
            _mark(kept=finding.well),
        )
        for finding in findings
    ]
    console.print(table(("drill", "GETs failed", "slowest answer", ""), rows))


def _row(verdict: Verdict) -> tuple[str | Text, ...]:
    bound = verdict.bound
    return bound.what, bound.told, bound.shown(verdict.measured), _mark(kept=verdict.kept)


def _mark(*, kept: bool) -> Text:
    return Text("kept", "green") if kept else Text("broken", "red")
