"""Labels, tags and ids as Linode takes them.

Labels are an account's own, so each has a digest of whose it is: two stacks in one account never meet.
"""

import re
from collections.abc import Mapping

import pulumi

from hdinfra.clouds.cloud import Ground
from hdinfra.clouds.names import cut
from hdinfra.clouds.options import extended
from hdinfra.model.plan import MachinePlan

SHORT, LONG = 32, 63
"""Characters of a label: of firewalls, volumes and NodeBalancers, and of all else (a bucket's is a host label)."""

_TAG = 50  # characters


def label(name: str, ground: Ground, limit: int = LONG) -> str:
    """The same at every run, and another one in another region: what moves there stands beside what it leaves."""
    scope = ground.scope
    return cut(name, "/".join((scope.project, scope.stack, name, ground.place.region)), limit)


def tags_of(ground: Ground, plan: MachinePlan | None = None) -> list[str]:
    """Whose it is, and of which Machine; without one, of which Cluster or place."""
    place = {"hdinfra.zone": ground.scope.zone, "hdinfra.place": ground.name}
    return _tags({**ground.scope.own_labels, **(ground.scope.labels(plan) if plan else place)})


def held(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """Of an address: that no change of a tag makes it another one, which nobody says of them (docs/upgrades.md)."""
    return extended(opts, ignore_changes=["tags"])


def number(native: pulumi.Output[str]) -> pulumi.Output[int]:
    """Linode's ids are numbers, Pulumi's are text."""
    return native.apply(int)


def _tags(labels: Mapping[str, str]) -> list[str]:
    """`hdinfra-zone:india`: lower case, for Linode takes no notice of it."""
    pairs = (f"{key.replace('.', '-')}:{value}" for key, value in sorted(labels.items()))
    return [re.sub(r"[^a-z0-9:_-]", "-", pair.lower())[:_TAG] for pair in pairs]
