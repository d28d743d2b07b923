"""Plain values from the engine's messages, and where the secrets were."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key that marks a map as a special value (sdk/go/common/resource/sig)."""
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a marker of the wire format, no secret


def plain(message: struct_pb2.Struct) -> tuple[dict[str, Any], frozenset[str]]:
    """The message's values with secrets unwrapped, and the paths (`a.b[0]`) of what was secret."""
    value = json_format.MessageToDict(message)
    return _unwrapped(value), frozenset(_secrets(value, ""))


def message_of(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """The way back, for answers."""
    message = struct_pb2.Struct()
    message.update(dict(values))
    return message


def _unwrapped(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    if not isinstance(value, dict):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    if value.get(SIGNATURE) == SECRET:
        return _unwrapped(value["value"])
    return {key: _unwrapped(item) for key, item in value.items()}


def _secrets(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secrets(item, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if value.get(SIGNATURE) == SECRET:
        yield path
        return
    for key, item in value.items():
        yield from _secrets(item, f"{path}.{key}" if path else key)
