"""The local cloud's SDK: what a program registers, and what `pulumi-resource-hdlocal` realises."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

_TO_PYTHON = {
    "containerId": "container_id",
    "fileName": "file_name",
    "memoryMib": "memory_mib",
    "metaData": "meta_data",
    "networkName": "network_name",
    "userData": "user_data",
}
_TO_ENGINE = {ours: engines for engines, ours in _TO_PYTHON.items()}


class Provider(pulumi.ProviderResource):
    """One operator's region of the local cloud.

    `namespace` starts the name of every container and network (so that two stacks never meet), `project`, `stack` and
    `region` become labels.
    """

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        namespace: pulumi.Input[str],
        project: pulumi.Input[str],
        stack: pulumi.Input[str],
        region: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"namespace": namespace, "project": project, "stack": stack, "region": region}
        super().__init__("hdlocal", resource_name, props, opts)


class Image(pulumi.CustomResource):
    """A Debian 13 system image with these packages; `tag` is named by content, built when missing, kept as cache."""

    tag: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        packages: pulumi.Input[Sequence[pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {"packages": packages, "tag": None}
        super().__init__("hdlocal:index:Image", resource_name, props, opts)


class Network(pulumi.CustomResource):
    """A dual stack bridge network. `networkName` is the engine's name for it."""

    network_name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        ipv4: pulumi.Input[str],
        ipv6: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {"ipv4": ipv4, "ipv6": ipv6, "network_name": None}
        super().__init__("hdlocal:index:Network", resource_name, props, opts)

    def translate_output_property(self, prop: str) -> str:
        """From the engine's camel case to ours."""
        return _TO_PYTHON.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        """From our names to the engine's camel case."""
        return _TO_ENGINE.get(prop, prop)


class Machine(pulumi.CustomResource):
    """A system container booted by cloud-init; created when `booted` (cloud-init done).

    `networks` is a list of {"network", "ipv4", "ipv6"}, `ports` of {"address", "port", "target"}. `user_data` is
    cloud-config and kept secret; it counts at the first boot only, `description` (SHA-256) says when a new machine is
    wanted. `container` is the engine's name, `container_id` changes whenever the container was
    made anew, `running` is what the last look saw. `devices`: paths of this computer's devices that it has too.
    """

    container: pulumi.Output[str]
    container_id: pulumi.Output[str]
    ipv4: pulumi.Output[str]
    ipv6: pulumi.Output[str]
    running: pulumi.Output[bool]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        image: pulumi.Input[str],
        networks: pulumi.Input[Sequence[Mapping[str, pulumi.Input[str]]]],
        user_data: pulumi.Input[str],
        description: pulumi.Input[str],
        meta_data: pulumi.Input[str],
        cpus: pulumi.Input[float],
        memory_mib: pulumi.Input[int],
        ports: pulumi.Input[Sequence[Mapping[str, pulumi.Input[Any]]]],
        labels: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        booted: pulumi.Input[Sequence[str]],
        devices: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "image": image,
            "networks": networks,
            "user_data": pulumi.Output.secret(user_data),
            "description": description,
            "meta_data": meta_data,
            "cpus": cpus,
            "memory_mib": memory_mib,
            "ports": ports,
            "labels": labels,
            "booted": booted,
            **({"devices": list(devices)} if devices else {}),
            "container": None,
            "container_id": None,
            "ipv4": None,
            "ipv6": None,
            "running": None,
        }
        super().__init__("hdlocal:index:Machine", resource_name, props, opts)

    def translate_output_property(self, prop: str) -> str:
        """From the engine's camel case to ours."""
        return _TO_PYTHON.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        """From our names to the engine's camel case."""
        return _TO_ENGINE.get(prop, prop)


class Bundle(pulumi.CustomResource):
    """An archive in the machine that plays a bucket; `path` is where it lies on the computer that runs the program."""

    file_name: pulumi.Output[str]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        container: pulumi.Input[str],
        container_id: pulumi.Input[str],
        sha256: pulumi.Input[str],
        path: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "container": container,
            "container_id": container_id,
            "sha256": sha256,
            "path": path,
            "file_name": None,
        }
        super().__init__("hdlocal:index:Bundle", resource_name, props, opts)

    def translate_output_property(self, prop: str) -> str:
        """From the engine's camel case to ours."""
        return _TO_PYTHON.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        """From our names to the engine's camel case."""
        return _TO_ENGINE.get(prop, prop)
