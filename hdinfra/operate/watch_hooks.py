"""Alarms to whoever wakes people: posted in Alertmanager's webhook format, and nothing ever waits for it."""

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hdinfra.operate.workspace import write_atomically

_PAUSES_SECONDS = (1.0, 4.0, 15.0, 60.0, 300.0)
"""After the first failure, the second, and so on; the last for all that follow."""
_TELLING_TRIES = 3
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
class _Post:
    """One body on its way to one receiver. `due` by the monotonic clock."""

    url: str
    body: Mapping[str, Any]
    tries: int = 0
    due: float = 0.0

    def undelivered(self, why: str) -> "Undelivered":
        labels = self.body["commonLabels"]
        to = urlsplit(self.url)
        return Undelivered(
            f"{to.scheme}://{to.netloc.rpartition('@')[2]}", labels["code"], labels.get("cluster", ""), why
        )


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a receiver did not take. `to` is without path and password, which may be what lets one post there."""

    to: str
    code: str
    cluster: str
    why: str


@dataclass(slots=True)
class Hooks:
    """Posts from a thread of its own until a receiver takes it, to each in order; one that is away holds up no other.

    `spool`: the file that keeps what waits across a restart. When more than a hundred wait the oldest is given up.
    """

    spool: Path | None = None
    _waiting: list[_Post] = field(default_factory=list)
    _troubles: list[Undelivered] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None

    def resume(self) -> None:
        """Go on with what the last process did not deliver."""
        with self._changed:
            self._waiting = [*self._kept(), *self._waiting]
            if self._waiting:
                self._begin()

    def send(self, urls: Sequence[str], alert: Alert) -> None:
        """Returns when it is on the disk, and waits for nobody."""
        if not urls:
            return
        with self._changed:
            self._waiting += [_Post(url, payload(alert)) for url in urls]
            for lost in self._waiting[:-_WAITING]:
                self._troubles.append(lost.undelivered(f"given up, for more than {_WAITING} wait"))
            self._waiting = self._waiting[-_WAITING:]
            self._keep()
            self._begin()
            self._changed.notify_all()

    def troubles(self) -> list[Undelivered]:
        """What was not delivered, since the last time: what was tried three times in vain, and what was given up."""
        with self._changed:
            found, self._troubles = self._troubles, []
        return found

    def flush(self, seconds: float) -> None:
        """Wait until all is delivered, so long at most: before a process ends."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout=seconds)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                post = self._next()
                if post is None:
                    self._changed.wait(self._pause())
                    continue
            trouble = _posted(post)
            with self._changed:
                self._judge(post, trouble)
                self._changed.notify_all()

    def _next(self) -> _Post | None:
        """The first for some receiver, if it is due: an end must not overtake its beginning."""
        now = time.monotonic()
        return next((post for post in self._heads() if post.due <= now), None)

    def _heads(self) -> list[_Post]:
        return list({post.url: post for post in reversed(self._waiting)}.values())

    def _pause(self) -> float | None:
        now = time.monotonic()
        return min((max(0.0, post.due - now) for post in self._heads()), default=None)

    def _judge(self, post: _Post, trouble: str) -> None:
        if not trouble:
            self._waiting = [one for one in self._waiting if one is not post]
            with suppress(OSError):  # a full disk: told twice, perhaps, but the next one is told
                self._keep()
            return
        post.due = time.monotonic() + _PAUSES_SECONDS[min(post.tries, len(_PAUSES_SECONDS) - 1)]
        post.tries += 1
        if post.tries == _TELLING_TRIES:
            self._troubles.append(post.undelivered(f"{trouble}; it is tried again until it is taken"))

    def _keep(self) -> None:
        if self.spool is not None:
            kept = [{"url": post.url, "body": post.body} for post in self._waiting]
            # An address often is all that is needed to post there.
            write_atomically(self.spool, json.dumps(kept), mode=0o600)

    def _kept(self) -> list[_Post]:
        if self.spool is None:
            return []
        try:
            return [_Post(one["url"], one["body"]) for one in json.loads(self.spool.read_text())]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return []


def _posted(post: _Post) -> str:
    """Why nobody took it; empty when it was taken."""
    import httpx  # noqa: PLC0415  8 MiB that a watcher without webhooks does not carry

    try:
        answer = httpx.post(post.url, json=post.body, timeout=_ANSWER_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return type(error).__name__
    return "" if answer.is_success else f"HTTP {answer.status_code}"
