"""Every refusal as JSON with a stable code."""

import json
import logging
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from hdinfra.control.refusal import RefusedError
from hdinfra.protocol.seal import ProtocolError

_LOG = logging.getLogger("hdinfra.control")
_LONGEST = 4_000
_CODES = {400: "request.shape", 404: "path.unknown", 405: "method.unknown"}


def add_refusals(app: FastAPI) -> None:
    """Teach the application to say no in one shape."""
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(ProtocolError, _not_believed)
    app.add_exception_handler(UnsupportedAlgorithm, _unsupported)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(OperationalError, _not_kept)
    app.add_exception_handler(Exception, _defect)


def answer(
    request: Request, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The one shape; the code is what the audit log keeps."""
    request.state.outcome = code
    body = json.dumps({"error": code, "message": message[:_LONGEST]})
    return Response(body, status, headers, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - registered for no other
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return answer(request, error.status, error.code, error.message, headers)


async def _not_believed(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProtocolError)  # noqa: S101 - registered for no other
    return answer(request, 403, error.code, str(error))


async def _unsupported(request: Request, error: Exception) -> Response:
    return answer(request, 403, "certificate.key", f"not a kind of key that is taken here: {error}")


async def _misshapen(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for no other
    said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10]]
    return answer(request, 422, "request.shape", "; ".join(said))


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for no other
    code = _CODES.get(error.status_code, f"http.{error.status_code}")
    return answer(request, error.status_code, code, str(error.detail), error.headers)


async def _not_kept(request: Request, error: Exception) -> Response:
    assert isinstance(error, OperationalError)  # noqa: S101 - registered for no other
    _LOG.error("the database takes nothing: %s", error.orig)
    return answer(request, 503, "store.unavailable", f"this API machine cannot keep it: {error.orig}")


async def _defect(request: Request, error: Exception) -> Response:
    _LOG.error("a defect in %s %s", request.method, request.url.path, exc_info=error)
    return answer(request, 500, "api.defect", "this is a defect of the API; its journal has the cause")
