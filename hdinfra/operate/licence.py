"""A vendor's key and licence files: made, issued, looked at and verified. The private key never leaves its file."""

import os
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hdinfra.licence.licence import (
    Licence,
    LicenceError,
    check,
    end_of,
    first_second,
    issue,
    opened,
    read_unverified_licence,
)
from hdinfra.operate.errors import LicenceFileError
from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.licence.ledger import LedgerFile
from hdinfra.protocol.seal import new_key, public_of

_DAY_SECONDS = 86_400
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Grant:
    """What a vendor means to issue. Days are ISO dates in UTC: `not_before` left out is today, `last_day` is meant
    whole."""

    tenant: str
    apps: Sequence[str]
    machines: int
    last_day: str
    not_before: str | None = None
    features: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found: the licence, None where it is forged, and every reason against it."""

    licence: Licence | None
    refusals: tuple[LicenceError, ...] = field(default=())


def make_key(file: Path) -> str:
    """Write a new private key, readable by its owner alone; gives the public key. Never writes over a file."""
    key = new_key()
    _write_new(
        file,
        key + "\n",
        0o600,
        "name another file: without its key a vendor can renew no licence for the public key that customers have",
    )
    return public_of(key)


def issue_licence(grant: Grant, key_file: Path, out: Path) -> Licence:
    """Sign it and write its file; ValueError for what no licence can say. Never writes over a file."""
    key, now = _private_key(key_file), int(time.time())
    licence = Licence(
        id=f"{grant.tenant}-{secrets.token_hex(6)}",
        tenant=grant.tenant,
        apps=tuple(grant.apps),
        machines=grant.machines,
        not_before=now - now % _DAY_SECONDS if grant.not_before is None else first_second(grant.not_before),
        expires=end_of(grant.last_day),
        features=tuple(grant.features),
        issued=now,
    )
    _write_new(out, issue(licence, key), 0o644, "name another file")
    return licence


def look_at(file: Path) -> Licence:
    """What a licence file claims, unverified; LicenceFileError where it is no licence."""
    try:
        return read_unverified_licence(_text(file))
    except LicenceError as refused:
        raise LicenceFileError(f"`{file}`: {refused.message}", retry=refused.fix) from None


def verify_file(  # noqa: PLR0913  one keyword for each thing that a licence limits
    file: Path,
    public_key: str,
    *,
    app: str | None = None,
    machines: int = 1,
    tenant: str | None = None,
    ledger: Path | None = None,
) -> Verdict:
    """Whether the vendor issued it and it allows this now. `app` left out is any that it covers; `ledger` brings the
    latest time that was seen."""
    try:
        licence = opened(_text(file), public_key)
    except LicenceError as forged:
        return Verdict(None, (forged,))
    asked = app or licence.apps[0]
    seen = _seen(ledger) if ledger else 0
    return Verdict(licence, check(licence, app=asked, machines=machines, now=time.time(), tenant=tenant, seen=seen))


def _seen(ledger: Path) -> int:
    try:
        return LedgerFile(str(ledger)).read().seen
    except PluginError as refused:
        raise LicenceFileError(str(refused)) from None


def _private_key(file: Path) -> str:
    text = _text(file).strip()
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise LicenceFileError(
            f"`{file}` has mode {mode:04o}: others on this computer may have read the private key.",
            retry=f"chmod 600 '{file}', and a new key where others had access",
        )
    try:
        public_of(text)
    except ValueError:
        raise LicenceFileError(
            f"`{file}` holds no private key of ours.", retry="hdinfra licence keygen --key FILE makes one"
        ) from None
    return text


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened_file:
            return opened_file.read(_MOST_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise LicenceFileError(f"`{file}` cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise LicenceFileError(f"`{file}` is no text in UTF-8.", retry="use the file as the vendor sent it") from None


def _write_new(file: Path, text: str, mode: int, fix: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise LicenceFileError(f"`{file}` is there already, and was left as it is.", retry=fix) from None
    except OSError as error:
        raise LicenceFileError(f"`{file}` cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as made:
        made.write(text)
        made.flush()
        os.fsync(made.fileno())
