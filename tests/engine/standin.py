"""A provider of any package: what it is given it keeps, what it keeps it returns.

Run as `standin.py PACKAGE ENGINE`. Told by the environment: STANDIN_LOG is a file that gets one JSON line a call;
STANDIN_DOWN names packages, separated by commas, whose Configure fails; STANDIN_OUTPUTS is JSON, type to outputs.
A resource with the input `hang` is never created.
"""

import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """No cloud behind it."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.cancelled = threading.Event()

    def Handshake(self, _request: object, _context: object) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    def GetPluginInfo(self, _request: object, _context: object) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetSchema(self, _request: object, _context: object) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self.package, "version": "1.0.0"}))

    def CheckConfig(self, request: provider_pb2.CheckRequest, _context: object) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, _context: object) -> provider_pb2.DiffResponse:
        return difference(request)

    def Configure(self, _request: object, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        self.log("Configure", "")
        if self.package in os.environ.get("STANDIN_DOWN", "").split(","):
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{self.package} is down")
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    def Check(self, request: provider_pb2.CheckRequest, _context: object) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: provider_pb2.DiffRequest, _context: object) -> provider_pb2.DiffResponse:
        return difference(request)

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        properties = with_outputs(request.urn, request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=properties)
        self.log("Create", request.urn)
        if "hang" in properties.fields:
            self.cancelled.wait()
            context.abort(grpc.StatusCode.CANCELLED, "cancelled")
        return provider_pb2.CreateResponse(id=request.urn.rpartition("::")[2], properties=properties)

    def Update(self, request: provider_pb2.UpdateRequest, _context: object) -> provider_pb2.UpdateResponse:
        if not request.preview:
            self.log("Update", request.urn)
        return provider_pb2.UpdateResponse(properties=with_outputs(request.urn, request.news))

    def Delete(self, request: provider_pb2.DeleteRequest, _context: object) -> empty_pb2.Empty:
        self.log("Delete", request.urn)
        return empty_pb2.Empty()

    def Read(self, request: provider_pb2.ReadRequest, _context: object) -> provider_pb2.ReadResponse:
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)

    def Cancel(self, _request: object, _context: object) -> empty_pb2.Empty:
        self.log("Cancel", "")
        self.cancelled.set()
        return empty_pb2.Empty()

    def log(self, call: str, urn: str) -> None:
        """One line a call; lines of this length are appended whole."""
        if path := os.environ.get("STANDIN_LOG"):
            with Path(path).open("a") as file:
                file.write(json.dumps({"package": self.package, "call": call, "urn": urn}) + "\n")


def with_outputs(urn: str, properties: struct_pb2.Struct) -> struct_pb2.Struct:
    """The inputs and what STANDIN_OUTPUTS says for this type."""
    kind = urn.split("::")[2].rpartition("$")[2]
    merged = struct_pb2.Struct()
    merged.CopyFrom(properties)
    merged.update(json.loads(os.environ.get("STANDIN_OUTPUTS", "{}")).get(kind, {}))
    return merged


def difference(request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
    """Every input that differs is updated in place, but user data, which real machines read once."""
    old, new = (json_format.MessageToDict(part) for part in (request.old_inputs, request.news))
    changed = sorted(key for key in (old.keys() | new.keys()) - {"userData"} if old.get(key) != new.get(key))
    kinds = provider_pb2.DiffResponse
    return kinds(changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE, diffs=changed)


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
