"""A recorded graph as the flat Pulumi program that somebody would write by hand for the same resources."""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import pulumi
from pulumi import _types

from hdinfra.testing import Graph, Registered
from hdinfra.testing.wire import SIGNATURE, plain

ASSET = "c44067f5952c0a294b673a41bacd8c17"
"""Marks an asset among the engine's special values (sdk/go/common/resource/sig)."""
_PARAMETERS_NOT_INPUTS = frozenset({"self", "__self__", "__props__", "resource_name", "opts"})


def flat_program(graph: Graph, package: str, module: str) -> str:
    """Only the submodules that are used are imported, and what they made is kept out of collections, as we do."""
    imports = "\n".join(imports_of(graph, package, module))
    return f"import gc\n\nimport pulumi\n{imports}\n\ngc.freeze()\n{_WITHOUT_ALIASES}{_body(graph, package, module)}"


_WITHOUT_ALIASES = """
def transformed(args):
    args.opts.aliases = None
    return pulumi.ResourceTransformationResult(args.props, args.opts)


pulumi.runtime.register_stack_transformation(transformed)
"""
"""Neither program has aliases, of which the SDKs bring along some, and Azure's many."""


def naive_program(graph: Graph, package: str, module: str) -> str:
    """The same with the whole SDK imported and nothing set."""
    return f"import pulumi\n{whole_sdk(module)}\n{_body(graph, package, module)}"


def whole_sdk(module: str) -> str:
    """What imports an SDK with everything in it, though some of them import their parts at first use."""
    return (
        f"import importlib, pkgutil\nimport {module}\n"
        # A part that is lazy is loaded when it is asked for an attribute that it does not have yet.
        f"for part in pkgutil.iter_modules({module}.__path__):\n"
        f'    getattr(importlib.import_module(f"{module}.{{part.name}}"), "anything", None)\n'
    )


def imports_of(graph: Graph, package: str, module: str) -> list[str]:
    """One import for each submodule in use; by name, for a module by itself would be loaded at its first use."""
    homes = _homes(graph, package) - {("index", "Provider")}
    parts = {place: sorted(name for at, name in homes if at == place) for place, _ in sorted(homes)}
    return [
        f"import {module}",
        *(f"from {module}{'' if part == 'index' else f'.{part}'} import {', '.join(parts[part])}" for part in parts),
        f"from {module} import Provider",
    ]


def _homes(graph: Graph, package: str) -> set[tuple[str, str]]:
    """Submodule and class of every type of the package."""
    return {_home(one.type) for one in graph.resources if one.type.startswith(f"{package}:")}


def _home(token: str) -> tuple[str, str]:
    _, place, name = token.split(":")
    return place.partition("/")[0], name


def _body(graph: Graph, package: str, module: str) -> str:
    """In the order of registration, in which everything comes after what it refers to."""
    variables = {one.urn: f"r{number}" for number, one in enumerate(graph.resources)}
    lines = (f"{variables[one.urn]} = {_call(one, variables, package, module)}" for one in graph.resources)
    return "\n".join(lines) + "\n"


def _call(one: Registered, variables: Mapping[str, str], package: str, module: str) -> str:
    options = f"pulumi.ResourceOptions({', '.join(_options(one, variables))})"
    if not one.custom:
        return f"pulumi.ComponentResource({one.type!r}, {one.name!r}, opts={options})"
    if one.is_provider and not one.type.endswith(f":{package}"):
        return f"pulumi.ProviderResource({one.type.rpartition(':')[2]!r}, {one.name!r}, {{}}, {options})"
    if one.is_provider or one.type.startswith(f"{package}:"):
        path = f"{module}.Provider" if one.is_provider else _path(module, one.type)
        inputs = ", ".join(f"{key}={value}" for key, value in _keywords(one, module))
        return f"{path}({one.name!r}, {inputs + ', ' if inputs else ''}opts={options})"
    values = ", ".join(f"{key!r}: {_literal(one, key, value)}" for key, value in one.inputs.items())
    return f"pulumi.CustomResource({one.type!r}, {one.name!r}, {{{values}}}, {options})"


