"""Which resources of a state lie in Clusters and places that must not be asked now, and how the engine is told."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hdinfra.operate.engine import Deployed


def urns_of(deployed: Deployed, apart: Collection[str]) -> tuple[str, ...]:
    """Everything of these Clusters and places, their providers included, by the prefix that all of it carries.

    A name may begin another one (`a` and `a-b`): each resource belongs to the longest that fits.
    """
    grounds = grounds_of(deployed)
    found = {str(one["urn"]) for one in deployed.resources if ground_of(str(one["urn"]), grounds) in apart}
    return tuple(sorted(found))


def excluding(urns: Collection[str]) -> Iterator[str]:
    """Options for an `up --refresh` that neither reads, changes nor deletes these; that their providers cannot be
    configured then is no failure."""
    for urn in urns:
        yield from ("--exclude", urn)


def grounds_of(deployed: Deployed) -> frozenset[str]:
    """Names of the Clusters and places that the state holds."""
    return frozenset(
        _name(one["urn"]).removesuffix("-provider") for one in deployed.resources if _is_provider_of_ground(one)
    )


def _is_provider_of_ground(resource: Mapping[str, Any]) -> bool:
    return str(resource["type"]).startswith("pulumi:providers:") and _name(resource["urn"]).endswith("-provider")


def ground_of(urn: str, grounds: Collection[str]) -> str:
    """In which of these it lies; empty where in none."""
    name = _name(urn)
    return max((ground for ground in grounds if name == ground or name.startswith(f"{ground}-")), key=len, default="")


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
