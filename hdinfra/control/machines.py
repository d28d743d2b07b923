"""What machines ask: to be enrolled, renewed and kept in sync; and what operators see of them."""

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from hdinfra.control.authority import requested_key
from hdinfra.control.callers import Admin, Machine, MachineOf, NodeOf, may
from hdinfra.control.node import Node
from hdinfra.control.offers import Offer
from hdinfra.control.refusal import RefusedError
from hdinfra.control.roles import Action
from hdinfra.control.shapes import (
    MACHINE,
    CertificateAnswer,
    EnrolBody,
    MachinesAnswer,
    NowAnswer,
    RenewBody,
    ReportBody,
    SerialAnswer,
    SyncAnswer,
)
from hdinfra.protocol import token as tokens
from hdinfra.protocol.certificate import Name

LONGEST_WAIT = 30
_NO_REPORT = {
    "number": 0,
    "settings": 0,
    "digest": "",
    "serving": False,
    "failed": None,
    "drained": False,
    "overrides": {},
    "code": "",
    "problems": [],
    "certificates": "",
    "profile": "",
    "mesh": None,
    "failover": None,
    "clusters": {},
    "key": "",
}
router = APIRouter(tags=["machines"])


@router.post("/v1/enrol", response_model=CertificateAnswer)
async def enrol(body: EnrolBody, node: NodeOf) -> dict[str, Any]:
    """A certificate for the machine that the token names; asked again with the same key, one more."""
    now = node.clock()
    token = tokens.read(body.token, node.settings.signer, node.settings.zone, now)
    name = Name(token.zone, token.role, token.machine, token.serial)
    key_id = requested_key(body.csr)
    if name.serial < node.keys.serial(name.machine):
        raise RefusedError(403, "token.superseded", f"`{name.machine}` has a newer token than this one")
    issued = node.authority.issue(body.csr, name, now)
    _sight_once(node, name, key_id)
    return {"certificate": issued}


def _sight_once(node: Node, name: Name, key_id: str) -> None:
    used = node.keys.serial(name.machine) == name.serial and not node.keys.revoked(name.machine)
    if used and not node.keys.known(name, key_id):
        try:
            node.sight(name, key_id)
        except RefusedError:
            raise RefusedError(
                403, "token.used", f"the token of `{name.machine}` was used with another key: both are revoked"
            ) from None
    node.sight(name, key_id)


@router.post("/v1/renew", response_model=CertificateAnswer)
async def renew(body: RenewBody, machine: MachineOf, node: NodeOf) -> dict[str, Any]:
    """The same certificate for another day, for the same key."""
    if requested_key(body.csr) != machine.key_id:
        raise RefusedError(403, "certificate.other-key", "this request is for another key than the certificate's")
    return {"certificate": node.authority.issue(body.csr, machine.name, node.clock())}


@router.get("/v1/sync", response_model=None, responses={200: {"model": SyncAnswer}})
async def sync(
    machine: MachineOf,
    node: NodeOf,
    seen: Annotated[str, Query(max_length=100)] = "",
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0,
) -> Response:
    """What this machine may have; held for `wait` seconds while it is what it has `seen`."""
    until = node.clock() + wait
    node.settle_if_due()
    offer = node.offers.of(machine.name.machine)
    while _etag(node, machine, offer) == seen and (left := until - node.clock()) > 0:
        due = node.offers.due
        await node.offered.wait(left if due is None else min(left, due - node.clock()))
        node.settle_if_due()
        offer = node.offers.of(machine.name.machine)
    node.keys.check(machine.name)  # it may have been revoked while it waited
    etag = _etag(node, machine, offer)
    lists = "" if etag == seen else f",{node.offers.body(offer)}{_parcels(node, machine)}{_mesh(node, machine)}"
    head = f'"now":{node.clock():.3f},"etag":"{etag}"{_endpoints(node)}'
    return Response(f"{{{head}{lists}}}", media_type="application/json")


def _etag(node: Node, machine: Machine, offer: Offer) -> str:
    parts = (offer.etag, node.parcels.etag(machine.name.machine), node.mesh_keys.etag(machine.name.role))
    return ".".join(part for part in parts if part)


def _parcels(node: Node, machine: Machine) -> str:
    told = node.parcels.told(machine.name.machine)
    return f',"parcels":{json.dumps(told)}' if told else ""


def _mesh(node: Node, machine: Machine) -> str:
    told = node.mesh_keys.told(machine.name.role)
    return f',"mesh":{json.dumps(told)}' if told else ""


def _endpoints(node: Node) -> str:
    # What the first boot told is not passed on: the machine's own may have been later.
    return f',"endpoints":{json.dumps([asdict(one) for one in node.named])}' if node.named else ""


@router.post("/v1/report", response_model=NowAnswer)
async def report(body: ReportBody, machine: MachineOf, node: NodeOf) -> dict[str, Any]:
    """A machine's word on itself, to every API machine, after each change and each 10 s."""
    if body.mesh:
        node.hear_mesh(machine.name.machine, body.mesh.model_dump(mode="json"))
    node.report(machine.name.machine, {**body.model_dump(mode="json"), "key": machine.key})
    return {"now": node.clock()}


@router.get("/v1/machines", response_model=MachinesAnswer)
async def machines(node: NodeOf, _: Annotated[Admin, Depends(may(Action.READ_MACHINES))]) -> dict[str, Any]:
    """All machines of the zone, each with its last report to this API machine."""
    members = {name: scope for scope in node.statements.scopes() for name in _members(node, scope)}
    known = sorted({*members, *node.reports.machines(), *node.keys.machines()})
    return {"machines": [_told(node, name, members.get(name, "")) for name in known]}


@router.delete("/v1/machines/{name}/enrolment", response_model=SerialAnswer)
async def withdraw(
    name: Annotated[str, Path(pattern=MACHINE)],
    node: NodeOf,
    admin: Annotated[Admin, Depends(may(Action.WITHDRAW_MACHINES))],
) -> dict[str, Any]:
    """From now on neither the machine's key is believed nor a token that was issued before; role and policy stay with
    the name, for whoever is enrolled under it next."""
    return {"serial": node.withdraw(name, admin.name)}


def _told(node: Node, name: str, scope: str) -> dict[str, Any]:
    report = node.reports.of(name)
    newest = node.statements.newest(scope)
    return {
        "name": name,
        "role": node.keys.role(name),
        "cluster": newest.release.members[name] if newest else "",
        "scope": scope,
        **_NO_REPORT,
        **(report.body if report else {}),
        "seen_seconds": round(max(node.clock() - report.at, 0.0), 3) if report else None,
        "serial": node.keys.serial(name),
        "revoked": node.keys.revoked(name),
    }


def _members(node: Node, scope: str) -> list[str]:
    newest = node.statements.newest(scope)
    return list(newest.release.members) if newest else []
