"""Between the engine's wire format and plain values: secrets are unwrapped and wrapped again, unknowns kept."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf import json_format, struct_pb2

Value: TypeAlias = Any
"""None, bool, int, float, str, list, dict with string keys, or UNKNOWN."""

# The engine's own marks (sdk/go/common/resource/sig), written out: importing the SDK costs each plugin half a second.
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a mark, no secret
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """A value that only the deployment itself will tell; met in previews alone."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def unwrap(struct: struct_pb2.Struct) -> tuple[dict[str, Value], frozenset[str]]:
    """The plain values of a message, and the names of those properties that hold a secret anywhere inside."""
    raw: dict[str, Value] = json_format.MessageToDict(struct)
    secrets = frozenset(name for name, value in raw.items() if _holds_secret(value))
    return {name: _plain(value) for name, value in raw.items()}, secrets


def wrap(values: Mapping[str, Value], secrets: Iterable[str] = ()) -> struct_pb2.Struct:
    """The message of these values; the properties named in `secrets` travel and are stored encrypted."""
    hidden = frozenset(secrets)
    struct = struct_pb2.Struct()
    for name, value in values.items():
        wired = _wired(value)
        struct.update({name: {SIGNATURE: SECRET, "value": wired} if name in hidden else wired})
    return struct


def holds_unknown(value: Value) -> bool:
    """Whether a preview cannot know this value, or a part of it."""
    match value:
        case Unknown():
            return True
        case dict():
            return any(map(holds_unknown, value.values()))
        case list():
            return any(map(holds_unknown, value))
        case _:
            return False


def _holds_secret(value: Value) -> bool:
    match value:
        case dict():
            return value.get(SIGNATURE) == SECRET or any(map(_holds_secret, value.values()))
        case list():
            return any(map(_holds_secret, value))
        case _:
            return False


def _plain(value: Value) -> Value:
    match value:
        case dict() if value.get(SIGNATURE) == SECRET:
            return _plain(value.get("value"))
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer():  # the wire knows doubles only
            return int(value)
        case str() if value == UNKNOWN_TEXT:
            return UNKNOWN
        case _:
            return value


def _wired(value: Value) -> Value:
    match value:
        case Unknown():
            return UNKNOWN_TEXT
        case Mapping():
            return {name: _wired(item) for name, item in value.items()}
        case list() | tuple():
            return [_wired(item) for item in value]
        case _:
            return value
