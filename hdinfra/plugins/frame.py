"""The one gRPC frame of our provider plugins: engine requests in, deeds of a Kind on plain values out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from hdinfra.plugins.engine_log import EngineLog
from hdinfra.plugins.kind import (
    Call,
    Difference,
    InitFailedError,
    Kind,
    LookingKind,
    Package,
    PluginError,
    SecretKind,
    Values,
)
from hdinfra.plugins.shapes import Failure, Record, failures, schema
from hdinfra.plugins.values import holds_unknown, unwrap, wrap

_ENGINES_OWN = frozenset({"version", "pluginDownloadURL", "pluginChecksums", "__internal", "__defaults"})


class Frame(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one Package. Wrong inputs are Check failures, the world's failures end with one clear message."""

    def __init__(self, package: Package, log: EngineLog) -> None:
        self._package = package
        self._log = log
        self._kinds: Mapping[str, Kind] = {}
        self.cancelled = log.closing

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Says that secrets are welcome as such."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Says our version."""
        return plugin_pb2.PluginInfo(version=self._package.version)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Takes the address of an engine that found us running (debugging)."""
        self._log.connect(request.address)
        return empty_pb2.Empty()

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The package's schema, derived from the shapes that Check uses."""
        kinds = self._package.configure({})
        document = {
            "name": self._package.name,
            "version": self._package.version,
            "config": {"variables": _properties(self._package.config)},
            "provider": {"inputProperties": _properties(self._package.config)},
            "resources": {token: _resource_schema(kind) for token, kind in kinds.items()},
        }
        return provider_pb2.GetSchemaResponse(schema=json.dumps(document))

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuses wrong configuration, property by property."""
        config, secrets = unwrap(request.news)
        own = {name: value for name, value in config.items() if name not in _ENGINES_OWN}
        return _checked(config, secrets, failures(self._package.config, own))

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Says which change of configuration makes every resource anew."""
        changed = _changed(unwrap(request.old_inputs or request.olds)[0], unwrap(request.news)[0])
        replaces = changed & self._package.config_replaces
        return _diff_response(Difference(updates=changed - replaces, replaces=replaces))

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Readies the kinds; an unknown configuration (previews of a first run) is put off."""
        config, _ = unwrap(request.args)
        with self._clear_errors(context):
            if not holds_unknown(config):
                self._kinds = self._package.configure(config)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuses wrong inputs, property by property, before anything is made."""
        kind = self._kind(request, context)
        inputs, secrets = unwrap(request.news)
        found = list(failures(kind.inputs, inputs))
        return _checked(inputs, secrets, found or kind.check(inputs))

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Says truthfully what is replaced and what updates in place."""
        kind = self._kind(request, context)
        inputs, state = unwrap(request.news)[0], unwrap(request.olds)[0]
        old_inputs = unwrap(request.old_inputs)[0] or {
            name: state[name] for name in (*kind.inputs.fields, *kind.inputs.optional) if name in state
        }
        changed = _changed(old_inputs, inputs) - frozenset(request.ignoreChanges)
        difference = kind.diff(inputs, state, changed)
        if isinstance(kind, LookingKind):
            seen = kind.look(self._call(request), inputs, state, changed)
            difference = replace(difference, updates=difference.updates | seen)
        return _diff_response(difference)

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Makes a resource, or in a preview says as much about it as is known."""
        kind, call = self._kind(request, context), self._call(request)
        inputs, secrets = unwrap(request.properties)
        secrets |= _born_secret(kind)
        with self._clear_errors(context, inputs, secrets):
            if request.preview:
                outputs = kind.preview(call, inputs, None)
                return provider_pb2.CreateResponse(id="", properties=wrap(inputs | outputs, secrets))
            resource_id, outputs = kind.create(call, inputs)
            return provider_pb2.CreateResponse(id=resource_id, properties=wrap(inputs | outputs, secrets))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Looks at the world; a resource that is gone has no id."""
        kind = self._kind(request, context)
        state, secrets = unwrap(request.properties)
        secrets |= _born_secret(kind)
        inputs, input_secrets = unwrap(request.inputs)
        with self._clear_errors(context, inputs, secrets):
            outputs = kind.read(self._call(request), request.id, state)
        if outputs is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id, properties=wrap(state | outputs, secrets), inputs=wrap(inputs, input_secrets)
        )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Changes a resource in place, or mends one whose making failed."""
        kind, call = self._kind(request, context), self._call(request)
        inputs, secrets = unwrap(request.news)
        secrets |= _born_secret(kind)
        state, _ = unwrap(request.olds)
        with self._clear_errors(context, inputs, secrets):
            work = (
                kind.preview(call, inputs, state) if request.preview else kind.update(call, request.id, inputs, state)
            )
        return provider_pb2.UpdateResponse(properties=wrap(inputs | work, secrets))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Removes a resource; well when it is gone already."""
        kind = self._kind(request, context)
        with self._clear_errors(context):
            kind.delete(self._call(request), request.id, unwrap(request.properties)[0])
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tells all work under way to undo what is half made and to end."""
        self.cancelled.set()
        return empty_pb2.Empty()

    def _kind(self, request: Any, context: grpc.ServicerContext) -> Kind:
        token = request.type or request.urn.split("::")[2].rpartition("$")[2]
        kind = self._kinds.get(token)
        if kind is None:
            known = ", ".join(sorted(self._kinds)) or "nothing, for the provider is not configured yet"
            _abort(context, grpc.StatusCode.NOT_FOUND, f"there is no `{token}` here; known is {known}")
        return kind

    def _call(self, request: Any) -> Call:
        return Call(
            name=request.name or request.urn.rpartition("::")[2],
            urn=request.urn,
            timeout=getattr(request, "timeout", 0),
            cancelled=self.cancelled,
            progress=lambda message: self._log.info(request.urn, message),
            remark=lambda message: self._log.remark(request.urn, message),
            warn=lambda message: self._log.warn(request.urn, message),
        )

    @contextmanager
    def _clear_errors(
        self, context: grpc.ServicerContext, inputs: Values | None = None, secrets: frozenset[str] = frozenset()
    ) -> Iterator[None]:
        try:
            yield
        except InitFailedError as failed:
            detail = provider_pb2.ErrorResourceInitFailed(
                id=failed.resource_id,
                properties=wrap((inputs or {}) | failed.outputs, secrets),
                inputs=wrap(inputs or {}, secrets),
                reasons=failed.reasons,
            )
            _abort(context, grpc.StatusCode.UNKNOWN, str(failed), detail)
        except PluginError as clear:
            _abort(context, grpc.StatusCode.FAILED_PRECONDITION, str(clear))
        except self._package.world_failures as world:
            _abort(context, grpc.StatusCode.UNAVAILABLE, f"{type(world).__name__}: {world}")


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str, detail: Any = None) -> NoReturn:
    if detail is not None:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(code=code.value[0], message=message, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


def _born_secret(kind: Kind) -> frozenset[str]:
    return kind.secret_outputs if isinstance(kind, SecretKind) else frozenset()


def _changed(old: Values, new: Values) -> frozenset[str]:
    names = (old.keys() | new.keys()) - _ENGINES_OWN
    return frozenset(n for n in names if old.get(n) != new.get(n) or holds_unknown(new.get(n)))


def _checked(inputs: Values, secrets: frozenset[str], found: Iterable[Failure]) -> Any:
    return provider_pb2.CheckResponse(
        inputs=wrap(inputs, secrets),
        failures=[_failure(failure) for failure in found],
    )


def _failure(failure: Failure) -> Any:
    return provider_pb2.CheckFailure(property=failure.path, reason=f"`{failure.path}` {failure.reason}")


def _diff_response(difference: Difference) -> Any:
    kinds = provider_pb2.PropertyDiff
    changes = difference.updates | difference.replaces
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted(changes),
        replaces=sorted(difference.replaces),
        deleteBeforeReplace=difference.delete_first and bool(difference.replaces),
        hasDetailedDiff=True,
        detailedDiff={
            name: kinds(kind=kinds.UPDATE_REPLACE if name in difference.replaces else kinds.UPDATE) for name in changes
        },
    )


def _properties(record: Record) -> dict[str, Any]:
    return {name: schema(shape) for name, shape in {**record.fields, **record.optional}.items()}


def _resource_schema(kind: Kind) -> dict[str, Any]:
    inputs = _properties(kind.inputs)
    outputs = {name: {"type": word} for name, word in kind.outputs.items()}
    return {
        "properties": inputs | outputs,
        "inputProperties": inputs,
        "required": sorted((inputs | outputs).keys() - kind.inputs.optional.keys()),
        "requiredInputs": sorted(kind.inputs.fields),
    }
