"""The resource `hdlocal:index:Image`."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from hdinfra.plugins.kind import Call, Difference, Values
from hdinfra.plugins.local.builder import ensure_image, image_exists
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.recipe import role_tag
from hdinfra.plugins.shapes import Failure, Many, Record, Text
from hdinfra.plugins.values import UNKNOWN, holds_unknown


class ImageKind:
    """A machine image, named by its content and kept as a cache when its resource is deleted."""

    inputs = Record({"packages": Many(Text(r"[a-z0-9][a-z0-9.+-]+", "the name of a Debian package"))})
    outputs: ClassVar[Mapping[str, str]] = {"tag": "string"}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, inputs: Values) -> Iterable[Failure]:
        """The shape says it all."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """The tag follows from the packages alone, so that a preview knows which machines it would replace."""
        return {"tag": UNKNOWN if holds_unknown(inputs) else role_tag(inputs["packages"])}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Builds it, unless it is there."""
        tag = ensure_image(self._engine, inputs["packages"], call)
        return tag, {"tag": tag}

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """Gone when somebody emptied the cache."""
        return {"tag": resource_id} if image_exists(self._engine, resource_id) else None

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """Another content is another image; a newer release of ours may build the same packages differently."""
        if holds_unknown(inputs) or role_tag(inputs["packages"]) != state.get("tag"):
            return Difference(replaces=frozenset({"packages"}))
        return Difference(updates=changed)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """The same packages in another order: nothing to build."""
        return {"tag": ensure_image(self._engine, inputs["packages"], call)}

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Kept: other stacks use it, and building it again takes a minute."""
