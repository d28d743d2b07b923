"""Licences: who may run which Apps on how many machines, and until when; one line of text, signed by the vendor."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from hdinfra.protocol.seal import ProtocolError, read_unverified, seal, unseal

_DAY_SECONDS = 86_400
CLOCK_SECONDS = _DAY_SECONDS
"""How far behind the latest time known a clock may be: time zones set wrongly and drift are within a day."""
MOST_MACHINES = 100_000
MOST_NAMES = 64
_LAST_SECOND = 253_402_214_400  # 9999-12-31, the last day that Python's dates know
_MAX_CHARACTERS = 65_536
_KIND = "licence"
_SCHEMA = 1
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?")
_ASK = "ask the vendor for a new licence"


class LicenceError(ValueError):
    """A licence that does not allow what is wanted. `code` is stable, `fix` is the way out."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        self.code, self.message, self.fix = code, message, fix
        super().__init__(f"{code}: {message}\n  fix: {fix}")


@dataclass(frozen=True, slots=True)
class Licence:
    """What the vendor grants. Times are whole seconds since 1970: it holds from `not_before`, and no more at `expires`.

    `id` differs from file to file, also when a licence is renewed. `tenant`, `apps` and `features` are names of a-z,
    0-9 and inner hyphens, a letter first, 32 characters at most, and there are 64 of either at most; `machines` is 1 to
    100,000. ValueError for anything else: nobody issues what nobody would read.
    """

    id: str
    tenant: str
    apps: tuple[str, ...]
    machines: int
    not_before: int
    expires: int
    features: tuple[str, ...] = ()
    issued: int = 0

    def __post_init__(self) -> None:
        if wrong := _wrong(self):
            raise ValueError(f"no licence has {wrong}")


def issue(licence: Licence, private_key: str) -> str:
    """The licence file's text, one line. `private_key` is Ed25519 in base64, as `hdinfra.protocol.seal` makes it."""
    return seal(_KIND, {**asdict(licence), "schema": _SCHEMA}, private_key) + "\n"


def opened(text: str, public_key: str) -> Licence:
    """The licence in that text; LicenceError `byol.licence-forged` unless it is, byte by byte, what the holder of the
    private half of `public_key` issued. Only the newline at its end may be missing."""
    line = text.removesuffix("\n")
    try:
        body = unseal(_KIND, _sized(line), public_key)
        return _licence(body, line)
    except ValueError as refused:
        raise LicenceError(
            "byol.licence-forged",
            f"This licence was not issued by the vendor whose public key is `{public_key:.44}`: {refused}.",
            "use the file as the vendor sent it, without opening it in an editor, and the vendor's own public key",
        ) from None


def read_unverified_licence(text: str) -> Licence:
    """What the text claims to be, for people to look at; LicenceError `byol.licence-forged` where it is no licence at
    all. Never act on it."""
    line = text.removesuffix("\n")
    try:
        return _licence(read_unverified(_KIND, _sized(line)), line)
    except ValueError as refused:
        raise LicenceError(
            "byol.licence-forged", f"This is no licence: {refused}.", "use the file as the vendor sent it"
        ) from None


def check(  # noqa: PLR0913  one keyword for each thing that a licence limits
    licence: Licence, *, app: str, machines: int, now: float, tenant: str | None = None, seen: float = 0
) -> tuple[LicenceError, ...]:
    """Every reason why this licence does not allow `machines` machines of `app`; nothing when it does.

    `now` and `seen`, the latest time that a ledger remembers, are seconds since 1970; `tenant` is compared where given.
    Codes: `byol.licence-tenant`, `-app`, `-count`, `-clock`, `-not-yet`, `-expired`.
    """
    found = (
        _tenant(licence, tenant),
        _app(licence, app),
        _count(licence, machines),
        _clock(now, max(seen, licence.issued)),
        _begun(licence, now),
        _ended(licence, now),
    )
    return tuple(refusal for refusal in found if refusal)


def first_second(day: str) -> int:
    """The first second of a day such as `2027-11-21`, in UTC; ValueError for what is no ISO date."""
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"{day!a:.40} is no day such as 2027-11-21") from None
    return int(datetime.combine(found, time.min, UTC).timestamp())


def end_of(day: str) -> int:
    """The second after that day, in UTC: who writes a last day means it whole."""
    return first_second(day) + _DAY_SECONDS


