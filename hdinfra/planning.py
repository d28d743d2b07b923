"""The one door between a spec and everything that costs money: all refusals of all parts happen here."""

from pathlib import Path

from hdinfra.licence.licence import Licence, LicenceError, check, opened
from hdinfra.machine.limits import byol_refusals, user_data_refusals
from hdinfra.model.byol import ByolSpec
from hdinfra.model.byol_planner import ByolPlan, plan_byol
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.yaml_text import read_text

_PATHS = {
    "byol.licence-app": "app",
    "byol.licence-count": "machines",
    "byol.licence-forged": "licence",
    "byol.licence-tenant": "tenant",
}
"""What in a spec a licence's refusal is about, by its code; all others are about time, and so about the file."""


def planned(spec: ZoneSpec, held: Held | None = None) -> ZonePlan:
    """The complete plan of a spec, with what is held kept as it is; otherwise RefusedError with every refusal."""
    plan = plan_zone(spec, held or Held())
    refusals = user_data_refusals(plan)
    if refusals:
        raise RefusedError(refusals)
    return plan


def planned_byol(spec: ByolSpec, licence: str, now: float) -> ByolPlan:
    """The complete plan of a BYOL spec under that licence file's text at `now`, in seconds since 1970.

    RefusedError with every refusal of both: a stack that is not licensed registers nothing, a bundle is not written.
    """
    refusals = [licence_refusal(error) for error in _licence_errors(spec, licence, now)]
    try:
        plan = plan_byol(spec)
    except RefusedError as refused:
        raise RefusedError([*refused.refusals, *refusals]) from refused
    refusals += byol_refusals(plan)
    if refusals:
        raise RefusedError(refusals)
    return plan


def read_licence(spec: ByolSpec, folder: Path) -> str:
    """The text of the licence file, whose path counts from the spec's folder. RefusedError when it cannot be read."""
    return read_text(folder / spec.licence)


def _licence_errors(spec: ByolSpec, licence: str, now: float) -> tuple[LicenceError, ...]:
    try:
        found: Licence = opened(licence, spec.vendor_key)
    except LicenceError as error:
        return (error,)
    return check(found, app=spec.app, machines=spec.machines, now=now, tenant=spec.tenant)


def licence_refusal(error: LicenceError) -> Refusal:
    """What a licence does not allow, as a refusal of the spec that asked for it."""
    return Refusal(_PATHS.get(error.code, "licence"), error.code, error.message, error.fix)
