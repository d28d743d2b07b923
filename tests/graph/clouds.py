"""Zones on one cloud alone, for the tests of its adapter: as many operators as regions, which no real catalogue has."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pulumi
import yaml

from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD, plan_zone
from hdinfra.model.regions import Catalogue, load_catalogue
from hdinfra.model.spec import Provider, ZoneSpec
from hdinfra.testing import Graph, Registered

SHAPES = Path(__file__).parent / "shapes"


def of_many_operators(provider: Provider) -> Catalogue:
    """The shipped tables, but each region of this provider is an operator of its own."""
    shipped = load_catalogue()
    apart = {
        key: replace(region, operator=f"{region.operator}-{region.name}") if region.provider is provider else region
        for key, region in shipped.regions.items()
    }
    return replace(shipped, regions=apart)


def plan_on(provider: Provider, text: str, held: Held = NOTHING_HELD) -> ZonePlan:
    """The plan of a spec in YAML whose Clusters and places are all on that provider."""
    return plan_zone(ZoneSpec.model_validate(yaml.safe_load(text)), held, of_many_operators(provider))


def sdk_classes(graph: Graph, package: str, module: str) -> dict[str, type[pulumi.CustomResource]]:
    """The SDK's class of every type of that package in the graph, its provider's too."""
    tokens = {one.type for one in graph.resources if one.type.startswith(f"{package}:")}
    classes = {token: _class(token, module) for token in tokens}
    return {**classes, f"pulumi:providers:{package}": import_module(module).Provider}


def shape_text(graph: Graph) -> str:
    """Type token, name and parent of everything, as tests/graph/shapes keeps it."""
    return "".join(f"{type_} {name} < {parent or 'stack'}\n" for type_, name, parent in graph.shape())


def registered(type_: str, name: str, inputs: Mapping[str, Any]) -> Registered:
    """A resource that no program registered."""
    return Registered(
        urn=f"urn:pulumi:stack::project::{type_}::{name}",
        type=type_,
        name=name,
        parent="",
        custom=True,
        provider=None,
        inputs=inputs,
        secrets=frozenset(),
        depends_on=frozenset(),
        outputs=(),
        request=None,
    )


def graph_of(resources: Iterable[Registered]) -> Graph:
    """A graph made by hand."""
    return Graph(tuple(resources), {})


def _class(token: str, module: str) -> type[pulumi.CustomResource]:
    _, place, name = token.split(":")
    found: type[pulumi.CustomResource] = getattr(import_module(f"{module}.{place.partition('/')[0]}"), name)
    return found
