"""What a drill sees of a Zone without asking its machines, and how it says that there is nothing to break."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest

from hdinfra.model.plan import DnsPlan, EntrancePlan
from hdinfra.model.zone_map.zone_map import MapPlace, State, ZoneMap
from hdinfra.operate.containers import Containers
from hdinfra.operate.drill import Zone
from hdinfra.operate.drills.entrance_play import has_two
from hdinfra.operate.drills.record import Record, Views
from hdinfra.operate.drills.stage import Order, Stage, glimpse
from hdinfra.operate.errors import WorkspaceError
from hdinfra.operate.status import Declared
from hdinfra.operate.views import EdgeViews

DRAWN = ZoneMap(
    "drill",
    "lab",
    edges=(MapPlace("east", "eastwood", "lab-east"),),
    clusters=(MapPlace("a", "northwind", "lab-north"), MapPlace("b", "southgate", "lab-south")),
)


def machine(name: str) -> dict[str, str]:
    """As the stack's output `status` has it."""
    return {"name": name, "container": f"hd-{name}", "role": "waf"}


def a_zone(*, dead: tuple[str, ...] = ()) -> Zone:
    """Two Clusters, of which the first carries load; the machines that are named do not run."""
    output: Mapping[str, object] = {
        "clusters": [{"name": "a", "machines": [machine("a-web-1")]}, {"name": "b", "machines": []}],
        "edge": {"urls": [], "machines": [machine("east-edge")]},
        "control": [machine("a-control-1")],
    }
    running = SimpleNamespace(is_running=lambda container: container.removeprefix("hd-") not in dead)
    return Zone(Declared(output), cast(Containers, running))


def states(zone: Zone, views: Views) -> dict[str, State]:
    """By machine."""
    return {one.name: one.state for one in glimpse(DRAWN, zone, views).machines}


def seen(*, up: bool) -> list[dict[str, object]]:
    """An edge's view of Cluster a."""
    return [{"cluster": "a", "up": up}, {"cluster": "b", "up": True}]


@pytest.mark.parametrize(
    ("dead", "views", "expected"),
    [
        ((), {"east": seen(up=True)}, State.WELL),
        (("a-web-1",), {"east": seen(up=True)}, State.ILL),
        ((), {"east": seen(up=False)}, State.ILL),
        ((), {"east": seen(up=False), "west": seen(up=True)}, State.WELL),
        ((), {"east": seen(up=False), "west": None}, State.ILL),
        ((), {"east": None}, State.WELL),
    ],
)
def test_a_glimpse_knows_the_dead_by_their_containers_and_the_cut_off_by_what_all_edges_see(
    dead: tuple[str, ...], views: Views, expected: State
) -> None:
    assert states(a_zone(dead=dead), views) == {"a-web-1": expected}


def stage(at: str | None) -> Stage:
    """A stage that breaks what is ordered."""
    zone = a_zone()
    nothing = cast(EdgeViews, SimpleNamespace(latest=dict))
    return Stage(
        Order(at=at), cast(object, None), zone, cast(object, None), None, nothing, Record(), cast(object, None)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [None, "a"])
def test_a_cluster_with_something_to_lose_is_taken(at: str | None) -> None:
    assert stage(at).cluster() == "a"


@pytest.mark.parametrize("at", ["b", "z"])
def test_a_cluster_without_anything_to_lose_is_named_with_those_that_have(at: str) -> None:
    with pytest.raises(WorkspaceError, match=f"no Cluster `{at}` with anything to lose"):
        stage(at).cluster()


def test_maps_are_kept_by_when_they_were_taken() -> None:
    record = Record(lambda views: DRAWN if views else None)
    record.photograph("never", {})
    record.photograph("while a was away", {"east": None})
    assert record.maps == {"while a was away": DRAWN}


@pytest.mark.parametrize(
    ("in_force", "deployed", "second"),
    [("main", True, "spare"), ("spare", True, None), ("main", False, None), (None, True, None)],
)
def test_users_can_be_led_only_to_an_entrance_without_what_is_lost(
    in_force: str | None, deployed: bool, second: str | None
) -> None:
    """What is planned and not deployed leads nobody; another company's name has no places that we could look at."""
    entrances = (
        EntrancePlan("main", ("east", "west"), None),
        EntrancePlan("cdn", (), "zone.cdn.invalid"),
        EntrancePlan("spare", ("west",), None),
    )
    dns = DnsPlan("drill.example.net", (), entrances, in_force) if in_force else None
    servers = {"dns": {"machines": [machine("a-dns-1")]}} if deployed else {}
    known = Declared({**a_zone().known.output, **servers})
    zone = SimpleNamespace(known=known)
    played = cast(Stage, SimpleNamespace(plan=SimpleNamespace(dns=dns), zone=zone))
    assert has_two(played) is (second is not None)
