"""What the Python SDK of a provider says of the inputs of its resources, in its own docstrings."""

import inspect
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ForwardRef, get_args

import pulumi
from pulumi import _types

NESTING = 5  # the deepest block of the SDKs in use has four levels; a type that holds itself ends here


def class_of(path: str) -> type[pulumi.CustomResource]:
    """The resource class at `package.module.Class`."""
    module, _, name = path.rpartition(".")
    with warnings.catch_warnings():
        # Modules warn of their own older classes.
        warnings.simplefilter("ignore", DeprecationWarning)
        found: type[pulumi.CustomResource] = getattr(import_module(module), name)
    return found


def token_of(resource: type[pulumi.CustomResource]) -> str:
    """Its type token, such as `aws:ec2/instance:Instance`."""
    token: str = vars(resource)["pulumi_type"]
    return token


def documented(resource: type[pulumi.CustomResource], nesting: int = NESTING) -> dict[str, str]:
    """Path of every input, nested ones with dots and without list indices, to its docs in one line."""
    module = sys.modules[resource.__module__]
    # Where a nested type has taken the usual name, the generator gives this one.
    names = (f"{resource.__name__}InitArgs", f"{resource.__name__}Args")
    arguments = next(getattr(module, name) for name in names if hasattr(module, name))
    return dict(_inputs(arguments, "", nesting))


def _inputs(arguments: type, prefix: str, deeper: int) -> Iterator[tuple[str, str]]:
    kinds = inspect.get_annotations(vars(arguments)["__init__"])
    for name, key in _types.input_type_py_to_pulumi_names(arguments).items():
        yield f"{prefix}{key}", " ".join((getattr(arguments, name).__doc__ or "").split())
        for nested in _nested(kinds.get(name), vars(sys.modules[arguments.__module__])) if deeper else ():
            yield from _inputs(nested, f"{prefix}{key}.", deeper - 1)


def _nested(kind: Any, names: dict[str, Any]) -> Iterator[type]:
    """The input types that a type hint mentions, each once."""
    seen = set()
    for part in _parts(kind):
        found = names.get(part.__forward_arg__) if isinstance(part, ForwardRef) else part
        if inspect.isclass(found) and _types.is_input_type(found) and found not in seen:
            seen.add(found)
            yield found


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for argument in get_args(kind):
        yield from _parts(argument)
