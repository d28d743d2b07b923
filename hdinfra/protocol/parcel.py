"""A site's certificate and key on their way to the edges: signed by the stack, readable by these machines alone.

ECIES: the text is encrypted once under a key of its own, and that key once for every machine (ephemeral ECDH on P-256,
HKDF-SHA256, AES-256-GCM). API machines carry parcels and cannot open them.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hdinfra.protocol.seal import ProtocolError, canonical, seal, unseal

MAX_BYTES = 262_144
"""The longest parcel that anybody takes: a chain of certificates for some hundreds of machines."""
_KIND = "parcel"
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on it: for which site it is, and which number it has among those of the site."""

    zone: str
    host: str
    number: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """`ephemeral` is the sender's public key, `boxes` hold the text's key for each machine, `content` the text."""

    label: Label
    ephemeral: str
    boxes: Mapping[str, str]
    content: str


def public_of(certificate_key: ec.EllipticCurvePublicKey) -> str:
    """A machine's public key as it travels: the point, uncompressed (X9.62), in base64."""
    form = serialization.PublicFormat.UncompressedPoint
    return base64.b64encode(certificate_key.public_bytes(serialization.Encoding.X962, form)).decode()


def seal_parcel(label: Label, text: str, recipients: Mapping[str, str], signing_key: str) -> str:
    """The signed parcel; `recipients` are machines with their public keys. ProtocolError `parcel.key` for a bad key."""
    sender, key = ec.generate_private_key(ec.SECP256R1()), AESGCM.generate_key(256)
    parcel = Parcel(
        label=label,
        ephemeral=public_of(sender.public_key()),
        boxes={
            machine: _locked(_shared(sender, _point(public), label, machine), key, _bound(label))
            for machine, public in sorted(recipients.items())
        },
        content=_locked(key, text.encode(), _bound(label)),
    )
    return seal(_KIND, asdict(parcel), signing_key)


def read_parcel(text: str, signer: str, zone: str) -> Parcel:
    """What the stack (`signer`, its public key) signed for this zone; ProtocolError `seal.*` or `parcel.*`."""
    if len(text) > MAX_BYTES:
        raise ProtocolError("parcel.shape", f"a parcel of {len(text):,} bytes; {MAX_BYTES:,} are the most")
    parcel = _parcel(unseal(_KIND, text, signer))
    if parcel.label.zone != zone:
        raise ProtocolError("parcel.foreign", f"this parcel is for zone `{parcel.label.zone:.40}`, not for `{zone}`")
    return parcel


def open_parcel(parcel: Parcel, machine: str, key: str) -> str:
    """The text, with this machine's private key (PEM); ProtocolError `parcel.not-for-us` when it cannot be opened."""
    if machine not in parcel.boxes:
        raise ProtocolError("parcel.not-for-us", f"this parcel is not for `{machine}`")
    own = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(own, ec.EllipticCurvePrivateKey):
        raise ProtocolError("parcel.key", "only P-256 keys open parcels")
    wrapping = _shared(own, _point(parcel.ephemeral), parcel.label, machine)
    content_key = _unlocked(wrapping, parcel.boxes[machine], _bound(parcel.label))
    return _unlocked(content_key, parcel.content, _bound(parcel.label)).decode()


def _shared(own: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePublicKey, label: Label, machine: str) -> bytes:
    info = f"hdinfra:{_KIND}\n{machine}\n".encode() + _bound(label)
    return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(own.exchange(ec.ECDH(), other))


def _bound(label: Label) -> bytes:
    """What the cipher vouches for besides the text, so that no parcel's content fits another label."""
    return canonical(asdict(label)).encode()


def _locked(key: bytes, text: bytes, bound: bytes) -> str:
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, text, bound)).decode()


def _unlocked(key: bytes, box: str, bound: bytes) -> bytes:
    raw = _bytes(box)
    try:
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], bound)
    except (InvalidTag, ValueError):
        raise ProtocolError("parcel.not-for-us", "this parcel was sealed for another key, or changed since") from None


def _point(public: str) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(public))
    except ValueError:
        raise ProtocolError("parcel.key", "not a public key on P-256") from None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("parcel.shape", "not base64") from None


def _parcel(body: Mapping[str, Any]) -> Parcel:
    try:
        label, boxes = Label(**body["label"]), dict(body["boxes"])
        texts = (label.zone, label.host, body["ephemeral"], body["content"], *boxes, *boxes.values())
        whole = len(body) == 4 and isinstance(label.number, int) and not isinstance(label.number, bool)
        if not whole or label.number < 1 or not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise ProtocolError("parcel.shape", f"not a parcel: {sorted(body)}") from None
    return Parcel(label, body["ephemeral"], boxes, body["content"])
