"""Brings sites' certificates to the edges: sealed for each machine's own key, through API machines that cannot open
them, until every edge that is alive says that it shows them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.policy.api import ApiUnreachableError
from hdinfra.plugins.policy.plane import Answers, ControlPlane
from hdinfra.plugins.policy.watch import Pace
from hdinfra.protocol.parcel import Label, seal_parcel
from hdinfra.protocol.seal import canonical

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivered:
    """`numbers` by site, `recipients` edges with the keys that were sealed for. `lagging`: edges that do not show them,
    with their own words; `silent`: those that were not heard of."""

    numbers: Mapping[str, int]
    recipients: Mapping[str, str]
    lagging: Mapping[str, str]
    silent: tuple[str, ...]


class Delivery:
    """For the edges `members`; those of `fresh` were just made, so they are waited for."""

    def __init__(self, plane: ControlPlane, call: Call, pace: Pace, members: Iterable[str]) -> None:
        self._plane, self._call, self._pace = plane, call, pace
        self._members = tuple(sorted(members))
        self._words = ""

    def recipients(self) -> dict[str, str]:
        """Every edge's public key. PluginError when an edge that was just made does not come, or when API machines
        disagree: then one of them names a key that is not the edge's."""
        found: dict[str, str] = {}

        def known() -> bool:
            found.clear()
            found.update(self._keys())
            return not self._words and found.keys() >= set(self._members)

        self._call.progress(f"waiting for {', '.join(self._members)} to name their keys")
        # Nobody may hold the others up for long: who never came has nothing to show either.
        if not self._call.wait_for(known, within=self._pace.grace, every=self._pace.poll) and self._words:
            raise PluginError(self._words)
        if not found:
            raise ApiUnreachableError("no edge has named its key to the API machines yet: run `hdinfra up` again")
        return found

    def numbers(self) -> dict[str, int]:
        """The highest number of each site that any API machine knows."""
        answers = self._plane.ask(lambda api: api.get("/v1/parcels"))
        if not answers.given:
            raise next(iter(answers.refused.values()), ApiUnreachableError(self._plane.last_words()))
        found: dict[str, int] = {}
        for told in answers.given.values():
            for host, number in told["numbers"].items():
                found[host] = max(int(number), found.get(host, 0))
        return found

    def send(self, texts: Mapping[str, str], recipients: Mapping[str, str], signing_key: str) -> dict[str, int]:
        """Seal and publish what is inside for each site; an empty text takes a site's certificate away."""
        numbers = self.numbers()
        for host, text in sorted(texts.items()):
            self._call.check_cancelled()
            numbers[host] = numbers.get(host, 0) + 1
            label = Label(self._plane.zone, host, numbers[host])
            self._publish(host, seal_parcel(label, text, recipients, signing_key))
        return numbers

    def shown(self, numbers: Mapping[str, int], recipients: Mapping[str, str]) -> Delivered:
        """Wait until all edges that are alive say that they show these."""
        wanted = digest(numbers)
        reports: dict[str, Told] = {}

        def done() -> bool:
            reports.update(self._reports())
            return all(told.get("certificates") == wanted for told in reports.values() if self._alive(told))

        self._call.progress(f"waiting for {', '.join(self._members)} to show the certificates")
        self._call.wait_for(done, within=self._pace.serve, every=self._pace.poll)
        silent = tuple(name for name in self._members if not self._alive(reports.get(name)))
        lagging = {
            name: "; ".join(map(str, told.get("problems") or ())) or "it gives no reason"
            for name, told in reports.items()
            if name not in silent and told.get("certificates") != wanted
        }
        return Delivered(numbers, recipients, lagging, silent)

    def _publish(self, host: str, sealed: str) -> None:
        answers = self._plane.ask(lambda api: api.put("/v1/parcels", {"parcel": sealed}))
        for refused in answers.refused.values():
            raise PluginError(f"the API machines refuse the certificate of `{host}`: {refused}") from refused
        if not answers.given:
            raise ApiUnreachableError(f"the certificate of `{host}` reached no API machine: {self._plane.last_words()}")

    def _keys(self) -> dict[str, str]:
        self._words = ""
        found: dict[str, str] = {}
        # One that names a key of its own may well be the fastest: all are heard before anything is sealed.
        for told in _by_last_seen(self._plane.ask_all(lambda api: api.get("/v1/machines"))):
            name, key = str(told["name"]), str(told.get("key") or "")
            if name not in self._members or not key:
                continue
            if self._alive(told) and found.get(name, key) != key:
                self._words = (
                    f"the API machines name different keys of `{name}`, so nothing is sealed for it.\n"
                    f"fix: if it was made anew this minute run `hdinfra up` again, else look at `hdinfra status`"
                )
            if self._alive(told) or name not in found:
                found[name] = key
        return found

    def _reports(self) -> dict[str, Told]:
        found: dict[str, Told] = {}
        for told in _by_last_seen(self._plane.ask(lambda api: api.get("/v1/machines"))):
            name = str(told["name"])
            seen, before = told.get("seen_seconds"), found.get(name)
            if name in self._members and seen is not None and (before is None or seen < before["seen_seconds"]):
                found[name] = told
        return found

    def _alive(self, told: Told | None) -> bool:
        seen = told.get("seen_seconds") if told else None
        return seen is not None and float(seen) <= self._pace.live


def _by_last_seen(answers: Answers[dict[str, Any]]) -> list[Told]:
    """Of all API machines, who was heard of last comes first."""
    told = [machine for answer in answers.given.values() for machine in answer["machines"]]
    return sorted(told, key=lambda one: (one.get("seen_seconds") is None, one.get("seen_seconds") or 0))


def digest(numbers: Mapping[str, int]) -> str:
    """As an edge reports which certificates it shows."""
    return hashlib.sha256(canonical(dict(numbers)).encode()).hexdigest()[:16] if numbers else ""
