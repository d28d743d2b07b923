"""What was written, by whom, and what an operator should look at."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from hdinfra.control.callers import Admin, NodeOf, may
from hdinfra.control.roles import ALL_TENANTS, Action
from hdinfra.control.shapes import AlarmsAnswer, AuditAnswer

router = APIRouter(tags=["records"])


@router.get("/v1/audit", response_model=AuditAnswer)
async def audit(
    node: NodeOf,
    admin: Annotated[Admin, Depends(may(Action.READ_AUDIT))],
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """Every write to this API machine, also refused ones, newest first; those of one's own tenant."""
    tenant = None if admin.tenant == ALL_TENANTS else admin.tenant
    return {"audit": [asdict(row) for row in node.store.audit(limit, tenant)]}


@router.get("/v1/alarms", response_model=AlarmsAnswer)
async def alarms(node: NodeOf, _: Annotated[Admin, Depends(may(Action.READ_ALARMS))]) -> dict[str, Any]:
    """What this API machine raised; the same stands in its journal."""
    return {"alarms": [asdict(alarm) for alarm in node.store.alarms()]}
