"""Sites' certificates on their way to the edges. What comes through here cannot be opened here."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from hdinfra.control.callers import Admin, MachineOf, NodeOf, may
from hdinfra.control.parcels import KIND
from hdinfra.control.refusal import RefusedError
from hdinfra.control.roles import Action
from hdinfra.control.shapes import HOST, NumberAnswer, ParcelAnswer, ParcelBody, ParcelsAnswer
from hdinfra.protocol.parcel import read_parcel

Host = Annotated[str, Path(pattern=HOST)]
router = APIRouter(tags=["parcels"])


@router.put("/v1/parcels", response_model=NumberAnswer)
async def put(body: ParcelBody, node: NodeOf, admin: Annotated[Admin, Depends(may(Action.PUBLISH))]) -> dict[str, Any]:
    """A site's certificate, signed by the stack and sealed for the edges."""
    parcel = read_parcel(body.parcel, node.settings.signer, node.settings.zone)
    host, number = parcel.label.host, parcel.label.number
    known = node.parcels.get(host)
    if known is not None and number <= known[0].label.number and body.parcel != known[1]:
        raise RefusedError(409, "parcel.older", f"parcel {known[0].label.number} of `{host:.253}` is known already")
    if known is None or body.parcel != known[1]:
        node.say(KIND, host, {"parcel": body.parcel}, admin.name)
    return {"number": number}


@router.get("/v1/parcels", response_model=ParcelsAnswer)
async def numbers(node: NodeOf, _: Annotated[Admin, Depends(may(Action.READ_POLICIES))]) -> dict[str, Any]:
    """Which number each site's newest one has."""
    return {"numbers": node.parcels.numbers()}


@router.get("/v1/parcels/{host}", response_model=ParcelAnswer)
async def parcel(host: Host, machine: MachineOf, node: NodeOf) -> dict[str, Any]:
    """The newest one of a site, for a machine that can open it."""
    known = node.parcels.get(host)
    if known is None or machine.name.machine not in known[0].boxes:
        raise RefusedError(404, "parcel.unknown", f"there is none of `{host}` for `{machine.name.machine}`")
    return {"parcel": known[1]}
