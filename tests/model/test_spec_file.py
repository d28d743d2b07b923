"""A spec file's errors come all at once, with the path, the value and the way out."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec import ClusterSpec, Provider, ZoneSpec
from hdinfra.model.spec_file import json_schema, load_spec, parse_spec, refusals_of
from tests.model.legal import LEGAL, legal, setting


def refused(text: str) -> list[tuple[str, str]]:
    with pytest.raises(RefusedError) as error:
        parse_spec(text, "zone.yaml")
    return [(r.rule, r.path) for r in error.value.refusals]


def test_yaml_and_python_give_the_same_spec(tmp_path: Path) -> None:
    path = tmp_path / "zone.yaml"
    path.write_text(yaml.safe_dump(LEGAL), encoding="utf-8")
    assert load_spec(path) == load_spec(str(path)) == ZoneSpec.model_validate(LEGAL)


def test_every_error_at_once() -> None:
    data = legal(
        setting("zone", "India"),
        setting("clusters.1.provider", "mars"),
        setting("clusters.2.colour", "red"),
        setting("instances.0.capacity", 0),
        setting("instances.0.tenants.0.sites.0.mode", "BLOCK"),
        setting("instances.0.tenants.1.sites.0.origins", []),
        setting("edge", []),
    )
    assert refused(yaml.safe_dump(data)) == [
        ("spec.type", "clusters[1].provider"),
        ("spec.unknown-key", "clusters[2].colour"),
        ("spec.type", "edge"),
        ("spec.type", "instances[0].capacity"),
        ("spec.type", "instances[0].tenants[0].sites[0].mode"),
        ("spec.type", "instances[0].tenants[1].sites[0].origins"),
        ("spec.type", "zone"),
    ]


@pytest.mark.parametrize(
    ("wrong", "path", "message", "fix"),
    [
        ("zone: 3", "zone", "Found `3`: input should be a valid string.", "write `zone: ...`, a text;"),
        ("zone: no", "zone", "Found `false` (YAML reads yes, no, on and off so; quote", "write `zone: ...`, a text;"),
        ("zone:", "zone", "Found nothing: input should be a valid string.", "write `zone: ...`, a text;"),
        ("zone: {}", "zone", "Found a mapping: input should be a valid string.", "write `zone: ...`, a text;"),
        ("zone: [a, b]", "zone", "Found a list of 2: input should", "write `zone: ...`, a text;"),
        ("clusters: 3", "clusters", "Found `3`: input should be a valid tuple.", "write `clusters: ...`, with one `-"),
        ("lab: 3", "lab", "Found `3`: input should be a valid dictionary", "write `lab: ...`, with its keys indented"),
        ("clustres: 3", "clustres", "`clustres` is no key here; it would be without", "write `clusters`; known are"),
        ("7: 3", "[7]", "`[7]` is no key here; it would be without effect.", "drop `[7]`; known are area, bundles,"),
        (
            "network: {ipv4: 10.64.0.1/12}", "network.ipv4",
            "Found `'10.64.0.1/12'`: input is not a valid IPv4 network.",
            "write `ipv4: ...`, such as 10.64.0.0/12",
        ),
    ],
)  # fmt: skip
def test_says_value_and_way_out(wrong: str, path: str, message: str, fix: str) -> None:
    lines = {"zone": "zone: a", "area": "area: lab", "clusters": "clusters: []"}
    lines.pop(wrong.partition(":")[0], None)
    with pytest.raises(RefusedError) as error:
        parse_spec("\n".join([*lines.values(), wrong]), "zone.yaml")
    (refusal,) = error.value.refusals
    assert refusal.path == path
    assert refusal.message.startswith(message)
    assert refusal.fix.startswith(fix)


def test_a_missing_choice_names_the_choices() -> None:
    with pytest.raises(RefusedError) as error:
        parse_spec("zone: a\narea: lab\nclusters: [{name: a, region: lab-north}]")
    known = ", ".join(Provider)
    assert [r.fix for r in error.value.refusals] == [f"add `provider: ...`, one of {known}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("zone: a\narea: b\nzone: c\n", "line 3 has the key 'zone' twice"),
        ("a: {b: 1, b: 2}\n", "line 1 has the key 'b' twice"),
        ("a: &x [1]\nb: *x\n", "line 2 has an alias"),
        ("a: 1\nb: !!str 2\n", "line 2 has an explicit tag"),
        ("a: [1\nb: 2\n", "line 2 has "),
        ("- a\n", "it holds a list"),
        ("# nothing\n", "it holds nothing"),
    ],
)
def test_says_where_yaml_is_not_ours(text: str, line: str) -> None:
    with pytest.raises(RefusedError) as error:
        parse_spec(text, "zone.yaml")
    (refusal,) = error.value.refusals
    assert (refusal.rule, refusal.path) == ("spec.yaml", "zone.yaml")
    assert line in refusal.message


def test_a_spec_made_in_python_is_refused_alike() -> None:
    with pytest.raises(ValidationError) as error:
        ClusterSpec.model_validate({"name": "One", "provider": Provider.LOCAL, "regoin": "lab-north"})
    found = refusals_of(error.value)
    assert [(r.rule, r.path) for r in found] == [
        ("spec.type", "name"),
        ("spec.missing", "region"),
        ("spec.unknown-key", "regoin"),
    ]
    assert found[2].fix.startswith("write `region`; known are")


def test_the_schema_describes_the_legal_spec() -> None:
    schema = json_schema(ZoneSpec)
    assert set(LEGAL) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["zone", "area", "clusters"]
    assert "\\\\z" not in json.dumps(schema)
    assert schema["$defs"]["SiteSpec"]["properties"]["host"]["format"] == "hostname"
