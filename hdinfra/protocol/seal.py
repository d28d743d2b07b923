"""Signed statements (Ed25519, RFC 8032): the bytes that travel are the bytes that are signed."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_BYTES = 1_048_576
"""The longest statement that anybody makes or reads: 1 MiB holds the policy of about 2,000 sites."""


class ProtocolError(ValueError):
    """A statement that must not be taken at its word. `code` is stable, the text says what was found."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def new_key() -> str:
    """A private key, in base64."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_of(key: str) -> str:
    """The public half, in base64."""
    return base64.b64encode(_private(key).public_key().public_bytes_raw()).decode()


def canonical(body: Mapping[str, Any]) -> str:
    """The one text of a JSON object: sorted keys, no spaces, ASCII."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def seal(kind: str, body: Mapping[str, Any], key: str) -> str:
    """The statement as one line of JSON. `kind` is part of what is signed: a token is never taken for a policy."""
    text = canonical(body)
    signature = base64.b64encode(_private(key).sign(_signed(kind, text))).decode()
    sealed = json.dumps({"body": text, "kind": kind, "signature": signature}, sort_keys=True)
    if len(sealed) > MAX_BYTES:
        raise ProtocolError("seal.too-long", f"a `{kind}` of {len(sealed):,} bytes; {MAX_BYTES:,} are the most")
    return sealed


def unseal(kind: str, sealed: str, public: str) -> dict[str, Any]:
    """The body of a statement that this key signed; ProtocolError `seal.*` when it is anything else."""
    body, signature = _parts(kind, sealed)
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(public, "seal.key")).verify(signature, _signed(kind, body))
    except InvalidSignature:
        raise ProtocolError("seal.foreign", f"this `{kind}` was signed by another key, or changed since") from None
    return _object(kind, body)


def read_unverified(kind: str, sealed: str) -> dict[str, Any]:
    """The body as it claims to be, to find out by whose key it must be verified. Never act on it."""
    return _object(kind, _parts(kind, sealed)[0])


def _parts(kind: str, sealed: str) -> tuple[str, bytes]:
    if len(sealed) > MAX_BYTES:
        raise ProtocolError("seal.too-long", f"{len(sealed):,} bytes are no `{kind}`; {MAX_BYTES:,} are the most")
    found = _object(kind, sealed)
    if found.keys() != {"body", "kind", "signature"} or not all(isinstance(v, str) for v in found.values()):
        raise ProtocolError("seal.shape", f"a sealed `{kind}` has body, kind and signature; found {sorted(found)}")
    if found["kind"] != kind:
        raise ProtocolError("seal.kind", f"a `{found['kind']:.40}` was given where a `{kind}` is wanted")
    return found["body"], _bytes(found["signature"], "seal.shape")


def _object(kind: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("seal.shape", f"this `{kind}` is not JSON, or cut short") from None
    if not isinstance(found, dict):
        raise ProtocolError("seal.shape", f"this `{kind}` is no JSON object")
    return found


def _bytes(text: str, code: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(code, "not base64") from None


def _private(key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_bytes(key, "seal.key"))


def _signed(kind: str, body: str) -> bytes:
    # Half a surrogate pair is no character, but JSON can carry one; it has to end as a refusal, not as a defect.
    return f"hdinfra:{kind}\n{body}".encode("utf-8", "surrogatepass")
