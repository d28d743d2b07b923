"""Rolls a policy out: one canary, then cluster after cluster, and back again when a machine goes back from it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hdinfra.plugins.kind import Call, CancelledError, PluginError
from hdinfra.plugins.policy.api import ApiUnreachableError
from hdinfra.plugins.policy.plane import ControlPlane, OlderReleaseError, Standing
from hdinfra.plugins.policy.stages import Deed, Done, Fail, Grow, Report, Superseded, Wait, next_deed, settling_deed
from hdinfra.plugins.policy.watch import Pace, Watch
from hdinfra.protocol.release import Release

_ATTEMPTS = 5  # against others who release at the same time
_MEND = "\nfix: mend the policy and run `hdinfra up` again"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The word by which a machine said that it went back from a release, and when we had it (monotonic seconds)."""

    report: Report
    heard: float


class RolledBackError(PluginError):
    """The release was taken back; `back` brought the others back, None if none could.

    `refusal`: of the machine that went back from it by itself; None when it was merely late to serve it. A machine
    forgets what it refused as soon as it serves `back`, so whoever asks later may find nobody who did.
    """

    def __init__(self, message: str, back: Release | None, refusal: Refusal | None) -> None:
        self.back = back
        self.refusal = refusal
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a scope's machines shall serve, whatever its number will be. Words as in Release."""

    scope: str
    members: Mapping[str, str]
    document: Mapping[str, Any]
    bake_seconds: float = 0
    code: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rollback_of: int | None = None

    def is_in(self, release: Release) -> bool:
        """Whether that release says all this."""
        ours = (dict(self.members), self.document, self.bake_seconds, self.code)
        return ours == (dict(release.members), release.document, release.bake_seconds, release.code)

    def release(self, zone: str, number: int, released: tuple[str, ...]) -> Release:
        """Issued now."""
        return Release(
            zone=zone,
            scope=self.scope,
            number=number,
            issued_at=int(time.time()),
            members=dict(self.members),
            released=released,
            document=self.document,
            bake_seconds=self.bake_seconds,
            rollback_of=self.rollback_of,
            code=self.code,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """`silent` machines have not been heard of, `lagging` ones speak but do not serve it (with their words)."""

    number: int
    silent: tuple[str, ...] = ()
    lagging: Mapping[str, str] = field(default_factory=dict)

    @property
    def serving(self) -> bool:
        """Whether every member serves it."""
        return not self.silent and not self.lagging


class Rollout:
    """One scope's roll-out. Progress and cancellation are the call's; `pace` are the bounds of all waiting."""

    def __init__(self, plane: ControlPlane, call: Call, pace: Pace | None = None) -> None:
        self._plane = plane
        self._call = call
        self._pace = pace or Pace()
        self._until = time.monotonic() + self._pace.answer

    def bring(
        self, wanted: Wanted, fresh: frozenset[str] = frozenset(), known: int = 0, own: Wanted | None = None
    ) -> Outcome:
        """Has all members serve it and says who does not.

        `fresh` members were just made and are waited for. `known` is the highest number that the stack remembers, `own`
        what it believes to be in force. RolledBackError when a machine goes back from it, ApiUnreachableError when no
        API machine answers; CancelledError leaves the release where it is.
        """
        standing = self.standing(wanted.scope)
        seen = self._plane.reports(wanted.members) or {}
        newest = _usable(standing.newest, wanted, seen)
        if newest is not None and newest.whole:
            return self._settled(newest, fresh)
        good = last_good(standing, seen, own, self._plane.zone)
        watch = self._watch(wanted, fresh, good)
        if newest is not None:
            self._call.progress(f"going on with release {newest.number}, which is at {', '.join(newest.released)}")
            return self._driven(newest, watch, good)
        return self._driven(self._first_stage(wanted, watch, max(standing.highest, known)), watch, good)

    def resume(self, scope: str) -> Outcome:
        """Lets a roll-out that stands at its canary go on; PluginError when there is none."""
        standing = self.standing(scope)
        newest = standing.newest
        if newest is None or newest.whole:
            raise PluginError(f"`{scope}` has no roll-out that stands still")
        wanted = Wanted(scope, newest.members, newest.document, newest.bake_seconds, newest.code)
        good = last_good(standing, self._plane.reports(newest.members) or {}, None, self._plane.zone)
        return self._driven(newest, self._watch(wanted, frozenset(), good), good)

    def roll_back(self, bad: Release, good: Release) -> Release:
        """Signs what `good` said once more, for all members of `bad` at once, above every number so far."""
        back = replace(
            bad,
            number=bad.number + 1,
            issued_at=int(time.time()),
            released=tuple(sorted(bad.members)),
            document=good.document,
            code=good.code,
            rollback_of=bad.number,
        )
        # Whoever cancels now would leave a bad release in force: this is finished first.
        undisturbed = replace(self._call, cancelled=threading.Event())
        return Rollout(self._plane, undisturbed, self._pace.hurried()).publish(back)

    def publish(self, release: Release) -> Release:
        """Hands it to the API machines: as it was taken in the end, with a higher number if somebody was quicker."""
        for _ in range(_ATTEMPTS):
            try:
                self._hand_over(release)
            except OlderReleaseError:
                highest = self.standing(release.scope).highest
                release = replace(release, number=1 + max(highest, release.number))
            else:
                return release
        raise PluginError(f"`{release.scope}`: others release all the time; {_ATTEMPTS} numbers were taken by them")

    def standing(self, scope: str) -> Standing:
        """What the API machines know; waits for one that answers as long as `pace` says."""
        found: list[Standing] = []

        def answered() -> bool:
            standing = self._plane.standing(scope)
            found.extend([] if standing is None else [standing])
            return bool(found)

        self._reach(answered)
        return found[-1]

    def _settled(self, release: Release, fresh: frozenset[str]) -> Outcome:
        watch = Watch(release.members, fresh, self._pace)
        self._look(watch, release)
        watch.begin_roll_out()

        def decide() -> Deed:
            watch.forget_predecessors()
            return settling_deed(release, watch.reports, watch.heeded())

        deed = self._next(release, watch, decide, frozenset())
        if isinstance(deed, Fail):
            raise PluginError(f"`{deed.machine}` does not serve release {release.number}: {deed.reason}{_MEND}")
        if isinstance(deed, Superseded):
            raise _overtaken(release, deed.number)
        return _outcome(release, watch)

    def _driven(self, release: Release, watch: Watch, good: Release | None) -> Outcome:
        same = good is None or good.document == release.document
        watch.bake_seconds = 0 if same else release.bake_seconds
        watch.begin_roll_out()
        try:
            return self._through(release, watch, good)
        except CancelledError as cancelled:
            raise CancelledError(
                f"{cancelled}: the newest release of `{release.scope}` stays where it is.\n"
                f"fix: run `hdinfra up` again, `hdinfra policy release {release.scope}` to let it go on, or "
                f"`hdinfra policy rollback {release.scope}`"
            ) from None

    def _through(self, release: Release, watch: Watch, good: Release | None) -> Outcome:
        while True:
            alone = frozenset(release.released if len(release.released) == 1 else ())
            deed = self._next(
                release,
                watch,
                lambda r=release: next_deed(r, watch.reports, watch.heeded(), watch.bake_left()),  # type: ignore[misc]
                alone,
            )
            match deed:
                case Grow():
                    release = replace(release, released=deed.released)
                    self._grow(release)
                    watch.begin_stage()
                case Fail():
                    raise self._failed(release, deed, good, watch)
                case Superseded():
                    raise _overtaken(release, deed.number)
                case Wait() | Done():
                    return _outcome(release, watch)

    def _next(self, release: Release, watch: Watch, decide: Callable[[], Deed], canaries: frozenset[str]) -> Deed:
        """The next deed that is more than waiting; patience that is over makes one."""
        found: list[Deed] = []

        def decided() -> bool:
            self._look(watch, release)
            deed = decide()
            if isinstance(deed, Wait):
                overdue = watch.overdue(deed.machines, canaries)
                if overdue is None:
                    return False
                deed = overdue
            found.append(deed)
            return True

        self._call.progress(f"release {release.number}: waiting for {', '.join(release.released)} to serve it")
        self._call.wait_for(decided, within=float("inf"), every=self._pace.poll)
        return found[-1]

    def _look(self, watch: Watch, release: Release) -> None:
        watch.remember(self._plane.reports(release.members) or {})
        watch.note_serving(release)

    def _watch(self, wanted: Wanted, fresh: frozenset[str], good: Release | None) -> Watch:
        """Looks until a member is alive: a canary must be able to answer. Where nothing was released, all are fresh."""
        watch = Watch(wanted.members, fresh if good else frozenset(wanted.members), self._pace)

        def alive() -> bool:
            watch.remember(self._plane.reports(wanted.members) or {})
            return watch.candidate() is not None

        patience = self._pace.appear if watch.fresh else self._pace.grace
        self._call.progress(f"looking for a machine of `{wanted.scope}` that answers")
        if self._call.wait_for(alive, within=patience, every=self._pace.poll):
            return watch
        raise PluginError(
            f"no machine of `{wanted.scope}` has reported to {self._plane.names} within {patience:g} s, so there is "
            f"none to try its policy on first; waited for {', '.join(sorted(wanted.members))}.\n"
            "fix: look at `hdinfra status` and at `journalctl -u hdsync` on one of them, then run `hdinfra up` again"
        )

    def _first_stage(self, wanted: Wanted, watch: Watch, known: int) -> Release:
        canary = str(watch.candidate())
        seen = [number for report in watch.reports.values() for number in (report.number, report.failed or 0)]
        release = self.publish(wanted.release(self._plane.zone, 1 + max([known, *seen]), (canary,)))
        self._call.progress(f"release {release.number} of `{release.scope}` is at its canary {canary}")
        return release

    def _grow(self, release: Release) -> None:
        try:
            self._hand_over(release)
        except OlderReleaseError as older:
            raise PluginError(f"release {release.number} of `{release.scope}` was overtaken: {older}") from older

    def _hand_over(self, release: Release) -> None:
        def taken() -> bool:
            answers = self._plane.publish(release)
            if answers.given and answers.silent:
                self._call.progress(f"{', '.join(sorted(answers.silent))} is silent; the others will tell it")
            return bool(answers.given)

        self._reach(taken)

    def _reach(self, reached: Callable[[], bool]) -> None:
        within = max(self._until - time.monotonic(), self._pace.answer / 3)
        if not self._call.wait_for(reached, within=within, every=self._pace.retry):
            raise ApiUnreachableError(
                f"none of the API machines {self._plane.names} answered within {within:.3g} s "
                f"({self._plane.last_words()}); every machine serves its last policy meanwhile.\n"
                "fix: look at `hdinfra status`, let `hdinfra up` make them again, and run it once more"
            )

    def _failed(self, release: Release, fail: Fail, good: Release | None, watch: Watch) -> RolledBackError:
        who = "its canary " if len(release.released) == 1 else ""
        said = f"release {release.number} of `{release.scope}` failed on {who}`{fail.machine}`: {fail.reason}"
        last = watch.reports.get(fail.machine)
        refusal = Refusal(last, time.monotonic()) if last and last.refuses(release.number) else None
        if good is None:
            left = "There is no earlier release to go back to: it stays there."
            return RolledBackError(f"{said}\n{left}{_MEND}", None, refusal)
        try:
            back = self.roll_back(release, good)
        except PluginError as error:
            left = f"What had it goes back by itself, but the roll-back could not be published: {error}"
            return RolledBackError(f"{said}\n{left}", None, refusal)
        self._wait_rolled_back(back, watch)
        done = f"Release {back.number} brings all {len(back.members)} machines back to what they served before."
        return RolledBackError(f"{said}\n{done}{_MEND}", back, refusal)

    def _wait_rolled_back(self, back: Release, watch: Watch) -> None:
        def settled() -> bool:
            self._look(watch, back)
            return all(watch.reports[n].number >= back.number for n in watch.reports if watch.alive(n))

        self._call.progress(f"rolling back: waiting for release {back.number} everywhere")
        self._call.wait_for(settled, within=self._pace.settle, every=self._pace.poll)


def last_good(standing: Standing, reports: Mapping[str, Report], own: Wanted | None, zone: str) -> Release | None:
    """What to go back to. What an API machine only claims is believed if the stack remembers nothing (`own`) itself:
    else a machine that was broken into could have its own words signed."""
    told = standing.good(reports=reports)
    if told is not None and (told.proven or own is None or told.release.document == own.document):
        return told.release
    return own.release(zone, 0, ()) if own else None


def _usable(newest: Release | None, wanted: Wanted, reports: Mapping[str, Report]) -> Release | None:
    # A machine never takes a number again that it went back from: another try needs another number.
    if newest is None or not wanted.is_in(newest):
        return None
    return None if any(report.refuses(newest.number) for report in reports.values()) else newest


def _overtaken(release: Release, number: int) -> PluginError:
    return PluginError(
        f"release {release.number} of `{release.scope}` was overtaken by release {number}, which somebody else made.\n"
        f"fix: look at `hdinfra policy history {release.scope}`, then run `hdinfra up` again"
    )


def _outcome(release: Release, watch: Watch) -> Outcome:
    late = sorted(name for name in release.members if not watch.serves(name, release.number))
    lagging = {name: watch.words(name) for name in late if watch.alive(name)}
    return Outcome(release.number, tuple(name for name in late if name not in lagging), lagging)
