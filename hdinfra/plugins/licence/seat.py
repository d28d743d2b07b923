"""The resource `hdlicence:index:Seat`: one machine's place under a licence, held in a ledger while it exists.

Nothing calls home, so one licence on two stacks with a ledger each is counted twice; stacks that share a ledger are
counted together.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import ClassVar

from hdinfra.licence.licence import Licence, LicenceError, opened
from hdinfra.licence.seats import Seat, give_back, take
from hdinfra.plugins.kind import Call, Difference, PluginError, Values
from hdinfra.plugins.licence.ledger import LedgerFile
from hdinfra.plugins.shapes import Failure, Number, Record, Text
from hdinfra.plugins.values import UNKNOWN, holds_unknown

_NOTE_SECONDS = 3600  # the ledger is not written anew for every look
_NAME = Text(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?", "a name: a-z, 0-9 and inner hyphens, 32 characters at most")


class SeatKind:
    """Keyed by stack, instance and slot. Whatever changes is changed in place, so that nothing ever needs two seats.

    The resource's id is the taking: Create of a key that is seated takes the same seat under a new id, and Delete of
    the replaced resource finds its own id gone and leaves the seat alone.
    """

    inputs = Record(
        {
            "ledger": Text(r"[^\0\n]{1,4096}", "a path of 4,096 characters at most"),
            "licence": Text(r"(?s).{1,65536}", "a licence file's text"),
            "publicKey": Text(r"[A-Za-z0-9+/]{43}=", "the vendor's public key, as `hdinfra licence keygen` printed it"),
            "instance": _NAME,
            "slot": Number(0, 99_999),
            "app": _NAME,
        }
    )
    outputs: ClassVar[Mapping[str, str]] = {"licenceId": "string", "expires": "number"}

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def check(self, inputs: Values) -> Iterable[Failure]:
        """Refuses a forged licence; what depends on the time waits, or an expired one could not be taken away."""
        if holds_unknown([inputs["licence"], inputs["publicKey"]]):
            return
        try:
            opened(inputs["licence"], inputs["publicKey"])
        except LicenceError as refused:
            yield Failure("licence", f"is refused: {refused}")

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """Refuses what Create and Update would, as far as it can be known; takes nothing."""
        if holds_unknown(inputs):
            return dict.fromkeys(self.outputs, UNKNOWN)
        with _clear_errors():
            licence = opened(inputs["licence"], inputs["publicKey"])
            ledger, now = LedgerFile(inputs["ledger"]).read(), self._clock()
            # An update's own seat, found by where it was, does not count against it.
            before = ledger.at((_stack(call), state["instance"], state["slot"])) if state else None
            take(ledger, _seat(call, inputs, licence, before.taking if before else "", now), licence, now)
        return _told(licence)

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Takes the seat, or the same one once more under a new id."""
        taking = f"{inputs['instance']}-{inputs['slot']}-{secrets.token_hex(8)}"
        return taking, self._take(call, inputs, taking)

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """Whether the ledger still has it. It notes the time as well: a clock that is set back later is noticed."""
        file = LedgerFile(state["ledger"])
        if file.read().held(resource_id) is None:
            return None
        self._note_time(call, file)
        return {name: state[name] for name in self.outputs if name in state}

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """All in place: machines depend on it, and a replacement would need a second seat for a while. That a seat was
        looked at is noted too: an `up` that leaves it as it is asks for nothing else, and planning asks the ledger."""
        with suppress(PluginError):  # of a ledger that is damaged or gone whoever takes or gives back a seat has to say
            if (ledger := state.get("ledger")) and (file := LedgerFile(ledger)).exists():
                self._note_time(Call(name=str(state["instance"])), file)
        return Difference(updates=changed)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Seats it under the licence, key or ledger of now; the old ledger gets its seat back afterwards."""
        told = self._take(call, inputs, resource_id)
        before = LedgerFile(state["ledger"])
        if before.path != LedgerFile(inputs["ledger"]).path:
            self._give_back(call, before, resource_id)
        return told

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Gives the seat back, without asking whether the licence still holds."""
        self._give_back(call, LedgerFile(state["ledger"]), resource_id)

    def _note_time(self, call: Call, file: LedgerFile) -> None:
        now = self._clock()
        if now > file.read().seen + _NOTE_SECONDS:
            file.change(call, lambda found: replace(found, seen=max(found.seen, int(now))))

    def _take(self, call: Call, inputs: Values, taking: str) -> Values:
        with _clear_errors():
            licence, now = opened(inputs["licence"], inputs["publicKey"]), self._clock()
            seat = _seat(call, inputs, licence, taking, now)
            LedgerFile(inputs["ledger"]).change(call, lambda ledger: take(ledger, seat, licence, now))
        return _told(licence)

    def _give_back(self, call: Call, file: LedgerFile, taking: str) -> None:
        if file.exists():  # a ledger that is gone, perhaps with its folder, holds no seat
            file.change(call, lambda ledger: give_back(ledger, taking))


def _seat(call: Call, inputs: Values, licence: Licence, taking: str, now: float) -> Seat:
    return Seat(
        stack=_stack(call),
        instance=inputs["instance"],
        slot=inputs["slot"],
        app=inputs["app"],
        licence=licence.id,
        taking=taking,
        since=int(now),
    )


def _stack(call: Call) -> str:
    stack, project = call.urn.removeprefix("urn:pulumi:").split("::")[:2]
    return f"{project}/{stack}"


def _told(licence: Licence) -> Values:
    return {"licenceId": licence.id, "expires": licence.expires}


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except LicenceError as refused:
        raise PluginError(str(refused)) from None
