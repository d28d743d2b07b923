"""Recorded inputs against the SDK's own types: the slips that a dictionary of inputs lets through."""

import inspect
import types
from collections.abc import Awaitable, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import pulumi
from pydantic import ConfigDict, TypeAdapter, ValidationError

from hdinfra.testing.graph import Graph, Registered

_NOT_INPUTS = frozenset({"self", "resource_name", "opts"})
# `pulumi.Input[T]` carries "Output[T]" as text, to be looked up where the type is used.
_NAMES = {"Output": pulumi.Output, "T": Any}


def wrong_inputs(graph: Graph, classes: Mapping[str, type[pulumi.CustomResource]]) -> tuple[str, ...]:
    """Every input of these types that the class does not take: unknown, missing or of another kind."""
    return tuple(
        f"{resource.name}.{slip}"
        for resource in graph.resources
        if resource.type in classes
        for slip in _slips(resource, classes[resource.type])
    )


def _slips(resource: Registered, class_: type[pulumi.CustomResource]) -> list[str]:
    kinds = {_camel(name): kind for name, kind in get_type_hints(class_.__init__, localns=_NAMES).items()}
    parameters = inspect.signature(class_.__init__).parameters.values()
    taken = {_camel(p.name): p.default is not p.empty for p in parameters if p.name not in _NOT_INPUTS}
    given = {name: value for name, value in resource.inputs.items() if value is not None}
    return [
        *(f"{name}: unknown" for name in sorted(given.keys() - taken.keys())),
        *(f"{name}: missing" for name, optional in sorted(taken.items()) if not optional and name not in given),
        *(
            f"{name}: {slip}"
            for name in sorted(given.keys() & taken.keys())
            for slip in _kind(given[name], kinds[name])
        ),
    ]


def _kind(value: object, kind: Any) -> list[str]:
    # Strict, because lax would take "8080" for a number; numbers alone are one kind on the wire.
    try:
        TypeAdapter(_plain(kind), config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as wrong:
        return [".".join(map(str, error["loc"])) + " " + error["msg"] for error in wrong.errors()]
    return []


def _plain(kind: Any) -> Any:
    """The type with every `Input[T]` taken down to its T."""
    arguments = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        kept = [_plain(a) for a in arguments if get_origin(a) not in (Awaitable, pulumi.Output)]
        return Union[tuple(kept)]  # noqa: UP007  built at run time
    if get_origin(kind) is not None and arguments:
        return get_origin(kind)[tuple(_plain(argument) for argument in arguments)]
    return kind


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
