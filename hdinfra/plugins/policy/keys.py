"""The resource `hdpolicy:index:Keys`: what a stack signs and certifies with, made once and never changed."""

import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import ClassVar

from hdinfra.plugins.kind import Call, Difference, Values
from hdinfra.plugins.policy.names import ZONE
from hdinfra.plugins.shapes import Failure, Record
from hdinfra.plugins.values import UNKNOWN
from hdinfra.protocol import certificate, seal


class KeysKind:
    """Lives in the stack's state alone."""

    inputs = Record({"zone": ZONE})
    outputs: ClassVar[Mapping[str, str]] = {
        "signingKey": "string",
        "signer": "string",
        "root": "string",
        "rootKey": "string",
        "adminToken": "string",
        "tokenHash": "string",
    }
    secret_outputs = frozenset({"signingKey", "rootKey", "adminToken"})

    def check(self, inputs: Values) -> Iterable[Failure]:
        """Nothing beyond the shape."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """Not known before they are made."""
        return dict.fromkeys(self.outputs, UNKNOWN) if state is None else self._kept(state)

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Makes all keys."""
        signing, root, token = seal.new_key(), certificate.new_key(), secrets.token_urlsafe(32)
        made = {
            "signingKey": signing,
            "signer": seal.public_of(signing),
            "root": certificate.new_root(inputs["zone"], root, time.time()),
            "rootKey": root,
            "adminToken": token,
            "tokenHash": hashlib.sha256(token.encode()).hexdigest(),
        }
        return f"{inputs['zone']}/keys", made

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """The state is all there is."""
        return self._kept(state)

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """Another zone is another stack's business: its keys are others."""
        return Difference(replaces=changed)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Nothing ever changes them."""
        return self._kept(state)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Gone with the state."""

    def _kept(self, state: Values) -> Values:
        return {name: state[name] for name in self.outputs if name in state}
