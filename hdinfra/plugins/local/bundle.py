"""The resource `hdlocal:index:Bundle`."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from docker.errors import NotFound

from hdinfra.plugins.kind import Call, Difference, PluginError, Values
from hdinfra.plugins.local.console import put, run
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.shapes import Failure, Record, Text

_FOLDER = "/srv/bundles"


class BundleKind:
    """One archive in the machine that plays a bucket. It lives in that machine and goes with it."""

    inputs = Record(
        {
            "container": Text(r"[a-zA-Z0-9][\w.-]*", "a container's name"),
            "containerId": Text(r"[0-9a-f]+", "a container's id"),
            "sha256": Text(r"[0-9a-f]{64}", "a SHA-256 in hex"),
            "path": Text(r"[^\0]+", "a file of this computer"),
        }
    )
    outputs: ClassVar[Mapping[str, str]] = {"fileName": "string"}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, inputs: Values) -> Iterable[Failure]:
        """The digest is checked when the file is read."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """The name follows from the digest."""
        return {"fileName": f"{inputs['sha256']}.tar"}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Puts the archive where machines fetch it."""
        return f"{inputs['container']}/{call.name}", self._put(inputs)

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """Gone when the machine does not hold the file."""
        try:
            container = self._engine.client.containers.get(str(state["container"]))
        except NotFound:
            return None
        if container.status != "running":
            return {}
        held = run(container, ["test", "-s", f"{_FOLDER}/{state['fileName']}"]).code == 0
        return {} if held else None

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """Where the file lies on this computer does not matter, what is in it does."""
        return Difference(updates=changed - {"path"})

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Puts the new archive beside the old one, which a machine that boots right now may be fetching."""
        return self._put(inputs)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Nothing to undo: the archive goes with its machine."""

    def _put(self, inputs: Values) -> Values:
        name = f"{inputs['sha256']}.tar"
        try:
            content = Path(inputs["path"]).read_bytes()
            container = self._engine.client.containers.get(inputs["container"])
        except OSError as missing:
            raise PluginError(
                f"bundle `{name}` cannot be read: {missing}; fix: run again, which writes it"
            ) from missing
        except NotFound as gone:
            raise PluginError(f"bundle store `{inputs['container']}` is gone; fix: `pulumi up --refresh`") from gone
        if hashlib.sha256(content).hexdigest() != inputs["sha256"]:
            raise PluginError(f"{inputs['path']} is not what its name says; fix: remove it and run again")
        put(container, {f"{_FOLDER}/{name}": content}, 0o644)
        return {"fileName": name}
