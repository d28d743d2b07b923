"""What the management API serves, how it came to that, what `up` would change of it, and the way back."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdinfra.operate.control import Control, refusal
from hdinfra.operate.documents import Planned
from hdinfra.operate.errors import ControlError
from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.policy.difference import differences, drift, member_differences, shortened
from hdinfra.plugins.policy.plane import Past, Standing
from hdinfra.plugins.policy.rollout import Outcome, RolledBackError, Rollout, Wanted
from hdinfra.protocol.release import Release

Json = dict[str, Any]
Say = Callable[[str], None]
_NO_ONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ScopeDiff:
    """What `up` would change of one scope, and what it would leave because the API owns it."""

    scope: str
    number: int | None
    changes: tuple[str, ...]
    kept: tuple[str, ...] = ()

    def as_json(self) -> Json:
        """Plain data for `--json`."""
        return {"scope": self.scope, "number": self.number, "changes": list(self.changes), "kept": list(self.kept)}


def list_releases(control: Control) -> list[Json]:
    """The newest release of every scope."""
    return list(control.releases().values())


def show_scope(control: Control, scope: str) -> Json:
    """One scope's newest release, the document that its machines come to, and what was set through the API."""
    control.standing(scope)  # an unknown scope is told with those there are
    answers = control.ask_all(f"/v1/policies/{scope}")
    told = max(answers, key=lambda one: (one["release"]["number"], len(one["release"]["released"])))
    newest = told["release"]
    return {**told, "release": {**newest, "whole": set(newest["released"]) >= set(newest["members"])}}


def diff_scopes(control: Control, planned: Mapping[str, Planned]) -> list[ScopeDiff]:
    """Every scope of the plan, and those that the plan has no more."""
    known = control.releases()
    found = [_diff(scope, one, control.standing(scope) if scope in known else None) for scope, one in planned.items()]
    gone = [ScopeDiff(scope, known[scope]["number"], ("is in the plan no more",)) for scope in known.keys() - planned]
    return sorted((*found, *gone), key=lambda diff: diff.scope)


def history(control: Control, scope: str) -> list[Json]:
    """The scope's releases, newest first, without their documents; each with what it changed."""
    past = [one.release for one in control.standing(scope).past]
    return [_summary(release, past[index + 1 :]) for index, release in enumerate(past)]


def roll_back(control: Control, scope: str, to: int | None, say: Say) -> Outcome:
    """Sign the older document under a new number, and roll it out: canary first as well."""
    standing = control.standing(scope)
    newest, target = _newest(standing), _target(standing, scope, to)
    if not target.proven:
        say(f"release {target.release.number} came without its signature; the API machines are taken at their word")
    wanted = Wanted(
        scope=scope,
        members=newest.members,
        document=target.release.document,
        bake_seconds=newest.bake_seconds,
        code=newest.code,
        rollback_of=newest.number,
    )
    say(f"`{scope}`: back from release {newest.number} to what release {target.release.number} said")
    return driven(lambda: rollout(control, say).bring(wanted, _NO_ONE, standing.highest))


def resume(control: Control, scope: str, say: Say) -> Outcome:
    """Let a roll-out go on that stands where a killed `up` left it."""
    newest = _newest(control.standing(scope))
    if newest.whole:
        raise ControlError(f"Release {newest.number} of `{scope}` is with all its machines: nothing stands still.")
    say(f"`{scope}`: release {newest.number} is at {', '.join(newest.released)} and goes on")
    return driven(lambda: rollout(control, say).resume(scope))


def rollout(control: Control, say: Say, cancelled: threading.Event | None = None) -> Rollout:
    """The driver that `up` uses too; `cancelled` leaves the release where it is."""
    return Rollout(control.plane, Call(name="policy", progress=say, cancelled=cancelled or threading.Event()))


def driven(deed: Callable[[], Outcome]) -> Outcome:
    """A roll-out's outcome; ControlError with the machine's own words when it went wrong."""
    try:
        return deed()
    except RolledBackError as failed:
        running = f"release {failed.back.number}, which everybody has" if failed.back else "the canary's last good one"
        raise ControlError(str(failed), running=running) from None
    except PluginError as refused:
        raise refusal(refused) from None


def _diff(scope: str, planned: Planned, standing: Standing | None) -> ScopeDiff:
    newest = standing.newest if standing else None
    if standing is None or newest is None:
        return ScopeDiff(scope, None, ("is new", *differences({}, planned.document)))
    changes = (
        *differences(newest.document, planned.document),
        *member_differences(newest.members, planned.members),
    )
    return ScopeDiff(scope, newest.number, changes, tuple(drift(planned.document, standing.settings)))


def _newest(standing: Standing) -> Release:
    if standing.newest is None:
        raise ControlError("This scope has no release yet.", retry="hdinfra up")
    return standing.newest


def _target(standing: Standing, scope: str, to: int | None) -> Past:
    newest, older = _newest(standing), standing.past[1:]
    wanted = _last_good(newest, older) if to is None else [past for past in older if past.release.number == to]
    if wanted:
        return wanted[0]
    known = ", ".join(str(past.release.number) for past in older) or "none"
    missing = "no other good release before it" if to is None else f"no release {to} before it"
    raise ControlError(
        f"`{scope}` is at release {newest.number}, and the API machines know {missing}.",
        retry=f"hdinfra policy rollback {scope} --to N, with N one of: {known}",
    )


def _last_good(newest: Release, older: Sequence[Past]) -> list[Past]:
    """Those that every machine was given and that nobody rolled back; what says the same as now is no way back."""
    bad = {newest.rollback_of, *(past.release.rollback_of for past in older)}
    releases = [(past, past.release) for past in older]
    return [past for past, one in releases if one.whole and one.number not in bad and one.document != newest.document]


def _summary(release: Release, older: Sequence[Release]) -> Json:
    before = older[0].document if older else {}
    return {
        "number": release.number,
        "issued_at": release.issued_at,
        "released": sorted(release.released),
        "members": dict(sorted(release.members.items())),
        "whole": release.whole,
        "rollback_of": release.rollback_of,
        "changes": shortened(differences(before, release.document)) if older else [],
    }
