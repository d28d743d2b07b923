"""A tenant's websites, and the settings that the API owns of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from hdinfra.control.callers import Admin, NodeOf, may
from hdinfra.control.documents import sites_of
from hdinfra.control.node import Node
from hdinfra.control.policies import setting_told
from hdinfra.control.refusal import RefusedError
from hdinfra.control.roles import Action
from hdinfra.control.shapes import HOST, NumberAnswer, SettingsBody, SitesAnswer
from hdinfra.control.statements import KeptEntry
from hdinfra.protocol.merge import SETTINGS, broken_ceilings, setting_key

_CEILINGS = ("lowest_mode", "highest_paranoia", "most_exclusions")
Host = Annotated[str, Path(pattern=HOST)]
Setter = Annotated[Admin, Depends(may(Action.SET_SITES))]
router = APIRouter(tags=["sites"])


@dataclass(frozen=True, slots=True)
class _Site:
    scope: str
    spec: dict[str, Any]


@router.get("/v1/sites", response_model=SitesAnswer)
async def sites(node: NodeOf, admin: Annotated[Admin, Depends(may(Action.READ_SITES))]) -> dict[str, Any]:
    """The caller's sites; `settings` is what the API owns of one, and how far that has come."""
    node.settle()
    last = {kept.entry.key: kept for scope in node.statements.scopes() for kept in node.offers.said(scope)}
    return {"sites": [_told(node, site, last) for site in _sites(node, admin)]}


@router.put("/v1/sites/{host}/settings", response_model=NumberAnswer)
async def set_site(host: Host, body: SettingsBody, node: NodeOf, admin: Setter) -> dict[str, Any]:
    """All that the API shall own of this site, inside the stack's ceilings."""
    site = _site(node, admin, host)
    values = body.model_dump(mode="json", exclude_none=True)
    if not values:
        raise RefusedError(422, "setting.empty", f"name one of {', '.join(SETTINGS)}; DELETE gives all to the stack")
    if broken := broken_ceilings(site.spec, values):
        raise RefusedError(422, "setting.ceiling", "; ".join(broken))
    return {"number": node.say("setting", setting_key(site.scope, host), values, admin.name)}


@router.delete("/v1/sites/{host}/settings", response_model=NumberAnswer)
async def reset_site(host: Host, node: NodeOf, admin: Setter) -> dict[str, Any]:
    """Back to what the stack says."""
    site = _site(node, admin, host)
    return {"number": node.say("setting", setting_key(site.scope, host), {}, admin.name)}


def _sites(node: Node, admin: Admin) -> Iterator[_Site]:
    for scope in node.statements.scopes():
        kept = node.statements.newest(scope)
        for spec in sites_of(node.statements.document(kept)) if kept else ():
            if admin.owns(spec["tenant"]):
                yield _Site(scope, spec)


def _site(node: Node, admin: Admin, host: str) -> _Site:
    found = next((site for site in _sites(node, admin) if site.spec["host"] == host), None)
    if found is None:
        raise RefusedError(404, "site.unknown", f"there is no site `{host}` among yours")
    return found


def _told(node: Node, site: _Site, last: dict[str, KeptEntry]) -> dict[str, Any]:
    kept = last.get(setting_key(site.scope, site.spec["host"]))
    setting = setting_told(node, site.scope, kept) if kept and kept.entry.body else None
    values = _in_force(node, site)
    return {
        "host": site.spec["host"],
        "tenant": site.spec["tenant"],
        "scope": site.scope,
        "profile": site.spec.get("profile", "complete"),
        **{name: values.get(name, site.spec[name]) for name in SETTINGS},
        **{name: site.spec[name] for name in _CEILINGS},
        "settings": setting,
    }


def _in_force(node: Node, site: _Site) -> dict[str, Any]:
    """What holds where the newest settings have come to; nothing of what a newer ceiling forbids."""
    level = node.offers.gate_of(site.scope).newest
    key = setting_key(site.scope, site.spec["host"])
    found = {kept.entry.key: kept for kept in node.offers.settings(site.scope, level)}.get(key)
    values = dict(found.entry.body) if found else {}
    return {} if broken_ceilings(site.spec, values) else values
