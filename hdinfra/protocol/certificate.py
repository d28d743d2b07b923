"""The stack's certificates (RFC 5280): one root that never leaves the stack, an authority on each API machine, and
short-lived ones that machines renew by themselves."""

import datetime
import hashlib
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hdinfra.protocol.parcel import public_of
from hdinfra.protocol.seal import ProtocolError

ROOT_DAYS = 3650
AUTHORITY_DAYS = 397
LEAF_HOURS = 24
RENEW_HOURS = 8
"""Left of its life when a machine renews its certificate: a control plane may be gone that long unnoticed."""

_Extensions = tuple[tuple[x509.ExtensionType, bool], ...]
_BACKDATED = datetime.timedelta(minutes=15)  # clocks differ
_URN = re.compile(r"urn:hdinfra:([a-z0-9-]{1,40}):([a-z-]{1,32}):([a-z0-9-]{1,100}):(\d{1,16})\Z")


@dataclass(frozen=True, slots=True)
class Name:
    """Whom a certificate names; `serial` is its enrolment token's."""

    zone: str
    role: str
    machine: str
    serial: int

    @property
    def urn(self) -> str:
        """As it stands in the certificate."""
        return f"urn:hdinfra:{self.zone}:{self.role}:{self.machine}:{self.serial}"


@dataclass(frozen=True, slots=True)
class Life:
    """From when (seconds since 1970), and how long."""

    begin: float
    days: int = 0
    hours: int = 0

    @property
    def span(self) -> tuple[datetime.datetime, datetime.datetime]:
        """As it stands in the certificate: clocks differ, so it begins a little earlier."""
        begin = datetime.datetime.fromtimestamp(int(self.begin), datetime.UTC)
        return begin - _BACKDATED, begin + datetime.timedelta(days=self.days, hours=self.hours)


def new_key() -> str:
    """A private key (P-256), PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def new_root(zone: str, key: str, now: float) -> str:
    """The root's own certificate, PEM; `now` in seconds since 1970, as everywhere here."""
    private, subject = _private(key), _subject(f"hdinfra {zone}")
    issuer = _Issuer(subject, private.public_key(), private)
    return issuer.certifies(subject, private.public_key(), Life(now, days=ROOT_DAYS), _authority(depth=1))


def new_site_root(zone: str, key: str, now: float) -> str:
    """The local authority's certificate, under which edges show sites to visitors; no machine believes it."""
    private, subject = _private(key), _subject(f"hdinfra {zone} sites")
    issuer = _Issuer(subject, private.public_key(), private)
    return issuer.certifies(subject, private.public_key(), Life(now, days=ROOT_DAYS), _authority(depth=0))


def issue_site(root: str, root_key: str, key: str, host: str, life: Life) -> str:
    """A certificate for one host and this key (PEM, P-256)."""
    extensions: _Extensions = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(host)]), False),
    )
    public = _private(key).public_key()
    return _issuer(root, root_key).certifies(_subject(host), public, life, extensions)


def request(key: str, machine: str) -> str:
    """A certificate request (PKCS 10) with nothing but a key and a name: what is certified, the issuer decides."""
    csr = x509.CertificateSigningRequestBuilder().subject_name(_subject(machine)).sign(_private(key), hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def issue_authority(root: str, root_key: str, csr: str, machine: str, now: float) -> str:
    """The certificate under which one API machine certifies machines, PEM."""
    subject, life = _subject(f"hdinfra authority {machine}"), Life(now, days=AUTHORITY_DAYS)
    return _issuer(root, root_key).certifies(subject, _requested(csr), life, _authority(depth=0))


def issue_leaf(authority: str, authority_key: str, csr: str, name: Name, now: float) -> str:
    """A machine's certificate for both ends of TLS, PEM; its issuer's is not appended."""
    life = Life(now, hours=LEAF_HOURS)
    return _issuer(authority, authority_key).certifies(_subject(name.machine), _requested(csr), life, _leaf(name))


def name_of(certificate: str) -> Name:
    """Whom a leaf names; ProtocolError `certificate.name` when it is none of ours. The chain is TLS's to verify."""
    try:
        extension = _certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise ProtocolError("certificate.name", "this certificate names nobody") from None
    uris = extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    found = _URN.match(uris[0]) if len(uris) == 1 else None
    if found is None:
        raise ProtocolError("certificate.name", f"this certificate names no machine of ours: {uris!r:.80}")
    return Name(found[1], found[2], found[3], int(found[4]))


def key_id(pem: str) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate or request, in hex."""
    public = _requested(pem) if "REQUEST" in pem[:60] else _certificate(pem).public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def public_point(certificate: str) -> str:
    """The public key of a leaf, as parcels are sealed for it."""
    return public_of(_elliptic(_certificate(certificate).public_key()))


def ends_at(certificate: str) -> float:
    """When it ends, in seconds since 1970."""
    return _certificate(certificate).not_valid_after_utc.timestamp()


def check_issued(certificate: str, issuer: str) -> None:
    """ProtocolError `certificate.foreign` unless `issuer`'s key signed this certificate."""
    try:
        _certificate(certificate).verify_directly_issued_by(_certificate(issuer))
    except (InvalidSignature, ValueError, TypeError):
        raise ProtocolError("certificate.foreign", "this certificate comes from another authority") from None


@dataclass(frozen=True, slots=True)
class _Issuer:
    name: x509.Name
    public: ec.EllipticCurvePublicKey
    private: ec.EllipticCurvePrivateKey

    def certifies(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, life: Life, extensions: _Extensions
    ) -> str:
        begin, end = life.span
        builder = x509.CertificateBuilder(self.name, subject, public, x509.random_serial_number(), begin, end)
        # Python 3.13 verifies strictly (RFC 5280): both key identifiers have to be there.
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.public), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self.private, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def _issuer(certificate: str, key: str) -> _Issuer:
    loaded = _certificate(certificate)
    return _Issuer(loaded.subject, _elliptic(loaded.public_key()), _private(key))


def _authority(*, depth: int) -> _Extensions:
    return (
        (x509.BasicConstraints(ca=True, path_length=depth), True),
        (_usage(signs_certificates=True), True),
    )


def _leaf(name: Name) -> _Extensions:
    names = [x509.DNSName(name.machine), x509.DNSName("localhost"), x509.UniformResourceIdentifier(name.urn)]
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(names), False),
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ProtocolError("certificate.key", "not an elliptic curve key")
    return loaded


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise ProtocolError("certificate.shape", "not a certificate (PEM), or cut short") from None


def _requested(csr: str) -> ec.EllipticCurvePublicKey:
    try:
        found = x509.load_pem_x509_csr(csr.encode())
    except ValueError:
        raise ProtocolError("certificate.shape", "not a certificate request (PEM), or cut short") from None
    if not found.is_signature_valid:
        raise ProtocolError("certificate.request", "whoever made this request does not hold its key")
    return _elliptic(found.public_key())


def _elliptic(public: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise ProtocolError("certificate.key", "only P-256 keys are taken here")
    return public
