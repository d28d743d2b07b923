"""One API machine: what it was told, what it believes, and what it says."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import OperationalError

from hdinfra.control.authority import Authority
from hdinfra.control.keys import TWO_KEYS, WITHDRAWN, Keys, sighting
from hdinfra.control.mesh_keys import MeshKeys
from hdinfra.control.offers import Offers
from hdinfra.control.parcels import Parcels
from hdinfra.control.refusal import RefusedError
from hdinfra.control.reports import Reports
from hdinfra.control.rollout import Gate
from hdinfra.control.settings import Settings, named_endpoints
from hdinfra.control.statements import Statements
from hdinfra.control.store import Alarm, AuditRow, Store
from hdinfra.control.waiting import Bell
from hdinfra.protocol.certificate import Name
from hdinfra.protocol.endpoint import Endpoint
from hdinfra.protocol.entry import Entry

Clock = Callable[[], float]
_LOG = logging.getLogger("hdinfra.control")


class Node:
    """All of it lives in one thread, the event loop's. `clock` gives seconds since 1970.

    `offered` rings when machines may have something else, `stated` when there is something for the other API machines,
    `moved` is set when these are elsewhere.
    """

    def __init__(self, settings: Settings, clock: Clock = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.store = Store(settings.home / "api.db")
        self.authority = Authority(settings)
        self.statements = Statements(self.store, settings.signer, settings.zone)
        self.reports = Reports(self.store)
        self.keys = Keys(self.statements)
        self.mesh_keys = MeshKeys(self.statements, self.keys)
        self.parcels = Parcels(self.statements, settings.signer, settings.zone)
        self.parcels.forget()
        self.offers = Offers(self.statements, self.reports, clock)
        self.offered, self.stated, self.moved = Bell(), Bell(), asyncio.Event()
        self.named = self._named()
        """All API machines by the newest `control` release; empty when it names none."""
        self.unheard = {peer.name for peer in self.peers}
        self._alarmed: set[tuple[str, int]] = set()
        self._settling = False
        self.statements.heard = self._heard

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where all API machines are, as far as is known here."""
        return self.named or self.settings.endpoints

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """All API machines but this one."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.name != self.settings.name)

    @property
    def unready(self) -> str:
        """Why machines should ask elsewhere; empty when they may come."""
        if not self.authority.certified:
            return "the stack has not certified this machine yet"
        if self.unheard:
            return f"what {', '.join(sorted(self.unheard))} knows has not been asked for yet"
        return ""

    def say(self, kind: str, key: str, body: dict[str, Any], author: str) -> int:
        """A new entry in this machine's name, the last word on its key; its number."""
        own = self.settings
        number = self._next_number()
        entry = Entry(own.zone, kind, key, number, own.name, int(self.clock()), author, body)
        self.statements.take_entry(self.authority.sign(entry))
        return number

    def sight(self, name: Name, key_id: str) -> None:
        """This key came for this machine. RefusedError when the machine is not to be believed (any more)."""
        self.keys.check(name)
        if not self.keys.known(name, key_id):
            self.say("key", sighting(name, key_id), {"role": name.role}, name.machine)
            self.keys.check(name)

    def withdraw(self, machine: str, author: str) -> int:
        """End every enrolment of a machine so far; the serial. RefusedError `machine.unknown` (404)."""
        if not self.keys.serial(machine):
            raise RefusedError(404, "machine.unknown", f"no machine `{machine}` was ever enrolled here")
        serial = max(int(self.clock() * 1000), self.keys.serial(machine) + 1)
        name = Name(self.settings.zone, self.keys.role(machine), machine, serial)
        self.say("key", sighting(name, WITHDRAWN), {"role": name.role}, author)
        return serial

    def hear_mesh(self, machine: str, said: dict[str, Any]) -> None:
        """A machine's word on its key in the mesh; the others are told when it is news."""
        found = self.mesh_keys.entry(machine, said)
        if found and self.authority.certified:
            self.say("mesh", *found, machine)

    def report(self, machine: str, body: dict[str, Any]) -> None:
        """A machine's word on itself; it may let others have what this one has proved."""
        if self.reports.take(machine, body, self.clock()):
            _LOG.info("%s reports version %s.%s", machine, body["number"], body["settings"])
            self.settle()

    def settle(self) -> None:
        """Bring offers up to date with reports and clock."""
        if self._settling:
            return
        self._settling = True
        try:
            while self.offers.renew():
                self.offered.ring()
                self._note_gates()
        finally:
            self._settling = False

    def settle_if_due(self) -> None:
        """The clock alone may have changed something: a canary has baked, a machine fell silent."""
        due = self.offers.due
        if due is not None and due <= self.clock():
            self.settle()

    def note(self, row: AuditRow) -> None:
        """For GET /v1/audit."""
        try:
            self.store.add_audit(row)
        except OperationalError as error:
            _LOG.error("not in the audit log, %s: %s", error.orig, row)

    def alarm(self, code: str, machine: str, message: str) -> None:
        """For GET /v1/alarms and the journal, once."""
        if self.store.add_alarm(Alarm(self.clock(), code, machine, message)):
            _LOG.warning("%s: %s: %s", code, machine, message)

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def _heard(self) -> None:
        self._follow_names()
        self.offers.forget()
        self.parcels.forget()
        self.mesh_keys.forget()
        self.stated.ring()
        self.offered.ring()
        self._alarm_two_keys()
        self.settle()

    def _named(self) -> tuple[Endpoint, ...]:
        newest = self.statements.newest("control")
        return named_endpoints(self.statements.document(newest)) if newest else ()

    def _follow_names(self) -> None:
        named = self._named()
        if named == self.named:
            return
        before, self.named = {peer.name for peer in self.peers}, named
        names = {peer.name for peer in self.peers}
        # Who was ready stays so: one that is new can know nothing that the others have not been told.
        added = names - before if self.unheard else set()
        self.unheard = (self.unheard & names) | added
        self.moved.set()

    def _next_number(self) -> int:
        """Above all that is known; the machines count in steps of their count, so that no two give one number."""
        names = sorted({self.settings.name, *(endpoint.name for endpoint in self.endpoints)})
        number = self.statements.highest_number + 1
        return number + (names.index(self.settings.name) - number) % len(names)

    def _note_gates(self) -> None:
        if self.authority.certified:
            for scope, found in self.offers.gates().items():
                self._note(scope, found)

    def _note(self, scope: str, found: Gate) -> None:
        author = self.settings.name
        for number, (machine, reason) in found.halts.items():
            self.say("halt", f"{scope}/{number}", {"machine": machine, "reason": reason[:4_000]}, author)
            self.alarm("setting.halted", machine, f"settings {number} of `{scope}` went wrong: {reason[:4_000]}")
        if found.everywhere:
            self.say("completed", scope, {"number": found.newest}, author)

    def _alarm_two_keys(self) -> None:
        for machine in self.keys.machines():
            serial = self.keys.serial(machine)
            if (machine, serial) not in self._alarmed and self.keys.revoked(machine):
                self._alarmed.add((machine, serial))
                self.alarm(TWO_KEYS, machine, f"two keys came for enrolment {serial}: both are revoked")
