"""The SDK of servers of one's own: what a program registers, and what `pulumi-resource-hdmetal` realises."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

_TO_PYTHON = {
    "adminToken": "admin_token",
    "confirmWipe": "confirm_wipe",
    "onDelete": "on_delete",
    "systemId": "system_id",
    "waitSeconds": "wait_seconds",
}
_TO_ENGINE = {ours: engines for engines, ours in _TO_PYTHON.items()}


class Provider(pulumi.ProviderResource):
    """The provider of servers of one's own; it has no configuration."""

    def __init__(self, resource_name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdmetal", resource_name, {}, opts)


class Server(pulumi.CustomResource):
    """A server that is installed through its BMC and waited for until it reports its profile.

    What holds secrets is hidden: `bmc`, `order` and `report`.

    - `server`: its name, the resource's id.
    - `bmc`: {"address": "https://10.0.0.5", "username", "password"}, and whom it must prove to be: "fingerprint" (the
      SHA-256 of its certificate in hex) or "ca" (PEM), else by an authority that this computer trusts. "system_id"
      where the BMC has several systems.
    - `profile`: what the machine reports once it is what was asked for: 64 hex digits, on the machine the line in
      /etc/hdinfra/profile (hdinfra/agent/paths.py).
    - `report`: where: {"machine", "endpoints": [{"name", "address", "port"}], "root", "admin_token"}.
    - `boot`: "virtual-media", which takes `image` (the folder of our installer's image), `order` (in base64, what this
      server's installer is told) and `media` (how the BMC gets it); or "pxe", where all three are the PXE server's.
    - `media`: {"serve": {"address", "port", "scheme"}}: the plugin serves the image at this address of this computer,
      by "https" or "http", while it is needed; or {"folder", "url"}: a folder that another web server publishes.
    - `expect`: {"model", "serial", "macs"}, each optional: what the BMC must say of the machine, so that none but the
      one that is meant is ever installed.
    - `reinstall`: any text. The first one is noted, at creation or later; only another text than the one noted installs
      a server anew, over the disks that were installed as this server before. `profile`, `order` and `image` never do.
    - `overwrite`: serial numbers of disks that an installation may overwrite whatever is on them; disks that were not
      this server's before are taken blank otherwise. It is for one run: take it away again.
    - `on_delete`: "leave" (as it is), "power-off", or "wipe" (every drive by the BMC's secure erase), which takes
      `confirm_wipe` with the server's name as well.
    - `wait_seconds`: for the machine's report, 60 to 86,400.

    Outputs: `installed` is the profile that it reported last, and `key` the one that the machine made for itself;
    `failures` names each power supply, disk, fan and sensor that is not well.
    """

    installed: pulumi.Output[str]
    key: pulumi.Output[str]
    power: pulumi.Output[str]
    health: pulumi.Output[str]
    model: pulumi.Output[str]
    serial: pulumi.Output[str]
    supplies: pulumi.Output[Sequence[Mapping[str, Any]]]
    disks: pulumi.Output[Sequence[Mapping[str, Any]]]
    sensors: pulumi.Output[Sequence[Mapping[str, Any]]]
    failures: pulumi.Output[Sequence[str]]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        server: pulumi.Input[str],
        bmc: pulumi.Input[Mapping[str, pulumi.Input[Any]]],
        profile: pulumi.Input[str],
        report: pulumi.Input[Mapping[str, pulumi.Input[Any]]],
        boot: pulumi.Input[str] = "virtual-media",
        image: pulumi.Input[str] | None = None,
        order: pulumi.Input[str] | None = None,
        media: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        expect: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        reinstall: pulumi.Input[str] | None = None,
        overwrite: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        on_delete: pulumi.Input[str] | None = None,
        confirm_wipe: pulumi.Input[str] | None = None,
        wait_seconds: pulumi.Input[int] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "server": server,
            "bmc": pulumi.Output.secret(bmc),
            "profile": profile,
            "report": pulumi.Output.secret(report),
            "boot": boot,
            "image": image,
            "order": None if order is None else pulumi.Output.secret(order),
            "media": media,
            "expect": expect,
            "reinstall": reinstall,
            "overwrite": overwrite,
            "on_delete": on_delete,
            "confirm_wipe": confirm_wipe,
            "wait_seconds": wait_seconds,
            **dict.fromkeys(_OUTPUTS),
        }
        super().__init__("hdmetal:index:Server", resource_name, props, opts)

    def translate_output_property(self, prop: str) -> str:
        """From the engine's camel case to ours."""
        return _TO_PYTHON.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        """From our names to the engine's camel case."""
        return _TO_ENGINE.get(prop, prop)


_OUTPUTS = ("installed", "key", "power", "health", "model", "serial", "supplies", "disks", "sensors", "failures")
