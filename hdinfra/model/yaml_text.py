"""YAML as we take it: one mapping of plain values. What could surprise a reader is refused with its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from hdinfra.model.refusal import Refusal, RefusedError

LARGEST_BYTES = 1024 * 1024
"""A Zone of thousands of sites has some hundred kilobytes; more is a mistake or an attack."""


class _Loader(yaml.SafeLoader):
    # Aliases let a kilobyte unfold to gigabytes, tags call constructors that fail in ways of their own, and of a
    # duplicate key the first value would vanish without a word.
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        peek: Callable[[], yaml.Event] = self.peek_event
        if isinstance(peek(), yaml.AliasEvent):
            raise _surprise("an alias (`*name`); write the value out", peek())
        if getattr(peek(), "tag", None) is not None:
            raise _surprise("an explicit tag (`!name`); leave it out", peek())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise _surprise(f"the key {str(key.value)!a:.80} twice", key)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _surprise(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def read_mapping(text: str, source: str) -> dict[Any, Any]:
    """The mapping in that text. RefusedError (`spec.file`, `spec.yaml`) names `source` and the line."""
    if len(text.encode(errors="surrogatepass")) > LARGEST_BYTES:
        raise RefusedError([_too_large(source)])
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader that takes less
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else "some line"
        raise RefusedError([_not_yaml(source, f"{line} has {error.problem or error.context}")]) from error
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", "characters that YAML does not take")
        raise RefusedError([_not_yaml(source, f"it has {reason}")]) from error
    except ValueError as error:  # a number or date in form but not in fact, such as the 45th of the 13th month
        raise RefusedError([_not_yaml(source, f"a value cannot be had: {str(error)[:80]}")]) from error
    except RecursionError as error:
        raise RefusedError([_not_yaml(source, "it is nested too deeply")]) from error
    if not isinstance(found, dict):
        kind = "nothing" if found is None else f"a {type(found).__name__}"
        raise RefusedError([_not_yaml(source, f"it holds {kind} where a mapping of keys to values is due")])
    return found


def read_text(path: Path) -> str:
    """The file's text. RefusedError (`spec.file`) when it cannot be read, is too large, or is not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        fix = f"write the file, or name another one than `{path}`"
        raise RefusedError([Refusal(str(path), "spec.file", f"It cannot be read: {error.strerror}.", fix)]) from error
    if len(data) > LARGEST_BYTES:
        raise RefusedError([_too_large(str(path))])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"Byte {error.start} ({data[error.start]:#04x}) is not UTF-8."
        raise RefusedError([Refusal(str(path), "spec.file", message, "save the file as UTF-8")]) from error


def _too_large(source: str) -> Refusal:
    message = f"It is larger than {LARGEST_BYTES:,} bytes, more than any Zone needs."
    return Refusal(source, "spec.file", message, "check that this is the right file, or split the Zone")


def _not_yaml(source: str, problem: str) -> Refusal:
    message = f"This is not YAML that we take: {problem}."
    return Refusal(source, "spec.yaml", message, "mend that line; keys are `name: value`, indented by two spaces")
