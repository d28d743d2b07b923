"""Bundles: code of ours as a content-addressed, signed archive."""

import hashlib
from collections.abc import Mapping

from hdinfra.protocol.seal import ProtocolError, seal, unseal

MAX_BYTES = 4_194_304
_KIND = "bundle"


def sign_bundle(role: str, sha256: str, key: str) -> str:
    """The stack says: this archive may run on machines of that role."""
    return seal(_KIND, {"role": role, "sha256": sha256}, key)


def check_bundle(archive: bytes, pin: Mapping[str, str], role: str, public: str) -> None:
    """ProtocolError `bundle.*` unless the archive is the pinned one and the stack signed it for this role."""
    found = hashlib.sha256(archive).hexdigest()
    if found != pin["sha256"]:
        raise ProtocolError("bundle.sha256", f"{pin['url']} gave {found[:16]}..., pinned is {pin['sha256'][:16]}...")
    if unseal(_KIND, pin["signature"], public) != {"role": role, "sha256": found}:
        raise ProtocolError("bundle.foreign", f"the stack did not sign {found[:16]}... for role `{role}`")
