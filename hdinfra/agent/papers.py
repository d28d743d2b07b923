"""This machine's key and certificate: made here, certified by any API machine, renewed in time. The key never moves."""

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hdinfra.protocol import certificate

from .durable import write_whole
from .endpoints import Endpoints
from .first_boot import FirstBoot, drop_token, token_of
from .link import Endpoint, Link, LinkError, RefusedError
from .paths import CERTIFICATE, KEY
from .problems import Problems, log

_AGAIN_SECONDS = (0.5, 2.0)
_REFUSED_SECONDS = (5.0, 60.0)
_LOOK_SECONDS = 60.0
_ABOUT = "certificate"


class Papers:
    """Keeps them valid in a thread of its own. `have` is set once there is a certificate."""

    def __init__(self, first_boot: FirstBoot, endpoints: Endpoints, root: Path, problems: Problems) -> None:
        self.have = threading.Event()
        self.ends_at: float | None = None
        self._boot = first_boot
        self._endpoints = endpoints
        self._root = root
        self._problems = problems
        self._context: ssl.SSLContext | None = None
        if self._at(CERTIFICATE).exists():
            self._present()

    def context(self) -> ssl.SSLContext:
        """For new connections: trusts the stack's root alone, and shows the certificate if there is one."""
        return self._context or _context(self._boot.root)

    def run(self, stopping: threading.Event) -> None:
        """Enrol, then renew, until told to stop."""
        waits = 0
        while not stopping.is_set():
            limits = self._work()
            waits = waits + 1 if limits else 0
            low, high = limits or (_LOOK_SECONDS, _LOOK_SECONDS)
            stopping.wait(min(high, low * 2 ** min(waits, 10) / 2))

    def due(self, now: float) -> bool:
        """Whether it is time for another one; `now` in seconds since 1970."""
        return self.ends_at is None or self.ends_at - now < certificate.RENEW_HOURS * 3600

    def _work(self) -> tuple[float, float] | None:
        """What is due; how long to wait before it is tried again, None when nothing is left to do."""
        try:
            if not self.have.is_set():
                self._enrol()
            elif self.due(time.time()):
                self._renew()
        except RefusedError as error:
            self._problems.say(_ABOUT, f"{error}; the last policy is served on")
            return _REFUSED_SECONDS
        except (LinkError, OSError, ValueError) as error:
            self._problems.say(_ABOUT, f"none to be had: {error}; the last policy is served on")
            return _AGAIN_SECONDS
        self._problems.over(_ABOUT)
        return None

    def _enrol(self) -> None:
        token = token_of(self._root)
        if not token:
            raise ValueError("no certificate here, and the token was used: make this machine anew")
        self._ask(lambda link, csr: link.post("/v1/enrol", {"token": token, "csr": csr}).body["certificate"])
        drop_token(self._root)
        log(f"enrolled as {self._boot.machine}")

    def _renew(self) -> None:
        self._ask(lambda link, csr: link.post("/v1/renew", {"csr": csr}).body["certificate"])
        log("certificate renewed")

    def _ask(self, question: Callable[[Link, str], object]) -> None:
        """Ask one API machine after the other; the last one's error when none gave a certificate."""
        csr = certificate.request(self._key(), self._boot.machine)
        last: Exception = LinkError("no API machine is known")
        for endpoint in self._endpoints.candidates:
            try:
                self._store(str(self._asked(endpoint, question, csr)), csr)
            except (LinkError, RefusedError, KeyError, ValueError) as error:
                last = _worse(last, error, endpoint)
            else:
                return
        raise last

    def _asked(self, endpoint: Endpoint, question: Callable[[Link, str], object], csr: str) -> object:
        link = Link(endpoint, self.context)
        try:
            return question(link, csr)
        finally:
            link.close()

    def _store(self, given: str, csr: str) -> None:
        """Keep what names this machine and its key, and nothing else; ProtocolError (a ValueError) otherwise."""
        name = certificate.name_of(given)
        if (name.machine, name.zone) != (self._boot.machine, self._boot.trust.zone):
            raise ValueError(f"a certificate for `{name.machine}` of `{name.zone}` was given")
        if certificate.key_id(given) != certificate.key_id(csr):
            raise ValueError("a certificate for another key was given")
        write_whole(self._at(CERTIFICATE), given.encode(), 0o600)
        self._present()

    def _present(self) -> None:
        try:
            text = self._at(CERTIFICATE).read_text()
            context = _context(self._boot.root)
            context.load_cert_chain(self._at(CERTIFICATE), self._at(KEY))
            self.ends_at = certificate.ends_at(text)
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            self._problems.say(_ABOUT, f"what is kept cannot be used: {error}")
            return
        self._context = context
        self.have.set()

    def _key(self) -> str:
        if not self._at(KEY).exists():
            write_whole(self._at(KEY), certificate.new_key().encode(), 0o600)
        return self._at(KEY).read_text()

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _worse(before: Exception, error: Exception, endpoint: Endpoint) -> Exception:
    """The error to report of several: a refusal says more than silence."""
    if isinstance(error, RefusedError):
        return error
    return before if isinstance(before, RefusedError) else LinkError(f"{endpoint.name}: {error}")


def _context(root: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=root)
    return context
