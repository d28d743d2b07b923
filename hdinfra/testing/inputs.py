"""Recorded inputs against the SDK's own types: the slips that a dictionary of inputs lets through."""

import inspect
import json
import sys
import types
from collections.abc import Awaitable, Mapping
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import pulumi
from pulumi._types import input_type_py_to_pulumi_names, is_input_type, is_output_type
from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict, is_typeddict  # before Python 3.12, pydantic takes no other

from hdinfra.testing.graph import Graph, Registered

_NOT_INPUTS = frozenset({"self", "__self__", "__props__", "resource_name", "opts"})
# `pulumi.Input[T]` carries "Output[T]" as text, to be looked up where the type is used.
_NAMES = {"Output": pulumi.Output, "T": Any}
_typed_dict: Any = TypedDict
_BEGUN: set[type] = set()
"""Classes whose shape is being made."""


def wrong_inputs(graph: Graph, classes: Mapping[str, type[pulumi.CustomResource]]) -> tuple[str, ...]:
    """Every input of these types that the class does not take: unknown, missing or of another kind."""
    return tuple(
        f"{resource.name}.{slip}"
        for resource in graph.resources
        if resource.type in classes
        for slip in _slips(resource, classes[resource.type])
    )


def _slips(resource: Registered, class_: type[pulumi.CustomResource]) -> list[str]:
    constructor, names = _constructor(class_), _engine_names(class_)
    kinds = {names.get(name, _camel(name)): kind for name, kind in get_type_hints(constructor, localns=_NAMES).items()}
    parameters = [p for p in inspect.signature(constructor).parameters.values() if p.name not in _NOT_INPUTS]
    taken = {names.get(p.name, _camel(p.name)): p.default is not p.empty for p in parameters}
    given = {name: value for name, value in resource.inputs.items() if value is not None}
    return [
        *(f"{name}: unknown" for name in sorted(given.keys() - taken.keys())),
        *(f"{name}: missing" for name, optional in sorted(taken.items()) if not optional and name not in given),
        *(
            f"{name}: {slip}"
            for name in sorted(given.keys() & taken.keys())
            for slip in _kind(_told(resource, given[name], kinds[name]), kinds[name])
        ),
    ]


def _constructor(class_: type) -> Any:
    """Where the parameters are named: generated classes have overloads in front."""
    return getattr(class_, "_internal_init", None) or getattr(class_, "__init__")  # noqa: B009  mypy: a class's own


def _engine_names(class_: type) -> Mapping[str, str]:
    """Parameters to the engine's names, where a class of arguments knows them: such as `diskSizeGB`."""
    module = vars(sys.modules[class_.__module__])
    found = (module.get(f"{class_.__name__}{ending}") for ending in ("InitArgs", "Args"))
    arguments = next((each for each in found if isinstance(each, type) and is_input_type(each)), None)
    return input_type_py_to_pulumi_names(arguments) if arguments else {}


def _told(resource: Registered, value: Any, kind: Any) -> Any:
    """A provider's configuration is text; what is no text to begin with is told as JSON."""
    if not (resource.is_provider and isinstance(value, str) and _kind(value, kind)):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _kind(value: object, kind: Any) -> list[str]:
    # Strict, because lax would take "8080" for a number; numbers alone are one kind on the wire.
    try:
        TypeAdapter(_plain(kind)).validate_python(value, strict=True)
    except ValidationError as wrong:
        return [".".join(map(str, error["loc"])) + " " + error["msg"] for error in wrong.errors()]
    return []


def _plain(kind: Any) -> Any:
    """The type with every `Input[T]` taken down to its T."""
    arguments = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        kept = [a for a in arguments if get_origin(a) not in (Awaitable, pulumi.Output)]
        return Union[tuple(map(_plain, _inputs_alone(kept)))]  # noqa: UP007  built at run time
    if get_origin(kind) is not None and arguments:
        return get_origin(kind)[tuple(_plain(argument) for argument in arguments)]
    return _plain_class(kind) if isinstance(kind, type) else kind


def _plain_class(class_: Any) -> Any:
    if issubclass(class_, pulumi.Asset | pulumi.Archive):
        return dict[str, Any]
    if is_typeddict(class_):
        return _written(class_)
    if issubclass(class_, Enum):
        return Literal[tuple(member.value for member in class_)]
    if is_input_type(class_):
        return _later(class_) if class_ in _BEGUN else _shape(class_)
    return class_


def _inputs_alone(kinds: list[Any]) -> list[Any]:
    """An object's class comes with its dictionary and its output: three names of one shape, or four."""
    objects = [kind for kind in kinds if isinstance(kind, type) and is_input_type(kind)]
    return [kind for kind in kinds if not _is_twin(kind)] if objects else kinds


def _is_twin(kind: Any) -> bool:
    return isinstance(kind, type) and (is_typeddict(kind) or is_output_type(kind))


@cache
def _shape(class_: Any) -> Any:
    """An input class as what the wire has: the engine's names, closed, required ones required."""
    _BEGUN.add(class_)
    module = vars(sys.modules[class_.__module__])
    kinds = get_type_hints(_constructor(class_), globalns=module, localns=_NAMES)
    parameters = inspect.signature(_constructor(class_)).parameters
    fields = {
        engines: (NotRequired if parameters[ours].default is not inspect.Parameter.empty else Required)[
            _plain(kinds[ours])
        ]
        for ours, engines in input_type_py_to_pulumi_names(class_).items()
        if ours in parameters
    }
    shape = _typed_dict(class_.__name__, fields)
    shape.__pydantic_config__ = ConfigDict(extra="forbid")
    _BEGUN.remove(class_)
    return shape


@cache
def _written(class_: Any) -> Any:
    """A dictionary that stands by itself, as SDKs of our own have them: the engine's names, closed."""
    kinds = get_type_hints(class_, localns=_NAMES)
    fields = {
        _camel(name): (Required if name in class_.__required_keys__ else NotRequired)[_plain(kind)]
        for name, kind in kinds.items()
    }
    shape = _typed_dict(class_.__name__, fields)
    shape.__pydantic_config__ = ConfigDict(extra="forbid")
    return shape


def _later(class_: Any) -> Any:
    """A class that somewhere down has itself among its fields, as Azure's networks have: looked at where one is."""

    def checked(value: object) -> object:
        if slips := _kind(value, class_):
            raise ValueError("; ".join(slips))
        return value

    return Annotated[Any, AfterValidator(checked)]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
