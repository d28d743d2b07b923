"""Take a Cluster away under load, measure what users saw, and bring it back."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import httpx

from hdinfra.operate.containers import Containers
from hdinfra.operate.drills.record import Record
from hdinfra.operate.errors import NotServingError
from hdinfra.operate.faults import fault_of
from hdinfra.operate.how import How
from hdinfra.operate.load import Load, Shape, Target, read_ledger
from hdinfra.operate.report import Answer, Report, Setting, report_of
from hdinfra.operate.status import Declared
from hdinfra.operate.views import EdgeViews, Heard

_VIEW_SECONDS = 20.0
_BACK_SECONDS = 120.0
_WELL_SECONDS = 60.0  # neighbours of a machine that was just made anew may look for it at its old place for 45 s


@dataclass(frozen=True, slots=True)
class ClusterLoss:
    """The drill as it was ordered."""

    cluster: str
    rate: int
    seconds: float
    how: How
    slowest_allowed_seconds: float


@dataclass(frozen=True, slots=True)
class Zone:
    """What a drill needs of a running stack."""

    known: Declared
    containers: Containers

    def targets(self) -> list[Target]:
        """Every site through every edge address."""
        return [Target(url, host) for host in self.known.hosts for url in self.known.edge_urls]

    def views(self, heard: Heard = lambda *_: None) -> EdgeViews:
        """What the edges think of their servers, watched while entered; `heard` is told of it by machines' names."""
        names = {machine["container"]: machine["name"] for machine in self.known.edge_machines}
        return EdgeViews(
            self.containers, self.known.edge_containers, lambda edge, view: heard(names.get(edge, edge), view)
        )


def run(order: ClusterLoss, zone: Zone, say: Callable[[str], None], record: Record | None = None) -> Report:
    """The whole drill. The Cluster is brought back also when it is interrupted. `record` keeps what happened when."""
    record = record or Record()
    zone.known.machines_of(order.cluster)  # an unknown Cluster is named before anything is loaded
    must_have_sites(zone)
    with zone.views(record.log.viewed) as views, ExitStack() as healing:
        _must_be_well(order, views)
        say(f"loading {len(zone.targets())} site addresses with {order.rate} requests/s for {order.seconds:g} s")
        breaking = partial(_break, order, zone, say, healing, views, record)
        answers, view = _under_load(order, zone, healing, breaking)
        record.answers += answers
        say(f"bringing `{order.cluster}` back")
        healing.close()
        back = views.seconds_until(order.cluster, up=True, within=_BACK_SECONDS)
    setting = Setting(order.cluster, order.how, order.rate, order.seconds, order.slowest_allowed_seconds)
    return report_of(
        answers,
        ledgers(zone, though="The Cluster is back"),
        replace(setting, view_right_seconds=view, back_seconds=back),
    )


def _under_load(
    order: ClusterLoss, zone: Zone, healing: ExitStack, break_it: Callable[[], float | None]
) -> tuple[list[Answer], float | None]:
    shape = Shape(order.rate, order.seconds, first_number=first_number())
    with Load(zone.targets(), shape) as load:
        try:
            view = break_it()
            load.join()
        except BaseException:
            healing.close()  # before the load ends: its last requests may hang on what is broken
            raise
        return list(load.answers), view


def _break(  # noqa: PLR0913, PLR0917  all that a fault touches
    order: ClusterLoss,
    zone: Zone,
    say: Callable[[str], None],
    healing: ExitStack,
    views: EdgeViews,
    record: Record,
) -> float | None:
    machines = zone.known.machines_of(order.cluster)
    time.sleep(order.seconds / 2)
    say(f"{order.how} of `{order.cluster}`: {', '.join(machines)}")
    begin = time.monotonic()
    healing.enter_context(record.log.fault(f"{order.how} of {order.cluster}"))
    healing.enter_context(fault_of(order.how)(zone.containers, machines))
    seen = views.seconds_until(order.cluster, up=False, within=_VIEW_SECONDS)
    view = None if seen is None else round(time.monotonic() - begin, 3)
    record.photograph(f"while `{order.cluster}` was away", views.latest())
    say("the edges never saw it" if view is None else f"every edge's view was right after {view:.1f} s")
    return view


def first_number() -> int:
    """Of POSTs; numbers of two drills never meet, since the origins' ledgers outlive them."""
    return time.time_ns() // 1_000_000 * 100_000


def ledgers(zone: Zone, *, though: str) -> dict[str, dict[int, int]]:
    """What all origins wrote down; NotServingError, which says what is well all the same, when one does not answer."""
    try:
        return read_ledger(zone.targets())
    except httpx.HTTPError as unread:
        raise NotServingError(
            f"{though}, but an origin's ledger cannot be read, so nothing is known of the POSTs.",
            running="the whole zone",
            retry="hdinfra status",
        ) from unread


def must_have_sites(zone: Zone) -> None:
    """NotServingError where there is nothing to load."""
    if not zone.known.hosts or not zone.known.edge_urls:
        raise NotServingError("This zone has no sites or no edge, so there is nothing to load.")


def _must_be_well(order: ClusterLoss, views: EdgeViews) -> None:
    if views.seconds_until(order.cluster, up=True, within=_WELL_SECONDS) is None:
        raise NotServingError(
            f"An edge sees a server of `{order.cluster}` down already; a drill would prove nothing.",
            running="the whole zone",
            retry="hdinfra up, then the drill again",
        )
