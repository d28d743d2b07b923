"""Our classes for IBM Cloud against what its Terraform provider's source says (toolchain/ibm_schema/schema.json)."""

import inspect
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pulumi
import pytest
from typing_extensions import is_typeddict

from hdinfra.sdks.ibm import compute, network, package
from hdinfra.sdks.ibm.package import IbmResource
from hdinfra.testing import Recorder
from tests.graph.ibm_zone import CLASSES
from toolchain.ibm import HERE, REPOSITORY, SCHEMA, TYPES, camel, is_input, token_of, types

KNOWN = {one.token: one for one in types()}
CONTENT = json.loads(SCHEMA.read_text())
SCALARS = {"bool": bool, "int": int, "float": float, "string": str}
NAMES = {"Output": pulumi.Output, "T": Any}
CONTAINERS = {Sequence, list}
NOT_INPUTS = {"self", "resource_name", "opts"}
AUTO_NAMED = "name"
"""What the bridge names by itself where the program does not (SetAutonaming in its dynamic/info.go)."""

each_class = pytest.mark.parametrize("class_", CLASSES.values(), ids=lambda class_: class_.__name__)


def inputs_of(class_: type[IbmResource]) -> dict[str, Any]:
    """By Python's name the type that each input has, without what Pulumi wraps around it."""
    hints = get_type_hints(class_.__init__, localns=NAMES)
    return {name: bare(kind) for name, kind in hints.items() if name not in {*NOT_INPUTS, "return"}}


def bare(kind: Any) -> Any:
    """What is inside `Input[...] | None`."""
    plain = [one for one in get_args(kind) if get_origin(one) is not pulumi.Output and not waits(one)]
    found = [one for one in plain if one is not type(None)]
    return bare(found[0]) if len(found) == 1 and get_origin(kind) not in CONTAINERS else kind


def waits(kind: Any) -> bool:
    return getattr(get_origin(kind), "__name__", "") == "Awaitable"


def slips(where: str, kind: Any, field: Mapping[str, Any]) -> Iterator[str]:
    """Where one input differs from the source; lists of one are objects, as the bridge flattens them."""
    if field["kind"] in SCALARS:
        if kind is not SCALARS[field["kind"]]:
            yield f"{where}: {kind} for {field['kind']}"
        return
    if field["kind"] in ("list", "set") and field.get("maxItems") != 1:
        if not where.endswith("s") or get_origin(kind) not in CONTAINERS:
            yield f"{where}: no list, or a name that the bridge would make plural"
            return
        kind = bare(get_args(kind)[0])
    if "fields" in field:
        yield from _object(where, kind, field["fields"])
    elif kind is not SCALARS[field["items"]]:
        yield f"{where}: {kind} for {field['items']}"


def _object(where: str, kind: Any, fields: Mapping[str, Any]) -> Iterator[str]:
    if not is_typeddict(kind):
        yield f"{where}: {kind} for an object"
        return
    hints = get_type_hints(kind, localns=NAMES)
    taken = {name: field for name, field in fields.items() if is_input(field)}
    yield from (f"{where}.{name}: unknown" for name in sorted(hints.keys() - taken.keys()))
    needed = {name for name, field in taken.items() if field.get("required")}
    yield from (f"{where}.{name}: missing" for name in sorted(needed - kind.__required_keys__))
    for name in sorted(hints.keys() & taken.keys()):
        yield from slips(f"{where}.{name}", bare(hints[name]), taken[name])


@each_class
def test_a_class_is_as_the_source_says(class_: type[IbmResource]) -> None:
    known = KNOWN[class_.token()]
    given, taken = inputs_of(class_), known.inputs()
    assert given.keys() <= taken.keys(), class_
    found = [slip for name, kind in given.items() for slip in slips(name, kind, taken[name])]
    assert found == []
    parameters = inspect.signature(class_.__init__).parameters
    needed = {name for name in given if parameters[name].default is inspect.Parameter.empty}
    assert needed == {name for name, field in taken.items() if field.get("required")} - {AUTO_NAMED}
    assert set(class_.outputs) <= known.fields.keys()
    told = inspect.get_annotations(class_).keys() - {"outputs"}
    assert told <= known.fields.keys() and told <= {*class_.outputs, *given}


