"""Takes parcels in: opens them, looks at what is inside, and has the edge show it; else the last good one stays."""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hdinfra.protocol.parcel import MAX_BYTES, Parcel, open_parcel, read_parcel
from hdinfra.protocol.seal import ProtocolError, canonical
from hdinfra.protocol.site_certificate import flaws

from . import shop_window
from .commands import ApplyError, Run
from .durable import write_whole
from .fields import PolicyError
from .fields import host as host_name
from .paths import KEY, PARCELS
from .problems import Problems, log
from .services import HAPROXY
from .versions import Trust

Contents = Mapping[str, bytes | None]
"""By host key and certificates in PEM; None for a site that shall have none."""


@dataclass
class Parcels:
    """`show` has the edge take what lies on the disk; ApplyError when it does not. Only the thread that applies calls
    `take`; the others ask what is missing."""

    root: Path
    trust: Trust
    run: Run
    problems: Problems
    clock: Callable[[], float] = time.time
    show: Callable[[Run], None] = lambda run: HAPROXY.activate(run, ())
    _numbers: Mapping[str, int] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._at(PARCELS).read_bytes())
            self._numbers = {str(host): int(number) for host, number in dict(found).items()}

    @property
    def digest(self) -> str:
        """Of all numbers that are shown, by which the stack sees that this machine is done; empty where none are."""
        numbers = self._numbers
        return hashlib.sha256(canonical(numbers).encode()).hexdigest()[:16] if numbers else ""

    def missing(self, told: object) -> list[str]:
        """Hosts of which an API machine tells a higher number than was taken, or tried, here."""
        if not isinstance(told, dict):
            return []
        with self._lock:
            known = {host: max(self._numbers.get(host, 0), self._refused.get(host, 0)) for host in told}
        return [host for host, number in told.items() if isinstance(number, int) and number > known[host]]

    def take(self, texts: Iterable[str]) -> None:
        """Show what is inside of these; whatever is not well is named, and what was shown before stays."""
        parcels, contents = dict[str, Parcel](), dict[str, bytes | None]()
        for text in texts:
            with contextlib.suppress(_Refused):
                parcel = self._read(text)
                host = parcel.label.host
                if parcel.label.number > self._numbers.get(host, 0):
                    contents[host] = self._content(parcel)
                    parcels[host] = parcel
        if contents and not self._shown(contents):
            # One that HAProxy cannot read must not keep the others out.
            contents = {host: one for host, one in contents.items() if self._shown({host: one}, name=True)}
        self._keep({host: parcels[host].label.number for host in contents}, parcels)

    def _read(self, text: str) -> Parcel:
        try:
            parcel = read_parcel(text[: MAX_BYTES + 1], self.trust.signer, self.trust.zone)
            host_name(parcel.label.host, "host")  # it becomes the name of a file
        except (ProtocolError, PolicyError) as error:
            self.problems.say("parcel", str(error))
            raise _Refused from None
        self.problems.over("parcel")
        return parcel

    def _content(self, parcel: Parcel) -> bytes | None:
        host = parcel.label.host
        try:
            inside = open_parcel(parcel, self.trust.machine, self._at(KEY).read_text())
            if not inside:
                return None
            texts = json.loads(inside)
            chain, key = str(texts["certificate"]), str(texts["key"])
        except (OSError, ValueError, KeyError, TypeError) as error:  # a ProtocolError is a ValueError
            raise self._refusal(parcel, str(error)) from None
        if found := flaws(chain, key, host, self.clock()):
            raise self._refusal(parcel, "; ".join(flaw.message for flaw in found))
        return f"{key.strip()}\n{chain.strip()}\n".encode()

    def _refusal(self, parcel: Parcel, why: str) -> "_Refused":
        host, number = parcel.label.host, parcel.label.number
        with self._lock:
            self._refused[host] = number
        stays = "the one before is shown on" if shop_window.read(self.root, host) else "it has none"
        self.problems.say(_about(host), f"number {number} is not taken, {stays}: {why}")
        return _Refused()

    def _shown(self, contents: Contents, *, name: bool = False) -> bool:
        """Whether the edge took these; if not, the disk is as it was, and `name` says so of the one there is."""
        before: dict[str, bytes | None] = {}
        try:
            before |= {host: shop_window.read(self.root, host) for host in contents}
            shop_window.write(self.root, contents)
            self.show(self.run)
        except (ApplyError, OSError) as error:
            with contextlib.suppress(ApplyError, OSError):
                shop_window.write(self.root, before)
                self.show(self.run)
            if name:
                self.problems.say(_about(*contents), f"the edge does not take it, what was shown before stays: {error}")
            return False
        return True

    def _keep(self, numbers: Mapping[str, int], parcels: Mapping[str, Parcel]) -> None:
        for host in numbers:
            log(f"certificate of {host}: number {numbers[host]}")
            self.problems.over(_about(host))
        with self._lock:
            self._refused |= {host: one.label.number for host, one in parcels.items() if host not in numbers}
            self._numbers = {**self._numbers, **numbers}
        if numbers:
            try:
                write_whole(self._at(PARCELS), json.dumps(self._numbers).encode(), 0o600)
            except OSError as error:  # they are fetched again after a restart, and that is all
                self.problems.say("parcels", f"which certificates are shown is not kept: {error}")
            else:
                self.problems.over("parcels")

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")


class _Refused(Exception):
    """This parcel is left."""


def _about(host: str) -> str:
    return f"certificate of {host}"
