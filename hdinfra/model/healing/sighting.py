"""Who saw which Cluster how: from what API machines answer to sightings. Ages are measured by each witness itself."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LIVE_SECONDS = 15.0
"""Machines report every 10 s; who is silent for longer than this is not heard of (control/rollout.py says the same)."""

EDGE = "load-balancer"
"""The role of an edge's machines, as API machines tell it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """`witness` is a machine that stands in the Cluster or place `stands`; what it saw of `cluster` is `age` seconds
    old by the clocks of those who say so, never by a comparison of two clocks."""

    witness: str
    stands: str
    cluster: str
    up: bool
    age: float

    @property
    def said(self) -> str:
        """For people."""
        return f"{self.witness} sees `{self.cluster}` {'up' if self.up else 'down'} ({self.age:.0f} s ago)"


def sightings_of(answers: Mapping[str, Mapping[str, Any]], withdrawn: Collection[str] = ()) -> tuple[Sighting, ...]:
    """From every API machine's own `/v1/machines`, by its name: what they heard, and what the edges told them.

    No policy is for the machines of a withdrawn Cluster any more, so theirs are known by the prefix that all carry.
    """
    found = [*_heard(answers, withdrawn), *_of_edges(answers)]
    return tuple(sorted(found, key=lambda one: (one.cluster, one.witness)))


def silent_edges(answers: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Every edge of ours that API machines know, where none of them heard of any lately; none where one was heard, and
    in a Zone that has none."""
    rows = [row for answer in answers.values() for row in answer["machines"] if row["role"] == EDGE]
    if any(row["seen_seconds"] is not None and row["seen_seconds"] <= LIVE_SECONDS for row in rows):
        return ()
    return tuple(sorted({row["name"] for row in rows}))


def _heard(answers: Mapping[str, Mapping[str, Any]], withdrawn: Collection[str]) -> Iterator[Sighting]:
    """An API machine sees of a Cluster what it heard from it last; one that never heard of it says nothing."""
    for api, answer in answers.items():
        rows = answer["machines"]
        stands = next((row["cluster"] for row in rows if row["name"] == api), "")
        last: dict[str, float] = {}
        for row in rows:
            cluster = row["cluster"] or next((one for one in withdrawn if row["name"].startswith(f"{one}-")), "")
            if cluster and row["name"] != api and row["seen_seconds"] is not None:
                last[cluster] = min(row["seen_seconds"], last.get(cluster, row["seen_seconds"]))
        for cluster, age in last.items():
            is_up = age <= LIVE_SECONDS
            # That somebody is silent is known now, not when he was last heard.
            yield Sighting(api, stands, cluster, is_up, age if is_up else 0.0)


def _of_edges(answers: Mapping[str, Mapping[str, Any]]) -> Iterator[Sighting]:
    """An edge's word counts once, however many API machines pass it on, and only while the edge itself is heard."""
    latest: dict[str, Mapping[str, Any]] = {}
    for answer in answers.values():
        for row in answer["machines"]:
            age = row["seen_seconds"]
            if not row.get("clusters") or age is None or age > LIVE_SECONDS:
                continue
            if row["name"] not in latest or age < latest[row["name"]]["seen_seconds"]:
                latest[row["name"]] = row
    for name, row in latest.items():
        for cluster, servers in row["clusters"].items():
            yield Sighting(name, row["cluster"], cluster, servers["up"] > 0, row["seen_seconds"])
