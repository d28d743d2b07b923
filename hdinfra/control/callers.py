"""Who calls: an admin by token, a machine or another API machine by certificate."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hdinfra.control.node import Node
from hdinfra.control.refusal import RefusedError
from hdinfra.control.roles import ALL_TENANTS, ALLOWED, Action, Role
from hdinfra.protocol.certificate import Name, key_id, name_of, public_point

_SEEN_MOST = 1_000
_BEARER = HTTPBearer(auto_error=False, description="An admin token")


@dataclass(frozen=True, slots=True)
class Admin:
    """Whose token it is; `tenant` is `*` for SYSTEM."""

    name: str
    tenant: str
    role: Role

    def owns(self, tenant: str) -> bool:
        """Whether things of that tenant are this admin's business."""
        return self.tenant in (ALL_TENANTS, tenant)


@dataclass(frozen=True, slots=True)
class Machine:
    """Whom a verified certificate names, and for which key: its digest, and as parcels are sealed for it."""

    name: Name
    key_id: str
    key: str


def node_of(request: Request) -> Node:
    """This API machine."""
    node: Node = request.app.state.node
    return node


async def _node(request: Request) -> Node:
    return node_of(request)


NodeOf = Annotated[Node, Depends(_node)]


class Certificates:
    """Certificates as nginx hands them over, read once: machines show the same one for hours."""

    def __init__(self) -> None:
        self._read: dict[str, Machine] = {}

    def read(self, escaped: str) -> Machine:
        """Whom it names; ProtocolError when that is none of ours."""
        if escaped not in self._read:
            pem = unquote(escaped)
            found = Machine(name_of(pem), key_id(pem), public_point(pem))
            if len(self._read) >= _SEEN_MOST:
                self._read.clear()
            self._read[escaped] = found
        return self._read[escaped]


async def certified(request: Request, node: NodeOf) -> Machine:
    """Whoever showed a certificate under the stack's root; RefusedError `certificate.*`."""
    verified = request.headers.get("x-hdinfra-verify", "NONE")
    if verified != "SUCCESS":
        raise RefusedError(403, "certificate.missing", f"show the machine's certificate (TLS says {verified:.80})")
    certificates: Certificates = request.app.state.certificates
    machine = certificates.read(request.headers.get("x-hdinfra-certificate", ""))
    if machine.name.zone != node.settings.zone:
        raise RefusedError(403, "certificate.foreign", f"`{machine.name.machine}` is of zone `{machine.name.zone}`")
    request.state.author = machine.name.machine
    return machine


async def enrolled(machine: Annotated[Machine, Depends(certified)], node: NodeOf) -> Machine:
    """A machine that is to be believed; RefusedError `certificate.superseded` or `machine.revoked`."""
    node.sight(machine.name, machine.key_id)
    return machine


async def peer(machine: Annotated[Machine, Depends(certified)], node: NodeOf) -> Machine:
    """Another API machine. Its key is not counted: its hdsync has one of its own under the same enrolment."""
    if machine.name.role != "control":
        raise RefusedError(403, "peer.role", f"`{machine.name.machine}` is no API machine but `{machine.name.role}`")
    node.keys.check(machine.name)
    return machine


MachineOf = Annotated[Machine, Depends(enrolled)]
PeerOf = Annotated[Machine, Depends(peer)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def may(action: Action) -> Callable[[Request, Node, HTTPAuthorizationCredentials | None], Awaitable[Admin]]:
    """A dependency: an admin whose role has leave to do that. RefusedError `auth.*` (401) or `role.denied` (403)."""

    async def check(request: Request, node: NodeOf, bearer: Bearer) -> Admin:
        request.state.action = action.value
        admin = admin_of(node, bearer.credentials if bearer else "")
        request.state.author, request.state.tenant = admin.name, admin.tenant
        if action not in ALLOWED[admin.role]:
            raise RefusedError(403, "role.denied", f"{admin.role} may not do `{action}`")
        return admin

    return check


def admin_of(node: Node, token: str) -> Admin:
    """Whose token it is; every candidate is compared whole, in a time that tells nothing."""
    if not token:
        raise RefusedError(401, "auth.missing", "show an admin token: `Authorization: Bearer TOKEN`")
    found, digest = None, token_hash(token)
    if hmac.compare_digest(digest, node.settings.admin):
        return Admin("stack", ALL_TENANTS, Role.SYSTEM)
    for kept in node.statements.entries("token"):
        if hmac.compare_digest(digest, str(kept.entry.body.get("hash", ""))):
            found = kept.entry.body
    if found is None:
        raise RefusedError(401, "auth.unknown", "this token is not known here, or was revoked")
    if found["expires"] is not None and found["expires"] <= node.clock():
        raise RefusedError(401, "auth.expired", f"token `{found['name']}` has expired")
    return Admin(str(found["name"]), str(found["tenant"]), Role(found["role"]))


def token_hash(token: str) -> str:
    """As tokens are kept: of 256 random bits there is no dictionary, so one round is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