def test_slips_are_seen() -> None:
    taken = KNOWN["ibm:index/isInstance:IsInstance"].fields
    assert list(slips("user_data", int, taken["user_data"])) == ["user_data: <class 'int'> for string"]
    assert list(slips("boot_volume", compute.MetadataService, taken["boot_volume"])) == [
        "boot_volume.enabled: unknown",
        "boot_volume.protocol: unknown",
        "boot_volume.response_hop_limit: unknown",
    ]
    assert list(slips("boot_volume", list[str], taken["boot_volume"])) == ["boot_volume: list[str] for an object"]
    rules = KNOWN["ibm:index/isNetworkAcl:IsNetworkAcl"].fields["rules"]
    assert list(slips("rules", network.NetworkAclRule, rules)) == [
        "rules: no list, or a name that the bridge would make plural"
    ]


def test_every_type_that_was_read_has_a_class_and_the_look_up_its_fields() -> None:
    assert CLASSES.keys() == KNOWN.keys()
    images = CONTENT["types"]["ibm_is_images"]["fields"]
    asked = inspect.signature(compute.get_is_images_output).parameters.keys() - {"opts"}
    assert asked <= images.keys() and all(is_input(images[name]) for name in asked)
    assert compute.Image.__required_keys__ <= images["images"]["fields"].keys()


def test_names_are_the_bridges() -> None:
    assert token_of("ibm_is_virtual_network_interface_floating_ip") == (
        "ibm:index/isVirtualNetworkInterfaceFloatingIp:IsVirtualNetworkInterfaceFloatingIp"
    )
    for name in ("user_data", "ipv4_cidr_block", "no_sg_acl_rules", "vpc"):
        assert package.camel(name) == camel(name)


def test_the_source_and_the_package_are_of_one_version() -> None:
    assert (CONTENT["version"], CONTENT["repository"]) == (package.VERSION, REPOSITORY)
    assert len(CONTENT["commit"]) == 40 and CONTENT["date"] == "2026-08-05"
    assert CONTENT["types"].keys() == TYPES.keys()


def test_outputs_come_back_under_pythons_names() -> None:
    told: list[Any] = []

    def program() -> None:
        vpc = network.IsVpc("net", tags=["a:b"])
        pulumi.Output.all(vpc.default_security_group, vpc.default_network_acl).apply(told.append)

    answers = {"ibm:index/isVpc:IsVpc": lambda *_: {"defaultSecurityGroup": "sg", "defaultNetworkAcl": "acl"}}
    graph = Recorder(outputs=answers)(program)
    assert told == [["sg", "acl"]]
    assert graph.named("net").inputs == {"tags": ["a:b"]}


PROVIDER_SOURCE = """package vpc

const name = "name"

func Thing() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		name:   {Type: schema.TypeString, Required: true, ForceNew: true},
		"parts": &schema.Schema{Type: schema.TypeList, MaxItems: 1, Optional: true,
			Elem: &schema.Resource{Schema: parts()}},
		"tags":  {Type: schema.TypeSet, Computed: true, Elem: &schema.Schema{Type: schema.TypeString}},
	}}
}

func parts() map[string]*schema.Schema {
	return map[string]*schema.Schema{"size": {Type: schema.TypeInt, Optional: true, Sensitive: true}}
}

func Guess() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{unknown: {Type: schema.TypeInt}}}
}
"""


@pytest.mark.skipif(shutil.which("go") is None, reason="the extractor is a Go program")
def test_the_source_is_read_and_nothing_is_guessed(tmp_path: Path) -> None:
    folder = tmp_path / "ibm" / "vpc"
    folder.mkdir(parents=True)
    (folder / "thing.go").write_text(PROVIDER_SOURCE)
    read = ["go", "run", ".", str(tmp_path)]
    done = subprocess.run([*read, "thing=ibm/vpc.Thing"], cwd=HERE, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "thing": {
            "source": "ibm/vpc/thing.go",
            "fields": {
                "name": {"kind": "string", "required": True, "forceNew": True},
                "parts": {
                    "kind": "list",
                    "optional": True,
                    "maxItems": 1,
                    "fields": {"size": {"kind": "int", "optional": True, "sensitive": True}},
                },
                "tags": {"kind": "set", "computed": True, "items": "string"},
            },
        }
    }
    for asked, said in (("Guess", "no text"), ("Nothing", "has no function")):
        done = subprocess.run([*read, f"thing=ibm/vpc.{asked}"], cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode != 0 and said in done.stderr
