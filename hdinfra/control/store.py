"""What an API machine keeps on its disk: signed statements as they came, and its own notes."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, create_engine, delete, event, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Engine

AUDIT_ROWS = 9_000
STRANGERS_ROWS = 1_000
"""Whoever shows no token must not be able to push the others' rows out."""
_ALARM_ROWS = 1_000

_TABLES = MetaData()
_STATEMENTS = Table(
    "statement",
    _TABLES,
    Column("row", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("text", String, nullable=False),
    Column("endorsement", String, nullable=False),
    sqlite_autoincrement=True,  # a number is never given twice: others ask for what came after it
)
_REPORTS = Table(
    "report",
    _TABLES,
    Column("machine", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("since", Float, nullable=False),
    Column("body", String, nullable=False),
)
_AUDIT = Table(
    "audit",
    _TABLES,
    Column("row", Integer, primary_key=True),
    *(Column(name, String, nullable=False) for name in ("author", "tenant", "action", "target", "outcome")),
    Column("at", Float, nullable=False),
)
_ALARMS = Table(
    "alarm",
    _TABLES,
    Column("row", Integer, primary_key=True),
    *(Column(name, String, nullable=False) for name in ("code", "machine", "message")),
    Column("at", Float, nullable=False),
)
_FACTS = Table("fact", _TABLES, Column("name", String, primary_key=True), Column("value", String, nullable=False))


@dataclass(frozen=True, slots=True)
class Statement:
    """A sealed release or entry; `endorsement` is empty for a release."""

    row: int
    kind: str
    text: str
    endorsement: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who tried to write what; `outcome` is `ok` or the refusal's code."""

    at: float
    author: str
    tenant: str
    action: str
    target: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """What an operator should look at."""

    at: float
    code: str
    machine: str
    message: str


class Store:
    """One SQLite database; used from one thread alone. sqlalchemy.exc.OperationalError when the disk takes no more."""

    def __init__(self, path: Path) -> None:
        self._engine = _engine(path)
        _TABLES.create_all(self._engine)
        with self._engine.begin() as database:
            first = upsert(_FACTS).values(name="ledger", value=secrets.token_hex(8)).on_conflict_do_nothing()
            database.execute(first)
            self.ledger: str = database.execute(select(_FACTS.c.value).where(_FACTS.c.name == "ledger")).scalar_one()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def add_statement(self, kind: str, text: str, endorsement: str, replaced: Iterable[int] = ()) -> int:
        """Keep it in place of these rows, all or nothing; its row."""
        with self._engine.begin() as database:
            self._forget(database, replaced)
            values = {"kind": kind, "text": text, "endorsement": endorsement}
            row: int = database.execute(insert(_STATEMENTS).values(values).returning(_STATEMENTS.c.row)).scalar_one()
            return row

    def statements(self, after: int, most_characters: int) -> list[Statement]:
        """Those that came after a row, oldest first, up to a size, but always one if there is any."""
        found: list[Statement] = []
        wanted = select(_STATEMENTS).where(_STATEMENTS.c.row > after).order_by(_STATEMENTS.c.row)
        with self._engine.connect() as database:
            for row in database.execute(wanted):
                most_characters -= len(row.text) + len(row.endorsement)
                if found and most_characters < 0:
                    break
                found.append(Statement(row.row, row.kind, row.text, row.endorsement))
        return found

    def text_of(self, row: int) -> str:
        """One statement as it travels."""
        with self._engine.connect() as database:
            text: str = database.execute(select(_STATEMENTS.c.text).where(_STATEMENTS.c.row == row)).scalar_one()
            return text

    def keep_report(self, machine: str, at: float, since: float, body: dict[str, Any]) -> None:
        """A machine's last word."""
        values = {"at": at, "since": since, "body": json.dumps(body)}
        kept = upsert(_REPORTS).values(machine=machine, **values)
        with self._engine.begin() as database:
            database.execute(kept.on_conflict_do_update(index_elements=["machine"], set_=values))

    def reports(self) -> dict[str, tuple[float, float, dict[str, Any]]]:
        """When, since when, and what each machine reported."""
        with self._engine.connect() as database:
            rows = database.execute(select(_REPORTS)).all()
        return {row.machine: (row.at, row.since, json.loads(row.body)) for row in rows}

    def add_audit(self, row: AuditRow) -> None:
        """One more line; the oldest go."""
        stranger = row.author == ""
        of_kind = (_AUDIT.c.author == "") if stranger else (_AUDIT.c.author != "")
        most = STRANGERS_ROWS if stranger else AUDIT_ROWS
        newest = select(_AUDIT.c.row).where(of_kind).order_by(_AUDIT.c.row.desc()).limit(1).offset(most)
        with self._engine.begin() as database:
            database.execute(insert(_AUDIT).values(_fields(row)))
            database.execute(delete(_AUDIT).where(of_kind, _AUDIT.c.row <= newest.scalar_subquery()))

    def audit(self, limit: int, tenant: str | None) -> list[AuditRow]:
        """Newest first; of one tenant, or all."""
        wanted = select(_AUDIT).order_by(_AUDIT.c.row.desc()).limit(limit)
        if tenant is not None:
            wanted = wanted.where(_AUDIT.c.tenant == tenant)
        with self._engine.connect() as database:
            rows = database.execute(wanted).all()
        return [AuditRow(row.at, row.author, row.tenant, row.action, row.target, row.outcome) for row in rows]

    def add_alarm(self, alarm: Alarm) -> bool:
        """Keep it, unless the same was said before; whether it is new."""
        same = select(_ALARMS.c.row).where(*(_ALARMS.c[name] == getattr(alarm, name) for name in ("code", "message")))
        newest = select(_ALARMS.c.row).order_by(_ALARMS.c.row.desc()).limit(1).offset(_ALARM_ROWS)
        with self._engine.begin() as database:
            if database.execute(same.where(_ALARMS.c.machine == alarm.machine)).first():
                return False
            database.execute(insert(_ALARMS).values(_fields(alarm)))
            database.execute(delete(_ALARMS).where(_ALARMS.c.row <= newest.scalar_subquery()))
        return True

    def alarms(self) -> list[Alarm]:
        """Oldest first."""
        with self._engine.connect() as database:
            rows = database.execute(select(_ALARMS).order_by(_ALARMS.c.row)).all()
        return [Alarm(row.at, row.code, row.machine, row.message) for row in rows]

    def _forget(self, database: Any, rows: Iterable[int]) -> None:
        if gone := list(rows):
            database.execute(delete(_STATEMENTS).where(_STATEMENTS.c.row.in_(gone)))


def _fields(row: AuditRow | Alarm) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # what was answered with a number is on the disk
        cursor.execute("PRAGMA journal_size_limit=4194304")
        cursor.close()

    return engine
