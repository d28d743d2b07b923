"""Publish a policy that does harm, the way `up` publishes any, and see how far it comes."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, assert_never

from hdinfra.operate.control import Control
from hdinfra.operate.drill import Zone, ledgers
from hdinfra.operate.errors import ControlError, NotServingError, WorkspaceError
from hdinfra.operate.how import Poison
from hdinfra.operate.load import Load, Shape
from hdinfra.operate.policy import rollout
from hdinfra.operate.report import Answer, Ledger, Traffic, ledger_of, traffic_of
from hdinfra.operate.witness import Witness, Word, word_of
from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.rollout import Refusal, RolledBackError, Wanted
from hdinfra.protocol.release import Release

Say = Callable[[str], None]
Document = Mapping[str, Any]
_SILENT = "192.0.2.1"  # TEST-NET-1 (RFC 5737): nobody is there
_LONGEST_SECONDS = 600.0
_SETTLED_SECONDS = 60.0
_AFTERWARDS_SECONDS = 2.0  # of load on the policy that came back
_BAKE_SECONDS = 5.0  # where the Zone bakes nothing: without a bake there is nothing to be caught in
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class BadPolicy:
    """The drill as it was ordered."""

    instance: str
    how: Poison
    rate: int
    slowest_allowed_seconds: float

    @property
    def scope(self) -> str:
        """Whose policy it is."""
        return f"instance-{self.instance}"


@dataclass(frozen=True, slots=True)
class BadPolicyReport:
    """What the drill found. `refused_seconds` and `good_again_seconds` count from the publication."""

    scope: str
    how: str
    number: int
    traffic: Traffic
    slowest_allowed_seconds: float
    canary: str | None = None
    reason: str = ""
    refused_seconds: float | None = None
    good_again_seconds: float | None = None
    spread_to: tuple[str, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def broken_promises(self) -> tuple[str, ...]:
        """Empty when the drill went well."""
        seen = self.traffic
        found = (
            (seen.gets == 0, "no GET was sent, which proves nothing"),
            (seen.failed_gets > 0, f"{seen.failed_gets:,} of {seen.gets:,} GETs failed"),
            (bool(self.ledger.ran_twice), f"{len(self.ledger.ran_twice)} POSTs ran twice"),
            (bool(self.ledger.lost), f"{len(self.ledger.lost)} acknowledged POSTs are not in the ledger"),
            (
                seen.slowest_seconds > self.slowest_allowed_seconds,
                f"the slowest answer took {seen.slowest_seconds:.2f} s; "
                f"{self.slowest_allowed_seconds:.1f} s are allowed (--slowest)",
            ),
            (self.canary is None, "no machine went back from the bad policy"),
            (bool(self.spread_to), f"the bad policy reached more than its canary: {', '.join(self.spread_to)}"),
            (self.good_again_seconds is None, "the last good policy did not come back everywhere"),
        )
        return tuple(text for broken, text in found if broken)

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`; the traffic's figures stand beside the others."""
        data = asdict(self)
        traffic = data.pop("traffic")
        return {**data, **traffic, "broken_promises": list(self.broken_promises), "well": not self.broken_promises}


def order_for(zone: Zone, instance: str | None, how: Poison, rate: int, slowest: float) -> BadPolicy:
    """The order with its Instance named: the first that has sites where none is given."""
    known = sorted({site["instance"] for site in zone.known.output["sites"]})
    chosen = instance or next(iter(known), "")
    if chosen not in known:
        raise WorkspaceError(
            f"There is no Instance `{chosen}` with sites in this stack.",
            retry=f"--instance with one of: {', '.join(known) or 'none'}",
        )
    return BadPolicy(chosen, how, rate, slowest)


def poisoned(document: Document, how: Poison) -> Document:
    """A document that every checker accepts, and in which only the first site differs."""
    first, *others = document["sites"]
    match how:
        case Poison.ERRORS:
            changed = {**first, "origins": [{"address": _SILENT, "port": 80}]}
        case Poison.CRASH:
            waits = first["response_timeout_seconds"]
            changed = {**first, "response_timeout_seconds": waits - 1 if waits > 1 else waits + 1}
        case _:
            assert_never(how)
    return {**document, "sites": [changed, *others]}


