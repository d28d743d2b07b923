"""The one door between a spec and everything that costs money: all refusals of all parts happen here."""

from hdinfra.machine.limits import user_data_refusals
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec import ZoneSpec


def planned(spec: ZoneSpec, held: Held | None = None) -> ZonePlan:
    """The complete plan of a spec, with what is held kept as it is; otherwise RefusedError with every refusal."""
    plan = plan_zone(spec, held or Held())
    refusals = user_data_refusals(plan)
    if refusals:
        raise RefusedError(refusals)
    return plan
