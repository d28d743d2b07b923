"""Which inputs make a provider replace a resource: from the SDKs' docs, else from the providers' source, else unknown.

Writes tests/engine/replacements.json and docs/upgrades.md; types and facts read by hand are in replacements.toml. Our
own plugins are asked.
"""

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolchain import ibm
from toolchain.own_kinds import difference_of, inputs_of, own_kinds, verdict_of
from toolchain.sdk_docs import NESTING, class_of, documented, token_of

ROOT = Path(__file__).parents[1]
FACTS = Path(__file__).with_suffix(".toml")
TABLE = "tests/engine/replacements.json"
PAGE = "docs/upgrades.md"

REPLACES = re.compile(
    r"forces? (?:a )?new resource"
    r"|forces? replacement"
    r"|forces? (?:a replace|(?:a |resource )?recreation)"
    r"|forces? your \w+ to be replaced"
    r"|destroy(?:ed)? and recreate"
    r"|requires? replace(?:ment)?"
    r"|changing this[^.]*creates? a new",
    re.IGNORECASE,
)
"""One sentence with any of these is enough, also where it speaks of some changes only."""
UPDATES = re.compile(r"will trigger a stop/start of the EC2 instance|can be updated in[- ]place", re.IGNORECASE)
SWITCHED = re.compile(r"If the `(\w+)` is set then updates to this field will trigger a destroy and recreate")
"""Replaced where another input says so, else updated."""


class FactsError(Exception):
    """What was read by hand does not fit the SDK, or contradicts its docs."""


@dataclass(frozen=True, slots=True)
class Row:
    """`verdict` is replace, update, ignore or unknown; `by` docs, source or plugin; `words` decided it.

    `switch` is the input that must be true for an update to become a replacement.
    """

    verdict: str
    by: str = ""
    words: str = ""
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One type of replacements.toml. `replace` and `update` hold for all below a path, but for longer paths.

    `overrules` are inputs of which the source is more precise than the docs,
    so that both may disagree. `nesting`: how far down inputs are read.
    """

    resource: str
    source: str = ""
    stateful: bool = False
    replace: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    overrules: tuple[str, ...] = ()
    nesting: int = NESTING


@dataclass(frozen=True, slots=True)
class TypeRows:
    """All top-level inputs of one type, and those nested ones that are decided by themselves.

    `delete_first`: the old one goes before the new one comes.
    """

    token: str
    stateful: bool
    delete_first: bool = False
    rows: Mapping[str, Row] = field(default_factory=dict)

    def unknown(self) -> list[str]:
        """Inputs of which nobody knows."""
        return sorted(path for path, row in self.rows.items() if row.verdict == "unknown")


def said(docs: str) -> Row:
    """What the docs of one input decide. Silence decides nothing: the generator drops most such remarks."""
    switch = SWITCHED.search(docs)
    if switch:
        return Row("update", "docs", switch.group(), _camel(switch.group(1)))
    for verdict, pattern in (("replace", REPLACES), ("update", UPDATES)):
        if pattern.search(docs):
            return Row(verdict, "docs", _sentence(docs, pattern))
    return Row("unknown")


def rows_of(docs: Mapping[str, str], facts: Facts) -> dict[str, Row]:
    """Every top-level input, and nested ones that the docs or the facts name. FactsError for a fact of nothing."""
    told = {**dict.fromkeys(facts.update, "update"), **dict.fromkeys(facts.replace, "replace")}
    slips = [f"no such input: {path}" for path in sorted({*told, *facts.overrules} - docs.keys())]
    slips += [f"both: {path}" for path in sorted({*facts.update} & {*facts.replace})]
    found = {path: said(text) for path, text in docs.items()}
    for path, verdict in told.items():
        row = found.get(path, Row("unknown"))
        if row.verdict not in ("unknown", verdict) and path not in facts.overrules:
            slips.append(f"{path}: the docs say `{row.words}`, the facts say {verdict}")
        if row.verdict == "unknown" or path in facts.overrules:
            found[path] = Row(verdict, "source", facts.source)
    if slips:
        raise FactsError(f"{facts.resource}: {'; '.join(slips)}")
    return {path: row for path, row in sorted(found.items()) if "." not in path or row.by}


def read_facts(content: Mapping[str, Any]) -> list[Facts]:
    """The types of replacements.toml, each with what is so for its whole package."""
    return [_facts(entry, content["package"][entry["class"].partition(".")[0]]) for entry in content["type"]]


def _facts(entry: Mapping[str, Any], package: Mapping[str, Any]) -> Facts:
    resource = f"{package['module']}.{entry['class'].partition('.')[2]}"
    nesting = package.get("nesting", NESTING)
    inputs = documented(class_of(resource), nesting)
    return Facts(
        resource=resource,
        source=" ".join((package["source"], entry.get("source", ""))).strip(),
        stateful=entry.get("stateful", False),
        replace=tuple(entry.get("replace", ())),
        update=(*entry.get("update", ()), *(path for path in package.get("update", ()) if path in inputs)),
        overrules=tuple(entry.get("overrules", ())),
        nesting=nesting,
    )


def extracted() -> list[TypeRows]:
    """The whole table, from the SDKs that are installed and from our plugins."""
    content = tomllib.loads(FACTS.read_text())
    found = (*map(_typed, read_facts(content)), *_of_ibm(content["ibm"]), *_own(content["own"]["stateful"]))
    return sorted(found, key=lambda t: t.token)


def _typed(facts: Facts) -> TypeRows:
    resource = class_of(facts.resource)
    return TypeRows(token_of(resource), facts.stateful, rows=rows_of(documented(resource, facts.nesting), facts))


def _of_ibm(facts: Mapping[str, Any]) -> Iterator[TypeRows]:
    """Its provider's schema says of each input whether it forces a new resource; what its code adds is in the facts."""
    for one in ibm.types():
        forced = {path for path, field in ibm.paths(one.fields) if field.get("forceNew")}
        forced |= set(facts["replace"].get(one.token, ()))
        every = {path for path, _ in ibm.paths(one.fields)}
        if forced - every:
            raise FactsError(f"{one.token}: no such input: {', '.join(sorted(forced - every))}")
        rows = {
            path: Row("replace" if path in forced else "update", "source", one.source)
            for path in sorted(every)
            if "." not in path or path in forced
        }
        yield TypeRows(one.token, one.token in facts["stateful"], rows=rows)


