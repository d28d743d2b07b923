"""The machine's certificate as NUT takes it: Debian builds NUT with NSS, which keeps keys in a database of its own.

NUT's user can read this database, and with it the machine's key; its drivers, which read what a battery says, cannot
(nut-driver@.service.d).
"""

import os
import pwd
import shutil
from pathlib import Path

from .commands import ApplyError, Run, must
from .durable import sync_folder
from .first_boot import read_first_boot
from .paths import CERTIFICATE, KEY
from .problems import log

DATABASE = "/var/lib/hdinfra-nut"
NICKNAME = "machine"
_NUT = "nut"


def main(root: Path, run: Run) -> int:
    """0 when NUT has the present certificate, 1 when it keeps what it had."""
    try:
        hand_over(root, run)
    except (ApplyError, OSError, KeyError, ValueError) as error:
        log(f"NUT keeps the certificate that it has: {error}")
        return 1
    return 0


def hand_over(root: Path, run: Run) -> None:
    """Make the database anew beside the one in use, and put it in its place at once."""
    boot = read_first_boot(root)
    if boot is None:
        raise ValueError("no control plane was named at first boot, so there is no certificate")
    owner = pwd.getpwnam(_NUT)
    database = root / DATABASE.lstrip("/")
    fresh, old = (database.with_name(f"{database.name}.{end}") for end in ("new", "old"))
    for folder in (fresh, old):
        shutil.rmtree(folder, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _fill(fresh, root, boot.root, run)
    for path in (*fresh.iterdir(), fresh):
        os.chown(path, owner.pw_uid, owner.pw_gid)
        path.chmod(0o700 if path == fresh else 0o600)
    if database.exists():
        database.rename(old)
    fresh.rename(database)
    sync_folder(database.parent)
    shutil.rmtree(old, ignore_errors=True)


def _fill(folder: Path, root: Path, trusted: str, run: Run) -> None:
    certificate, key = (str(root / path.lstrip("/")) for path in (CERTIFICATE, KEY))
    password, anchor, both = folder / "password", folder / "root.pem", folder / "both.p12"
    for path, text in ((password, "\n"), (anchor, trusted)):
        path.write_text(text)
    database = f"sql:{folder}"
    must(run, "certutil", "-N", "-d", database, "-f", str(password))
    # The bag is in a folder of root's alone, and gone a moment later.
    export = ("openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", NICKNAME)
    must(run, *export, "-passout", "pass:", "-out", str(both))
    must(run, "pk12util", "-i", str(both), "-d", database, "-k", str(password), "-W", "")
    must(run, "certutil", "-A", "-d", database, "-n", "root", "-t", "CT,C,C", "-a", "-i", str(anchor))
    for path in (password, anchor, both):
        path.unlink()
