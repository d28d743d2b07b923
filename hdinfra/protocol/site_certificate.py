"""A site's certificate before a visitor sees it: whole, of its key, for its host, in its time (RFC 5280)."""

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

FILE, KEY_MISMATCH, HOST_NOT_COVERED = "tls.file", "tls.key-mismatch", "tls.host-not-covered"
EXPIRED, NOT_YET = "tls.expired", "tls.not-yet"
LONGEST = 65_536
"""Characters of a certificate with its chain, or of a key, that are read."""
_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a certificate must not be shown for a host. `code` is stable, the text names what was found."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself; times in seconds since 1970."""

    hosts: tuple[str, ...]
    issuer: str
    begins_at: float
    ends_at: float

    @property
    def days(self) -> float:
        """How long it is good for in all."""
        return (self.ends_at - self.begins_at) / 86_400


def flaws(chain: str, key: str, host: str, now: float) -> tuple[Flaw, ...]:
    """Every reason against this certificate (PEM, its issuers behind it) with this key (PEM) for that host."""
    try:
        leaf = _chain(chain)[0]
    except ValueError as error:
        return (Flaw(FILE, f"the certificate cannot be read: {error}"), *_key_flaws(None, key))
    return (*_key_flaws(leaf, key), *_host_flaws(leaf, host), *_time_flaws(leaf, now))


def facts(chain: str) -> Facts:
    """Of the first certificate in this text (PEM); ValueError when there is none."""
    leaf = _chain(chain)[0]
    named = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME) or list(leaf.issuer)
    issuer = str(named[0].value) if named else ""
    begin, end = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    return Facts(_names(leaf), issuer, begin, end)


def covers(name: str, host: str) -> bool:
    """Whether a certificate's name is that host's; a wildcard stands for one label (RFC 6125)."""
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:].lower()
    return name.lower() == host


def _chain(text: str) -> list[x509.Certificate]:
    if len(text) > LONGEST:
        raise ValueError(f"{len(text):,} characters; {LONGEST:,} are the most")
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError("it is no certificate in PEM, or cut short") from None


def _key_flaws(leaf: x509.Certificate | None, key: str) -> tuple[Flaw, ...]:
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except TypeError:
        return (Flaw(FILE, "the key is encrypted, and the edge has nobody to ask for its passphrase"),)
    except (ValueError, UnsupportedAlgorithm):
        return (Flaw(FILE, "the key is no private key in PEM, or cut short"),)
    if leaf is None or _spki(private.public_key()) == _spki(leaf.public_key()):
        return ()
    return (Flaw(KEY_MISMATCH, "the certificate was made for another key than this one"),)


def _host_flaws(leaf: x509.Certificate, host: str) -> tuple[Flaw, ...]:
    names = _names(leaf)
    if any(covers(name, host) for name in names):
        return ()
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    shown = ", ".join(f"`{name:.80}`" for name in names[:_MOST_NAMES]) + more if names else "no host at all"
    return (Flaw(HOST_NOT_COVERED, f"the certificate is for {shown}, not for `{host}`"),)


def _time_flaws(leaf: x509.Certificate, now: float) -> tuple[Flaw, ...]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if end.timestamp() <= now:
        return (Flaw(EXPIRED, f"the certificate ended on {_day(end)}"),)
    if begin.timestamp() > now:
        return (Flaw(NOT_YET, f"the certificate begins on {_day(begin)} only"),)
    return ()


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


def _spki(public: object) -> bytes:
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    found: bytes = public.public_bytes(serialization.Encoding.DER, info)  # type: ignore[attr-defined]
    return found


def _day(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
