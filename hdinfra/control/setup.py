"""An API machine's first boot, as root: keys of its own, and what its two processes have to know of one another."""

import json
import os
import pwd
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from hdinfra.control.authority import AUTHORITY_KEY, ENTRY_KEY
from hdinfra.control.durable import write_whole
from hdinfra.control.settings import HOME, USER, boot_facts
from hdinfra.protocol import certificate, seal

CONFIGURATION = Path("/etc/hdinfra")
_FRONT = "control-front.conf"
_DIRECTIVE = 'proxy_set_header X-Hdinfra-Front "{}";\n'


def main() -> int:
    """For the unit: does again what is missing, changes nothing that is there."""
    user = pwd.getpwnam(USER)
    set_up(CONFIGURATION, HOME, (user.pw_uid, user.pw_gid))
    return 0


def set_up(configuration: Path, home: Path, owner: tuple[int, int]) -> None:
    """Keys, the secret between nginx and API, a certificate with which nginx can start, and what the API is told."""
    for folder in (home, home / "tls"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(folder, *owner, follow_symlinks=False)
    first_boot, identity = (_read(configuration / name) for name in ("first-boot.json", "identity.json"))

    def keep(name: str, make: Callable[[], str]) -> None:
        if not os.path.lexists(home / name):
            write_whole(home / name, make(), owner=owner)

    # The token is dropped from the machine's first boot once it is used: what was kept then holds.
    keep("boot.json", lambda: json.dumps(boot_facts(first_boot, identity)))
    keep("front", lambda: _front(configuration / _FRONT))
    keep(AUTHORITY_KEY, certificate.new_key)
    keep(ENTRY_KEY, seal.new_key)
    keep("tls/root.pem", lambda: str(first_boot["root"]))
    keep("tls/server.pem", lambda: _self_signed(str(identity["name"])))


def _front(path: Path) -> str:
    """nginx's half is root's and is believed; the API has a copy."""
    if not path.exists():
        write_whole(path, _DIRECTIVE.format(secrets.token_hex(32)))
    return path.read_text().split('"')[1]


def _self_signed(name: str) -> str:
    """Nobody trusts it; the stack looks only at what is proven by the enrolment token."""
    key = certificate.new_key()
    return certificate.new_root(name, key, time.time()) + key


def _read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found