def _own(stateful: Sequence[str]) -> Iterator[TypeRows]:
    for token, kind in own_kinds().items():
        names = sorted(inputs_of(kind))
        rows = {name: Row(verdict_of(kind, name), "plugin") for name in names}
        first = any(difference_of(kind, name).delete_first for name in names)
        yield TypeRows(token, token in stateful, first, rows)


def table_json(types: Sequence[TypeRows]) -> str:
    """One line an input, so that a change of an SDK is read as a diff."""
    return "{\n" + ",\n".join(map(_type_json, types)) + "\n}\n"


def _type_json(each: TypeRows) -> str:
    rows = (f"    {json.dumps(path)}: {_row_json(row)}" for path, row in each.rows.items())
    marks = {"stateful": each.stateful, "deleteFirst": each.delete_first}
    told = "".join(f"{json.dumps(name)}: true, " for name, is_so in marks.items() if is_so)
    head = f'  {json.dumps(each.token)}: {{{told}"inputs": {{'
    return "\n".join((head, ",\n".join(rows), "  }}"))


def _row_json(row: Row) -> str:
    values = {name: getattr(row, name) for name in ("verdict", "by", "words", "switch")}
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)


def counted(types: Sequence[TypeRows]) -> Iterator[tuple[str, Counter[str]]]:
    """Per type: inputs by verdict, and how many of them the docs decided; the last line is the sum."""
    total: Counter[str] = Counter()
    for each in types:
        counts = Counter(row.verdict for row in each.rows.values())
        counts["docs"] = sum(row.by == "docs" for row in each.rows.values())
        total.update(counts)
        yield f"`{each.token}`{' (stateful)' if each.stateful else ''}", counts
    yield "all", total


PAGE_HEAD = """# Upgrades replace nothing

<!-- Written by `make docs` from toolchain/replacements.toml and the SDKs; change those. -->

A flip of one input may never replace what holds state (volumes, addresses, buckets, keys, networks) or a whole service
at once. Whether a provider updates an input or makes the resource anew decides it, so this table tells for each input
of each type in use. What every input of every spec would do to a stack that is up is recorded by it in
tests/graph/upgrades/*.json: created, updated, replaced and deleted, by type and name. What breaks the rule in today's
design stands there with its reason (`because`).

- `by docs`: decided by words of the Python SDK's own docstrings, which are kept in tests/engine/replacements.json.
- Where they are silent, the source of the provider behind the SDK was read; toolchain/replacements.toml names the file.
- IBM Cloud has no Python SDK: its rows are the schema of its Terraform provider, read out of its source
  (docs/ibm-sdk.md).
- Our own plugins (`hdlocal`, `hdpolicy`, `hdlicence`, `hdmetal`) are asked for the difference that each input makes.
- The rest is **unknown**, and unknown counts as replaced. Silence of the docs decides nothing: the generator of the
  SDKs drops most remarks that an input forces a new resource, and the wheels carry no schema.

| type | replaced | updated | unknown | by docs |
|---|---:|---:|---:|---:|
"""


def page(types: Sequence[TypeRows]) -> str:
    """docs/upgrades.md."""
    lines = [
        f"| {name} | {counts['replace']} | {counts['update']} | {counts['unknown']} | {counts['docs']} |\n"
        for name, counts in counted(types)
    ]
    unknown = [(each.token, each.unknown()) for each in types if each.unknown()]
    names = [f"- `{token}`: {', '.join(paths)}\n" for token, paths in unknown]
    return "".join((PAGE_HEAD, *lines, "\n## Unknown inputs\n\n", *(names or ["None.\n"])))


def main() -> int:
    """Write both files and show the counts; with --check only say whether they are stale."""
    parser = argparse.ArgumentParser(prog="python -m toolchain.replacements", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, end with 1 where a file is stale")
    check = parser.parse_args().check
    types = extracted()
    texts = {TABLE: table_json(types), PAGE: page(types)}
    stale = [name for name, text in texts.items() if not (ROOT / name).is_file() or (ROOT / name).read_text() != text]
    for name in stale:
        if check:
            print(f"{name} is not what the SDKs say.\n  fix: make docs", file=sys.stderr)
        else:
            (ROOT / name).write_text(texts[name])
            print(f"wrote {name}")
    for name, counts in counted(types):
        print(f"{name.replace('`', ''):64} {'  '.join(f'{counts[v]:4} {v}' for v in ('replace', 'update', 'unknown'))}")
    return 1 if check and stale else 0


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _sentence(docs: str, pattern: re.Pattern[str]) -> str:
    return next((part for part in re.split(r"(?<=[.!]) (?=[A-Z(*`>])", docs) if pattern.search(part)), docs)


if __name__ == "__main__":
    sys.exit(main())
