"""Edits of a YAML text that leave every byte alone but those they are about: comments, order, quotes, indentation.

A round trip through a YAML writer would normalise what a person wrote; here the parser only says where things stand.
"""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import yaml

Plain = str | int | Mapping[str, "Plain"] | Sequence["Plain"]
_OFFSET = 2  # of a list's dashes from its key, where the text shows none


def tree(text: str) -> yaml.MappingNode:
    """The text's top mapping with the places of all its parts."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("the text's top is no mapping")
    return node


def value_of(mapping: yaml.MappingNode, key: str) -> yaml.Node | None:
    """The node under that key, None where the mapping has no such key."""
    return next((value for name, value in mapping.value if name.value == key), None)


def items_of(mapping: yaml.MappingNode, key: str) -> list[yaml.Node]:
    """The items of the sequence under that key; none where it is missing or empty."""
    node = value_of(mapping, key)
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def appended(text: str, mapping: yaml.MappingNode, key: str, item: Plain) -> str:
    """The text with one more item in the sequence under that key, in the style of its neighbours."""
    node = value_of(mapping, key)
    if node is None:
        return _with_pair(text, mapping, key, [item])
    if not isinstance(node, yaml.SequenceNode):
        return _spliced(text, node.start_mark.index, node.end_mark.index, _after_colon(text, node, flow([item])))
    if not node.value:
        return _spliced(text, node.start_mark.index, node.end_mark.index, flow([item]))
    end = _end(text, node.value[-1])
    if node.flow_style:
        return _spliced(text, end, end, f", {flow(item)}")
    column = node.start_mark.column
    if node.value[-1].flow_style:
        return _with_lines(text, end, [f"{' ' * column}- {flow(item)}"])
    return _with_lines(text, end, _item_lines(item, column, column - mapping.start_mark.column))


def removed(text: str, mapping: yaml.MappingNode, key: str, index: int) -> str:
    """The text without that item of the sequence under that key. Comments on lines of their own stay."""
    node = value_of(mapping, key)
    if not isinstance(node, yaml.SequenceNode):
        raise TypeError(f"`{key}` is no sequence")
    if node.flow_style:
        return _without_flow_item(text, node, index)
    item = node.value[index]
    start = text.rindex("\n", 0, text.rindex("-", 0, item.start_mark.index)) + 1
    end = min(_line_end(text, _end(text, item)) + len(_newline(text)), len(text))
    shorter = _spliced(text, start, end, "")
    if len(node.value) > 1:
        return shorter
    colon = text.index(":", _key(mapping, key).end_mark.index) + 1
    return _spliced(shorter, colon, colon, " []")


def with_scalar(text: str, mapping: yaml.MappingNode, key: str, value: str, *, after: str) -> str:
    """The text with that value under the key, in the quotes it had; a new key comes behind `after`."""
    node = value_of(mapping, key)
    if node is not None:
        quote = node.style if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"') else ""
        written = f"{quote}{value}{quote}" if quote else _after_colon(text, node, scalar(value))
        return _spliced(text, node.start_mark.index, node.end_mark.index, written)
    before = value_of(mapping, after)
    if before is None:
        raise KeyError(after)
    end = _end(text, before)
    if mapping.flow_style:
        return _spliced(text, end, end, f", {key}: {scalar(value)}")
    return _with_lines(text, end, [f"{' ' * mapping.start_mark.column}{key}: {scalar(value)}"])


def flow(value: Plain) -> str:
    """The value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: str | int) -> str:
    """One value, quoted where YAML would read something else, such as a tenant called `on`."""
    if isinstance(value, int):
        return str(value)
    plain = value.isascii() and not set(value) & set(":{}[],&*#?|<>=!%@`'\"\\ \n") and not value.startswith("-")
    return value if plain and yaml.safe_load(value) == value else yaml.safe_dump(value, default_style='"').strip()


def _with_pair(text: str, mapping: yaml.MappingNode, key: str, value: Sequence[Plain]) -> str:
    end = _end(text, mapping.value[-1][1])
    if mapping.flow_style:
        return _spliced(text, end, end, f", {key}: {flow(value)}")
    return _with_lines(text, end, _sequence_lines(key, value, mapping.start_mark.column, _OFFSET))


def _item_lines(item: Plain, column: int, offset: int) -> list[str]:
    if not isinstance(item, Mapping):
        return [f"{' ' * column}- {flow(item)}"]
    lines: list[str] = []
    for key, value in item.items():
        if _is_deep(value):
            lines += _sequence_lines(key, value, column + 2, offset)
        else:
            lines.append(f"{' ' * (column + 2)}{key}: {flow(value)}")
    return [f"{' ' * column}- {lines[0].lstrip()}", *lines[1:]]


def _sequence_lines(key: str, items: Sequence[Plain], column: int, offset: int) -> list[str]:
    rows: list[str] = []
    for item in items:
        deep = isinstance(item, Mapping) and any(map(_is_deep, item.values()))
        rows += _item_lines(item, column + offset, offset) if deep else [f"{' ' * (column + offset)}- {flow(item)}"]
    return [f"{' ' * column}{key}:", *rows]


def _is_deep(value: Plain) -> TypeGuard[Sequence[Plain]]:
    """A list of things that hold lists themselves: too much for one line."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    lists = (one for item in value if isinstance(item, Mapping) for one in item.values())
    return any(isinstance(one, Sequence) and not isinstance(one, str) for one in lists)


def _without_flow_item(text: str, node: yaml.SequenceNode, index: int) -> str:
    item = node.value[index]
    start, end = item.start_mark.index, _end(text, item)
    if index:
        comma = _comma(text, _end(text, node.value[index - 1]))
        return _spliced(_spliced(text, start, end, ""), comma, _skip_blanks(text, comma + 1), "")
    if len(node.value) > 1:
        end = _skip_blanks(text, _comma(text, end) + 1)
    return _spliced(text, start, end, "")


def _comma(text: str, start: int) -> int:
    """The next comma that is not in a comment."""
    while text[start] != ",":
        start = text.index("\n", start) if text[start] == "#" else start + 1
    return start


def _skip_blanks(text: str, start: int) -> int:
    while text[start] == " ":
        start += 1
    return start


def _end(text: str, node: yaml.Node) -> int:
    # The parser ends a block collection at whatever follows it, behind comments that belong to that.
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    return len(text[: node.end_mark.index].rstrip())


def _key(mapping: yaml.MappingNode, key: str) -> yaml.Node:
    found: yaml.Node = next(name for name, _ in mapping.value if name.value == key)
    return found


def _after_colon(text: str, node: yaml.Node, written: str) -> str:
    return f" {written}" if text[node.start_mark.index - 1] == ":" else written


def _with_lines(text: str, position: int, lines: Sequence[str]) -> str:
    end, newline = _line_end(text, position), _newline(text)
    return _spliced(text, end, end, "".join(f"{newline}{line}" for line in lines))


def _line_end(text: str, position: int) -> int:
    end = text.find(_newline(text), position)
    return len(text) if end < 0 else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _spliced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]
