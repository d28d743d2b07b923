"""What `hdctl` prints for people; `--json` has all of it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any


def shown(command: str, told: Mapping[str, Any]) -> str:
    """Lines for a terminal."""
    return "\n".join(_LINES.get(command, _own)(told)) or _NOTHING.get(command, "nothing of this machine's own")


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
    yield from _mesh(told.get("mesh"))
    yield from _failover(told.get("failover"))
    for server in told.get("servers", ()):
        yield f"server    {server['name']} {server['family']} {'up' if server['up'] else 'down'}"
    yield from _answers(told.get("answers"))
    yield from (f"problem   {problem}" for problem in told["problems"])
    if names := told["limits_unenforced"]:
        yield f"no limit  {', '.join(names)} (this place cannot hold tenants to their plans in these)"
    if denied := told["sysctls_denied"]:
        yield f"denied    {', '.join(denied)} (this place does not have these settings)"


def _health(told: Mapping[str, Any]) -> Iterator[str]:
    words = {True: "yes: /edge-health answers 200", False: "no: /edge-health answers 503", None: "nobody asks for it"}
    yield f"well      {words[told['well']]}"
    yield from (f"because   {reason}" for reason in told["reasons"])
    if why := told["latched"]:
        yield f"latched   {why}; `hdctl latch release` when it may have visitors again"
    for name, bound in sorted(told["bounds"].items()):
        if bound is not None:
            yield f"bound     {name} {bound}"


def _failover(steered: Mapping[str, Any] | None) -> Iterator[str]:
    if steered is None:
        return
    yield from (f"pool      users of {name} go to {pool}" for name, pool in sorted(steered["chosen"].items()))
    for one in steered["machines"]:
        yield f"pool      {one['pool']}: {one['machine']} is {'up' if one['up'] else 'down'}, {one['seen']}"
    for one in steered["switches"][-5:]:
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(one["at"]))
        yield f"switched  {at} {one['instance']} from {one['from']} to {one['to']}: {one['because']}"


def _mesh(mesh: Mapping[str, Any] | None) -> Iterator[str]:
    if mesh is None:
        return
    behind = sorted(name for name, version in mesh["peers"].items() if version != mesh["version"])
    having = len(mesh["peers"]) - len(behind)
    yield f"mesh      version {mesh['version']}, {having} of {len(mesh['peers'])} peers have it"
    yield from (f"mesh      {name} is behind: it has not answered to these keys yet" for name in behind)
    yield from (f"mesh      {name} is silent: no handshake of late" for name in mesh["silent"])


def _answers(answers: Mapping[str, Any] | None) -> Iterator[str]:
    if answers is None:
        return
    yield f"entrance  {answers['entrance']}, zone {answers['name']} with serial {answers['serial'] or 'unknown'}"
    for name, found in sorted(answers["entrances"].items()):
        yield f"answer    {name}.{answers['name']} is {' '.join(found) or 'unknown'}"
    for place in answers["places"]:
        health = {True: "up", False: "down", None: "unknown"}[place["up"]]
        yield f"place     {place['name']} {place['address']} {health}"


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


_LINES: Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "status": _status,
    "health": _health,
    "latch": lambda _: ["the latch is open"],
    "sites": lambda told: [_table(told["sites"])],
    "logs": lambda told: told["lines"],
    "rollback": lambda told: [f"version {told['number']}.{told['settings']} is in force"],
}
_NOTHING = {"sites": "no sites", "logs": ""}
