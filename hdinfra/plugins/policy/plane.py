"""All API machines of a stack as one: every question goes to all of them at once, one that answers is enough."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.api import Api, ApiRefusedError, ApiUnreachableError
from hdinfra.plugins.policy.stages import Report
from hdinfra.protocol.release import Release, open_release, seal_release
from hdinfra.protocol.seal import ProtocolError, public_of

OLDER = "release.older"
_GRACE_SECONDS = 0.5  # for the slower ones after the first answer
_T = TypeVar("_T")


class OlderReleaseError(PluginError):
    """An API machine knows a newer release of this scope than the one it was given."""


@dataclass(frozen=True)
class Answers(Generic[_T]):
    """By the API machine's name: what it gave, why it said no, or why there was no answer."""

    given: dict[str, _T] = field(default_factory=dict)
    refused: dict[str, ApiRefusedError] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether anybody answered, were it with a no."""
        return bool(self.given or self.refused)


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier release. `proven`: it came with the stack's own signature."""

    release: Release
    proven: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What the API machines know of a scope: its releases, newest first, and what was set through the API."""

    past: tuple[Past, ...] = ()
    settings: tuple[Mapping[str, Any], ...] = ()

    @property
    def newest(self) -> Release | None:
        """The release with the highest number."""
        return self.past[0].release if self.past else None

    @property
    def highest(self) -> int:
        """Its number; 0 when there is none."""
        return self.past[0].release.number if self.past else 0

    def good(self, below: float = math.inf, reports: Mapping[str, Report] | None = None) -> Past | None:
        """The last release before `below` that every machine was given, that nobody rolled back, and that not all who
        reported went back from."""
        said = (reports or {}).values()
        bad = {report.failed for report in said} - {report.number for report in said}
        bad |= {past.release.rollback_of for past in self.past}
        fit = (p for p in self.past if p.release.number < below and p.release.whole and p.release.number not in bad)
        return next(fit, None)


class ControlPlane:
    """Talks for one stack. `key` signs, and tells by its public half what the stack signed."""

    def __init__(self, apis: Sequence[Api], zone: str, key: str) -> None:
        self.zone = zone
        self._apis = tuple(apis)
        self._key = key
        self._signer = public_of(key)
        self._busy: set[str] = set()
        self._last_words: dict[str, str] = {}

    @property
    def names(self) -> str:
        """For messages."""
        return ", ".join(f"`{api.endpoint.name}`" for api in self._apis)

    def ask(self, question: Callable[[Api], _T]) -> Answers[_T]:
        """All at once; whoever is much slower than the first to answer counts as silent."""
        return self._asked(question, _GRACE_SECONDS)

    def ask_all(self, question: Callable[[Api], _T]) -> Answers[_T]:
        """All at once, each for as long as it may take: where one that lies must not outrun one that does not."""
        return self._asked(question, math.inf)

    def _asked(self, question: Callable[[Api], _T], grace: float) -> Answers[_T]:
        answers: queue.SimpleQueue[tuple[str, _T | Exception]] = queue.SimpleQueue()
        found: Answers[_T] = Answers()
        pending: set[str] = set()
        for api in self._apis:
            if api.endpoint.name in self._busy:  # still on an earlier question: never let such threads pile up
                found.silent[api.endpoint.name] = "has not answered yet"
                continue
            pending.add(api.endpoint.name)
            self._busy.add(api.endpoint.name)
            threading.Thread(target=self._one, args=(api, question, answers), daemon=True).start()
        self._gather(found, pending, answers, grace)
        self._last_words |= found.silent
        return found

    def last_words(self) -> str:
        """Why those that did not answer last did not, in one line."""
        return "; ".join(text for _, text in sorted(self._last_words.items()))

    def standing(self, scope: str) -> Standing | None:
        """The releases of a scope, of whoever knows the newest; None when nobody answers."""
        answers = self.ask(lambda api: self._standing(api, scope))
        if not answers.given:
            self._raise_refused(answers.refused)
            return None
        return max(answers.given.values(), key=lambda standing: standing.highest)

    def reports(self, members: Iterable[str]) -> dict[str, Report] | None:
        """The newest report of each of these that ever reported; None when nobody answers."""
        answers = self.ask(lambda api: api.get("/v1/machines"))
        if not answers.given:
            self._raise_refused(answers.refused)
            return None
        return newest_reports(answers.given.values(), set(members))

    def publish(self, release: Release) -> Answers[dict[str, Any]]:
        """Signs it and hands it to all; OlderReleaseError when one of them knows a newer one."""
        body = {"release": seal_release(release, self._key)}
        answers = self.ask(lambda api: api.put(f"/v1/policies/{release.scope}", body))
        for name, refusal in answers.refused.items():
            if refusal.code == OLDER:
                raise OlderReleaseError(f"{name}: {refusal.message}")
        if not answers.given:
            self._raise_refused(answers.refused)
        return answers

    def close(self) -> None:
        """Lets go of all connections but those that still wait."""
        for api in self._apis:
            if api.endpoint.name not in self._busy:
                api.close()

    def _one(self, api: Api, question: Callable[[Api], _T], answers: "queue.SimpleQueue[Any]") -> None:
        try:
            answer: _T | Exception = question(api)
        except Exception as error:
            answer = error
        self._busy.discard(api.endpoint.name)
        answers.put((api.endpoint.name, answer))

    def _gather(self, found: Answers[_T], pending: set[str], answers: "queue.SimpleQueue[Any]", grace: float) -> None:
        limit = time.monotonic() + max(api.timeout for api in self._apis) + _GRACE_SECONDS
        while pending:
            try:
                name, answer = answers.get(timeout=max(0.0, limit - time.monotonic()))
            except queue.Empty:
                found.silent.update(dict.fromkeys(pending, "has not answered yet"))
                return
            pending.remove(name)
            _file(found, name, answer)
            if name in found.given:
                limit = min(limit, time.monotonic() + grace)

    def _standing(self, api: Api, scope: str) -> Standing:
        try:
            newest = api.get(f"/v1/policies/{scope}")
            past = api.get(f"/v1/policies/{scope}/history")["history"]
        except ApiRefusedError as refused:
            if refused.status == 404:
                return Standing()
            raise
        releases = {told.release.number: told for told in map(self._past, past)}
        # The history may leave out what the newest one tells of itself.
        current = self._past({"sealed": newest.get("sealed"), **newest["release"]})
        releases[current.release.number] = current
        ordered = sorted(releases.values(), key=lambda told: -told.release.number)
        return Standing(tuple(ordered), tuple(newest.get("settings") or ()))

    def _past(self, told: Mapping[str, Any]) -> Past:
        if isinstance(told.get("sealed"), str):
            return Past(open_release(told["sealed"], self._signer, self.zone), proven=True)
        return Past(_release(told, self.zone), proven=False)

    def _raise_refused(self, refused: Mapping[str, ApiRefusedError]) -> None:
        for refusal in refused.values():
            raise refusal


def newest_reports(answers: Iterable[Mapping[str, Any]], members: AbstractSet[str]) -> dict[str, Report]:
    """Of several machines' lists the last word of each member."""
    found: dict[str, Report] = {}
    for told in (machine for answer in answers for machine in answer["machines"]):
        report = _report(told) if told["name"] in members else None
        if report is None:
            continue
        known = found.get(report.machine)
        if known is None or report.seen_seconds < known.seen_seconds:
            found[report.machine] = report
    return found


