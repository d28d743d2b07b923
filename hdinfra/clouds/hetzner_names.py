"""How Hetzner's resources are named and labelled, and the addresses that outlive what has them."""

import re
from collections.abc import Mapping

import pulumi
from pulumi_hcloud import PrimaryIp

from hdinfra.clouds.cloud import Ground, Scope
from hdinfra.clouds.names import cut

LONGEST = 63
"""Of a server's name, which is a host label (RFC 1123), and of a label's value (docs.hetzner.cloud, labels)."""

_SUFFIX = 8  # what Pulumi's auto-naming adds: a dash and seven hexadecimal digits


def number_of(native: pulumi.Output[str]) -> pulumi.Output[int]:
    """Hetzner's ids are numbers, Pulumi's are text."""
    return native.apply(int)


def name_of(name: str, ground: Ground) -> str | None:
    """None, for Pulumi to choose one, unless that would be too long; then the same at every run, and nobody else's."""
    if len(name) + _SUFFIX <= LONGEST:
        return None
    scope = ground.scope
    return _short(name, "/".join((scope.project, scope.stack, name, ground.place.region)))


def _short(text: str, whole: str) -> str:
    return cut(text, whole, LONGEST, digits=_SUFFIX - 1)


def at(ground: Ground) -> dict[str, str]:
    """Labels of what is a Cluster's or place's, and no Machine's."""
    return {"hdinfra.zone": ground.scope.zone, "hdinfra.place": ground.name}


def labels_of(scope: Scope, labels: Mapping[str, str]) -> dict[str, str]:
    """As Hetzner takes them: up to 63 letters, digits, dashes, underscores and dots, at both ends a letter or digit."""
    return {key: _label(value) for key, value in sorted({**scope.own_labels, **labels}.items())}


def _label(value: str) -> str:
    fitting = re.sub(r"[^A-Za-z0-9_.-]+", "-", value).strip("-_.")
    return fitting if fitting == value and len(value) <= LONGEST else _short(fitting, value)


def primary_ip(
    name: str, family: str, labels: Mapping[str, str], ground: Ground, opts: pulumi.ResourceOptions
) -> PrimaryIp:
    """One public address, or in IPv6 a network of them, which is deleted with nothing else."""
    return PrimaryIp(
        name,
        name=name_of(name, ground),
        type=family,
        location=ground.place.region,  # the older `datacenter` is an error since July 2026
        auto_delete=False,
        labels=labels_of(ground.scope, labels),
        opts=opts,
    )
