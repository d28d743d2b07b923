"""What each machine said last."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError

from hdinfra.control.rollout import LIVE_SECONDS, Seen
from hdinfra.control.store import Store

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """`body` as it came. `at`: when; `since`: from when on it said the same of settings and serving."""

    body: Mapping[str, Any]
    at: float
    since: float

    @property
    def seen(self) -> Seen:
        """As much as the roll-out of settings looks at."""
        failed = self.body["failed"] or {}
        return Seen(
            settings=self.body["settings"],
            serving=self.body["serving"],
            failed=failed.get("settings"),
            reason=failed.get("reason", ""),
            at=self.at,
            since=self.since,
        )


class Reports:
    """Kept on the disk when they change, so that a restart does not forget the fleet; never for the time alone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = {name: Report(body, at, since) for name, (at, since, body) in store.reports().items()}
        self._seen = {name: report.seen for name, report in self._last.items()}

    @property
    def seen(self) -> Mapping[str, Seen]:
        """By machine."""
        return self._seen

    def of(self, machine: str) -> Report | None:
        """Its last one."""
        return self._last.get(machine)

    def machines(self) -> list[str]:
        """All that ever reported here."""
        return sorted(self._last)

    def take(self, machine: str, body: dict[str, Any], now: float) -> bool:
        """Remember it; whether it says anything new, or comes after a silence."""
        before = self._last.get(machine)
        since = before.since if before is not None and _alike(before.body, body) else now
        report = Report(body, now, since)
        self._last[machine], self._seen[machine] = report, report.seen
        if before is not None and before.body == body:
            return now - before.at >= LIVE_SECONDS
        try:
            self._store.keep_report(machine, now, since, body)
        except OperationalError as error:
            _LOG.warning("the report of %s is in memory alone: %s", machine, error.orig)
        return True


def _alike(before: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return all(before[name] == body[name] for name in ("settings", "serving", "failed"))
