"""What Terraform's provider of IBM Cloud takes and gives, out of its source: `python -m toolchain.ibm CHECKOUT`.

Writes toolchain/ibm_schema/schema.json for the types that hdinfra/sdks/ibm has. tests/graph/test_ibm_sdk.py holds the
classes to it, and toolchain/replacements.py takes from it what makes a resource anew.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.go_build import find_go
from toolchain.talk import ToolchainError

HERE = Path(__file__).parent / "ibm_schema"
SCHEMA = HERE / "schema.json"
REPOSITORY = "https://github.com/IBM-Cloud/terraform-provider-ibm"
VPC = "ibm/service/vpc"
TYPES: Mapping[str, str] = {
    "ibm_is_backup_policy": f"{VPC}.ResourceIBMIsBackupPolicy",
    "ibm_is_backup_policy_plan": f"{VPC}.ResourceIBMIsBackupPolicyPlan",
    "ibm_is_floating_ip": f"{VPC}.ResourceIBMISFloatingIP",
    "ibm_is_images": f"{VPC}.DataSourceIBMISImages",
    "ibm_is_instance": f"{VPC}.ResourceIBMISInstance",
    "ibm_is_lb": f"{VPC}.ResourceIBMISLB",
    "ibm_is_lb_listener": f"{VPC}.ResourceIBMISLBListener",
    "ibm_is_lb_pool": f"{VPC}.ResourceIBMISLBPool",
    "ibm_is_lb_pool_member": f"{VPC}.ResourceIBMISLBPoolMember",
    "ibm_is_network_acl": f"{VPC}.ResourceIBMISNetworkACL",
    "ibm_is_placement_group": f"{VPC}.ResourceIbmIsPlacementGroup",
    "ibm_is_security_group": f"{VPC}.ResourceIBMISSecurityGroup",
    "ibm_is_security_group_rule": f"{VPC}.ResourceIBMISSecurityGroupRule",
    "ibm_is_subnet": f"{VPC}.ResourceIBMISSubnet",
    "ibm_is_virtual_network_interface": f"{VPC}.ResourceIBMIsVirtualNetworkInterface",
    "ibm_is_virtual_network_interface_floating_ip": f"{VPC}.ResourceIBMIsVirtualNetworkInterfaceFloatingIP",
    "ibm_is_vpc": f"{VPC}.ResourceIBMISVPC",
    "ibm_is_vpc_address_prefix": f"{VPC}.ResourceIBMISVpcAddressPrefix",
}
"""Terraform's names of the types in use, and the functions that declare them."""


@dataclass(frozen=True, slots=True)
class IbmType:
    """One type as Pulumi's bridge shows it. `fields`: inputs and outputs, as schema.json has them."""

    token: str
    source: str
    fields: Mapping[str, Mapping[str, Any]]

    def inputs(self) -> dict[str, Mapping[str, Any]]:
        """What a program may say."""
        return {name: field for name, field in self.fields.items() if is_input(field)}


def is_input(field: Mapping[str, Any]) -> bool:
    """Whether a program may, or must, say it."""
    return bool(field.get("required") or field.get("optional"))


def camel(name: str) -> str:
    """Terraform's name of an attribute as the bridge writes it (pkg/tfbridge/internal/naming). It also makes names of
    lists plural; those in use are."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def token_of(name: str) -> str:
    """The bridge's type token (tokens.SingleModule with `index`): `ibm_is_vpc` is `ibm:index/isVpc:IsVpc`."""
    short = camel(name.removeprefix("ibm_"))
    return f"ibm:index/{short}:{short[:1].upper()}{short[1:]}"


def types() -> Iterator[IbmType]:
    """All resources of schema.json."""
    content = json.loads(SCHEMA.read_text())
    for name, found in content["types"].items():
        if "DataSource" not in TYPES[name]:
            source = f"terraform-provider-ibm {found['source']} at {content['commit'][:10]}"
            yield IbmType(token_of(name), source, found["fields"])


def paths(fields: Mapping[str, Mapping[str, Any]], before: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every input, nested ones with dots, in the bridge's names."""
    for name, field in sorted(fields.items()):
        if is_input(field):
            path = f"{before}{camel(name)}"
            yield path, field
            yield from paths(field.get("fields", {}), f"{path}.")


def extracted(checkout: Path) -> dict[str, Any]:
    """What schema.json holds. ToolchainError without Go, off a release, or for a type declared in another way."""
    go = find_go(os.environ)
    if go is None:
        raise ToolchainError("no Go on PATH reads the provider's source.\n  fix: install the Go of toolchain/go.mod")
    asked = [f"{name}={function}" for name, function in TYPES.items()]
    found = json.loads(_said([str(go), "run", ".", str(checkout.resolve()), *asked], HERE))
    commit, day = _said(["git", "log", "-1", "--format=%H %cs"], checkout).split()
    version = _said(["git", "describe", "--tags", "--exact-match"], checkout).strip()
    return {
        "repository": REPOSITORY,
        "commit": commit,
        "date": day,
        "version": version.removeprefix("v"),
        "types": {name: {**found[name], "fields": _kept(found[name]["fields"])} for name in TYPES},
    }


def _said(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  no shell
    if done.returncode != 0:
        raise ToolchainError(f"`{' '.join(command[:3])}` ended with {done.returncode}:\n{done.stderr.strip()[-3000:]}")
    return done.stdout


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Sorted."""
    return {
        name: {**field, "fields": _kept(field["fields"])} if "fields" in field else field
        for name, field in sorted(fields.items())
    }


def written(content: Mapping[str, Any]) -> str:
    """One line an attribute, so that a newer provider is read as a diff."""
    lines = [f" {json.dumps(name)}: {json.dumps(content[name])}," for name in content if name != "types"]
    return "\n".join(("{", *lines, ' "types": {', ",\n".join(_type_lines(content["types"])), " }", "}", ""))


def _type_lines(found: Mapping[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        fields = ",\n".join(f"   {json.dumps(key)}: {json.dumps(field)}" for key, field in one["fields"].items())
        yield f'  {json.dumps(name)}: {{"source": {json.dumps(one["source"])}, "fields": {{\n{fields}\n  }}}}'


def main() -> int:
    """Write the file anew from a checkout of the provider."""
    SCHEMA.write_text(written(extracted(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
