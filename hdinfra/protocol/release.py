"""Numbered releases: one policy document, for whom it is, and who may have it by now. Signed by the stack alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hdinfra.protocol.seal import ProtocolError, seal, unseal

AHEAD_SECONDS = 300
"""How far ahead of a machine's clock a release may have been issued."""
_KIND = "release"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a scope's policy. The same `number` is signed again and again while `released` grows.

    `scope`: whose policy (`instance-shop`, `edge`, `lab-shop`, `control`). `members`: every machine of the scope with
    its cluster. `released`: the machines that may have it. `rollback_of`: the number of the release that went wrong.
    `bake_seconds`: how long a machine watches itself after it. `code`: by role, the bundle that shall run (its `url`,
    `sha256` and `signature`).
    """

    zone: str
    scope: str
    number: int
    issued_at: int
    members: Mapping[str, str]
    released: tuple[str, ...]
    document: Mapping[str, Any]
    bake_seconds: float = 0
    rollback_of: int | None = None
    code: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every member may have it."""
        return set(self.released) >= set(self.members)


def seal_release(release: Release, key: str) -> str:
    """The signed text."""
    return seal(_KIND, {**asdict(release), "schema": _SCHEMA, "released": sorted(release.released)}, key)


def open_release(text: str, public: str, zone: str) -> Release:
    """The release; ProtocolError `seal.*`, `release.shape` or `release.foreign`."""
    body = unseal(_KIND, text, public)
    if body.pop("schema", None) != _SCHEMA:
        raise ProtocolError("release.shape", "this release has a schema that is not known here")
    release = _release(body)
    if release.zone != zone:
        raise ProtocolError("release.foreign", f"this release is for zone `{release.zone:.40}`, not for `{zone}`")
    return release


def check_clock(release: Release, now: float) -> None:
    """ProtocolError `release.early` for one from the future: then this machine's clock, or the stack's, is wrong."""
    ahead = release.issued_at - now
    if ahead > AHEAD_SECONDS:
        raise ProtocolError(
            "release.early", f"release {release.number} was issued {ahead:.0f} s ahead of this clock: mend the clock"
        )


def _release(body: dict[str, Any]) -> Release:
    wanted = {
        "zone": str,
        "scope": str,
        "number": int,
        "issued_at": int,
        "members": dict,
        "released": list,
        "document": dict,
        "bake_seconds": int | float,
        "rollback_of": int | None,
        "code": dict,
    }
    wrong = [name for name, kind in wanted.items() if name not in body or not isinstance(body[name], kind)]
    if wrong or body.keys() != wanted.keys():
        raise ProtocolError("release.shape", f"not a release: look at {wrong or sorted(body.keys() - wanted.keys())}")
    texts = (*body["members"], *body["members"].values(), *body["released"])
    if body["number"] < 1 or not all(isinstance(text, str) for text in texts):
        raise ProtocolError("release.shape", "a release is numbered from 1 and names its machines")
    return Release(**{**body, "released": tuple(body["released"])})
