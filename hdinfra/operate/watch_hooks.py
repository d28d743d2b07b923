"""Alarms to whoever wakes people: posted in Alertmanager's webhook format, and nothing ever waits for it."""

import hashlib
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PAUSES_SECONDS = (1.0, 4.0)
_ANSWER_SECONDS = 5.0
_WAITING = 100
_NEVER = "0001-01-01T00:00:00Z"
"""Alertmanager's word for an alert that has not ended."""
SEVERITIES = {"returned": "info", "withdrawn": "warning", "heal-ended": "info"}
"""All others are critical: a human is needed."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm of a Zone, at a time in RFC 3339; `ended_at` empty while it stands."""

    zone: str
    code: str
    cluster: str
    summary: str
    began_at: str
    ended_at: str = ""

    @property
    def status(self) -> str:
        """Alertmanager's."""
        return "resolved" if self.ended_at else "firing"


def payload(alert: Alert) -> dict[str, Any]:
    """A webhook's body, version 4 (prometheus.io/docs/alerting/latest/configuration, `webhook_config`)."""
    labels = {
        "alertname": "HdinfraHealing",
        "code": alert.code,
        "severity": SEVERITIES.get(alert.code, "critical"),
        "zone": alert.zone,
        **({"cluster": alert.cluster} if alert.cluster else {}),
    }
    annotations = {"summary": alert.summary}
    key = "/".join(f"{name}={value}" for name, value in sorted(labels.items()))
    one = {
        "status": alert.status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": alert.began_at,
        "endsAt": alert.ended_at or _NEVER,
        "generatorURL": "",
        "fingerprint": hashlib.sha256(key.encode()).hexdigest()[:16],
    }
    return {
        "version": "4",
        "groupKey": key,
        "truncatedAlerts": 0,
        "status": alert.status,
        "receiver": "hdinfra",
        "groupLabels": {"alertname": labels["alertname"]},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [one],
    }


@dataclass(slots=True)
class Hooks:
    """Posts from a thread of its own, in order, each three times at most. `lost` counts what nobody took."""

    lost: int = 0
    _queue: "queue.Queue[tuple[str, Mapping[str, Any]]]" = field(default_factory=lambda: queue.Queue(_WAITING))
    _thread: threading.Thread | None = None

    def send(self, urls: Sequence[str], alert: Alert) -> None:
        """Returns at once; when too many wait already, this one is lost."""
        for url in urls:
            self._begin()
            try:
                self._queue.put_nowait((url, payload(alert)))
            except queue.Full:
                self.lost += 1

    def flush(self, seconds: float) -> None:
        """Wait for what was sent, so long at most: before a process ends."""
        deadline = time.monotonic() + seconds
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks and (left := deadline - time.monotonic()) > 0:
                self._queue.all_tasks_done.wait(left)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            url, body = self._queue.get()
            try:
                self._post(url, body)
            finally:
                self._queue.task_done()

    def _post(self, url: str, body: Mapping[str, Any]) -> None:
        import httpx  # noqa: PLC0415  8 MiB that a watcher without webhooks does not carry

        for pause in (*_PAUSES_SECONDS, None):
            try:
                if httpx.post(url, json=body, timeout=_ANSWER_SECONDS).is_success:
                    return
            except httpx.HTTPError:
                pass  # whoever does not answer is asked again, and then let be
            if pause is not None:
                time.sleep(pause)
        self.lost += 1