def _path(module: str, token: str) -> str:
    place, name = _home(token)
    return f"{module}.{name}" if place == "index" else f"{module}.{place}.{name}"


def _keywords(one: Registered, module: str) -> Iterator[tuple[str, str]]:
    class_ = _class(one, module)
    names = {engines: name for name, engines in _engine_names(class_).items()}
    for key, value in one.inputs.items():
        yield names[key], _literal(one, key, value)


def _engine_names(class_: type[pulumi.CustomResource]) -> dict[str, str]:
    """Parameters to what the engine calls them, which a class of arguments knows: such as `publicIPAddressVersion`.

    Our own SDK has no such classes, and no such names.
    """
    module = import_module(class_.__module__)
    found = (getattr(module, f"{class_.__name__}{ending}", None) for ending in ("InitArgs", "Args"))
    arguments: Any = next((each for each in found if each and _types.is_input_type(each)), None)
    known = _types.input_type_py_to_pulumi_names(arguments) if arguments else {}
    return {name: known.get(name, _camel(name)) for name in _parameters(class_)}


def _class(one: Registered, module: str) -> type[pulumi.CustomResource]:
    place, name = ("index", "Provider") if one.is_provider else _home(one.type)
    found: type[pulumi.CustomResource] = getattr(
        import_module(module if place == "index" else f"{module}.{place}"), name
    )
    return found


def _parameters(class_: type[pulumi.CustomResource]) -> Iterable[str]:
    own = vars(class_)
    constructor: Any = own["_internal_init"] if "_internal_init" in own else own["__init__"]
    return [name for name in inspect.signature(constructor).parameters if name not in _PARAMETERS_NOT_INPUTS]


def _literal(one: Registered, key: str, value: Any) -> str:
    secret = any(path == key or path.startswith((f"{key}.", f"{key}[")) for path in one.secrets)
    if one.is_provider:
        text = repr(_configured(value))
    elif isinstance(value, dict) and value.get(SIGNATURE) == ASSET:
        text = f"pulumi.FileAsset({value['path']!r})"
    else:
        text = repr(value)
    return f"pulumi.Output.secret({text})" if secret else text


def _configured(value: str) -> Any:
    """A provider's configuration reaches the engine as text; what was none is told as JSON."""
    return json.loads(value) if value in ("true", "false") or value.startswith(("{", "[")) else value


def _options(one: Registered, variables: Mapping[str, str]) -> Iterator[str]:
    """What the graph and the engine's work hang on. Where an input is another's output, that is a dependency here."""
    request = one.request
    if one.parent in variables:
        yield f"parent={variables[one.parent]}"
    provider = request.provider.rpartition("::")[0]
    if provider in variables:
        yield f"provider={variables[provider]}"
    if after := [variables[urn] for urn in request.dependencies if urn in variables]:
        yield f"depends_on=[{', '.join(after)}]"
    if request.deletedWith in variables:
        yield f"deleted_with={variables[request.deletedWith]}"
    if request.ignoreChanges:
        yield f"ignore_changes={list(request.ignoreChanges)!r}"
    if request.additionalSecretOutputs:
        yield f"additional_secret_outputs={list(request.additionalSecretOutputs)!r}"
    if request.deleteBeforeReplace:
        yield "delete_before_replace=True"
    if request.retainOnDelete:
        yield "retain_on_delete=True"
    if request.HasField("replacement_trigger"):
        yield f"replacement_trigger={_trigger(request)!r}"


def _trigger(request: Any) -> Any:
    wrapped = type(request.object)()
    wrapped.fields["it"].CopyFrom(request.replacement_trigger)
    return plain(wrapped)[0]["it"]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
