"""The ledger of seats: which machines run under which licence, and the latest time seen. Pure; others keep the file.

It keeps honest customers honest and can do no more: whoever owns the file can edit it, and one licence on two stacks
with a ledger each is counted twice, for nothing here calls home. Stacks that share one ledger are counted together.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hdinfra.licence.licence import Licence, LicenceError, check, moment

_SCHEMA = 1
_MOST_NAMED = 12
_LATEST = 2**37  # a time that dates know: it is shown to people
_FIELDS: Mapping[str, type] = {
    "stack": str,
    "instance": str,
    "slot": int,
    "app": str,
    "licence": str,
    "taking": str,
    "since": int,
}


class LedgerDamagedError(ValueError):
    """A ledger's text that is not what was written there."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One machine's place under a licence. `stack` is `project/stack`, `licence` the licence's id, `since` in seconds
    since 1970. `taking` is new whenever it is taken: who took it before cannot give the new one back."""

    stack: str
    instance: str
    slot: int
    app: str
    licence: str
    taking: str
    since: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Whose seat it is; nobody has two."""
        return self.stack, self.instance, self.slot

    def __str__(self) -> str:
        return f"{self.instance}/{self.slot} of {self.stack} since {moment(self.since)}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """All seats, and the latest time (seconds since 1970) at which one was taken or looked at."""

    seats: tuple[Seat, ...] = ()
    seen: int = 0

    def held(self, taking: str) -> Seat | None:
        """The seat of that taking; None when it was given back, or taken anew since."""
        return next((seat for seat in self.seats if seat.taking == taking), None)

    def at(self, key: tuple[str, str, int]) -> Seat | None:
        """The seat of that stack, instance and slot; None where nobody took it."""
        return next((seat for seat in self.seats if seat.key == key), None)


def take(ledger: Ledger, seat: Seat, licence: Licence, now: float) -> Ledger:
    """The ledger with that seat, once more under its own key or taking instead of twice.

    LicenceError `byol.licence-count` when the licence's machines are all seated, naming them, and what `check` finds.
    """
    for refusal in check(licence, app=seat.app, machines=1, now=now, seen=ledger.seen):
        raise refusal
    others = tuple(one for one in ledger.seats if one.key != seat.key and one.taking != seat.taking)
    seated = [one for one in others if one.licence == licence.id]
    if len(seated) >= licence.machines:
        raise LicenceError(
            "byol.licence-count",
            f"All {licence.machines:,} seats of licence `{licence.id}` are taken: {_named(seated)}.",
            f"take one of these machines away first, ask the vendor for a licence for {len(seated) + 1:,}, or, where "
            "one of them was lost without giving its seat back, take its entry out of the ledger",
        )
    known = ledger.held(seat.taking)
    kept = replace(seat, since=known.since) if known else seat
    return Ledger(tuple(sorted((*others, kept), key=lambda one: one.key)), max(ledger.seen, int(now)))


def give_back(ledger: Ledger, taking: str) -> Ledger:
    """The ledger without that taking; the same one where it holds no seat any more."""
    return replace(ledger, seats=tuple(seat for seat in ledger.seats if seat.taking != taking))


def ledger_text(ledger: Ledger) -> str:
    """As it is kept: JSON that a person can read and mend."""
    body = {"schema": _SCHEMA, "seen": ledger.seen, "seats": [asdict(seat) for seat in ledger.seats]}
    return json.dumps(body, indent=2) + "\n"


def ledger_of(text: str) -> Ledger:
    """From its text; LedgerDamagedError where that is not a ledger's. `seen` may have been taken out."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise LedgerDamagedError("it is not JSON, or cut short") from None
    if not isinstance(found, dict) or found.get("schema") != _SCHEMA or not isinstance(found.get("seats"), list):
        raise LedgerDamagedError(f"a ledger has `schema` {_SCHEMA} and a list of `seats`")
    seen = found.get("seen", 0)
    if not _is(seen, int):
        raise LedgerDamagedError("`seen` is a time in whole seconds since 1970")
    return Ledger(tuple(_seat(place, one) for place, one in enumerate(found["seats"])), seen)


def _seat(place: int, found: Any) -> Seat:
    if not isinstance(found, dict) or found.keys() != _FIELDS.keys():
        raise LedgerDamagedError(f"seats[{place}] has not {', '.join(_FIELDS)}")
    wrong = [name for name, kind in _FIELDS.items() if not _is(found[name], kind)]
    if wrong:
        raise LedgerDamagedError(f"seats[{place}].{wrong[0]} is a {type(found[wrong[0]]).__name__}")
    return Seat(**found)


def _is(value: object, kind: type) -> bool:
    if isinstance(value, int):
        return kind is int and not isinstance(value, bool) and 0 <= value < _LATEST
    return isinstance(value, kind)


def _named(seats: Iterable[Seat]) -> str:
    names = [str(seat) for seat in seats]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