def _file(found: Answers[_T], name: str, answer: Any) -> None:
    match answer:
        case ApiRefusedError():
            found.refused[name] = answer
        case ApiUnreachableError() | ProtocolError():
            found.silent[name] = str(answer)
        case KeyError() | TypeError() | ValueError() | AttributeError():
            found.silent[name] = f"{name}: an answer of another shape ({answer!r:.80})"
        case Exception():
            raise answer
        case _:
            found.given[name] = answer


def _report(told: Mapping[str, Any]) -> Report | None:
    if told.get("seen_seconds") is None:
        return None
    failed = told.get("failed") or {}
    return Report(
        machine=str(told["name"]),
        number=int(told.get("number") or 0),
        serving=told.get("serving") is True,
        seen_seconds=float(told["seen_seconds"]),
        failed=failed.get("number"),
        reason=str(failed.get("reason") or ""),
        problems=tuple(map(str, told.get("problems") or ())),
    )


def _release(told: Mapping[str, Any], zone: str) -> Release:
    return Release(
        zone=zone,
        scope=str(told["scope"]),
        number=int(told["number"]),
        issued_at=int(told["issued_at"]),
        members=dict(told["members"]),
        released=tuple(told["released"]),
        document=dict(told["document"]),
        bake_seconds=float(told.get("bake_seconds") or 0),
        rollback_of=told.get("rollback_of"),
        code=dict(told.get("code") or {}),
    )
