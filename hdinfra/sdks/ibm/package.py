"""Terraform's provider of IBM Cloud as a Pulumi package: what `pulumi package add` would write, for what is in use."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.runtime import register_package

PACKAGE = "ibm"
VERSION = "2.5.0"
"""Of github.com/IBM-Cloud/terraform-provider-ibm, 2026-08-05: what the classes here were held to."""

BRIDGE = "terraform-provider"
BRIDGE_VERSION = "1.1.3"
"""Of github.com/pulumi/pulumi-terraform-provider, 2026-05-27: the plugin that runs any Terraform provider."""

_PARAMETER = {"remote": {"url": "registry.opentofu.org/ibm-cloud/ibm", "version": VERSION}}


async def package() -> str:
    """The engine's name for the package, registered once a run. It lets the engine find plugin and provider."""
    parameter = base64.b64encode(json.dumps(_PARAMETER, separators=(",", ":")).encode()).decode()
    return await register_package(BRIDGE, BRIDGE_VERSION, "", PACKAGE, VERSION, parameter)


class IbmResource(pulumi.CustomResource):
    """What all resources of this package have in common. `outputs`: what the cloud adds, in Python's names.

    `pulumi_type`: where Pulumi's own functions look for the type token.
    """

    outputs: ClassVar[tuple[str, ...]] = ()
    pulumi_type: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.pulumi_type = cls.token()

    def __init__(self, resource_name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
        known = {**dict.fromkeys(self.outputs), **inputs}
        super().__init__(self.token(), resource_name, known, opts, package_ref=package())

    @classmethod
    def token(cls) -> str:
        """The type token that the bridge gives it."""
        return f"{PACKAGE}:index/{cls.__name__[0].lower()}{cls.__name__[1:]}:{cls.__name__}"

    def translate_input_property(self, prop: str) -> str:
        """Python's name as the bridge has it."""
        return camel(prop)

    def translate_output_property(self, prop: str) -> str:
        """The bridge's name as Python has it."""
        return re.sub("[A-Z]", lambda found: f"_{found.group().lower()}", prop)


def camel(name: str) -> str:
    """`user_data` as `userData`."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
