"""Names and labels as Google Cloud takes them (RFC 1035: lower-case letters, digits and dashes, 63 at most)."""

import re
from collections.abc import Mapping

from hdinfra.clouds.cloud import Ground, Scope
from hdinfra.clouds.names import cut

LONGEST = 63
"""Of a resource's name, a network tag, a label's key and its value (cloud.google.com/compute/docs/naming-resources)."""

_SUFFIX = 8  # what Pulumi's auto-naming adds: a dash and seven hexadecimal digits


def name_of(name: str, ground: Ground) -> str | None:
    """None, for Pulumi to choose one, unless that would be too long; then the same at every run, and nobody else's."""
    if len(name) + _SUFFIX <= LONGEST:
        return None
    scope = ground.scope
    return cut(name, "/".join((scope.project, scope.stack, name, ground.place.region)), LONGEST)


def tag_of(name: str) -> str:
    """A network tag, which only its own VPC knows."""
    return name if len(name) <= LONGEST else cut(name, name, LONGEST)


def labels_of(scope: Scope, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels whose keys start with a lower-case letter, all of lower-case letters, digits, dashes and underscores."""
    return {key.replace(".", "-"): _value(value) for key, value in sorted({**scope.own_labels, **labels}.items())}


def own_labels(ground: Ground) -> dict[str, str]:
    """Of what belongs to a Cluster or place as a whole."""
    return labels_of(ground.scope, {"hdinfra.zone": ground.scope.zone, "hdinfra.place": ground.name})


def _value(text: str) -> str:
    fitting = re.sub(r"[^a-z0-9_-]+", "-", text.lower())
    return fitting if fitting == text and len(text) <= LONGEST else cut(fitting, text, LONGEST)