def moment(seconds: float) -> str:
    """Seconds since 1970 for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _tenant(licence: Licence, tenant: str | None) -> LicenceError | None:
    if tenant is None or tenant == licence.tenant:
        return None
    return LicenceError(
        "byol.licence-tenant",
        f"Licence `{licence.id}` is for `{licence.tenant}`, not for `{tenant:.40}`.",
        f"write the tenant as `{licence.tenant}`, or {_ASK}",
    )


def _app(licence: Licence, app: str) -> LicenceError | None:
    if app in licence.apps:
        return None
    return LicenceError(
        "byol.licence-app",
        f"Licence `{licence.id}` is for {', '.join(licence.apps)}; it does not cover `{app:.40}`.",
        f"{_ASK} that covers `{app:.40}`",
    )


def _count(licence: Licence, machines: int) -> LicenceError | None:
    if machines <= licence.machines:
        return None
    return LicenceError(
        "byol.licence-count",
        f"{machines:,} machines are wanted; licence `{licence.id}` covers {licence.machines:,}.",
        f"want {licence.machines:,} machines at most, or {_ASK} for {machines:,}",
    )


def _clock(now: float, seen: float) -> LicenceError | None:
    if now >= seen - CLOCK_SECONDS:
        return None
    return LicenceError(
        "byol.licence-clock",
        f"This computer's clock says {moment(now)}, but it was {moment(seen)} before: it was set back.",
        "set this computer's clock; if it had run ahead, take the wrong `seen` out of the ledger",
    )


def _begun(licence: Licence, now: float) -> LicenceError | None:
    if now >= licence.not_before:
        return None
    return LicenceError(
        "byol.licence-not-yet",
        f"Licence `{licence.id}` holds from {moment(licence.not_before)}; this computer's clock says {moment(now)}.",
        f"wait until {moment(licence.not_before)}, or set this computer's clock",
    )


def _ended(licence: Licence, now: float) -> LicenceError | None:
    if now < licence.expires:
        return None
    return LicenceError(
        "byol.licence-expired",
        f"Licence `{licence.id}` ended at {moment(licence.expires)}; this computer's clock says {moment(now)}.",
        _ASK,
    )


def _sized(line: str) -> str:
    if len(line) > _MAX_CHARACTERS:
        raise ProtocolError("licence.too-long", f"{len(line):,} characters; {_MAX_CHARACTERS:,} are the most")
    return line


def _licence(body: Mapping[str, Any], line: str) -> Licence:
    if line != _spelt(line):
        # The seal covers what is said, not how its envelope is written; a licence has one spelling only.
        raise ProtocolError("licence.spelling", "it was changed since it was signed")
    fields = dict(body)
    if fields.pop("schema", None) != _SCHEMA:
        raise ProtocolError("licence.shape", "its schema is not known here; a newer hdinfra may know it")
    if fields.keys() != set(Licence.__slots__):
        raise ProtocolError("licence.shape", f"a licence has {', '.join(Licence.__slots__)}; found {sorted(fields)}")
    return Licence(**{**fields, "apps": _texts(fields["apps"]), "features": _texts(fields["features"])})


def _spelt(line: str) -> str:
    """The one spelling of a sealed line: base64, too, can end in bits that nobody reads."""
    parts = json.loads(line)
    signature = base64.b64encode(base64.b64decode(parts["signature"])).decode()
    return json.dumps({**parts, "signature": signature}, sort_keys=True)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ProtocolError("licence.shape", "apps and features are lists")
    return tuple(value)


def _wrong(licence: Licence) -> str:
    """What is wrong with a licence's fields, in words; empty when nothing is."""
    return _wrong_names(licence) or _wrong_amounts(licence) or _wrong_times(licence)


def _wrong_amounts(licence: Licence) -> str:
    if not licence.apps:
        return "no App at all"
    if max(len(licence.apps), len(licence.features)) > MOST_NAMES:
        return f"{len(licence.apps):,} Apps and {len(licence.features):,} features: {MOST_NAMES} of either at most"
    if not _whole(licence.machines, 1, MOST_MACHINES):
        return f"{licence.machines!a:.40} machines: 1 to {MOST_MACHINES:,}"
    return ""


def _wrong_names(licence: Licence) -> str:
    for name in (licence.tenant, *licence.apps, *licence.features):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return f"the name {name!a:.40}: a-z, 0-9 and inner hyphens, a letter first, 32 characters at most"
    if not isinstance(licence.id, str) or not _ID.fullmatch(licence.id):
        return f"the id {licence.id!a:.90}: a-z, 0-9 and inner hyphens, 80 characters at most"
    return ""


def _wrong_times(licence: Licence) -> str:
    for at in (licence.not_before, licence.expires, licence.issued):
        if not _whole(at, 0, _LAST_SECOND):
            return f"the time {at!a:.40}: whole seconds since 1970, until the year 9999"
    if licence.not_before >= licence.expires:
        return f"its end ({moment(licence.expires)}) at or before its begin ({moment(licence.not_before)})"
    return ""


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
