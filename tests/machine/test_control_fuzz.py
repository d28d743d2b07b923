"""Every endpoint is fuzzed from the API's own OpenAPI document: no 500, no status and no shape that is not in it."""

import logging
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.machine.control_fixtures import APIS, SYSTEM, Api, Apis, enrolled, report, shown

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLERS = ("nobody", "SYSTEM", "ADMIN", "READ-WRITE", "READ-ONLY", "machine", "peer", "beside nginx")
EXAMPLES = 6  # of each operation, caller and mode


@pytest.fixture
def api(apis: Apis) -> Api:
    found = apis.new().certified()
    found.publish(found.stack.release())
    found.post("/v1/report", report(), enrolled(found))
    found.put("/v1/sites/shop.test/settings", {"paranoia": 2}, SYSTEM)
    return found


def headers_of(api: Api, caller: str) -> dict[str, str]:
    front = {"X-Hdinfra-Front": api.node.settings.front}
    match caller:
        case "nobody":
            return front
        case "SYSTEM":
            return front | shown(SYSTEM)
        case "machine":
            return front | shown(enrolled(api, "b-shop-1"))
        case "peer":
            return front | shown(enrolled(api, APIS[1], "control"))
        case "beside nginx":
            return shown(SYSTEM)
        case _:
            return front | shown(api.made_token(caller, "acme"))


@pytest.mark.filterwarnings("ignore")  # of the fuzzer's own making
@pytest.mark.parametrize("caller", CALLERS)
def test_no_request_ends_in_a_defect(api: Api, caller: str, caplog: pytest.LogCaptureFixture) -> None:
    front = {"X-Hdinfra-Front": api.node.settings.front}
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app, headers=front)
    headers, calls = headers_of(api, caller), 0
    for found in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            calls += fuzzed(found.ok(), mode, headers)
    assert calls > 20 * EXAMPLES
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def fuzzed(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> int:
    calls = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        nonlocal calls
        calls += 1
        if "wait" in case.query:
            case.query["wait"] = 0  # nothing will happen meanwhile
        case.call_and_validate(headers=headers, checks=CHECKS)

    if mode is GenerationMode.NEGATIVE:
        with suppress(Unsatisfiable):  # where nothing is asked for, nothing can be wrong
            call()
    else:
        call()
    return calls
