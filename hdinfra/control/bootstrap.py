"""Without authentication: what API this is, whether it is ready, and how it gets its certificate."""

from typing import Any

from fastapi import APIRouter, Response

from hdinfra.control.callers import NodeOf
from hdinfra.control.shapes import BootstrapAnswer, CertifiedBody, ReadyAnswer, VersionAnswer

VERSION = "1"
router = APIRouter(tags=["bootstrap"])


@router.get("/v1/version", response_model=VersionAnswer)
async def version(node: NodeOf) -> dict[str, Any]:
    """Which API this is."""
    return {"version": VERSION, "api": node.settings.name, "zone": node.settings.zone}


@router.get(
    "/v1/ready", response_model=ReadyAnswer, response_model_exclude_none=True, responses={503: {"model": ReadyAnswer}}
)
async def ready(node: NodeOf, response: Response) -> dict[str, Any]:
    """503 until machines may come: certified, and the other API machines asked once."""
    if reason := node.unready:
        response.status_code = 503
        return {"ready": False, "reason": reason}
    return {"ready": True}


@router.get("/v1/bootstrap", response_model=BootstrapAnswer)
async def bootstrap(node: NodeOf) -> dict[str, Any]:
    """Keys to be signed, with a proof that only the machine that was told the token can make."""
    return node.authority.bootstrap()


@router.put("/v1/bootstrap", response_model=ReadyAnswer, response_model_exclude_none=True)
async def certify(body: CertifiedBody, node: NodeOf) -> dict[str, Any]:
    """The stack's signatures: they prove themselves, so nobody has to log in. Again and renewed ones are fine."""
    node.authority.take(body.certificate, body.endorsement)
    node.authority.keep_server_certificate(node.clock())
    node.settle()
    return {"ready": not node.unready, "reason": node.unready or None}
