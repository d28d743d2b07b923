"""Visitors of a zone over HTTPS: one, and a load of them that tells which certificates it met."""

import http.client
import itertools
import ssl
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.project import Project
from tests.local.zone_visitors import BLOG, SHOP

VISITORS = 8
PER_SECOND = 200
_DEADLINE_SECONDS = 60


def believing(project: Project) -> ssl.SSLContext:
    """A visitor who knows the stack's authority, as `up` wrote it down."""
    return ssl.create_default_context(cafile=str(project.root / ".state" / "local-authority.pem"))


class Visitor(http.client.HTTPSConnection):
    """Comes to an edge's port of this computer and asks there for a host."""

    def __init__(self, port: int, host: str, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, timeout=10, context=context)
        self._site, self._own = host, context
        self.certificate: dict[str, Any] = {}
        """The one that the edge showed when it was last connected."""

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        try:
            self.sock = self._own.wrap_socket(self.sock, server_hostname=self._site)
        except BaseException:
            self.sock.close()
            raise
        self.certificate = self.sock.getpeercert() or {}

    def get(self) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of the site's first page."""
        self.request("GET", "/", headers={"Host": f"{self._site}:{self.port}"})
        answer = self.getresponse()
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}

    def shown(self) -> dict[str, Any]:
        """The certificate that the edge shows."""
        self.connect()
        self.close()
        return self.certificate


@dataclass
class Sent:
    """What came of a load so far."""

    answers: Counter[str] = field(default_factory=Counter)
    serials: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of the certificates that were met, by host."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def failed(self) -> dict[str, int]:
        return {what: count for what, count in self.answers.items() if what != "200"}

    @property
    def certificates(self) -> dict[str, int]:
        """How many each host had."""
        return {host: len(serials) for host, serials in self.serials.items()}

    def answered(self, status: int, host: str, serial: str) -> None:
        with self._changed:
            self.answers[str(status)] += 1
            self.serials[host].add(serial)
            self._changed.notify_all()

    def broken(self, error: Exception) -> None:
        with self._changed:
            self.answers[f"{type(error).__name__}: {error}"] += 1

    def await_more(self, count: int) -> None:
        """Until so many more requests were answered with 200."""
        with self._changed:
            wanted = self.answers["200"] + count
            assert self._changed.wait_for(lambda: self.answers["200"] >= wanted, _DEADLINE_SECONDS), self.answers


@contextmanager
def visitors(ports: list[int], context: ssl.SSLContext) -> Iterator[Sent]:
    """So many requests a second at both edges and sites; every second one comes on a connection of its own."""
    sent, over = Sent(), threading.Event()

    def visit(number: int) -> None:
        host = (SHOP, BLOG)[number // 2 % 2]
        kept = Visitor(ports[number % len(ports)], host, context)
        due = time.monotonic()
        for turn in itertools.count():
            due += VISITORS / PER_SECOND
            if over.wait(max(0.0, due - time.monotonic())):
                break
            if turn % 2:
                kept.close()
            try:
                sent.answered(kept.get()[0], host, kept.certificate["serialNumber"])
            except (OSError, http.client.HTTPException) as error:
                sent.broken(error)
                kept.close()
        kept.close()

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        over.set()
        for thread in threads:
            thread.join()
