"""Which machines may have a release next: first one, then cluster after cluster. Pure: reports in, a deed out."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hdinfra.protocol.release import Release


@dataclass(frozen=True, slots=True)
class Report:
    """What one machine said last. `number` is the release that it serves (0: none), `failed` the one it went back
    from for `reason`; `seen_seconds` since it spoke, `problems` in its own words."""

    machine: str
    number: int
    serving: bool
    seen_seconds: float
    failed: int | None = None
    reason: str = ""
    problems: tuple[str, ...] = ()

    def serves(self, number: int) -> bool:
        """Whether it serves that release."""
        return self.serving and self.number == number

    def refuses(self, number: int) -> bool:
        """Whether it went back from that release; a later change of settings that failed does not count."""
        return self.failed == number and not self.serves(number)


@dataclass(frozen=True, slots=True)
class Grow:
    """These may have it from now on."""

    released: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """For these; for nobody while the canary bakes."""

    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """This machine went back from it."""

    machine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Somebody released something newer meanwhile."""

    machine: str
    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """All that are heeded serve it, and every member may have it."""


Deed = Grow | Wait | Fail | Superseded | Done


def next_deed(release: Release, reports: Mapping[str, Report], heeded: AbstractSet[str], bake_left: float) -> Deed:
    """What to do about a release that `released` may have by now.

    `heeded` are the members that are alive or still expected, `bake_left` the seconds that the canary, all alone, must
    go on serving. The canary is always heeded: without its word nobody else gets anything.
    """
    alone = len(release.released) == 1
    deed = settling_deed(release, reports, set(release.released) if alone else heeded)
    if not isinstance(deed, Done):
        return deed
    if alone and bake_left > 0:
        return Wait()
    return Done() if release.whole else Grow(grown(release.members, release.released))


def settling_deed(release: Release, reports: Mapping[str, Report], heeded: AbstractSet[str]) -> Deed:
    """Whether those of `released` that are `heeded` serve it by now."""
    for report in (reports[name] for name in sorted(release.members) if name in reports):
        if report.refuses(release.number):
            return Fail(report.machine, report.reason)
        if report.number > release.number:
            return Superseded(report.machine, report.number)
    asked = sorted(set(release.released) & heeded)
    late = tuple(name for name in asked if not _serves(reports, name, release.number))
    return Wait(late) if late else Done()


def grown(members: Mapping[str, str], released: AbstractSet[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Those who have it and the next cluster, by name, that is not complete."""
    left = [name for name in members if name not in released]
    following = min((members[name] for name in left), default="")
    return tuple(sorted({*released, *(name for name in left if members[name] == following)}))


def canary(members: Mapping[str, str], reports: Mapping[str, Report], live_seconds: float) -> str | None:
    """First by name of the members that are alive; of those that serve well, if any do."""
    alive = [name for name in sorted(members) if name in reports and reports[name].seen_seconds <= live_seconds]
    well = [name for name in alive if reports[name].serving]
    return next(iter(well or alive), None)


def _serves(reports: Mapping[str, Report], name: str, number: int) -> bool:
    return name in reports and reports[name].serves(number)
