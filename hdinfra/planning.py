"""The one door between a spec and everything that costs money: all refusals of all parts happen here."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hdinfra.licence.licence import Licence, LicenceError, check, opened
from hdinfra.licence.seats import ledger_of
from hdinfra.machine.limits import byol_refusals, user_data_refusals
from hdinfra.model.byol import ByolSpec
from hdinfra.model.byol_planner import ByolPlan, ledger_path, plan_byol
from hdinfra.model.checks.tls import sites_of
from hdinfra.model.held import Held
from hdinfra.model.plan import Supplied, ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.yaml_text import read_text
from hdinfra.protocol.site_certificate import (
    EXPIRED,
    FILE,
    HOST_NOT_COVERED,
    KEY_MISMATCH,
    NOT_YET,
    Flaw,
    flaws,
)

_PATHS = {
    "byol.licence-app": "app",
    "byol.licence-count": "machines",
    "byol.licence-forged": "licence",
    "byol.licence-tenant": "tenant",
}
"""What in a spec a licence's refusal is about, by its code; all others are about time, and so about the file."""
_FLAW_FIXES = {
    FILE: "write the path of a certificate in PEM, and of its key, in PEM and without a passphrase",
    KEY_MISMATCH: "write the `key` with which this certificate was asked for, or the certificate of this key",
    HOST_NOT_COVERED: "have a certificate issued that names the host, and put it in the file's place",
    EXPIRED: "have the certificate renewed, and put the new one in the file's place",
    NOT_YET: "wait for its first day, or put one that holds already in the file's place",
}


@dataclass(frozen=True, slots=True)
class Certificates:
    """Sites' own certificates by host, and why some cannot be had."""

    supplied: Mapping[str, Supplied]
    refusals: tuple[Refusal, ...] = ()


def planned(spec: ZoneSpec, held: Held | None = None, certificates: Certificates | None = None) -> ZonePlan:
    """The complete plan of a spec, with what is held kept as it is; otherwise RefusedError with every refusal.

    `certificates`: what `read_certificates` found; left out, files are looked for from the current folder.
    """
    found = read_certificates(spec, Path(), time.time()) if certificates is None else certificates
    try:
        plan = plan_zone(spec, held or Held())
    except RefusedError as refused:
        raise RefusedError([*refused.refusals, *found.refusals]) from refused
    if refusals := [*user_data_refusals(plan), *found.refusals]:
        raise RefusedError(refusals)
    if plan.edge is None or not found.supplied:
        return plan
    return replace(plan, edge=replace(plan.edge, tls=replace(plan.edge.tls, supplied=found.supplied)))


def planned_byol(spec: ByolSpec, licence: str, now: float, seen: float = 0) -> ByolPlan:
    """The complete plan of a BYOL spec under that licence file's text at `now`, in seconds since 1970 as is `seen`: the
    latest time that its ledger remembers (`read_seen`), by which a clock that was set back is noticed.

    RefusedError with every refusal of both: a stack that is not licensed registers nothing, a bundle is not written.
    """
    refusals = [licence_refusal(error) for error in _licence_errors(spec, licence, now, seen)]
    try:
        plan = plan_byol(spec)
    except RefusedError as refused:
        raise RefusedError([*refused.refusals, *refusals]) from refused
    refusals += byol_refusals(plan)
    if refusals:
        raise RefusedError(refusals)
    return plan


def read_certificates(spec: ZoneSpec, folder: Path, now: float) -> Certificates:
    """The certificates that sites of a spec bring, whose paths count from the spec's folder, looked at as of `now`."""
    supplied: dict[str, Supplied] = {}
    refusals: list[Refusal] = []
    for path, site in sites_of(spec) if spec.edge else ():
        https = site.https
        if https.certificate is None or https.key is None:
            continue
        texts, unread = _read_pair(f"{path}.https", folder, {"certificate": https.certificate, "key": https.key})
        if unread:
            refusals += unread
            continue
        certificate, key = texts
        supplied[site.host] = Supplied(certificate, key)
        found = flaws(certificate, key, site.host, now)
        refusals += [_flaw_refusal(f"{path}.https", site.host, https.certificate, flaw) for flaw in found]
    return Certificates(supplied, tuple(refusals))


def _read_pair(path: str, folder: Path, names: Mapping[str, str]) -> tuple[list[str], list[Refusal]]:
    texts, refusals = [], []
    for key, name in names.items():
        try:
            texts.append((folder / name).read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            message = f"`{name:.200}` cannot be read: {reason or type(error).__name__}."
            refusals.append(Refusal(f"{path}.{key}", FILE, message, f"write `{key}: ...` with the path of a PEM file"))
    return texts, refusals


def _flaw_refusal(path: str, host: str, name: str, flaw: Flaw) -> Refusal:
    message = f"{flaw.message[0].upper()}{flaw.message[1:]}; visitors of `{host}` would be turned away (`{name:.200}`)."
    return Refusal(path, flaw.code, message, _FLAW_FIXES[flaw.code])


def read_licence(spec: ByolSpec, folder: Path) -> str:
    """The text of the licence file, whose path counts from the spec's folder. RefusedError when it cannot be read."""
    return read_text(folder / spec.licence)


def read_seen(spec: ByolSpec, folder: Path) -> float:
    """The latest time, in seconds since 1970, at which a seat was taken or looked at in the spec's ledger, whose path
    counts from the spec's folder; 0 where none can be read, of which the seats say what is wrong."""
    try:
        return ledger_of((folder / ledger_path(spec)).read_text("utf-8")).seen
    except (OSError, ValueError):
        return 0


def _licence_errors(spec: ByolSpec, licence: str, now: float, seen: float) -> tuple[LicenceError, ...]:
    try:
        found: Licence = opened(licence, spec.vendor_key)
    except LicenceError as error:
        return (error,)
    return check(found, app=spec.app, machines=spec.machines, now=now, tenant=spec.tenant, seen=seen)


def licence_refusal(error: LicenceError) -> Refusal:
    """What a licence does not allow, as a refusal of the spec that asked for it."""
    return Refusal(_PATHS.get(error.code, "licence"), error.code, error.message, error.fix)
