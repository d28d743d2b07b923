"""A provider of any package: what it is given it keeps, what it keeps it returns.

Run as `python -m tests.engine.standin PACKAGE ENGINE`. Told by the environment:
STANDIN_LOG is a file that gets one JSON line a call.
STANDIN_DOWN names packages, separated by commas, of which everything fails that needs the world; `PACKAGE:VALUE` is
only that provider of the package one of whose settings has the value. STANDIN_FULL likewise names those that make
nothing new, STANDIN_STUCK those with which that takes for ever.
STANDIN_OUTPUTS is JSON, `TYPE` or `TYPE NAME-PATTERN` to outputs, in which `{name}` is the resource's name.
STANDIN_INVOKES is JSON, a function's token to what it returns.
Run for a package that others are made of (`terraform-provider`), it becomes the one that it is told to be.
A resource with the input `hang` is never created. What is updated and what is replaced says replacements.json.
"""

import fnmatch
import json
import os
import secrets
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from hdinfra.testing.wire import message_of, plain
from tests.engine.replacements import change, known_beforehand, table

NUMBERED = {"digitalocean", "hcloud", "linode"}
"""Packages whose SDK or API takes some ids as numbers."""


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """No cloud behind it."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.settings: frozenset[str] = frozenset()
        self.cancelled = threading.Event()

    def Handshake(self, _request: object, _context: object) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    def GetPluginInfo(self, _request: object, _context: object) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version="1.0.0")

    def Parameterize(
        self, request: provider_pb2.ParameterizeRequest, _context: object
    ) -> provider_pb2.ParameterizeResponse:
        """As the bridge of Terraform's providers does by what SDKs carry: from now on it is that package. It has the
        version of the provider that it runs, whatever it is asked for."""
        remote = json.loads(request.value.value)
        self.log("Parameterize", json.dumps([request.value.name, remote]))
        self.package = request.value.name
        return provider_pb2.ParameterizeResponse(name=self.package, version=remote["remote"]["version"])

    def GetSchema(self, _request: object, _context: object) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self.package, "version": "1.0.0"}))

    def CheckConfig(self, request: provider_pb2.CheckRequest, _context: object) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, _context: object) -> provider_pb2.DiffResponse:
        return difference(request)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self.settings = frozenset(str(value) for value in plain(request.args)[0].values())
        self.log("Configure", ",".join(sorted(self.settings)))
        self.reach(context)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    def Check(self, request: provider_pb2.CheckRequest, _context: object) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: provider_pb2.DiffRequest, _context: object) -> provider_pb2.DiffResponse:
        return difference(request)

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        self.reach(context)
        answers = json.loads(os.environ.get("STANDIN_INVOKES", "{}"))
        if request.tok not in answers:
            failure = provider_pb2.CheckFailure(reason=f"STANDIN_INVOKES has no answer for `{request.tok}`")
            return provider_pb2.InvokeResponse(failures=[failure])
        response = provider_pb2.InvokeResponse()
        # The field is named as a keyword of Python is.
        getattr(response, "return").CopyFrom(message_of(answers[request.tok]))
        return response

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        properties = with_outputs(request.urn, request.properties, known=not request.preview)
        if request.preview:
            return provider_pb2.CreateResponse(properties=properties)
        self.log("Create", request.urn)
        self.reach(context)
        if self.is_named("STANDIN_FULL"):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self.package} has no room")
        if "hang" in properties.fields or self.is_named("STANDIN_STUCK"):
            self.cancelled.wait()
            context.abort(grpc.StatusCode.CANCELLED, "cancelled")
        return provider_pb2.CreateResponse(id=self.new_id(request.urn), properties=properties)

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        if not request.preview:
            self.log("Update", request.urn)
            self.reach(context)
        return provider_pb2.UpdateResponse(properties=with_outputs(request.urn, request.news))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.log("Delete", request.urn)
        self.reach(context)
        return empty_pb2.Empty()

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        self.log("Read", request.urn)
        self.reach(context)
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)

    def Cancel(self, _request: object, _context: object) -> empty_pb2.Empty:
        self.log("Cancel", "")
        self.cancelled.set()
        return empty_pb2.Empty()

    def reach(self, context: grpc.ServicerContext) -> None:
        """End the call when there is no world to reach."""
        if self.is_named("STANDIN_DOWN"):
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{self.package} is down")

    def is_named(self, variable: str) -> bool:
        """Whether that variable names this provider."""
        named = {*os.environ.get(variable, "").split(",")}
        return bool(named & {self.package, *(f"{self.package}:{value}" for value in self.settings)})

    def new_id(self, urn: str) -> str:
        """The name of what is ours; of a cloud's, another one each time."""
        if self.package in NUMBERED:
            return str(secrets.randbelow(10**9))
        name = urn.rpartition("::")[2]
        return (
            name if self.package.startswith("hd") or kind_of(urn) not in table() else f"{name}-{secrets.token_hex(4)}"
        )

    def log(self, call: str, urn: str) -> None:
        """One line a call; lines of this length are appended whole."""
        if path := os.environ.get("STANDIN_LOG"):
            with Path(path).open("a") as file:
                file.write(json.dumps({"package": self.package, "call": call, "urn": urn}) + "\n")


def kind_of(urn: str) -> str:
    """The type token."""
    return urn.split("::")[2].rpartition("$")[2]


def with_outputs(urn: str, properties: struct_pb2.Struct, *, known: bool = True) -> struct_pb2.Struct:
    """The inputs and what STANDIN_OUTPUTS says for this type and name. No cloud tells its own values beforehand."""
    kind, name = kind_of(urn), urn.rpartition("::")[2]
    added: dict[str, object] = {}
    for asked, outputs in json.loads(os.environ.get("STANDIN_OUTPUTS", "{}")).items():
        type_, _, pattern = asked.partition(" ")
        if type_ == kind and fnmatch.fnmatchcase(name, pattern or "*"):
            added.update(json.loads(json.dumps(outputs).replace("{name}", name)))
    if not known and not known_beforehand(kind):
        added = dict.fromkeys(added, UNKNOWN)
    merged = struct_pb2.Struct()
    merged.CopyFrom(properties)
    merged.update(added)
    return merged


def difference(request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
    """By the table; everything else is updated in place."""
    old, new = (plain(part)[0] for part in (request.old_inputs, request.news))
    found = change(kind_of(request.urn), old, new)
    kinds = provider_pb2.DiffResponse
    return kinds(
        changes=kinds.DIFF_SOME if found.inputs else kinds.DIFF_NONE,
        diffs=found.inputs,
        replaces=found.replaces,
        deleteBeforeReplace=found.delete_first,
    )


def main() -> None:
    """Serve on a free port and print it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    server = grpc.server(ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(StandIn(sys.argv[1]), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
