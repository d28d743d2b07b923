"""Which Clusters an Instance runs in, and with how many Machines in each, so that any one operator may vanish."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from hdinfra.model.held import HeldInstance
from hdinfra.model.plan import Size
from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import InstanceSpec


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Cluster that may take an Instance's Machines. `price` is that of one Machine there, in millionths an hour:
    whole numbers, so that equal costs compare equal. `avoided`: only an Instance that stands there already stays."""

    cluster: str
    operator: str
    size: Size
    price: int
    limit: int
    avoided: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """An Instance's Clusters, sorted by name, and the Machines that each of them holds."""

    candidates: tuple[Candidate, ...]
    machines_per_cluster: int

    def held(self, instance: InstanceSpec | None) -> HeldInstance:
        """What must not drift until the next run; None stands for the management API, which is no Instance."""
        return HeldInstance(
            clusters=tuple(candidate.cluster for candidate in self.candidates),
            machines_per_cluster=self.machines_per_cluster,
            size=",".join(sorted({candidate.size.name for candidate in self.candidates})),
            tenant=instance.owner if instance else None,
            volume_gib=instance.volume_gib if instance else None,
        )


def survivors(candidates: Sequence[Candidate]) -> int:
    """How many of these Clusters stay when the operator that holds most of them is gone."""
    return len(candidates) - max(Counter(candidate.operator for candidate in candidates).values(), default=0)


def machines_each(instance: InstanceSpec, staying: int) -> int:
    """Machines in each Cluster so that `staying` Clusters carry the load alone."""
    return instance.machines_per_cluster or -(-instance.capacity // max(staying, 1))


def _suffices(instance: InstanceSpec, candidates: Sequence[Candidate]) -> bool:
    staying = survivors(candidates)
    each = machines_each(instance, staying)
    return each * staying >= instance.capacity and all(each <= candidate.limit for candidate in candidates)


def _rank(instance: str, candidate: Candidate) -> tuple[int, bytes, str]:
    # Rendezvous hashing (Thaler and Ravishankar, 1998): equal prices spread over Clusters, and a Cluster that comes
    # or goes changes the order of no others.
    return candidate.price, sha256(f"{instance}\0{candidate.cluster}".encode()).digest(), candidate.cluster


def _one_an_operator(instance: InstanceSpec, candidates: Mapping[str, Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    open_to_it = (candidate for candidate in candidates.values() if not candidate.avoided)
    for candidate in sorted(open_to_it, key=lambda c: _rank(instance.name, c)):
        best.setdefault(candidate.operator, candidate)
    return list(best.values())


def _cheapest(instance: InstanceSpec, ranked: Sequence[Candidate]) -> Sequence[Candidate]:
    costs: list[tuple[int, int]] = []
    prices = 0
    for number, candidate in zip(count(1), ranked, strict=False):
        prices += candidate.price
        if number > 1 and _suffices(instance, ranked[:number]):
            costs.append((machines_each(instance, number - 1) * prices, number))
    return ranked[: min(costs)[1]] if costs else ranked


def _extended(
    instance: InstanceSpec, kept: Sequence[Candidate], ranked: Sequence[Candidate], wanted: int
) -> Sequence[Candidate]:
    chosen = list(kept)
    operators = {candidate.operator for candidate in kept}
    for candidate in ranked:
        if len(chosen) >= wanted and _suffices(instance, chosen):
            break
        if candidate.operator not in operators:
            chosen.append(candidate)
    return chosen


def _chosen(
    instance: InstanceSpec, candidates: Mapping[str, Candidate], held: HeldInstance | None
) -> Sequence[Candidate]:
    if instance.clusters is not None:
        return [candidates[name] for name in set(instance.clusters) if name in candidates]
    if held is None:
        return _cheapest(instance, _one_an_operator(instance, candidates))
    kept = [candidates[name] for name in set(held.clusters) if name in candidates]
    wanted = max(2, len(set(held.clusters)))
    if len(kept) == wanted and _suffices(instance, kept):
        return kept
    return _extended(instance, kept, _one_an_operator(instance, candidates), wanted)


def place(
    instance: InstanceSpec, path: str, candidates: Mapping[str, Candidate], held: HeldInstance | None
) -> Placement | tuple[Refusal, ...]:
    """Spread one Instance so that any one Cluster and any one operator may vanish and `capacity` Machines stay.

    `candidates` by Cluster name, without withdrawn ones. The user's `clusters` are taken as they are; the planner's
    own choice takes one Cluster an operator, as many as cost least. Refuses `instance.two-clusters`,
    `instance.two-operators` and `instance.headroom`.
    """
    chosen = sorted(_chosen(instance, candidates, held), key=lambda candidate: candidate.cluster)
    if refusals := tuple(_refusals(instance, path, chosen, candidates)):
        return refusals
    return Placement(tuple(chosen), machines_each(instance, survivors(chosen)))


def _refusals(
    instance: InstanceSpec, path: str, chosen: Sequence[Candidate], candidates: Mapping[str, Candidate]
) -> Iterator[Refusal]:
    operators = {candidate.operator for candidate in chosen}
    if len(operators) >= 2:
        if not _suffices(instance, chosen):
            yield _headroom(instance, path, chosen)
        return
    # An own choice takes one Cluster an operator: what is missing shows in the Clusters that it had to choose from.
    seen = chosen if instance.clusters is not None else [one for one in candidates.values() if not one.avoided]
    names = ", ".join(f"`{name}`" for name in sorted({candidate.cluster for candidate in seen}))
    if len(seen) < 2:
        found = f"can run in one Cluster only ({names})" if seen else "has no Cluster that takes its Machines"
        yield Refusal(
            f"{path}.clusters",
            "instance.two-clusters",
            f"`{instance.name}` {found}, so the loss of a single data centre takes it down.",
            _more_clusters(instance, seen, candidates),
        )
        return
    yield Refusal(
        f"{path}.clusters",
        "instance.two-operators",
        f"`{instance.name}` runs in {names}, all of operator `{seen[0].operator}`, whose failure takes it down whole.",
        _more_clusters(instance, seen, candidates),
    )


def _more_clusters(instance: InstanceSpec, seen: Sequence[Candidate], candidates: Mapping[str, Candidate]) -> str:
    operators = {candidate.operator for candidate in seen}
    others = sorted(name for name, candidate in candidates.items() if candidate.operator not in operators)
    if instance.clusters is None or not others:
        return "add a Cluster of another operator under `clusters` of the Zone, or let a withdrawn one back in"
    names = ", ".join([*(candidate.cluster for candidate in seen), others[0]])
    return f"write `clusters: [{names}]`, or drop `clusters` and let the planner choose"


def _headroom(instance: InstanceSpec, path: str, chosen: Sequence[Candidate]) -> Refusal:
    staying = survivors(chosen)
    each, needed = machines_each(instance, staying), -(-instance.capacity // staying)
    limit = min(candidate.limit for candidate in chosen)
    key = "machines_per_cluster" if instance.machines_per_cluster else "capacity"
    if each * staying < instance.capacity:
        message = (
            f"`{instance.name}` needs {instance.capacity} Machines, but {each} in each of {len(chosen)} Clusters leave "
            f"{each * staying} when the largest operator is gone."
        )
    else:
        message = f"`{instance.name}` would put {each} Machines into one Cluster; its provider takes {limit} at most."
    if needed <= limit:
        fix = f"write `machines_per_cluster: {needed}`, or drop it and let the planner decide"
    else:
        fix = f"add Clusters of other operators, or write `capacity: {limit * staying}`"
    return Refusal(f"{path}.{key}", "instance.headroom", message, fix)
