"""What a provider would make anew, by the table that toolchain/replacements.py writes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_suffix(".json")
NAME = "name"
"""Where a program gives the name itself, the bridge deletes the old resource before it makes the new one."""


PROVIDERS = {
    "pulumi:providers:aws": {"region"},
    "pulumi:providers:gcp": {"project"},
    "pulumi:providers:hdlocal": {"namespace"},
}
"""Settings of explicit providers for which all that they realise is made anew; other settings are updated. A region
of AWS's has nothing of another's, whatever the provider calls it; `namespace` is in our plugin's `config_replaces`."""


@dataclass(frozen=True)
class Change:
    """Top-level inputs that differ: all that count, and those among them for which the resource is made anew."""

    inputs: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_first: bool = False


@cache
def table() -> Mapping[str, Any]:
    """Type token to `inputs` and marks."""
    content: Mapping[str, Any] = json.loads(TABLE.read_text())
    return content


def known_types() -> frozenset[str]:
    """What the table has."""
    return frozenset(table())


def is_stateful(kind: str) -> bool:
    """Whether this type may never be replaced or deleted by a flip."""
    return bool(table().get(kind, {}).get("stateful", False))


def known_beforehand(kind: str) -> bool:
    """Whether a preview knows what its provider will answer: ours do, and types without a table are for tests."""
    return kind.startswith("hd") or kind not in table()


def change(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    """What it takes to bring `old` inputs to `new`; of a type that the table does not have, all is updated."""
    paths = set(changed_paths(old, new))
    if kind not in table():
        names = tuple(sorted({path.partition(".")[0] for path in paths}))
        return Change(names, tuple(name for name in names if name in PROVIDERS.get(kind, ())))
    entry = table()[kind]
    verdicts = {path: _verdict(entry["inputs"], path, new) for path in paths}
    inputs = {path.partition(".")[0] for path, verdict in verdicts.items() if verdict != "ignore"}
    replaces = {path.partition(".")[0] for path, verdict in verdicts.items() if verdict in ("replace", "unknown")}
    named = NAME in new and old.get(NAME) == new[NAME]
    first = bool(replaces) and (entry.get("deleteFirst", False) or named)
    return Change(tuple(sorted(inputs)), tuple(sorted(replaces)), first)


def changed_paths(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Paths without list indices of what differs; where one side lacks a whole block, the block's."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            yield from changed_paths(old.get(name), new.get(name), f"{path}.{name}" if path else name)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            yield from changed_paths(before, after, path)
    else:
        yield path


def _verdict(rows: Mapping[str, Any], path: str, new: Mapping[str, Any]) -> str:
    """That of the path or of the nearest block around it; a block that comes or goes is as its gravest part."""
    if any(name.startswith(f"{path}.") and row["verdict"] == "replace" for name, row in rows.items()):
        return "replace"
    around = path
    while around not in rows:
        around, dot, _ = around.rpartition(".")
        if not dot:
            return "unknown"
    row = rows[around]
    return "replace" if new.get(row.get("switch", "")) is True else str(row["verdict"])
