"""Give a Cluster up: what it carried is made anew elsewhere, and nothing of it is asked, changed or deleted.

Any moment may be the last one of this process: what is deployed says how far it came, and the same again goes on.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hdinfra.model.healing.order import Order
from hdinfra.model.refusal import RefusedError
from hdinfra.operate.apart import excluding, ground_of, grounds_of, urns_of
from hdinfra.operate.decide import keep_deployed_but_switch
from hdinfra.operate.engine import Deployed, Engine, Event, Run, changed_by, clear_dead_lock, judged
from hdinfra.operate.errors import EngineError, HealError, LockedError
from hdinfra.operate.healing_plan import Change, Standing, change_of, standing_of
from hdinfra.operate.lease import leased
from hdinfra.operate.pending import resolve_pending
from hdinfra.operate.progress import Progress
from hdinfra.operate.stack_lock import cancelling
from hdinfra.operate.workspace import Workspace, write_atomically

PATIENCE_SECONDS = 900.0
"""How long one update may take. A provider whose new machines are not there by then counts as one that refuses them."""
_ORDER = "HDINFRA_ORDER"


@dataclass(frozen=True, slots=True)
class Healed:
    """What was done, or with `dry_run` would be. `untouched`: how many resources were left alone with what is lost;
    `avoided`: Clusters that refused new machines."""

    cluster: str
    change: Change
    withdrawn: tuple[str, ...]
    untouched: int
    serial: int
    avoided: tuple[str, ...] = ()
    changes: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "cluster": self.cluster,
            "dry_run": self.dry_run,
            "comes": list(self.change.comes),
            "goes": list(self.change.goes),
            "monthly_euro": self.change.monthly_euro,
            "withdrawn": list(self.withdrawn),
            "avoided": list(self.avoided),
            "untouched": self.untouched,
            "serial": self.serial,
            "changes": dict(self.changes),
        }


@dataclass(frozen=True, slots=True)
class HealOrder:
    """`away`: Clusters and places beside it that cannot be asked now. `over_budget`: a human said so."""

    cluster: str
    away: tuple[str, ...] = ()
    dry_run: bool = False
    over_budget: bool = False
    patience_seconds: float = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Clusters and places in the way of an update: `full` made nothing new, `mute` could not even be asked."""

    full: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()


@dataclass(slots=True)
class Watched:
    """What the engine's events say of what it makes, and of what fails, by URN."""

    talk: Progress
    making: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def event(self, event: Event) -> None:
        """One of them, shown as well."""
        self.talk.event(event)
        if before := event.get("resourcePreEvent"):
            if before["metadata"]["op"] in ("create", "create-replacement"):
                self.making.add(before["metadata"]["urn"])
        elif after := event.get("resOutputsEvent"):
            self.making.discard(after["metadata"]["urn"])
        elif failed := event.get("resOpFailedEvent"):
            self.failed.add(failed["metadata"]["urn"])
        elif (told := event.get("diagnosticEvent")) and told.get("severity") == "error" and told.get("urn"):
            self.failed.add(told["urn"])

    def obstacle(self, grounds: Collection[str], *, ran_out: bool) -> Obstacle:
        """Whose fault it was that the update failed, of these Clusters and places."""
        stuck = self.making if ran_out else self.making & self.failed
        full, mute = (
            frozenset(ground_of(urn, grounds) for urn in urns) - {""} for urns in (stuck, self.failed - self.making)
        )
        return Obstacle(full | mute, mute)


def heal(workspace: Workspace, order: HealOrder, talk: Progress) -> Healed:
    """Withdraw the Cluster and make what is missing elsewhere, from what is deployed.

    RefusedError where what remains breaks a rule, HealError where the budget or somebody else's change forbids it, or
    where it would take anything else away, EngineError where the update failed: then the same again goes on from there.
    """
    workspace.prepare()
    # A dry run changes nothing, and may look while a heal runs.
    with nullcontext() if order.dry_run else alone(workspace):
        return _healed(workspace, order, talk)


def _healed(workspace: Workspace, order: HealOrder, talk: Progress) -> Healed:
    engine = Engine(workspace)
    free(engine, talk)
    deployed = engine.deployed_with_secrets()
    standing = standing_of(deployed, workspace)
    _must_exist(order.cluster, standing)
    if deployed is None:
        raise HealError(f"Stack `{workspace.stack}` is not up.")
    if not order.dry_run:
        resolve_pending(engine, deployed, talk.say)
    return _Heal(workspace, order, talk, standing, deployed).run()


