"""One look's facts, put together: what a human should know of them, and what is to be done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hdinfra.model.healing.memory import Alarm, Decision, Look, Memory, Nothing, Policy, Record, Withdraw

BLOCKED_SECONDS = 900.0
"""How long a lock may hold up a heal before a human is called: as long as one update may take (operate/heal.py)."""
_BARS_NOTHING = frozenset({"returned", "blocked"})


@dataclass(frozen=True, slots=True)
class Case:
    """The memory has this look's views in it already."""

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
        elif self.look.silent_edges and (due := self._due()):
            yield Alarm(
                "edges-silent",
                "",
                f"`{due[0]}` looks lost, and no edge is heard ({', '.join(self.look.silent_edges)}): the witnesses or "
                "this watcher may be what is cut off, and users may reach it: nothing is done",
            )
        for cluster in self.look.clusters:
            yield from self._of(cluster)
        yield from self._blocked()
        for cluster in self.look.withdrawn:
            if self.memory.records[cluster].ups >= max(self.policy.recovery_threshold, self.policy.failure_threshold):
                yield Alarm(
                    "returned",
                    cluster,
                    f"`{cluster}` is seen again; `hdinfra restore {cluster} --stack {self.look.stack}` lets it back in",
                )

    def _of(self, cluster: str) -> Iterator[Alarm]:
        record = self.memory.records[cluster]
        if record.is_flapping:
            yield Alarm(
                "flapping",
                cluster,
                f"`{cluster}` was lost and back more than {self.policy.max_flaps} times within "
                f"{self.policy.flap_window_seconds:.0f} s: nothing is done until "
                f"`hdinfra watch --forgive {cluster} --stack {self.look.stack}`",
            )
        # One look of two witnesses may fall between the moments at which each of them notices.
        if record.splits > self.policy.failure_threshold:
            yield Alarm("split-view", cluster, f"witnesses disagree, so nothing is done: {self._evidence(cluster)}")
        if not self._is_due(record) or self._is_cut_off() or self.look.silent_edges or self.memory.healing:
            return
        if not self._may(cluster):
            yield Alarm(
                "not-allowed",
                cluster,
                f"`{cluster}` is lost, and the spec leaves it to a human to withdraw it: "
                f"`hdinfra heal --cluster {cluster} --stack {self.look.stack}`",
            )
        elif len(self.memory.changes) >= self.policy.changes_per_hour and not self.is_counted(cluster):
            yield Alarm(
                "budget",
                cluster,
                f"`{cluster}` is lost, and {len(self.memory.changes)} heals began within the last hour, "
                f"of {self.policy.changes_per_hour} allowed",
            )

    def _blocked(self) -> Iterator[Alarm]:
        since = self.memory.blocked_since
        if since is None or self.memory.now - since < BLOCKED_SECONDS:
            return
        cluster = self.held_up()
        yield Alarm(
            "blocked",
            cluster,
            f"`{cluster}` is lost, and for {BLOCKED_SECONDS:.0f} s nothing could be done, for the stack is locked: "
            f"{self.look.busy or self.memory.locked_by}. Where you know that whoever locked it has ended: "
            f'`eval "$(hdinfra env --stack {self.look.stack})"`, then '
            f"`pulumi cancel --yes --stack {self.look.stack}`; it is then healed by itself",
        )

    def held_up(self) -> str:
        """The Cluster for which something would be done if the stack were not locked; empty where there is none."""
        if not (self.look.busy or self.memory.locked_by) or self._is_cut_off() or self.look.silent_edges:
            return ""
        lost = [name for name in self._lost() if self._may(name) and not self.memory.records[name].is_flapping]
        return lost[0] if lost else (self.memory.left or "")

    def is_counted(self, cluster: str) -> bool:
        """Whether a heal of it would only go on with what this hour's budget was charged for."""
        return cluster == self.memory.left and bool(self.memory.changes)

    def why_not_go_on(self) -> str:
        """Why the heal that was left is given up; empty while there is none, or it may still be asked for."""
        left = self.memory.left
        if left is None or self.look.busy:
            return ""
        if left not in self.memory.records:
            return "no such Cluster is deployed any more"
        if not self._may(left):
            return "the spec leaves it to a human now"
        if self.memory.records[left].is_flapping:
            return "it flaps, and a human decides"
        if self.memory.records[left].ups >= self.policy.recovery_threshold:
            return f"it is well now: {self._evidence(left)}"
        return ""

    def deed(self, alarms: Sequence[Alarm]) -> Decision:
        """What is to be done, with every alarm told."""
        barred = {alarm.cluster: alarm.code for alarm in alarms if alarm.code not in _BARS_NOTHING}
        if why := self._why_wait(barred.get("", "")):
            return Nothing(why)
        due = [name for name in self._due() if name not in barred] or self._half_done()
        if not due:
            return Nothing(self._why_not(self._lost()))
        if self.look.busy:
            return Nothing(f"`{due[0]}` is lost, and {self.look.busy} is changing the stack")
        if self.memory.locked_by and self.memory.now < self.memory.again_at:
            return Nothing(f"`{due[0]}` is lost, and the stack is locked: {self.memory.locked_by}")
        votes = tuple(one for one in self.look.sightings if one.cluster == due[0] and one.stands != due[0])
        return Withdraw(due[0], votes, tuple(sorted(self._away() - {due[0]})))

    def _why_wait(self, code: str) -> str:
        """Why nothing is done whatever is lost; `code` of the alarm that bars everything."""
        if self.memory.healing:
            return f"the heal of `{self.memory.healing}` runs"
        if self.memory.left and self.look.busy:
            return f"a heal of `{self.memory.left}` was begun, and {self.look.busy} is changing the stack"
        return {"half-lost": "half or more of the Clusters look lost", "edges-silent": "no edge is heard"}.get(code, "")

    def _half_done(self) -> list[str]:
        """What was left when it was withdrawn already. Hardly anybody says anything of what is withdrawn: that nobody
        says that it is up is enough, for nothing of it is touched any more."""
        left, ups = self.memory.left, {one.cluster for one in self.look.sightings if one.up}
        is_asked_for = left in self.look.withdrawn and left not in ups and not self.look.silent_edges
        return [left] if left and is_asked_for else []

    def _why_not(self, lost: Sequence[str]) -> str:
        if lost:
            return f"`{lost[0]}` is lost, and it has not lasted long enough or an alarm of it stands"
        doubted = [name for name in self.look.clusters if self.memory.records[name].since is not None]
        if doubted:
            return f"`{doubted[0]}` is in doubt: {self._evidence(doubted[0])}"
        return "every Cluster that is seen is well"

    def _lost(self) -> list[str]:
        return [name for name in self.look.clusters if self.memory.records[name].is_lost]

    def _due(self) -> list[str]:
        return [name for name in self._lost() if self._is_due(self.memory.records[name])]

    def _is_due(self, record: Record) -> bool:
        """Lost now, for long enough, and not in doubt for any reason."""
        lasted = self.memory.now - record.since if record.since is not None else 0.0
        return record.is_lost and record.downs > 0 and not record.is_flapping and lasted >= self.policy.settle_seconds

    def _may(self, cluster: str) -> bool:
        return self.policy.act == "heal" and cluster not in self.policy.keep

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
