"""Which version a machine takes: pure, so that whatever arrives in whatever order, the highest valid one wins.

A version is a release and the settings that were given with it; its order is (release number, settings number). Held
settings and offered ones are laid together entry by entry, so an API machine that lags behind takes nothing back.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hdinfra.protocol.entry import Entry, SealedEntry, latest, open_entry
from hdinfra.protocol.merge import merged
from hdinfra.protocol.release import Release, check_clock, open_release
from hdinfra.protocol.seal import ProtocolError, canonical

Order = tuple[int, int]
_MOST = 64
"""Releases in one answer; there is normally one."""
_MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom this machine believes: the stack's key (`signer`), for this zone and this machine."""

    signer: str
    zone: str
    machine: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Statements that were verified, with the texts that prove them."""

    releases: tuple[tuple[Release, str], ...] = ()
    entries: tuple[tuple[Entry, SealedEntry], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """A release with settings, and the document that they make."""

    release: Release
    sealed: str
    entries: tuple[tuple[Entry, SealedEntry], ...]
    raw: bytes = field(repr=False)
    ignored: tuple[str, ...] = ()

    @property
    def order(self) -> Order:
        """Release number and settings number: later is higher."""
        return self.release.number, max((entry.number for entry, _ in self.entries), default=0)


def opened(answer: Mapping[str, Any], trust: Trust, now: float) -> Opened:
    """What may be believed of an API machine's answer, and why the rest may not. `now` in seconds since 1970."""
    releases: list[tuple[Release, str]] = []
    entries: list[tuple[Entry, SealedEntry]] = []
    problems: list[str] = []
    for text in _listed(answer, "releases", _MOST, problems):
        try:
            releases.append((_for_me(str(text), trust, now), str(text)))
        except ProtocolError as error:
            problems.append(f"{error.code}: {error}")
    for given in _listed(answer, "settings", _MOST_ENTRIES, problems):
        try:
            sealed = _sealed(given)
            entries.append((open_entry(sealed, trust.signer, trust.zone), sealed))
        except ProtocolError as error:
            problems.append(f"{error.code}: {error}")
    return Opened(tuple(releases), tuple(entries), tuple(problems))


def candidate(held: Version | None, offers: Iterable[Opened]) -> Version | None:
    """The highest version that held and offered statements make; None before the first release."""
    offers = tuple(offers)
    releases = [
        *([(held.release, held.sealed)] if held else []),
        *(each for offer in offers for each in offer.releases),
    ]
    if not releases:
        return None
    release, sealed = max(releases, key=lambda pair: pair[0].number)  # the first of equals: what is held
    entries = [*(held.entries if held else ()), *(each for offer in offers for each in offer.entries)]
    return version_of(release, sealed, entries)


def version_of(release: Release, sealed: str, entries: Sequence[tuple[Entry, SealedEntry]]) -> Version:
    """The version of these statements; ProtocolError `release.document` when its document is none."""
    texts = {(entry.key, *entry.order): text for entry, text in entries}
    holding = latest(entry for entry, _ in entries if _is_setting_of(entry, release.scope))
    mine = sorted(holding.values(), key=lambda entry: entry.key)
    try:
        found = merged(release.document, release.scope, mine)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProtocolError(
            "release.document", f"release {release.number} holds no policy document: {type(error).__name__} {error}"
        ) from None
    proven = tuple((entry, texts[entry.key, *entry.order]) for entry in mine)
    return Version(release, sealed, proven, canonical(found.document).encode(), found.ignored)


def is_newer(offered: Version, held: Version | None, skipped: Iterable[Order]) -> bool:
    """Whether to take it: higher than all that went wrong here, and other than what is held."""
    if any(offered.order <= order for order in skipped):
        return False
    return held is None or offered.order > held.order or (offered.order == held.order and offered.raw != held.raw)


def refusals(api: str, offer: Opened, highest: int) -> list[str]:
    """What is wrong with an offer, an older release offered as new among it."""
    older = [release.number for release, _ in offer.releases if release.number < highest]
    stale = [f"{api} offers release {number}, older than {highest} that was here: refused" for number in older]
    return [*(f"{api}: {problem}" for problem in offer.problems), *stale]


def stored(version: Version) -> str:
    """As it is kept; `restored` proves it again."""
    settings = [{"entry": text.entry, "endorsement": text.endorsement} for _, text in version.entries]
    return json.dumps({"release": version.sealed, "settings": settings}, sort_keys=True)


def restored(text: str, trust: Trust) -> Version:
    """A kept version; ProtocolError when it is not one of this machine's stack any more."""
    try:
        kept = json.loads(text)
        release, settings = str(kept["release"]), kept["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError("release.shape", f"what was kept is no version: {error}") from None
    entries = [(open_entry(sealed, trust.signer, trust.zone), sealed) for sealed in map(_sealed, settings)]
    return version_of(open_release(release, trust.signer, trust.zone), release, entries)


def _for_me(text: str, trust: Trust, now: float) -> Release:
    release = open_release(text, trust.signer, trust.zone)
    if trust.machine not in release.released:
        raise ProtocolError("release.not-mine", f"release {release.number} is not for `{trust.machine}` yet")
    check_clock(release, now)
    return release


def _is_setting_of(entry: Entry, scope: str) -> bool:
    return entry.kind == "setting" and entry.key.startswith(f"{scope}/")


def _listed(answer: Mapping[str, Any], name: str, most: int, problems: list[str]) -> list[Any]:
    found = answer.get(name, [])
    if isinstance(found, list) and len(found) <= most:
        return found
    problems.append(f"answer.shape: `{name}` is not a list of {most:,} at most")
    return []


def _sealed(given: object) -> SealedEntry:
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in ("entry", "endorsement")):
        raise ProtocolError("entry.shape", "an entry comes with its endorsement")
    return SealedEntry(given["entry"], given["endorsement"])
