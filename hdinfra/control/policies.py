"""The stack publishes releases; operators see what is in force."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from hdinfra.control.callers import Admin, NodeOf, may
from hdinfra.control.node import Node
from hdinfra.control.refusal import RefusedError
from hdinfra.control.roles import Action
from hdinfra.control.shapes import SCOPE, HistoryAnswer, NumberAnswer, PoliciesAnswer, PolicyAnswer, PublishBody
from hdinfra.control.statements import KeptEntry, KeptRelease
from hdinfra.protocol.merge import merged
from hdinfra.protocol.release import check_clock

_HISTORY_CHARACTERS = 2_500_000  # a client reads 8 MiB, and each text comes twice: signed, and to be read
Scope = Annotated[str, Path(pattern=SCOPE)]
Reader = Annotated[Admin, Depends(may(Action.READ_POLICIES))]
router = APIRouter(tags=["policies"])


@router.put("/v1/policies/{scope}", response_model=NumberAnswer)
async def publish(
    scope: Scope, body: PublishBody, node: NodeOf, _: Annotated[Admin, Depends(may(Action.PUBLISH))]
) -> dict[str, Any]:
    """A release signed by the stack; again with more machines in `released`, the roll-out goes on."""
    release = node.statements.check_succeeds(body.release)
    if release.scope != scope:
        raise RefusedError(422, "policy.scope", f"this release is of scope `{release.scope:.100}`, not of `{scope}`")
    check_clock(release, node.clock())
    node.statements.take_release(body.release)
    return {"number": release.number}


@router.get("/v1/policies", response_model=PoliciesAnswer)
async def policies(node: NodeOf, _: Reader) -> dict[str, Any]:
    """The newest release of each scope."""
    newest = [node.statements.newest(scope) for scope in node.statements.scopes()]
    return {"policies": [_summary(kept) for kept in newest if kept]}


@router.get("/v1/policies/{scope}", response_model=PolicyAnswer)
async def policy(scope: Scope, node: NodeOf, _: Reader) -> dict[str, Any]:
    """One scope's newest release, merged with the settings that hold or are on their way."""
    kept = _newest(node, scope)
    node.settle()
    document = node.statements.document(kept)
    level = node.offers.gate_of(scope).newest
    found = merged(document, scope, [one.entry for one in node.offers.settings(scope, level)])
    return {
        "scope": scope,
        "release": {**_summary(kept), "document": document},
        "sealed": node.statements.text(kept),
        "document": found.document,
        "ignored": list(found.ignored),
        "settings": settings_told(node, scope),
    }


@router.get("/v1/policies/{scope}/history", response_model=HistoryAnswer)
async def history(scope: Scope, node: NodeOf, _: Reader) -> dict[str, Any]:
    """Its last releases, at most 20 and as many as fit into one answer."""
    _newest(node, scope)
    found: list[dict[str, Any]] = []
    room = _HISTORY_CHARACTERS
    for kept in node.statements.history(scope)[:20]:
        text = node.statements.text(kept)
        room -= len(text)
        if found and room < 0:
            break
        found.append({**_summary(kept), "document": node.statements.document(kept), "sealed": text})
    return {"history": found}


def settings_told(node: Node, scope: str) -> list[dict[str, Any]]:
    """The last word on each site of a scope and how far it is: `served`, `rolling` or `halted`."""
    last = {kept.entry.key: kept for kept in node.offers.said(scope)}
    told = [setting_told(node, scope, kept) for kept in last.values()]
    return [one for one in told if one["values"] or one["state"] != "served"]


def setting_told(node: Node, scope: str, kept: KeptEntry) -> dict[str, Any]:
    """One setting as operators see it."""
    entry, reason = kept.entry, node.offers.halted(scope).get(kept.entry.number)
    served = entry.number <= node.offers.gate_of(scope).completed
    return {
        "host": entry.key.partition("/")[2],
        "values": dict(entry.body),
        "author": entry.author,
        "at": entry.at,
        "number": entry.number,
        "api": entry.api,
        "state": "halted" if reason is not None else "served" if served else "rolling",
        "reason": reason or "",
    }


def _newest(node: Node, scope: str) -> KeptRelease:
    kept = node.statements.newest(scope)
    if kept is None:
        raise RefusedError(404, "policy.unknown", f"scope `{scope}` has no release")
    return kept


def _summary(kept: KeptRelease) -> Mapping[str, Any]:
    fields = asdict(kept.release)
    del fields["document"], fields["zone"]
    return {**fields, "released": sorted(kept.release.released), "whole": kept.release.whole}
