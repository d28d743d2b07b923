"""When is a machine booted: cloud-init done without errors, and the machine's own `booted` command well."""

import json
import time
from collections.abc import Sequence

from docker.errors import APIError
from docker.models.containers import Container

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.local.console import evidence, run
from hdinfra.plugins.local.limits import inotify_spent

DEADLINE_SECONDS = 120
_SLICE_SECONDS = 3  # how long a Cancel may go unnoticed
_RESULT = "/run/cloud-init/result.json"
# One command that waits inside costs a busy host less than many that look from outside.
_WAIT = f"for i in $(seq {_SLICE_SECONDS * 10}); do [ -s {_RESULT} ] && exec cat {_RESULT}; sleep 0.1; done; exit 75"


class NotBootedError(PluginError):
    """The machine runs, or ran, but did not boot; the message carries its last words."""


def wait_booted(container: Container, booted: Sequence[str], call: Call) -> None:
    """Returns when the machine is booted; NotBootedError with evidence when it cannot be, or not in time."""
    within = call.timeout or DEADLINE_SECONDS
    deadline = time.monotonic() + within
    result = None
    while result is None:
        call.check_cancelled()
        if time.monotonic() > deadline:
            raise _not_booted(container, f"cloud-init was not done after {within:g} s")
        result = _result(container, call)
    errors = cloud_init_errors(result)
    if errors:
        raise _not_booted(container, f"cloud-init ended with errors: {'; '.join(errors)}")
    _ask_machine(container, booted)


def cloud_init_errors(result: str) -> list[str]:
    """What cloud-init could not do, in its words."""
    try:
        errors = json.loads(result)["v1"]["errors"]
    except (ValueError, KeyError, TypeError):
        return [f"{_RESULT} is unreadable: {result[:200]}"]
    return [str(error) for error in errors]


def _result(container: Container, call: Call) -> str | None:
    try:
        ran = run(container, ["sh", "-c", _WAIT])
    except APIError as error:
        container.reload()
        if container.status == "running":  # too early for the engine to enter it
            call.cancelled.wait(0.2)
            return None
        raise _ended(container) from error
    if ran.code == 0:
        return ran.out
    container.reload()
    if container.status != "running":
        raise _ended(container)
    return None


def _ask_machine(container: Container, booted: Sequence[str]) -> None:
    if not booted:
        return
    ran = run(container, ["timeout", "30", *booted])
    if ran.code:
        said = (ran.err or ran.out).strip()
        raise _not_booted(container, f"`{' '.join(booted)}` ended with {ran.code}: {said}")


def _ended(container: Container) -> NotBootedError:
    spent = inotify_spent()
    why = f"the machine is {container.status} instead of running"
    return _not_booted(container, f"{why}\n{spent}" if spent else why)


def _not_booted(container: Container, why: str) -> NotBootedError:
    return NotBootedError(f"machine `{container.name}` did not boot: {why}\n{evidence(container)}")
