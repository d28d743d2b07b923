"""Stacks on providers' clouds: nobody enters their machines from here, and only the state knows what there is."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from hdinfra.operate.down import _destroy
from hdinfra.operate.engine import Deployed, Run
from hdinfra.operate.errors import EngineError
from hdinfra.operate.reports import Reports, reports_of
from hdinfra.operate.show import show_status
from hdinfra.operate.site_tls import curl_lines
from hdinfra.operate.status import Declared, look

STATUS: Mapping[str, Any] = {
    "zone": "europe",
    "clusters": [
        {
            "name": "aws",
            "provider": "aws",
            "region": "eu-central-1",
            "operator": "aws",
            "machines": [
                {
                    "name": "aws-web-1",
                    "container": "i-1",
                    "instance": "web",
                    "role": "waf",
                    "ipv4": "192.0.2.1",
                    "ipv6": "2001:db8::1",
                }
            ],
        }
    ],
    "edge": {
        "urls": ["http://192.0.2.9"],
        "https_urls": ["https://192.0.2.9"],
        "machines": [],
        "addresses": [{"place": "dub", "addresses": ["192.0.2.9", "2001:db8::9"]}],
    },
    "sites": [{"host": "shop.acme.test", "tenant": "acme", "instance": "web", "mode": "RECORD"}],
}
KNOWN = Declared(STATUS)


def reported(**more: Any) -> dict[str, Any]:
    """What an API machine tells of a WAF machine."""
    return {"aws-web-1": {"name": "aws-web-1", "serving": True, "number": 3, "seen_seconds": 2.0, **more}}


def test_a_machine_is_as_it_reported_last() -> None:
    seen = look(KNOWN, reports_of(KNOWN, reported()))
    machine = seen.zone["clusters"][0]["machines"][0]
    assert (machine["healthy"], machine["number"], seen.unwell) == (True, 3, ())


@pytest.mark.parametrize("report", [reported(seen_seconds=16.0), reported(seen_seconds=None), {}], ids=str)
def test_whoever_is_not_heard_of_is_not_well(report: dict[str, Any]) -> None:
    assert look(KNOWN, reports_of(KNOWN, report)).unwell == ("i-1",)


def test_it_says_where_users_come_to_in_both_families() -> None:
    seen, said = look(KNOWN, reports_of(KNOWN, reported())), StringIO()
    assert seen.zone["edge"]["addresses"] == STATUS["edge"]["addresses"]
    show_status(seen.zone, seen.unwell, Console(file=said, width=120))
    assert "edge dub: users come to 192.0.2.9, 2001:db8::9" in said.getvalue()


def test_a_zone_from_before_its_addresses_were_told_is_shown_as_well() -> None:
    edge = {name: value for name, value in STATUS["edge"].items() if name != "addresses"}
    known = Declared({**STATUS, "edge": edge})
    assert look(known, reports_of(known, reported())).zone["edge"]["addresses"] == []


def test_a_machine_of_another_zone_is_nobody() -> None:
    assert reports_of(KNOWN, {"x": {"seen_seconds": 1.0}}) == Reports({})


def test_it_is_on_this_computer_where_a_cluster_is_local() -> None:
    local = {**STATUS, "clusters": [{**STATUS["clusters"][0], "provider": "local"}]}
    assert (KNOWN.on_this_computer, Declared(local).on_this_computer) == (False, True)


def test_curl_asks_at_the_port_of_https() -> None:
    assert curl_lines(KNOWN, None) == ["curl --resolve shop.acme.test:443:192.0.2.9 https://shop.acme.test:443/"]


def state(*types: str, pending: tuple[str, ...] = ()) -> Deployed:
    """A state with resources of these types, and some that a killed run had begun."""
    made = [{"type": kind, "urn": f"urn::{kind}::r"} for kind in types]
    half = [{"resource": {"type": kind, "urn": f"urn::{kind}::h"}} for kind in pending]
    return Deployed({"deployment": {"resources": made, "pending_operations": half}})


def test_what_lies_elsewhere_is_told_from_what_lies_here() -> None:
    own = ("pulumi:pulumi:Stack", "hdlocal:index:Machine", "hdpolicy:index:Policy", "hdinfra:index:Zone")
    assert state(*own).elsewhere == ()
    assert state(*own, "aws:ec2/instance:Instance").elsewhere == ("urn::aws:ec2/instance:Instance::r",)
    assert state(pending=("hcloud:index/server:Server",)).elsewhere == ("urn::hcloud:index/server:Server::h",)


@pytest.mark.parametrize("by_labels", [True, False])
def test_a_destroy_that_fails_ends_it_where_only_the_state_knows(
    by_labels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, progress = _Engine(), _Progress()
    monkeypatch.setattr("hdinfra.operate.down.judged", _refused)
    if by_labels:
        _destroy(engine, progress, by_labels=True)  # type: ignore[arg-type]
        assert progress.said[-1].endswith("going on by labels")
        return
    with pytest.raises(EngineError, match="hetzner does not answer"):
        _destroy(engine, progress, by_labels=False)  # type: ignore[arg-type]


class _Workspace:
    stack = "europe"


class _Engine:
    workspace = _Workspace()

    def stream(self, *_: str, on_event: object) -> Run | None:
        """Ends without having destroyed anything."""


class _Progress:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Remembered."""
        self.said.append(text)

    def event(self, event: object) -> None:
        """Nothing is shown."""


def _refused(*_: object) -> None:
    raise EngineError("hetzner does not answer", retry="again")
