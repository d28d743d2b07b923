"""What `hdctl` prints for people; `--json` has all of it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def shown(command: str, told: Mapping[str, Any]) -> str:
    """Lines for a terminal."""
    match command:
        case "status":
            return "\n".join(_status(told))
        case "sites":
            return _table(told["sites"]) or "no sites"
        case "logs":
            return "\n".join(told["lines"])
        case "rollback":
            return f"version {told['number']}.{told['settings']} is in force"
    return "\n".join(_own(told)) or "nothing of this machine's own"


def _status(told: Mapping[str, Any]) -> Iterator[str]:
    number = "unknown" if told["number"] is None else f"{told['number']}.{told['settings']}"
    yield f"version   {number}  {(told['digest'] or 'no policy')[:16]}  {told['app'] or ''}".rstrip()
    yield f"serving   {'yes' if told['serving'] else 'no'}"
    yield from _own(told)
    if bad := told["failed"]:
        yield f"failed    {bad['number']}.{bad['settings']}: {bad['reason']}"
    if told["certificate_ends"]:
        yield time.strftime("until     %Y-%m-%d %H:%M UTC (certificate)", time.gmtime(told["certificate_ends"]))
    for api, seconds in sorted(told["seen"].items()):
        yield f"heard     {api} {seconds:.0f} s ago"
    for server in told.get("servers", ()):
        yield f"server    {server['name']} {server['family']} {'up' if server['up'] else 'down'}"
    yield from (f"problem   {problem}" for problem in told["problems"])
    if names := told["limits_unenforced"]:
        yield f"no limit  {', '.join(names)} (this place cannot hold tenants to their plans in these)"
    if denied := told["sysctls_denied"]:
        yield f"denied    {', '.join(denied)} (this place does not have these settings)"


def _own(told: Mapping[str, Any]) -> Iterator[str]:
    if told["drained"]:
        yield "drained   yes: nobody is sent here"
    for host, mode in sorted(told["overrides"].items()):
        yield f"override  {host} is in {mode} on this machine alone"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    texts = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in texts) for column in range(len(texts[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in texts
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
