"""A stack's keys and what is signed with them, as the tests of hdsync need them."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hdinfra.agent.versions import Trust
from hdinfra.protocol import certificate, entry, seal, token
from hdinfra.protocol.entry import Entry, SealedEntry
from hdinfra.protocol.release import Release, seal_release

ME = "c1-shop-1"
ZONE = "india"
SCOPE = "instance-shop"
API = "c1-control-1"


def eventually(condition: Callable[[], Any], within: float = 10, because: Callable[[], object] = str) -> None:
    """Wait for a condition; the evidence is shown when it does not come."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, because()
        time.sleep(0.01)


def waf(*hosts: str, mode: str = "MITIGATION") -> dict[str, Any]:
    """A document with these sites."""
    site = {
        "tenant": "acme",
        "mode": mode,
        "paranoia": 1,
        "exclusions": [],
        "lowest_mode": "BYPASS",
        "highest_paranoia": 4,
        "most_exclusions": 4,
        "origins": [{"address": "192.0.2.9", "port": 80}],
        "health_path": "/health",
        "response_timeout_seconds": 2,
    }
    return {"app": "waf", "schema_version": 1, "edges": [], "sites": [{"host": host, **site} for host in hosts]}


@dataclass
class Stack:
    """All keys, and what is signed with them."""

    key: str = field(default_factory=seal.new_key)
    api_key: str = field(default_factory=seal.new_key)
    root_key: str = field(default_factory=certificate.new_key)
    authority_key: str = field(default_factory=certificate.new_key)
    root: str = ""
    authority: str = ""

    def __post_init__(self) -> None:
        now = time.time()
        self.root = certificate.new_root(ZONE, self.root_key, now)
        csr = certificate.request(self.authority_key, API)
        self.authority = certificate.issue_authority(self.root, self.root_key, csr, API, now)

    @property
    def trust(self) -> Trust:
        """What a machine of this stack trusts."""
        return Trust(seal.public_of(self.key), ZONE, ME)

    def release(self, number: int, document: Mapping[str, Any], **changes: Any) -> str:
        """A sealed release for this machine."""
        made = Release(ZONE, SCOPE, number, int(time.time()), {ME: "c1"}, (ME,), document)
        return seal_release(replace(made, **changes), self.key)

    def setting(self, number: int, host: str, api: str = API, **body: Any) -> SealedEntry:
        """A sealed setting of the API's."""
        made = Entry(ZONE, "setting", f"{SCOPE}/{host}", number, api, 1, "ada", body)
        public = seal.public_of(self.api_key)
        return entry.seal_entry(made, self.api_key, entry.endorse(ZONE, api, public, self.key))

    def leaf(self, name: str, role: str, serial: int = 1, ago_hours: float = 0) -> tuple[str, str]:
        """Key and certificate (with the authority's) of a machine."""
        key = certificate.new_key()
        return key, self.certified(certificate.request(key, name), name, role, serial, ago_hours)

    def certified(self, csr: str, name: str, role: str, serial: int = 1, ago_hours: float = 0) -> str:
        """A certificate with its authority's, issued some hours ago."""
        who, now = certificate.Name(ZONE, role, name, serial), time.time() - ago_hours * 3600
        return certificate.issue_leaf(self.authority, self.authority_key, csr, who, now) + self.authority

    def token(self) -> str:
        """This machine's enrolment token."""
        return token.issue(token.Token(ZONE, ME, "waf", int(time.time() * 1000)), self.key)


def offer(releases: Iterable[str] = (), settings: Iterable[SealedEntry] = ()) -> dict[str, Any]:
    """The lists of an answer to /v1/sync."""
    return {
        "releases": list(releases),
        "settings": [{"entry": each.entry, "endorsement": each.endorsement} for each in settings],
    }


@pytest.fixture
def stack() -> Stack:
    """A new one."""
    return Stack()
