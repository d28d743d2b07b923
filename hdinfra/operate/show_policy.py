"""Policies, their differences and the bad-policy drill for people, as tables; and outcomes as plain data."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from hdinfra.operate.tables import seconds, table

if TYPE_CHECKING:
    from hdinfra.operate.bad_policy import BadPolicyReport
    from hdinfra.operate.policy import ScopeDiff
    from hdinfra.plugins.policy.rollout import Outcome

Json = Mapping[str, Any]


def show_releases(releases: Sequence[Json], console: Console) -> None:
    """Print the newest release of every scope."""
    rows = [(one["scope"], str(one["number"]), _when(one["issued_at"]), _reach(one)) for one in releases]
    console.print(table(("scope", "release", "made", "with"), rows))


def show_scope(told: Json, console: Console) -> None:
    """Print one scope's policy."""
    release, document = told["release"], told["document"]
    console.print(
        f"{escape(told['scope'])}: release {release['number']} of {_when(release['issued_at'])}, {_reach(release)}"
    )
    sites = document.get("sites") or ()
    if sites:
        console.print(table(("site", "", "", ""), map(_site_row, sites)))
    for name in ("callers", "hosts"):
        if name in document:
            console.print(f"{name}: {escape(', '.join(document[name]))}")
    for setting in told["settings"]:
        console.print(escape(_setting(setting)))
    for ignored in told["ignored"]:
        console.print(f"[red]ignored:[/red] {escape(ignored)}")


def show_diff(scopes: Sequence["ScopeDiff"], console: Console) -> None:
    """Print what `up` would change, scope by scope."""
    for one in scopes:
        number = "no release yet" if one.number is None else f"release {one.number}"
        console.print(f"[bold]{escape(one.scope)}[/bold] ({number})")
        for line in (*one.changes, *one.kept) or ("no change",):
            console.print(f"  {escape(line)}", highlight=False)


def show_history(releases: Sequence[Json], console: Console) -> None:
    """Print a scope's releases, newest first."""
    rows = [
        (
            str(one["number"]),
            _when(one["issued_at"]),
            _reach(one),
            f"rolls {one['rollback_of']} back" if one["rollback_of"] else "",
            "\n".join(one["changes"]),
        )
        for one in releases
    ]
    console.print(table(("release", "made", "with", "", "changes"), rows))


def outcome_json(outcome: "Outcome") -> dict[str, Any]:
    """A roll-out's outcome as plain data for `--json`."""
    return {
        "number": outcome.number,
        "serving": outcome.serving,
        "silent": list(outcome.silent),
        "lagging": dict(outcome.lagging),
    }


def show_outcome(scope: str, outcome: "Outcome", console: Console) -> None:
    """Print who serves a release by now, and who does not."""
    said = "is served by all its machines" if outcome.serving else "is out, but not served by all"
    console.print(f"{escape(scope)}: release {outcome.number} {said}")
    for name in outcome.silent:
        console.print(f"[red]silent:[/red] {escape(name)}")
    for name, words in outcome.lagging.items():
        console.print(f"[red]not serving:[/red] {escape(name)} {escape(words)}")


def show_bad_policy(report: "BadPolicyReport", console: Console) -> None:
    """Print the drill's figures and whether the promises held."""
    traffic = report.traffic
    rows = [
        ("canary", report.canary or "none"),
        ("it went back because", report.reason or "it did not go back"),
        ("refused after", seconds(report.refused_seconds)),
        ("last good policy everywhere after", seconds(report.good_again_seconds)),
        ("others that had it", ", ".join(report.spread_to) or "none"),
        ("requests", f"{traffic.requests:,} ({traffic.gets:,} GETs)"),
        ("failed GETs", f"{traffic.failed_gets:,}"),
        ("failures", ", ".join(f"{kind}: {count}" for kind, count in traffic.failures.items()) or "none"),
        ("answers", f"p50 {traffic.p50_seconds:.3f} s, p99 {traffic.p99_seconds:.3f} s"),
        ("sent late", f"p99 {traffic.client_late_p99_seconds:.3f} s"),
        ("slowest answer", f"{traffic.slowest_seconds:.2f} s"),
    ]
    console.print(table((f"{report.how} in {report.scope}, release {report.number}", "measured"), rows))
    for broken in report.broken_promises:
        console.print(f"[red]broken promise:[/red] {escape(broken)}")


def _site_row(site: Json) -> tuple[str, ...]:
    if "mode" not in site:
        return (site["host"], site["instance"], "", "")
    excluded = [*site["exclusions"], *site.get("excluded_paths", ()), *site.get("excluded_networks", ())]
    without = f"without {', '.join(map(str, excluded))}" if excluded else ""
    strength = f"{site.get('profile', 'complete')}, paranoia {site['paranoia']}"
    return (site["host"], site["mode"], strength, without)


def _setting(setting: Json) -> str:
    values = ", ".join(f"{name} {value}" for name, value in sorted(setting["values"].items())) or "as in the spec"
    reason = f": {setting['reason']}" if setting.get("reason") else ""
    return f"{setting['host']}: {values}, by {setting['author']} at {_when(setting['at'])}, {setting['state']}{reason}"


def _reach(release: Json) -> str:
    members, released = release["members"], release["released"]
    return f"all {len(members)}" if release["whole"] else f"{len(released)} of {len(members)}: {', '.join(released)}"


def _when(seconds_since_1970: float) -> str:
    return datetime.fromtimestamp(seconds_since_1970, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
