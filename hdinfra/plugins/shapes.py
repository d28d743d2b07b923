"""What a property may be: types small enough for a resource's inputs, checked before anything is made."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from hdinfra.plugins.values import UNKNOWN, Value


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one property is refused; `path` such as `networks[0].ipv4`."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string; `what` says in words what `pattern` (whole match) asks for."""

    pattern: str = r"(?s).*"
    what: str = "a string"


@dataclass(frozen=True, slots=True)
class Address:
    """An address, or with `network` a network, of one family in its usual notation."""

    version: Literal[4, 6]
    network: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A number of at least `minimum`, whole if `whole`."""

    minimum: float
    maximum: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Many:
    """A list of one shape."""

    of: "Shape"
    least: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """An object with exactly these properties; those of `optional` may be missing."""

    fields: "Mapping[str, Shape]"
    optional: "Mapping[str, Shape]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """An object of any names with values of one shape."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Document:
    """Any JSON object."""


Shape = Text | Address | Number | Many | Record | Table | Document


def failures(shape: Shape, value: Value, path: str = "") -> Iterator[Failure]:
    """Every reason why `value` is not of `shape`; what a preview cannot know yet passes."""
    if value is UNKNOWN:
        return
    match shape:
        case Record():
            yield from _record(shape, value, path)
        case Many():
            yield from _many(shape, value, path)
        case Table():
            yield from _table(shape, value, path)
        case Document():
            yield from () if isinstance(value, dict) else (_not(path, "an object", value),)
        case Number():
            yield from _number(shape, value, path)
        case Text():
            fits = isinstance(value, str) and re.fullmatch(shape.pattern, value)
            yield from () if fits else (_not(path, shape.what, value),)
        case Address():
            yield from _address(shape, value, path)


def schema(shape: Shape) -> dict[str, Any]:
    """The shape in the words of Pulumi's package schema."""
    match shape:
        case Number():
            return {"type": "integer" if shape.whole else "number"}
        case Many():
            return {"type": "array", "items": schema(shape.of)}
        case Table():
            return {"type": "object", "additionalProperties": schema(shape.of)}
        case Record() | Document():
            return {"type": "object", "additionalProperties": {"$ref": "pulumi.json#/Any"}}
        case Text() | Address():
            return {"type": "string"}


def _not(path: str, what: str, value: Value) -> Failure:
    # The value itself may be a secret, so only its type is shown, but for the harmless scalars.
    shown = repr(value) if isinstance(value, bool | int | float) else f"a {type(value).__name__}"
    return Failure(path, f"must be {what}, found {shown}")


def _record(shape: Record, value: Value, path: str) -> Iterator[Failure]:
    if not isinstance(value, dict):
        yield _not(path, "an object", value)
        return
    prefix = f"{path}." if path else ""
    known = {**shape.fields, **shape.optional}
    for name in sorted(value.keys() - known.keys()):
        yield Failure(f"{prefix}{name}", f"is not known here; known are {', '.join(sorted(known))}")
    for name, inner in known.items():
        if name in value:
            yield from failures(inner, value[name], f"{prefix}{name}")
        elif name in shape.fields:
            yield Failure(f"{prefix}{name}", "is missing")


def _many(shape: Many, value: Value, path: str) -> Iterator[Failure]:
    if not isinstance(value, list):
        yield _not(path, "a list", value)
        return
    if len(value) < shape.least:
        yield Failure(path, f"needs at least {shape.least}, found {len(value)}")
    for place, item in enumerate(value):
        yield from failures(shape.of, item, f"{path}[{place}]")


def _table(shape: Table, value: Value, path: str) -> Iterator[Failure]:
    if not isinstance(value, dict):
        yield _not(path, "an object", value)
        return
    for name, item in sorted(value.items()):
        yield from failures(shape.of, item, f"{path}.{name}")


def _number(shape: Number, value: Value, path: str) -> Iterator[Failure]:
    kind = "a whole number" if shape.whole else "a number"
    fits = isinstance(value, int if shape.whole else int | float) and not isinstance(value, bool)
    if not fits or not shape.minimum <= value <= shape.maximum:
        yield _not(path, f"{kind} from {shape.minimum:g} to {shape.maximum:g}", value)


def _address(shape: Address, value: Value, path: str) -> Iterator[Failure]:
    what = f"an IPv{shape.version} {'network' if shape.network else 'address'}"
    try:
        parsed = ip_network(str(value)) if shape.network else ip_address(str(value))
    except ValueError as wrong:
        yield Failure(path, f"must be {what}: {wrong}")
        return
    if parsed.version != shape.version or not isinstance(value, str):
        yield Failure(path, f"must be {what}, found `{value}`")
