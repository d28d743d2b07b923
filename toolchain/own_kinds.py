"""What our own provider plugins say of their inputs: each kind is asked what a change of one input alone takes."""

from collections.abc import Mapping
from typing import Any, cast

from hdinfra.plugins.kind import Difference, Kind
from hdinfra.plugins.licence.package import Licences
from hdinfra.plugins.local.package import LocalCloud
from hdinfra.plugins.metal.package import Servers
from hdinfra.plugins.policy.package import PolicyPath
from hdinfra.plugins.values import UNKNOWN

WELL: dict[str, Any] = {"running": True, "serving": True, "endsAt": float("inf")}
"""The state of a resource that needs no mending."""


def own_kinds() -> Mapping[str, Kind]:
    """By type token. No container engine is asked for: a difference is told without one."""
    nowhere = dict.fromkeys(LocalCloud.config.fields, "nowhere")
    return {
        **LocalCloud(cast(Any, object())).configure(nowhere),
        **PolicyPath().configure({}),
        **Licences().configure({}),
        **Servers().configure({}),
    }


def inputs_of(kind: Kind) -> frozenset[str]:
    """All of them, those that may be left out among them."""
    return frozenset(kind.inputs.fields) | frozenset(kind.inputs.optional)


def difference_of(kind: Kind, name: str) -> Difference:
    """What it takes when that input is another one."""
    return kind.diff(dict.fromkeys(inputs_of(kind), UNKNOWN), dict(WELL), frozenset({name}))


def verdict_of(kind: Kind, name: str) -> str:
    """replace, update, or ignore: what counts only when the resource is made."""
    found = difference_of(kind, name)
    if name in found.replaces:
        return "replace"
    return "update" if name in found.updates else "ignore"
