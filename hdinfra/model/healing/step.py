"""One look further: what is known of each Cluster now, and the one thing that is to be done about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hdinfra.model.healing.memory import Alarm, Decision, Look, Memory, Nothing, Policy, Record, Withdraw
from hdinfra.model.healing.sighting import Sighting

HOUR_SECONDS = 3_600.0


class View(StrEnum):
    """What the witnesses of one Cluster say together."""

    UP = "up"
    DOWN = "down"
    SPLIT = "split"
    ALONE = "alone"
    UNKNOWN = "unknown"


def step(policy: Policy, memory: Memory, look: Look, now: float) -> tuple[Memory, Decision]:
    """The memory after this look, and the decision. `now` in seconds of the watcher's own clock; it never goes back.

    At most one Withdraw is pending at a time, and each costs one of the changes that an hour has.
    """
    now = max(now, memory.now)
    witnessed = (*look.clusters, *look.withdrawn)
    records = {name: _seen(policy, memory.records.get(name, Record()), name, look, now) for name in witnessed}
    changes = tuple(at for at in memory.changes if now - at < HOUR_SECONDS)
    memory = replace(memory, now=now, records=records, changes=changes)
    case = _Case(policy, memory, look)
    standing = list(case.alarms())
    keys = tuple(f"{alarm.code}/{alarm.cluster}" for alarm in standing)
    for alarm, key in zip(standing, keys, strict=True):
        if key not in memory.told:
            kept = tuple(told for told in memory.told if told in keys)
            return replace(memory, told=(*kept, key)), alarm
    memory = replace(memory, told=keys)
    decision = _Case(policy, memory, look).deed(standing)
    if isinstance(decision, Withdraw):
        memory = replace(memory, healing=decision.cluster, changes=(*changes, now))
    return memory, decision


def view_of(policy: Policy, record: Record, cluster: str, sightings: Sequence[Sighting], now: float) -> View:
    """What the witnesses outside that Cluster say. One who heard it last before the loss began does not contradict."""
    lasted = now - record.since if record.since is not None else 0.0
    votes = [one for one in sightings if one.cluster == cluster and one.stands != cluster]
    downs = {one.witness for one in votes if not one.up}
    ups = {one.witness for one in votes if one.up and (not downs or one.age < lasted)}
    if downs and ups:
        return View.SPLIT
    if ups:
        return View.UP
    if not downs:
        return View.UNKNOWN
    return View.DOWN if len(downs) >= policy.witnesses else View.ALONE


def _seen(policy: Policy, before: Record, cluster: str, look: Look, now: float) -> Record:
    if before.is_flapping:
        return before
    flips = tuple(at for at in before.flips if now - at < policy.flap_window_seconds)
    before = record = replace(before, flips=flips)
    match view_of(policy, before, cluster, look.sightings, now):
        case View.UP:
            record = replace(record, downs=0, splits=0, ups=before.ups + 1, since=None)
            if record.is_lost and record.ups >= policy.recovery_threshold:
                record = replace(record, is_lost=False, flips=(*flips, now))
        case View.DOWN:
            since = now if before.since is None else before.since
            record = replace(record, ups=0, splits=0, downs=before.downs + 1, since=since)
            if not record.is_lost and record.downs >= policy.failure_threshold:
                record = replace(record, is_lost=True, flips=(*flips, now))
        case View.SPLIT:
            record = replace(record, ups=0, downs=0, splits=before.splits + 1, since=_first(before, now))
        case View.ALONE:
            record = replace(record, ups=0, downs=0, since=_first(before, now))
        case View.UNKNOWN:
            record = replace(record, ups=0, downs=0)  # a loss that nobody sees now is not acted on now
    # The seventh switch is not made: from here on the Cluster counts as what it was, until a human says otherwise.
    if len(record.flips) > policy.max_flaps:
        record = replace(record, is_lost=before.is_lost, flips=before.flips, is_flapping=True)
    return record


def _first(record: Record, now: float) -> float:
    return now if record.since is None else record.since


@dataclass(frozen=True, slots=True)
class _Case:
    """One look's facts, put together."""

    policy: Policy
    memory: Memory
    look: Look

    def alarms(self) -> Iterator[Alarm]:
        """Everything that a human should know now, whether it was told before or not."""
        if self._is_cut_off():
            names = ", ".join(f"`{name}`" for name in self._dark())
            yield Alarm(
                "half-lost",
                "",
                f"{names} look lost, half or more of {len(self.look.clusters)} Clusters: the witnesses or this "
                "watcher may be what is cut off, so nothing is done",
            )
        for cluster in self.look.clusters:
            yield from self._of(cluster)
        for cluster in self.look.withdrawn:
            if self.memory.records[cluster].ups >= max(self.policy.recovery_threshold, self.policy.failure_threshold):
                yield Alarm(
                    "returned", cluster, f"`{cluster}` is seen again; `hdinfra restore {cluster}` lets it back in"
                )

    def _of(self, cluster: str) -> Iterator[Alarm]:
        record = self.memory.records[cluster]
        if record.is_flapping:
            yield Alarm(
                "flapping",
                cluster,
                f"`{cluster}` was lost and back more than {self.policy.max_flaps} times within "
                f"{self.policy.flap_window_seconds:.0f} s: nothing is done until `hdinfra watch --forgive {cluster}`",
            )
        # One look of two witnesses may fall between the moments at which each of them notices.
        if record.splits > self.policy.failure_threshold:
            yield Alarm("split-view", cluster, f"witnesses disagree, so nothing is done: {self._evidence(cluster)}")
        if not self._is_due(record) or self._is_cut_off() or self.memory.healing:
            return
        if cluster in self.policy.keep or self.policy.act == "alarm":
            yield Alarm(
                "not-allowed", cluster, f"`{cluster}` is lost, and the spec leaves it to a human to withdraw it"
            )
        elif len(self.memory.changes) >= self.policy.changes_per_hour:
            yield Alarm(
                "budget",
                cluster,
                f"`{cluster}` is lost, and {len(self.memory.changes)} heals began within the last hour, "
                f"of {self.policy.changes_per_hour} allowed",
            )

    def deed(self, alarms: Sequence[Alarm]) -> Decision:
        """What is to be done, with every alarm told."""
        if self.memory.healing:
            return Nothing(f"the heal of `{self.memory.healing}` runs")
        barred = {alarm.cluster for alarm in alarms if alarm.code != "returned"}
        if "" in barred:
            return Nothing("half or more of the Clusters look lost")
        lost = [name for name in self.look.clusters if self.memory.records[name].is_lost]
        due = [name for name in lost if name not in barred and self._is_due(self.memory.records[name])]
        if not due:
            return Nothing(self._why_not(lost))
        if self.look.busy:
            return Nothing(f"`{due[0]}` is lost, and {self.look.busy} is changing the stack")
        votes = tuple(one for one in self.look.sightings if one.cluster == due[0] and one.stands != due[0])
        return Withdraw(due[0], votes, tuple(sorted(self._away() - {due[0]})))

    def _why_not(self, lost: Sequence[str]) -> str:
        if lost:
            return f"`{lost[0]}` is lost, and it has not lasted long enough or an alarm of it stands"
        doubted = [name for name in self.look.clusters if self.memory.records[name].since is not None]
        if doubted:
            return f"`{doubted[0]}` is in doubt: {self._evidence(doubted[0])}"
        return "every Cluster that is seen is well" if self.look.sightings else "no witness says anything"

    def _is_due(self, record: Record) -> bool:
        """Lost now, for long enough, and not in doubt for any reason."""
        lasted = self.memory.now - record.since if record.since is not None else 0.0
        return record.is_lost and record.downs > 0 and not record.is_flapping and lasted >= self.policy.settle_seconds

    def _dark(self) -> list[str]:
        records = self.memory.records
        return [name for name in self.look.clusters if records[name].is_lost or records[name].downs]

    def _is_cut_off(self) -> bool:
        dark = self._dark()
        return bool(dark) and 2 * len(dark) >= len(self.look.clusters)

    def _away(self) -> set[str]:
        """Clusters and places of which nobody says that they are up."""
        told = {one.cluster for one in self.look.sightings}
        return told - {one.cluster for one in self.look.sightings if one.up}

    def _evidence(self, cluster: str) -> str:
        votes = [one.said for one in self.look.sightings if one.cluster == cluster and one.stands != cluster]
        return "; ".join(votes) or "nobody says anything of it"