@dataclass(frozen=True, slots=True)
class _Heal:
    workspace: Workspace
    order: HealOrder
    talk: Progress
    standing: Standing
    deployed: Deployed

    def run(self) -> Healed:
        """Until it is done, or no other operator is left that could be tried."""
        avoided: frozenset[str] = frozenset()
        mute = frozenset(self.order.away)
        spec = self.standing.spec
        clusters = frozenset(one.name for one in spec.clusters)
        places = frozenset(one.name for one in spec.edge.places) if spec.edge else frozenset()
        while True:
            done, found = self._attempt(avoided, mute)
            if isinstance(done, Healed):
                return done
            further, muter = avoided | (found.full & clusters), mute | (found.mute & (clusters | places))
            if (further, muter) == (avoided, mute) or not self._is_possible(further):
                raise self._failed(done)
            self.talk.say(
                f"{', '.join(sorted(found.full | found.mute))} makes no new machines: choosing another operator"
            )
            avoided, mute = further, muter

    def _attempt(self, avoided: frozenset[str], mute: frozenset[str]) -> tuple[Healed | Run, Obstacle]:
        order = self._ordered(avoided)
        after = self.standing.plan(order)
        apart = urns_of(self.deployed, {*after.withdrawn, *mute})
        change = change_of(self.standing.plan(), after)
        healed = Healed(
            cluster=self.order.cluster,
            change=change,
            withdrawn=after.withdrawn,
            untouched=len(apart),
            serial=after.held.serial,
            avoided=after.held.avoided,
            dry_run=self.order.dry_run,
        )
        change.sparing(self.workspace.stack)
        if not self.order.over_budget:
            change.within(self.standing.spec.healing.budget, self.workspace.stack)
        if self.order.dry_run:
            return healed, Obstacle()
        self.talk.say(f"withdrawing `{self.order.cluster}`; {', '.join(change.comes) or 'nothing'} is made")
        watched = Watched(self.talk)
        run = update(self.workspace, order, watched, Manner(apart, self.order.patience_seconds))
        if run.code != 0 and not run.interrupted:
            return run, watched.obstacle(grounds_of(self.deployed) - {*after.withdrawn}, ran_out=run.ran_out)
        judged(run, "up", self.workspace)
        keep_file(self.workspace, self.standing, self.talk)
        return replace(healed, changes=run.changes), Obstacle()

    def _ordered(self, avoided: frozenset[str]) -> Order:
        return self.standing.order(withdraw=(self.order.cluster,), avoid=tuple(sorted(avoided)))

    def _failed(self, run: Run) -> EngineError:
        why = "; ".join(dict.fromkeys(run.complaints))
        if run.ran_out:
            why = f"it did not end within {self.order.patience_seconds:.0f} s"
        return EngineError(
            f"The update failed, and no other operator can take the machines: {why}",
            running="what was finished before; nothing is locked",
            retry=f"hdinfra heal --cluster {self.order.cluster} --stack {self.workspace.stack}",
        )

    def _is_possible(self, avoided: frozenset[str]) -> bool:
        try:
            self.standing.plan(self._ordered(avoided))
        except RefusedError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Manner:
    """How an update is done: these URNs are left `apart`. `look`: every provider is asked first about all else that it
    has, which takes long where there is much, and finds what went without being told."""

    apart: Collection[str] = ()
    patience_seconds: float = PATIENCE_SECONDS
    look: bool = False


def update(workspace: Workspace, order: Order, watched: Watched, manner: Manner) -> Run:
    """One update of the engine that carries an order out; LockedError where somebody else changes the stack."""
    looking = ("--refresh",) if manner.look else ()
    with _order_file(workspace, order) as path:
        engine = Engine(workspace, {_ORDER: str(path)}, manner.patience_seconds)
        run = engine.stream("up", *looking, "--skip-preview", *excluding(manner.apart), on_event=watched.event)
    if run.locked:
        raise _locked(workspace, run.locked)
    return run


def free(engine: Engine, talk: Progress) -> None:
    """LockedError while somebody else changes the stack; what a killed run left locked is cleared."""
    if busy := changed_by(engine.workspace):
        raise _locked(engine.workspace, f"being changed by {busy}")
    clear_dead_lock(engine, talk.say, wait_seconds=0)


def keep_file(workspace: Workspace, standing: Standing, talk: Progress) -> None:
    """What was deployed is held in the working copy, where there is one; an `edge switch` meanwhile stays in force."""
    if not workspace.spec_file.exists():
        return
    file = workspace.lock_file.relative_to(workspace.root)
    before = workspace.lock_file.read_text() if workspace.lock_file.exists() else ""
    if keep_deployed_but_switch(workspace, Engine(workspace).deployed(), standing.in_file):
        talk.say(f"users were switched meanwhile: {file} holds it, `hdinfra up --stack {workspace.stack}` records it")
    elif workspace.lock_file.read_text() != before:
        talk.say(f"wrote {file}: commit it with the spec")


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """No other heal or restore of this stack on this computer until the end; LockedError while one runs."""
    with leased(workspace.state / f"{workspace.stack}.heal.lease") as holder:
        if holder:
            raise _locked(workspace, f"being healed or restored by {holder}")
        yield


@contextmanager
def _order_file(workspace: Workspace, order: Order) -> Iterator[Path]:
    """Readable by this user alone, for it may hold sites' keys; gone when the update has ended."""
    path = workspace.state / f"{workspace.stack}.order.json"
    write_atomically(path, order.model_dump_json(exclude_defaults=True), mode=0o600)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _locked(workspace: Workspace, said: str) -> LockedError:
    return LockedError(
        f"Stack `{workspace.stack}` is locked, so nothing was done: {said}",
        running="that change",
        retry=f"the same again when it has ended; where you know that it has: {cancelling(workspace.stack)}",
    )


def _must_exist(cluster: str, standing: Standing) -> None:
    known = sorted(one.name for one in standing.spec.clusters)
    if cluster not in known:
        raise HealError(f"There is no Cluster `{cluster}` in this stack.", retry=f"one of: {', '.join(known)}")