def run(order: BadPolicy, zone: Zone, control: Control, say: Say) -> BadPolicyReport:
    """The whole drill. The last good policy is in force afterwards, also when it is interrupted."""
    good = _must_be_well(order, control)
    # Numbers of two drills never meet: the origins' ledgers outlive them.
    shape = Shape(order.rate, _LONGEST_SECONDS, first_number=time.time_ns() // 1_000_000 * 100_000)
    say(f"loading {len(zone.targets())} site addresses with {order.rate} requests/s")
    with (
        control.apart() as another,
        Load(zone.targets(), shape) as load,
        Witness(another, frozenset(good.members)) as witness,
    ):
        with good_in_the_end(control, good, say), _killing(order, zone, good):
            refusal = _publish(order, control, good, say)
            if refusal is not None:
                witness.take(refusal)
        back = witness.wait_until(lambda last: _all_good(last, good), within=_SETTLED_SECONDS)
        time.sleep(_AFTERWARDS_SECONDS)
    return _report(
        order, control, good, witness.words, back, load.answers, ledgers(zone, though="The good policy is back")
    )


def _publish(order: BadPolicy, control: Control, good: Release, say: Say) -> Refusal | None:
    """The machine's own word against it; None when there was none."""
    wanted = Wanted(
        scope=order.scope,
        members=good.members,
        document=poisoned(good.document, order.how),
        bake_seconds=good.bake_seconds or _BAKE_SECONDS,
        code=good.code,
    )
    say(f"publishing a bad policy ({order.how}) for `{order.scope}`, which is at release {good.number}")
    try:
        outcome = rollout(control, say).bring(wanted, frozenset(), good.number)
    except RolledBackError as refused:
        say(str(refused))
        return refused.refusal
    except PluginError as failed:
        raise ControlError("The bad policy could not be tried.") from failed
    say(f"nobody refused release {outcome.number}")
    return None


@contextmanager
def good_in_the_end(control: Control, good: Release, say: Say) -> Iterator[None]:
    """Whatever is published while it is entered, that release's document is in force again afterwards."""
    try:
        yield
    finally:
        newest = control.standing(good.scope).newest
        if newest is not None and (newest.document != good.document or not newest.whole):
            say(f"bringing the last good policy of `{good.scope}` back")
            _bring_back(control, newest, good, say)


def _bring_back(control: Control, newest: Release, good: Release, say: Say) -> None:
    try:
        rollout(control, say).roll_back(newest, good)
    except PluginError as failed:
        raise ControlError(
            f"The last good policy of `{good.scope}` cannot be published.",
            running=f"release {newest.number} at {', '.join(newest.released)}",
            retry=f"hdinfra policy rollback {good.scope} --to {good.number}",
        ) from failed


@contextmanager
def _killing(order: BadPolicy, zone: Zone, good: Release) -> Iterator[None]:
    """For as long as it is entered, the App dies on every machine that has the bad release, whenever it is back."""
    over = threading.Event()
    machines = _containers(zone, good.members) if order.how is Poison.CRASH else []
    killers = [
        threading.Thread(target=_kill, args=(zone, machine, good.number + 1, over), daemon=True) for machine in machines
    ]
    for killer in killers:
        killer.start()
    try:
        yield
    finally:
        over.set()
        for killer in killers:
            killer.join()


def _kill(zone: Zone, machine: str, number: int, over: threading.Event) -> None:
    while not over.wait(_LOOK_SECONDS):
        status = zone.containers.hdctl_status(machine) or {}
        if status.get("number") == number:
            zone.containers.run(machine, "systemctl", "kill", "--signal=SIGKILL", "hdinfra-tenant@*.service")


def _containers(zone: Zone, members: Mapping[str, str]) -> list[str]:
    machines = (machine for cluster in zone.known.clusters for machine in cluster["machines"])
    return [machine["container"] for machine in machines if machine["name"] in members]


def _must_be_well(order: BadPolicy, control: Control) -> Release:
    newest, machines = control.standing(order.scope).newest, control.machines()
    words = {name: word_of(machine, 0) for name, machine in machines.items()}
    unwell = [name for name in newest.members if not _serves(words.get(name), newest.number)] if newest else []
    if newest is None or not newest.whole or unwell or not newest.document.get("sites"):
        raise NotServingError(
            f"Not every machine of `{order.scope}` serves its newest policy; a drill would prove nothing.",
            running="the whole zone" if not unwell else f"all but {', '.join(unwell)}",
            retry="hdinfra up, then the drill again",
        )
    return newest


def _serves(word: Word | None, number: int) -> bool:
    return word is not None and word.serving and word.number == number


def _all_good(last: Mapping[str, Word], good: Release) -> bool:
    # What came back has a number of its own, above that of the bad release.
    return last.keys() == good.members.keys() and all(w.serving and w.number > good.number + 1 for w in last.values())


def _report(  # noqa: PLR0913, PLR0917  all that a drill brings home
    order: BadPolicy,
    control: Control,
    good: Release,
    words: Sequence[Word],
    back: float | None,
    answers: Sequence[Answer],
    written: Mapping[str, Mapping[int, int]],
) -> BadPolicyReport:
    poison = poisoned(good.document, order.how)
    past = [one.release for one in control.standing(order.scope).past]
    bad = next((one for one in past if one.number > good.number and one.document == poison), None)
    number = bad.number if bad else good.number + 1
    report = BadPolicyReport(
        scope=order.scope,
        how=order.how.value,
        number=number,
        traffic=traffic_of(answers),
        slowest_allowed_seconds=order.slowest_allowed_seconds,
        good_again_seconds=back,
        spread_to=_spread(bad, number, words),
        ledger=ledger_of(answers, written),
    )
    refused = next((word for word in words if word.failed == number), None)
    if refused is None:
        return report
    others = tuple(name for name in report.spread_to if name != refused.machine)
    return replace(report, canary=refused.machine, reason=refused.reason, refused_seconds=refused.at, spread_to=others)


def _spread(bad: Release | None, number: int, words: Sequence[Word]) -> tuple[str, ...]:
    """Who was allowed to have it, and who said so."""
    allowed = set(bad.released) if bad else set()
    return tuple(sorted(allowed | {word.machine for word in words if number in (word.number, word.failed)}))
