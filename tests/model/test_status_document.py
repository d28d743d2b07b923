"""What status pages are fed with: their own words, the worst of what users meet, and nothing for strangers."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.spec_file import json_schema
from hdinfra.operate.edge_status import Answer, is_edge, look_at_edge
from hdinfra.operate.status_document import State, StatusDocument, edge_document, worst, zone_document

AT = 1_800_000_000.0


def machine(name: str, healthy: bool, instance: str = "web") -> dict[str, Any]:
    """As `status` gives it, with what nobody outside is to read."""
    return {"name": name, "healthy": healthy, "instance": instance, "ipv4": "10.64.0.9", "container": f"hd-{name}"}


def zone(clusters: dict[str, list[bool]], edges: tuple[bool, ...] = (True, True)) -> dict[str, Any]:
    """A Zone with one site, whose machines are well or not."""
    return {
        "zone": "india",
        "clusters": [
            {"name": name, "machines": [machine(f"{name}-web-{n}", well) for n, well in enumerate(states, 1)]}
            for name, states in clusters.items()
        ],
        "edge": {"machines": [machine(f"e{n}-edge", well, "edge") for n, well in enumerate(edges)]},
        "control": [machine("a-control-1", True, "control")],
        "sites": [{"host": "shop.acme.test", "tenant": "acme", "instance": "web", "mode": "RECORD"}],
    }


def states(document: StatusDocument) -> dict[str, str]:
    """State by id."""
    return {one.id: one.state.value for one in document.components}


def test_all_is_well() -> None:
    document = zone_document(zone({"a": [True], "b": [True]}), (), AT)
    assert (document.state, document.name, document.looked_at) == (State.OPERATIONAL, "india", "2027-01-15T08:00:00Z")
    assert set(states(document).values()) == {"operational"}
    assert list(states(document)) == [
        "site/shop.acme.test",
        "cluster/a",
        "cluster/b",
        "edge/e0-edge",
        "edge/e1-edge",
        "control/management",
    ]


def test_a_lost_cluster_is_no_outage_of_the_site() -> None:
    document = zone_document(zone({"a": [False], "b": [True, False]}), (), AT)
    assert states(document) | {"cluster/a": "major_outage", "cluster/b": "partial_outage"} == states(document)
    assert (document.state, states(document)["site/shop.acme.test"]) == (State.OPERATIONAL, "operational")


@pytest.mark.parametrize(
    ("seen", "words"),
    [(zone({"a": [False], "b": [False]}), "no machine"), (zone({"a": [True]}, (False, False)), "no edge")],
)
def test_nobody_to_serve_is_an_outage(seen: dict[str, Any], words: str) -> None:
    document = zone_document(seen, (), AT)
    assert document.state is State.MAJOR
    assert words in document.components[0].detail


def test_a_certificate_that_is_not_shown_is_part_of_an_outage() -> None:
    assert zone_document(zone({"a": [True]}), ["shop.acme.test"], AT).state is State.PARTIAL


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())
def test_the_site_is_served_exactly_while_a_machine_and_an_edge_are(wells: list[list[bool]], edge: bool) -> None:
    seen = zone({f"c{n}": states for n, states in enumerate(wells)}, (edge,))
    assert (zone_document(seen, (), AT).state is State.OPERATIONAL) == (edge and any(map(any, wells)))


def test_strangers_read_no_address_and_no_tenant() -> None:
    text = zone_document(zone({"a": [True]}), (), AT).model_dump_json()
    assert not [word for word in ("10.64.0.9", "hd-a", 'acme"', "RECORD") if word in text]


def test_the_published_schema_takes_it() -> None:
    document = zone_document(zone({"a": [False]}), (), AT)
    jsonschema.validate(json.loads(document.model_dump_json()), json_schema(StatusDocument))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(document.model_dump_json()), "state": "fine"}, json_schema(StatusDocument))


def test_the_worst_of_nothing_is_well() -> None:
    assert worst([]) is State.OPERATIONAL
    assert worst(State) is State.MAJOR


EDGE = {
    "edge": "shop",
    "host": "shop.example.com",
    "health_path": "/edge-health",
    "steering": "order",
    "fallback": "paris",
    "recover_seconds": 80,
    "fail_back": "by-hand",
    "pools": [
        {"name": "paris", "id": "p", "drained": False, "endpoints": ["paris"], "tunnels": ["paris"]},
        {"name": "helsinki", "id": "h", "drained": False, "endpoints": ["helsinki"], "tunnels": ["helsinki"]},
    ],
    "tunnels": [
        {"name": "paris", "id": "1", "address": "1.x", "direct": "paris.example.com", "hosts": [], "connectors": ["a"]},
        {"name": "helsinki", "id": "2", "address": "2.x", "direct": None, "hosts": [], "connectors": ["2 pods"]},
    ],
    "origin_sources": [],
}
UP, DOWN = Answer(True), Answer(False, "it answers with 503")


def asked(answers: dict[str, Answer], drained: bool = False) -> StatusDocument:
    """The document of the edge whose hosts answer so."""
    first, second = EDGE["pools"]  # type: ignore[misc]
    output = {**EDGE, "pools": [{**first, "drained": drained}, second]}  # type: ignore[dict-item]
    paths: set[str] = set()

    def ask(host: str, path: str) -> Answer:
        paths.add(path)
        return answers[host]

    document = edge_document(look_at_edge(output, ask), AT)
    assert paths == {"/edge-health"}
    return document


def test_an_edge_is_told_from_a_zone() -> None:
    assert is_edge(EDGE)
    assert not is_edge({"edge": {"urls": []}, "clusters": []})


def test_an_edge_whose_first_site_is_gone_is_well_for_its_users() -> None:
    document = asked({"shop.example.com": UP, "paris.example.com": DOWN})
    assert document.state is State.OPERATIONAL
    assert states(document) == {
        "entrance/shop.example.com": "operational",
        "pool/paris": "major_outage",
        "pool/helsinki": "operational",
    }
    assert [one.detail for one in document.components][1:] == [
        "it answers with 503",
        "it has no direct name to be asked by",
    ]


def test_an_edge_that_does_not_answer_is_an_outage() -> None:
    assert asked({"shop.example.com": DOWN, "paris.example.com": UP}).state is State.MAJOR


def test_maintenance_is_no_outage() -> None:
    document = asked({"shop.example.com": UP, "paris.example.com": DOWN}, drained=True)
    assert states(document)["pool/paris"] == "degraded_performance"
