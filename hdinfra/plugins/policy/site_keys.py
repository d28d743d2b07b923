"""The resources `SiteAuthority` and `AcmeAccount`: what a stack has sites certified with, made once."""

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hdinfra.plugins.kind import Call, Difference, Values
from hdinfra.plugins.policy.names import ZONE
from hdinfra.plugins.shapes import Failure, Record
from hdinfra.plugins.values import UNKNOWN
from hdinfra.protocol import certificate


class _MadeOnce:
    """Lives in the stack's state alone."""

    inputs = Record({"zone": ZONE})
    outputs: ClassVar[Mapping[str, str]] = {}
    secret_outputs = frozenset({"key"})
    _what = ""

    def check(self, inputs: Values) -> Iterable[Failure]:
        """Nothing beyond the shape."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """Not known before it is made."""
        return dict.fromkeys(self.outputs, UNKNOWN) if state is None else self._kept(state)

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Makes the key and what follows from it."""
        return f"{inputs['zone']}/{self._what}", self._made(inputs["zone"], certificate.new_key())

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """The state is all there is."""
        return self._kept(state)

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """Another zone is another stack's business."""
        return Difference(replaces=changed)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Nothing ever changes it."""
        return self._kept(state)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Gone with the state."""

    def _made(self, zone: str, key: str) -> Values:
        raise NotImplementedError

    def _kept(self, state: Values) -> Values:
        return {name: state[name] for name in self.outputs if name in state}


class SiteAuthorityKind(_MadeOnce):
    """A certificate authority of the stack's own, for trials: `certificate` is what a visitor has to believe."""

    outputs: ClassVar[Mapping[str, str]] = {"certificate": "string", "key": "string"}
    _what = "site-authority"

    def _made(self, zone: str, key: str) -> Values:
        return {"certificate": certificate.new_site_root(zone, key, time.time()), "key": key}


class AcmeAccountKind(_MadeOnce):
    """The key of an account at an ACME server; by `thumbprint` edges answer its challenges."""

    outputs: ClassVar[Mapping[str, str]] = {"key": "string", "thumbprint": "string"}
    _what = "acme-account"

    def _made(self, zone: str, key: str) -> Values:
        return {"key": key, "thumbprint": thumbprint(key)}


def thumbprint(key: str) -> str:
    """Of a P-256 key (PEM), as RFC 7638 has it."""
    private = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)  # noqa: S101  made above
    numbers = private.public_key().public_numbers()
    jwk = {"crv": "P-256", "kty": "EC", "x": _encoded(numbers.x), "y": _encoded(numbers.y)}
    text = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


def _encoded(coordinate: int) -> str:
    return _base64url(coordinate.to_bytes(32))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
