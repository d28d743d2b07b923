"""The way out where a spec does not say what you need: set single inputs of what is declared, typed by its SDK."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import pulumi
from pulumi import _types as sdk_types  # the only place that knows inputs' names on the wire

Inputs = TypeVar("Inputs")


def change(
    kind: type[pulumi.CustomResource], inputs: type[Inputs], how: Callable[[Inputs], None], names: str = "*"
) -> None:
    """Before `declare`: let `how` set inputs of every resource of that kind whose name fits the pattern `names`.

    `kind` and `inputs` are the SDK's own, as `ec2.Instance` and `ec2.InstanceArgs`, so that a type checker knows every
    input. `how` gets an empty one: what it sets is put over what hdinfra declares, nested inputs one by one, and all
    else stays. RunError for an input that the SDK does not know. Upgrades are proven for what hdinfra declares alone:
    preview before you change what holds data.
    """
    token = pulumi.get_type_token(kind)

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != token or not fnmatchcase(args.name, names):
            return None
        # None keeps the options: given back, those of a Machine end the run, for the SDK writes a replacement trigger
        # as another type than it reads (pulumi 3.272, `_transformation_resource_options`).
        kept: Any = None
        return pulumi.ResourceTransformResult(changed(args.props, asked_of(inputs, how)), kept)

    pulumi.runtime.register_resource_transform(transform)


def asked_of(inputs: type[Inputs], how: Callable[[Inputs], None]) -> Mapping[str, Any]:
    """What `how` sets, by names on the wire."""
    asked = inputs.__new__(inputs)  # without what its constructor requires: only what changes is said
    how(asked)
    known = sdk_types.input_type_py_to_pulumi_names(inputs)
    for name in sorted(vars(asked).keys() - known.keys()):
        nearest = get_close_matches(name, known, n=1, cutoff=0)[0]
        raise pulumi.RunError(f"`{inputs.__name__}` has no input `{name}`; fix: write `{nearest}`")
    return sdk_types.input_type_to_dict(asked)


def changed(declared: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The declared inputs with what is asked put over them."""
    return {**declared, **{name: _over(declared.get(name), value) for name, value in asked.items()}}


def _over(declared: object, asked: object) -> object:
    if not sdk_types.is_input_type(type(asked)):
        return asked
    inner = sdk_types.input_type_to_dict(asked)
    return changed(declared if isinstance(declared, Mapping) else {}, inner)
