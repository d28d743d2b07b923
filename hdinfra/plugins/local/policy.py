"""The resource `hdlocal:index:Policy`."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import ClassVar

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from hdinfra.plugins.kind import Call, Difference, PluginError, Values
from hdinfra.plugins.local.console import put, run
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.shapes import Document, Failure, Record, Text
from hdinfra.plugins.values import UNKNOWN, holds_unknown

_HDCTL = "/usr/sbin/hdctl"
_INBOX = "/var/lib/hdinfra/inbox"
_WAIT_SECONDS = 30
_GRACE_SECONDS = 15  # reloads before and after the wait, on a busy host


class PolicyKind:
    """What one machine serves. It lives in the machine: there is nothing to make, and nothing to replace."""

    inputs = Record(
        {
            "container": Text(r"[a-zA-Z0-9][\w.-]*", "a container's name"),
            "containerId": Text(r"[0-9a-f]+", "a container's id"),
            "document": Document(),
        }
    )
    outputs: ClassVar[Mapping[str, str]] = {"digest": "string", "serving": "boolean"}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, inputs: Values) -> Iterable[Failure]:
        """The document is the Applier's to check, where the real programs are."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """The digest follows from the document."""
        known = not holds_unknown(inputs["document"])
        return {"digest": digest(inputs["document"]) if known else UNKNOWN, "serving": True}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Hands the document over and waits until the machine serves it."""
        return f"{inputs['container']}/policy", self._apply(call, inputs)

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """What the machine itself says that it serves."""
        status = self._status(str(state["container"]))
        return {"digest": str(status.get("digest") or ""), "serving": status.get("serving") is True}

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """Everything is in place; a machine that serves something else, or nothing, is handed its policy again."""
        updates = set(changed)
        if not state.get("serving"):
            updates.add("serving")
        if not holds_unknown(inputs["document"]) and state.get("digest") != digest(inputs["document"]):
            updates.add("digest")
        return Difference(updates=frozenset(updates))

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """The same as create: the Applier writes only what differs."""
        return self._apply(call, inputs)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Nothing to undo: the policy goes with its machine, which is removed next or already gone."""

    def _apply(self, call: Call, inputs: Values) -> Values:
        call.check_cancelled()
        container = self._container(inputs["container"])
        text = canonical(inputs["document"])
        version = hashlib.sha256(text.encode()).hexdigest()
        path = f"{_INBOX}/{version}.json"
        put(container, {path: text})
        limit = str(_WAIT_SECONDS + _GRACE_SECONDS)
        ran = run(container, ["timeout", limit, _HDCTL, "apply", path, "--wait", str(_WAIT_SECONDS)])
        if ran.code:
            said = (ran.err or ran.out).strip() or f"nothing within {limit} s"
            raise PluginError(
                f"`{inputs['container']}` refuses its policy and serves the one before "
                f"(hdctl ended with {ran.code}):\n{said}"
            )
        return {"digest": version, "serving": True}

    def _container(self, name: str) -> Container:
        try:
            return self._engine.client.containers.get(name)
        except NotFound as gone:
            raise PluginError(
                f"machine `{name}` is gone, so its policy cannot be applied.\n"
                "fix: run `hdinfra up` (or `pulumi up --refresh`), which makes it again first"
            ) from gone

    def _status(self, name: str) -> Values:
        try:
            ran = run(self._engine.client.containers.get(name), ["timeout", "10", _HDCTL, "status"])
        except APIError:  # gone, stopped or frozen
            return {}
        if ran.code:
            return {}
        try:
            status = json.loads(ran.out)
        except ValueError:
            return {}
        return status if isinstance(status, dict) else {}


def canonical(document: Values) -> str:
    """The one text of a document: sorted keys, no spaces, ASCII; the same as the model's."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def digest(document: Values) -> str:
    """SHA-256 of the canonical text, in hex: the policy's version."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()
