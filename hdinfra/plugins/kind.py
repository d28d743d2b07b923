"""What a resource kind is to the frame: deeds on plain values, and the errors they may end with."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hdinfra.plugins.shapes import Failure, Record
from hdinfra.plugins.values import Value

Values = dict[str, Value]


class PluginError(Exception):
    """The world's failure or a wrong use, in one message that a person can act on.

    PluginError
    |- CancelledError    the engine asked us to stop
    `- InitFailedError   the resource exists but does not do its work yet
    """


class CancelledError(PluginError):
    """The engine asked us to stop; what was half made is gone."""


class InitFailedError(PluginError):
    """The resource was made and is kept, but is not well; the next update mends it."""

    def __init__(self, resource_id: str, outputs: Values, reasons: Iterable[str]) -> None:
        self.resource_id = resource_id
        self.outputs = outputs
        self.reasons = tuple(reasons)
        super().__init__("\n".join(self.reasons))


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the engine. `name` is the resource's logical name, `timeout` in seconds (0: the kind's own).

    `progress` shows what is done right now and is gone afterwards; what `remark` and `warn` say stays to be read.
    """

    name: str = ""
    urn: str = ""
    timeout: float = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[str], None] = lambda _: None
    remark: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None

    def check_cancelled(self) -> None:
        """Ends the work when the engine has asked us to stop."""
        if self.cancelled.is_set():
            raise CancelledError(f"`{self.name}`: cancelled")

    def wait_for(self, condition: Callable[[], bool], *, within: float, every: float) -> bool:
        """Whether `condition` came true within that many seconds; a Cancel ends the wait by CancelledError."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self.cancelled.wait(every)
            self.check_cancelled()
        return True


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of properties that an update changes in place, and of those that only a new resource can have."""

    updates: frozenset[str] = frozenset()
    replaces: frozenset[str] = frozenset()
    delete_first: bool = False


class Kind(Protocol):
    """One resource type. All values are plain; only `check`, `preview` and `diff` ever meet UNKNOWN."""

    @property
    def inputs(self) -> Record:
        """The shape of its inputs."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """Names of what the resource adds to its inputs, with their types in the words of Pulumi's schema."""

    def check(self, inputs: Values) -> Iterable[Failure]:
        """What is wrong beyond the inputs' shape."""

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """The outputs as far as they are known beforehand; `state` is None for a new resource."""

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Makes it; gives its id and outputs."""

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """The outputs as they are in the world, None when it is gone."""

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """What it takes to bring `state` to `inputs`; `changed` names the inputs that differ."""

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Changes it in place, or mends it; gives its outputs."""

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Removes it; well when there is nothing left to remove."""


@runtime_checkable
class SecretKind(Protocol):
    """A Kind that makes secrets: these of its outputs are hidden from birth, whatever the program says of them."""

    @property
    def secret_outputs(self) -> frozenset[str]:
        """Names of outputs."""


@runtime_checkable
class LookingKind(Protocol):
    """A Kind that looks at the world during Diff."""

    def look(self, call: Call, inputs: Values, state: Values, changed: frozenset[str]) -> frozenset[str]:
        """Says through `call` what the change means; gives the outputs that the world has otherwise than `state`.
        It never fails: a world that does not answer is passed over."""


class Package(Protocol):
    """A provider package."""

    name: str
    version: str
    config: Record
    config_replaces: frozenset[str]
    """Configuration whose change makes every resource anew."""
    world_failures: tuple[type[BaseException], ...]
    """Errors of the client library, whose text is fit for a person."""

    def configure(self, config: Values) -> Mapping[str, Kind]:
        """The kinds by type token, ready to work."""
