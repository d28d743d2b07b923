"""The engine's side of a recorded run: it answers registrations and keeps every message whole."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, provider_pb2, resource_pb2

from hdinfra.testing.graph import STACK, Graph, Registered
from hdinfra.testing.wire import message_of, plain

Outputs = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""From a resource's name and inputs to the outputs that its provider would add; `id` among them is its id."""
Invoke = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
)


class RecordingMonitor:
    """Called from the SDK's worker threads, hence the lock. Names are those of the engine's protocol."""

    def __init__(self, prefix: str, outputs: Mapping[str, Outputs], invokes: Mapping[str, Invoke]) -> None:
        self._prefix = prefix
        self._outputs = outputs
        self._invokes = invokes
        self._lock = Lock()
        self._requests: list[tuple[str, Any]] = []
        self._registered: dict[str, list[dict[str, Any]]] = {}

    def RegisterResource(self, request: Any) -> Any:
        """Keeps the message; the answer is the inputs and what `outputs` adds for the type."""
        urn = self._urn(request)
        with self._lock:
            self._requests.append((urn, request))
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        inputs, _ = plain(request.object)
        added = self._outputs.get(request.type, _nothing)(request.name, inputs)
        state = {"id": f"{request.name}-id", **inputs, **added}
        return resource_pb2.RegisterResourceResponse(urn=urn, id=state.pop("id"), object=message_of(state))

    def RegisterResourceOutputs(self, request: Any) -> Any:
        """Keeps each call, so that none and two are both seen."""
        with self._lock:
            self._registered.setdefault(request.urn, []).append(plain(request.outputs)[0])
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:
        """Answered by the function given for its token; without one the call fails, as a typing slip should."""
        answer = self._invokes.get(request.tok)
        if answer is None:
            failure = provider_pb2.CheckFailure(reason=f"no answer was given for `{request.tok}`")
            return resource_pb2.ResourceInvokeResponse(failures=[failure])
        response = resource_pb2.ResourceInvokeResponse()
        # The field is named as a keyword of Python is.
        getattr(response, "return").CopyFrom(message_of(answer(plain(request.args)[0])))
        return response

    def SupportsFeature(self, request: Any) -> Any:
        """The older question for one feature."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id == "secrets")

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: ARG002
        """All that needs no call back into the program. Without output values, inputs arrive as plain as they are."""
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def RegisterPackage(self, request: Any) -> Any:
        """Parameterised packages are referred to by name."""
        return resource_pb2.RegisterPackageResponse(ref=request.name)

    def SignalAndWaitForShutdown(self, request: Any) -> Any:  # noqa: ARG002
        """Nothing runs after the program."""
        return empty_pb2.Empty()

    def graph(self, messages: tuple[str, ...]) -> Graph:
        """What was registered so far."""
        resources = tuple(self._resource(urn, request) for urn, request in self._requests)
        stack = next((calls[-1] for urn, calls in self._registered.items() if f"::{STACK}::" in urn), {})
        return Graph(tuple(r for r in resources if r.type != STACK), stack, messages)

    def _urn(self, request: Any) -> str:
        kinds = request.parent.split("::")[2] if request.parent else ""
        kind = f"{kinds}${request.type}" if kinds and not kinds.endswith(STACK) else request.type
        return f"{self._prefix}::{kind}::{request.name}"

    def _resource(self, urn: str, request: Any) -> Registered:
        inputs, secrets = plain(request.object)
        reference = request.provider.rpartition("::")[0]
        return Registered(
            urn=urn,
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=request.custom,
            provider=reference.rpartition("::")[2] or None,
            inputs=inputs,
            secrets=secrets,
            depends_on=frozenset(dependency.rpartition("::")[2] for dependency in request.dependencies),
            outputs=tuple(self._registered.get(urn, ())),
            request=request,
        )


class RecordingEngine:
    """Where the program's log lines go."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def Log(self, request: Any) -> Any:
        """Keeps what a user would see."""
        if request.severity != engine_pb2.DEBUG:
            self.messages.append(request.message)
        return empty_pb2.Empty()


def _nothing(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    return {}
