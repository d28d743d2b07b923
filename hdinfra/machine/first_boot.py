"""What a machine is told once, at its first boot. None of it makes a running machine anew when it changes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, IPv6Network

from hdinfra.machine.machine import File
from hdinfra.protocol.endpoint import Endpoint

FIRST_BOOT_PATH = "/etc/hdinfra/first-boot.json"
CALLERS_PATH = "/etc/hdinfra/first/callers.nft"


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a role's bundle lies, which one it is, and that the stack signed it."""

    url: str
    sha256: str
    signature: str


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """`token` is the only secret: it names this machine and lives a quarter of an hour. `admin` (API machines): the
    SHA-256 of the stack's own admin token."""

    token: str
    root: str
    signer: str
    endpoints: tuple[Endpoint, ...]
    code: Pin
    admin: str | None = None

    def file(self) -> File:
        """Readable for root alone."""
        return File(FIRST_BOOT_PATH, json.dumps(asdict(self), sort_keys=True) + "\n", 0o600)


def callers_file(networks: Sequence[IPv4Network | IPv6Network]) -> File:
    """From where an API machine is reached until its first policy says it."""
    lines = [f"add element inet hdinfra callers{network.version} {{ {network} }}\n" for network in networks]
    return File(CALLERS_PATH, "".join(lines))


def sample_first_boot(names: Sequence[str], *, control: bool) -> FirstBoot:
    """As long, and as hard to compress, as the real one: for seeing in the plan whether user data fits."""
    return FirstBoot(
        token=_noise("token", 400),
        root=_noise("root", 720),
        signer=_noise("signer", 44),
        endpoints=tuple(Endpoint(name, "203.0.113.113", "2001:db8:1234:5678::1234", 9000) for name in names),
        code=Pin(f"https://{_noise('url', 60)}.test/{_noise('name', 64)}.tar", _noise("sha", 64), _noise("sign", 300)),
        admin=_noise("admin", 64) if control else None,
    )


def _noise(seed: str, length: int) -> str:
    text = "".join(hashlib.sha256(f"{seed}{number}".encode()).hexdigest() for number in range(length // 64 + 1))
    return text[:length]
