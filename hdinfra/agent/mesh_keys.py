"""Keys of the mesh: this machine's own are made here, one a version, and never leave; the peers' public ones come as
entries of API machines, each of which the stack has endorsed."""

import base64
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hdinfra.protocol.entry import Entry, SealedEntry, open_entry
from hdinfra.protocol.seal import ProtocolError

from .durable import write_whole
from .paths import MESH
from .problems import Problems
from .versions import Trust

_MOST = 4_000
_ABOUT = "mesh keys"


@dataclass(frozen=True, slots=True)
class PeerKey:
    """A peer's public key of one version. `switched`: it needs the keys of the version before no more."""

    public: str
    switched: bool
    order: tuple[int, str]


class OwnKeys:
    """Private keys as WireGuard reads them: files of mode 0600, one a version."""

    def __init__(self, root: Path) -> None:
        self._folder = root / MESH.lstrip("/")

    def path(self, version: int) -> Path:
        """Where the private key of that version lies; made at the first question."""
        path = self._folder / f"{version}.key"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()) + b"\n", 0o600)
        return path

    def public(self, version: int) -> str:
        """What the others may know of it."""
        private = X25519PrivateKey.from_private_bytes(base64.b64decode(self.path(version).read_bytes()))
        return base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    def forget(self, keep: Iterable[int]) -> None:
        """Remove the keys of all other versions."""
        kept = {f"{version}.key" for version in keep}
        for path in self._folder.glob("*.key"):
            if path.name not in kept:
                path.unlink()


class PeerKeys:
    """What was heard of other machines' keys, by machine and version; kept, for a start without any API machine."""

    def __init__(self, root: Path, trust: Trust, problems: Problems) -> None:
        self._path = root / MESH.lstrip("/") / "peers.json"
        self._trust = trust
        self._problems = problems
        self._lock = threading.Lock()
        self._known = self._kept()

    def hear(self, told: object) -> None:
        """What one API machine says; what does not prove itself is passed over and named."""
        if told is None:
            return
        found, wrong = self._opened(told)
        with self._lock:
            known = dict(self._known)
            for where, key in found.items():
                if where not in known or known[where].order < key.order:
                    known[where] = key
            if known != self._known:
                self._known = known
                self._keep()
        if wrong:
            self._problems.say(_ABOUT, wrong)
        else:
            self._problems.over(_ABOUT)

    def of(self, machine: str, version: int) -> PeerKey | None:
        """The newest word on one key."""
        with self._lock:
            return self._known.get((machine, version))

    def _opened(self, told: object) -> tuple[dict[tuple[str, int], PeerKey], str]:
        found: dict[tuple[str, int], PeerKey] = {}
        if not isinstance(told, list) or len(told) > _MOST:
            return found, f"not a list of {_MOST:,} at most"
        wrong = ""
        for given in told:
            try:
                entry = self._entry(given)
                found[_where(entry)] = _peer_key(entry)
            except (ProtocolError, ValueError, KeyError, TypeError) as error:
                wrong = f"one is not believed: {error}"
        return found, wrong

    def _entry(self, given: Mapping[str, str]) -> Entry:
        entry = open_entry(SealedEntry(given["entry"], given["endorsement"]), self._trust.signer, self._trust.zone)
        if entry.kind != "mesh":
            raise ValueError(f"an entry of kind `{entry.kind}`")
        return entry

    def _keep(self) -> None:
        rows = [[*where, key.public, key.switched, *key.order] for where, key in sorted(self._known.items())]
        try:
            write_whole(self._path, json.dumps(rows).encode(), 0o600)
        except OSError as error:
            self._problems.say("mesh", f"the peers' keys are not kept: {error}")

    def _kept(self) -> dict[tuple[str, int], PeerKey]:
        try:
            rows = json.loads(self._path.read_bytes())
            return {(row[0], row[1]): PeerKey(row[2], row[3], (row[4], row[5])) for row in rows}
        except (OSError, ValueError, LookupError, TypeError):
            return {}


def _where(entry: Entry) -> tuple[str, int]:
    machine, version = entry.key.split("/")
    return machine, int(version)


def _peer_key(entry: Entry) -> PeerKey:
    public = str(entry.body["public"])
    if len(base64.b64decode(public, validate=True)) != 32:
        raise ValueError(f"`{entry.key}` has no key of 32 bytes")
    return PeerKey(public, entry.body["switched"] is True, entry.order)
