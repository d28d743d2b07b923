"""Admin tokens: 256 random bits, shown once, kept as SHA-256, the same at every API machine."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from hdinfra.control.callers import Admin, NodeOf, may, token_hash
from hdinfra.control.node import Node
from hdinfra.control.refusal import RefusedError
from hdinfra.control.roles import ALL_TENANTS, GRANTS, Action, Role
from hdinfra.control.shapes import IDENTITY, MadeTokenAnswer, NumberAnswer, TokenBody, TokensAnswer
from hdinfra.protocol.entry import Entry

MOST_TOKENS = 1_000
router = APIRouter(tags=["tokens"])


@router.get("/v1/tokens", response_model=TokensAnswer)
async def tokens(node: NodeOf, admin: Annotated[Admin, Depends(may(Action.READ_TOKENS))]) -> dict[str, Any]:
    """The tokens of the caller's tenant, without their secret."""
    return {"tokens": [_told(entry) for entry in _standing(node) if admin.owns(entry.body["tenant"])]}


@router.post("/v1/tokens", status_code=201, response_model=MadeTokenAnswer)
async def make_token(
    body: TokenBody, node: NodeOf, admin: Annotated[Admin, Depends(may(Action.MAKE_TOKENS))]
) -> dict[str, Any]:
    """A new token; what it is worth is shown this once."""
    if (body.role == Role.SYSTEM) != (body.tenant == ALL_TENANTS):
        raise RefusedError(422, "token.tenant", "role SYSTEM goes with tenant `*`, every other role with one tenant")
    if body.role not in GRANTS[admin.role] or not admin.owns(body.tenant):
        raise RefusedError(403, "role.denied", f"{admin.role} may not make a token of {body.role} for this tenant")
    if len(_standing(node)) >= MOST_TOKENS:
        raise RefusedError(409, "token.too-many", f"there are {MOST_TOKENS:,} tokens: revoke some")
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    expires = None if body.expires_in_seconds is None else int(node.clock()) + body.expires_in_seconds
    kept = {"name": body.name, "tenant": body.tenant, "role": body.role.value, "expires": expires}
    node.say("token", identity, {**kept, "hash": token_hash(secret)}, admin.name)
    return {"id": identity, "token": secret, **kept}


@router.delete("/v1/tokens/{token_id}", response_model=NumberAnswer)
async def revoke_token(
    token_id: Annotated[str, Path(pattern=IDENTITY)],
    node: NodeOf,
    admin: Annotated[Admin, Depends(may(Action.REVOKE_TOKENS))],
) -> dict[str, Any]:
    """From now on nobody is let in with it."""
    found = next((entry for entry in _standing(node) if entry.key == token_id), None)
    if found is None or not admin.owns(found.body["tenant"]):
        raise RefusedError(404, "token.unknown-id", f"there is no token `{token_id}` among yours")
    return {"number": node.say("token", token_id, {}, admin.name)}


def _standing(node: Node) -> list[Entry]:
    return [kept.entry for kept in node.statements.entries("token") if kept.entry.body]


def _told(entry: Entry) -> dict[str, Any]:
    shown = {name: entry.body[name] for name in ("name", "tenant", "role", "expires")}
    return {"id": entry.key, **shown, "author": entry.author, "at": entry.at}
