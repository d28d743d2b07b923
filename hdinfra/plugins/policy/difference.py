"""What changes between two policies, and what the API owns of one, in lines that a person reads before saying yes."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hdinfra.plugins.values import Unknown, holds_unknown
from hdinfra.protocol.merge import SETTINGS, broken_ceilings

MOST_LINES = 60
_LISTS = {
    "sites": ("site", "host"),
    "tenants": ("tenant", "name"),
    "instances": ("instance", "name"),
    "backends": ("backend", "name"),
    "hosts": ("host", ""),
    "apis": ("API machine", "name"),
    "callers": ("caller", ""),
    "edges": ("edge", ""),
    "doors": ("door", "http"),
}
"""What stands in a list of a document, and by what it is told apart (nothing: by itself)."""
_UNSAID: Mapping[str, Any] = {"profile": "complete", "excluded_paths": [], "excluded_networks": []}
"""What holds where a document, which leaves out what is as usual, says nothing."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each thing that comes, goes or changes; `old` is {} for a first document."""
    return list(_fields("", old, new))


def member_differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Machines (with their clusters) that come, go or move."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            lines.append(f"machine {name} joins")
        elif name not in new:
            lines.append(f"machine {name} leaves")
        elif old[name] != new[name]:
            lines.append(f"machine {name}: cluster {_shown(old[name])} -> {_shown(new[name])}")
    return lines


def code_differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Roles whose bundle changes."""
    lines = []
    for role in sorted(old.keys() | new.keys()):
        before, after = (_short(pins.get(role)) for pins in (old, new))
        if before != after:
            lines.append(f"code of {role}: {before} -> {after}")
    return lines


def drift(document: Mapping[str, Any], settings: Iterable[Mapping[str, Any]]) -> list[str]:
    """What was set through the API and differs from the spec, whether it is kept, and what stands halted."""
    sites = document.get("sites")
    by_host = {site["host"]: site for site in sites if "mode" in site} if isinstance(sites, list) else {}
    lines: list[str] = []
    for setting in sorted(settings, key=lambda told: str(told.get("host"))):
        values, host = setting.get("values") or {}, setting.get("host")
        if values and host in by_host:
            lines += _drift_of(by_host[host], values, setting)
    return lines


def shortened(lines: Sequence[str]) -> list[str]:
    """At most MOST_LINES of them, and how many there are more."""
    more = len(lines) - MOST_LINES
    return list(lines) if more <= 0 else [*lines[:MOST_LINES], f"... and {more} more"]


def _drift_of(site: Mapping[str, Any], values: Mapping[str, Any], setting: Mapping[str, Any]) -> list[str]:
    if any(holds_unknown(site.get(name)) for name in SETTINGS):
        return []
    host, by = site["host"], f"set through the API by {setting.get('author')} at {_time(setting.get('at'))}"
    if broken := broken_ceilings(site, values):
        return [f"not kept: {reason} ({by})" for reason in broken]
    lines = [
        f"kept: {host} {name} is {_shown(values[name])}, {by}; the spec says {_shown(site[name])}"
        for name in SETTINGS
        if name in values and values[name] != site[name]
    ]
    if setting.get("state") == "halted":
        lines.append(f"halted: what was {by} for {host} went wrong: {setting.get('reason')}")
    return lines


def _fields(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, after = (document.get(name, _UNSAID.get(name)) for document in (old, new))
        if before == after:
            continue
        if name in _LISTS and isinstance(before or [], list) and isinstance(after or [], list):
            yield from _listed(where, name, before or [], after or [])
        elif where or old:  # of a first document only what stands in it is told, not what kind it is
            yield f"{where}{': ' if where else ''}{name.replace('_', ' ')} {_shown(before)} -> {_shown(after)}"


def _listed(where: str, name: str, old: list[Any], new: list[Any]) -> Iterator[str]:
    word, key = _LISTS[name]
    before, after = (_by_key(items, key) for items in (old, new))
    for item in sorted(before.keys() | after.keys()):
        label = f"{where}{', ' if where else ''}{word} {item}"
        if item not in before:
            yield f"{label}: added"
        elif item not in after:
            yield f"{label}: removed"
        elif key:
            yield from _fields(label, before[item], after[item])


def _by_key(items: list[Any], key: str) -> dict[str, Any]:
    return {str(_shown(item[key] if key and isinstance(item, dict) else item)): item for item in items}


def _shown(value: Any) -> str:
    match value:
        case Unknown():
            return "(known when deployed)"
        case None:
            return "nothing"
        case list() | tuple():
            return ", ".join(map(_shown, value)) or "none"
        case dict():
            return _compound(value)
        case _:
            return str(value)


def _compound(value: Mapping[str, Any]) -> str:
    match value:
        case {"address": address, "port": port} if len(value) == 2:
            return f"[{_shown(address)}]:{_shown(port)}" if ":" in str(address) else f"{_shown(address)}:{_shown(port)}"
        case {"per_second": rate, "burst": burst} if len(value) == 2:
            return f"{_shown(rate)} a second, {_shown(burst)} more at once"
        case {"size_mib": size} if len(value) == 1:
            return f"{_shown(size)} MiB"
        case _:
            return json.dumps({name: _shown(item) for name, item in value.items()}, sort_keys=True)


def _short(pin: Any) -> str:
    if pin is None:
        return "none"
    sha256 = pin.get("sha256") if isinstance(pin, Mapping) else pin
    return sha256[:16] if isinstance(sha256, str) else _shown(sha256)


def _time(at: Any) -> str:
    if not isinstance(at, int | float):
        return "an unknown time"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
