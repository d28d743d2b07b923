"""Which sites have a certificate that may stay, and where the others get theirs."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hdinfra.plugins.kind import PluginError, Values
from hdinfra.plugins.policy import acme_client
from hdinfra.protocol import certificate
from hdinfra.protocol.certificate import Life
from hdinfra.protocol.site_certificate import facts, flaws

LOCAL, ACME, SUPPLIED = "local", "acme", "supplied"
_RENEW = 1 / 3
"""Left of a certificate's life when it is renewed: of 90 days 30, as Let's Encrypt asks."""


@dataclass(frozen=True, slots=True)
class SiteCertificate:
    """PEM both; `source` tells where it came from, so that another issuer, or other terms, are noticed."""

    certificate: str
    key: str
    source: str

    @property
    def ends_at(self) -> float:
        """In seconds since 1970."""
        return facts(self.certificate).ends_at


class Issuing:
    """What a Certificates resource's inputs ask for; `clock` gives seconds since 1970."""

    def __init__(self, inputs: Values, clock: Callable[[], float] = time.time) -> None:
        self._inputs = inputs
        self._supplied: Mapping[str, Mapping[str, str]] = inputs["supplied"]
        self._clock = clock
        self._source = _source(inputs)
        self.hosts: tuple[str, ...] = tuple(sorted({*inputs["hosts"], *self._supplied}))

    def due(self, host: str, held: SiteCertificate | None) -> str:
        """Why this host needs another certificate than the one it has; empty when that one stays."""
        if held is None:
            return "it has none"
        supplied = self._supplied.get(host)
        if supplied is not None:
            same = (supplied["certificate"], supplied["key"]) == (held.certificate, held.key)
            return "" if same else "another one is supplied"
        if held.source != self._source:
            return "its issuer, or what is asked of it, has changed"
        if found := flaws(held.certificate, held.key, host, self._clock()):
            return found[0].message
        own = facts(held.certificate)
        left = own.ends_at - self._clock()
        return f"{left / 86_400:.0f} days of it are left" if left < (own.ends_at - own.begins_at) * _RENEW else ""

    def made(self, host: str) -> SiteCertificate:
        """A new one; PluginError when it cannot be had, or is not what was asked for."""
        supplied = self._supplied.get(host)
        if supplied is not None:
            found = SiteCertificate(supplied["certificate"], supplied["key"], SUPPLIED)
        else:
            key = certificate.new_key()
            found = SiteCertificate(self._issued(host, key), key, self._source)
        if wrong := flaws(found.certificate, found.key, host, self._clock()):
            raise PluginError("; ".join(flaw.message for flaw in wrong))
        return found

    def _issued(self, host: str, key: str) -> str:
        inputs = self._inputs
        match inputs["issuer"]:
            case "local":
                life = Life(self._clock(), days=int(inputs["days"]))
                return certificate.issue_site(inputs["issuerCertificate"], inputs["issuerKey"], key, host, life)
            case "acme":
                account = acme_client.Account(inputs["directory"], inputs["contact"], inputs["issuerKey"])
                return acme_client.certified(account, host, key)
            case _:
                raise PluginError(f"certificates are supplied, and `{host}` has none")


def _source(inputs: Values) -> str:
    match inputs["issuer"]:
        case "local":
            authority = hashlib.sha256(inputs["issuerCertificate"].encode()).hexdigest()[:16]
            return f"{LOCAL} {authority} {inputs['days']}"
        case "acme":
            return f"{ACME} {inputs['directory']}"
        case _:
            return SUPPLIED
