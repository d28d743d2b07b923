"""What a graph on DigitalOcean must keep, for which nobody has published rules; each names what breaks it.

After CIS: AWS Foundations 7.0, 6.2-6.4 (no admin port open to the world, in either family) and 6.5 (nothing is open
because nobody closed it); GCP 4.0, 4.3 and 4.5 (no keys of others, no other way in). Volumes are always encrypted
(6.1.1); flow logs (4.7) and IMDSv2 (6.7) do not exist there.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hdinfra.testing import Graph, Registered

DROPLET = "digitalocean:index/droplet:Droplet"
FIREWALL = "digitalocean:index/firewall:Firewall"
BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
OBJECT = "digitalocean:index/spacesBucketObject:SpacesBucketObject"
WORLD = {"0.0.0.0/0", "::/0"}
_PUBLIC = {("tcp", "80"), ("tcp", "443"), ("icmp", None)}
_OUT = {("icmp", None), *(("tcp", port) for port in ("53", "80", "443", "9000", "1-65535"))} | {
    ("udp", port) for port in ("53", "67", "123", "547")
}


def open_to_the_world(graph: Graph) -> tuple[str, ...]:
    """A rule lets the world in at another port than 80 and 443."""
    return _broken(graph.of_type(FIREWALL), lambda made: _world_rules(made) <= _PUBLIC)


def one_family_alone(graph: Graph) -> tuple[str, ...]:
    """Something is open to the world in one family only."""
    return _broken(graph.of_type(FIREWALL), lambda made: all(_both(rule) for rule in _rules(made)))


def wide_way_out(graph: Graph) -> tuple[str, ...]:
    """A rule lets out more than resolving, the time, packages, the management API and, for proxies, TCP."""
    return _broken(graph.of_type(FIREWALL), lambda made: {_port(rule) for rule in _of(made, "outboundRules")} <= _OUT)


def behind_no_firewall(graph: Graph) -> tuple[str, ...]:
    """A Droplet has no tag that a firewall has: everything is open to it and from it."""
    tags = {tag for made in graph.of_type(FIREWALL) for tag in made.inputs.get("tags", ())}
    return _broken(graph.of_type(DROPLET), lambda made: bool(tags & set(made.inputs.get("tags", ()))))


def another_way_in(graph: Graph) -> tuple[str, ...]:
    """SSH keys, or DigitalOcean's agent for its console, which brings keys of its own."""
    return _broken(
        graph.of_type(DROPLET), lambda made: made.inputs.get("dropletAgent") is False and not made.inputs.get("sshKeys")
    )


def told_in_plain(graph: Graph) -> tuple[str, ...]:
    """User data is no secret of the stack's."""
    return _broken(graph.of_type(DROPLET), lambda made: "userData" in made.secrets)


def listed_by_anybody(graph: Graph) -> tuple[str, ...]:
    """A bucket is public itself, or something is public that is no signed bundle."""
    return (
        *_broken(graph.of_type(BUCKET), lambda made: made.inputs.get("acl", "private") == "private"),
        *_broken(
            graph.of_type(OBJECT),
            lambda made: made.inputs.get("acl", "private") == "private" or str(made.inputs["key"]).endswith(".tar"),
        ),
    )


RULES: tuple[Callable[[Graph], tuple[str, ...]], ...] = (
    open_to_the_world,
    one_family_alone,
    wide_way_out,
    behind_no_firewall,
    another_way_in,
    told_in_plain,
    listed_by_anybody,
)


def _broken(resources: Iterable[Registered], keeps: Callable[[Registered], bool]) -> tuple[str, ...]:
    return tuple(made.name for made in resources if not keeps(made))


def _of(made: Registered, direction: str) -> list[Mapping[str, Any]]:
    return list(made.inputs.get(direction, ()))


def _rules(made: Registered) -> list[Mapping[str, Any]]:
    return [*_of(made, "inboundRules"), *_of(made, "outboundRules")]


def _ends(rule: Mapping[str, Any]) -> set[str]:
    return {*rule.get("sourceAddresses", ()), *rule.get("destinationAddresses", ())}


def _world_rules(made: Registered) -> set[tuple[str, str | None]]:
    return {_port(rule) for rule in _of(made, "inboundRules") if _ends(rule) & WORLD}


def _both(rule: Mapping[str, Any]) -> bool:
    return _ends(rule) & WORLD in (WORLD, set())


def _port(rule: Mapping[str, Any]) -> tuple[str, str | None]:
    return rule["protocol"], rule.get("portRange")
