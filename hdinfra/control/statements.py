"""Releases and entries as this API machine believes them: whatever order they come in, the same ones hold.

Every group (a scope's releases, the entries on one key) keeps its highest few. The highest of a union is the highest of
the highest, so API machines that hear one another in any order end alike.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hdinfra.control.documents import check_document
from hdinfra.control.entry_kinds import KEPT, check_entry, group_of
from hdinfra.control.refusal import RefusedError
from hdinfra.control.store import Store
from hdinfra.protocol.entry import Entry, SealedEntry, open_entry
from hdinfra.protocol.release import Release, open_release
from hdinfra.protocol.seal import canonical, read_unverified

RELEASES_KEPT = 20
_RELEASE = "release"


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """`release` is without its document, which may be large; `content` is the digest of what the number stands for."""

    row: int
    release: Release
    content: str
    text_digest: str

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Of two texts of one number the wider one holds."""
        return self.release.number, len(self.release.released), self.release.issued_at, self.text_digest


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry and its text as it travels."""

    row: int
    entry: Entry
    sealed: SealedEntry

    @property
    def order(self) -> tuple[int, str, int, str]:
        """Later is higher, also where an API machine that lost its memory gave a number twice."""
        return *self.entry.order, self.entry.at, self.sealed.entry


class Statements:
    """All that is believed. `heard` is called after each change."""

    def __init__(self, store: Store, signer: str, zone: str) -> None:
        self._store = store
        self._signer = signer
        self._zone = zone
        self._releases: dict[str, dict[int, KeptRelease]] = {}
        self._entries: dict[tuple[str, str], list[KeptEntry]] = {}
        self._texts: set[str] = set()
        self._documents: dict[str, tuple[int, dict[str, Any]]] = {}
        self.highest_number = 0
        self.heard: Callable[[], None] = lambda: None
        self._load()

    def scopes(self) -> list[str]:
        """All that ever had a release."""
        return sorted(self._releases)

    def newest(self, scope: str) -> KeptRelease | None:
        """The release with the highest number."""
        kept = self._releases.get(scope)
        return kept[max(kept)] if kept else None

    def history(self, scope: str) -> list[KeptRelease]:
        """Newest first."""
        return sorted(self._releases.get(scope, {}).values(), key=lambda kept: kept.order, reverse=True)

    def released_to(self, machine: str) -> KeptRelease | None:
        """The highest release of any scope that this machine may have."""
        for_it = (
            kept for scope in self._releases.values() for kept in scope.values() if machine in kept.release.released
        )
        return max(for_it, key=lambda kept: kept.order, default=None)

    def text(self, kept: KeptRelease) -> str:
        """The release as it travels."""
        return self._store.text_of(kept.row)

    def document(self, kept: KeptRelease) -> dict[str, Any]:
        """The policy that it carries; that of each scope's newest release stays in memory."""
        scope = kept.release.scope
        known = self._documents.get(scope)
        if known is not None and known[0] == kept.row:
            return known[1]
        document: dict[str, Any] = read_unverified(_RELEASE, self.text(kept))["document"]
        if kept is self.newest(scope):
            self._documents[scope] = (kept.row, document)
        return document

    def entries(self, kind: str) -> list[KeptEntry]:
        """All that are kept of a kind, oldest first."""
        found = [kept for (of, _), group in self._entries.items() if of == kind for kept in group]
        return sorted(found, key=lambda kept: kept.order)

    def group(self, kind: str, name: str) -> list[KeptEntry]:
        """What is kept of one group, oldest first."""
        return self._entries.get((kind, name), [])

    def groups(self, kind: str) -> list[str]:
        """The names of a kind's groups."""
        return sorted(name for of, name in self._entries if of == kind)

    def knows(self, text: str) -> bool:
        """Whether exactly this is held."""
        return _digest(text) in self._texts

    def take_release(self, text: str) -> bool:
        """Believe a release of the stack's; whether it changed anything. ProtocolError when it is none."""
        if self.knows(text):
            return False
        release = open_release(text, self._signer, self._zone)
        check_document(release.document)
        return self._keep_release(_kept_release(0, release, text), text)

    def take_entry(self, sealed: SealedEntry) -> bool:
        """Believe an API machine's entry; whether it changed anything. ProtocolError when it is none."""
        if self.knows(sealed.entry):
            return False
        entry = open_entry(sealed, self._signer, self._zone)
        check_entry(entry)
        self.highest_number = max(self.highest_number, entry.number)
        return self._keep_entry(KeptEntry(0, entry, sealed))

    def check_succeeds(self, text: str) -> Release:
        """The release, when it may follow what is known of its scope; RefusedError `release.older` if not."""
        release = open_release(text, self._signer, self._zone)
        check_document(release.document)
        newest = self.newest(release.scope)
        if newest is None or release.number > newest.release.number:
            return release
        if release.number < newest.release.number:
            raise RefusedError(
                409, "release.older", f"release {newest.release.number} of `{release.scope}` is known already"
            )
        if _kept_release(0, release, text).content != newest.content:
            raise RefusedError(409, "release.older", f"release {release.number} of `{release.scope}` is another one")
        return release

    def _keep_release(self, kept: KeptRelease, text: str) -> bool:
        scope = self._releases.get(kept.release.scope, {})
        before = scope.get(kept.release.number)
        if before is not None and before.order >= kept.order:
            return False
        after = _pruned({**scope, kept.release.number: kept})
        if kept.release.number not in after:
            return False
        gone = [one for one in scope.values() if after.get(one.release.number) is not one]
        kept = replace(kept, row=self._store.add_statement(_RELEASE, text, "", [one.row for one in gone]))
        self._texts -= {one.text_digest for one in gone}
        self._remember_release(kept, after)
        self.heard()
        return True

    def _remember_release(self, kept: KeptRelease, scope: dict[int, KeptRelease]) -> None:
        self._releases[kept.release.scope] = {**scope, kept.release.number: kept}
        self._texts.add(kept.text_digest)

    def _keep_entry(self, kept: KeptEntry) -> bool:
        name = group_of(kept.entry)
        before = self._entries.get(name, [])
        after = sorted([*before, kept], key=lambda one: one.order)[-KEPT[kept.entry.kind] :]
        if kept not in after:
            return False
        gone = [one for one in before if one not in after]
        sealed = kept.sealed
        row = self._store.add_statement("entry", sealed.entry, sealed.endorsement, [one.row for one in gone])
        self._texts -= {_digest(one.sealed.entry) for one in gone}
        self._texts.add(_digest(sealed.entry))
        self._entries[name] = [replace(one, row=row) if one is kept else one for one in after]
        self.heard()
        return True

    def _load(self) -> None:
        row, batch = 0, self._store.statements(0, 4_000_000)
        while batch:
            for statement in batch:
                row = statement.row
                if statement.kind == _RELEASE:
                    release = open_release(statement.text, self._signer, self._zone)
                    kept = _kept_release(row, release, statement.text)
                    self._remember_release(kept, self._releases.get(release.scope, {}))
                else:
                    self._load_entry(row, SealedEntry(statement.text, statement.endorsement))
            batch = self._store.statements(row, 4_000_000)

    def _load_entry(self, row: int, sealed: SealedEntry) -> None:
        entry = open_entry(sealed, self._signer, self._zone)
        group = self._entries.setdefault(group_of(entry), [])
        group.append(KeptEntry(row, entry, sealed))
        group.sort(key=lambda one: one.order)
        self._texts.add(_digest(sealed.entry))
        self.highest_number = max(self.highest_number, entry.number)


def _pruned(scope: dict[int, KeptRelease]) -> dict[int, KeptRelease]:
    """The newest few, and the newest that every member may have."""
    newest = set(sorted(scope)[-RELEASES_KEPT:])
    whole = max((number for number, kept in scope.items() if kept.release.whole), default=0)
    return {number: kept for number, kept in scope.items() if number in newest or number == whole}


def _kept_release(row: int, release: Release, text: str) -> KeptRelease:
    content = canonical({"code": release.code, "document": release.document, "members": release.members})
    return KeptRelease(row, replace(release, document={}), _digest(content), _digest(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
