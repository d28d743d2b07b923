"""Every component under `pulumi.runtime.set_mocks`, as users have it in their own tests."""

from collections.abc import Callable

import pulumi
import pytest

import hdinfra as hd
from hdinfra.clouds.cloud import Scope
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.components.control import ControlPlane
from hdinfra.components.lab import LabOrigins
from hdinfra.components.place import Place, PlaceArgs
from hdinfra.model.plan import ZonePlan
from tests.graph.specs import DEDICATED, plan_of
from tests.model import byol_specs as byol

SCOPE = Scope(project="project", stack="stack", namespace="ns", zone="local")


class Echo(pulumi.runtime.Mocks):
    """The usual mocks: inputs come back as outputs. What was asked for is kept: an empty run is no proof."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        self.names.add(args.name)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        raise AssertionError(f"{args.token} was called: components look nothing up")


Run = Callable[[Callable[[], object]], set[str]]


@pytest.fixture
def run(stock_mocks: None) -> Run:  # noqa: ARG001  a loop, and closed again
    """Runs a program under stock mocks and gives the names of what it registered."""

    def under_mocks(program: Callable[[], object]) -> set[str]:
        mocks = Echo()
        pulumi.runtime.set_mocks(mocks)
        pulumi.runtime.test(program)()
        return mocks.names

    return under_mocks


def web(zone: hd.Zone, plan: ZonePlan) -> hd.SharedInstance:
    return hd.SharedInstance("web", hd.SharedInstanceArgs(zone=zone, plan=plan.instance("web")))


def test_zone(run: Run) -> None:
    plan = plan_of()
    names = run(lambda: hd.Zone("local", hd.ZoneArgs(plan=plan)))
    assert {"local", "wan", "a", "b", "east", "west", "lab", "lab-acme-shop"} <= names


def test_cluster(run: Run) -> None:
    plan = plan_of()
    names = run(lambda: Cluster("a", ClusterArgs(plan.clusters[0], SCOPE, plan.instance("web").machines[:1])))
    assert names == {"a", "a-provider", "a-network", "a-waf-image"}


def test_place(run: Run) -> None:
    plan = plan_of()
    assert plan.edge is not None
    machine = plan.edge.machines[0]
    names = run(lambda: Place("east", PlaceArgs((machine,), SCOPE)))
    assert names == {"east", "east-provider", "east-load-balancer-image"}


def test_lab_origins(run: Run) -> None:
    plan = plan_of()
    zone: list[hd.Zone] = []
    names = run(lambda: zone.append(hd.Zone("local", hd.ZoneArgs(plan=plan))))
    assert isinstance(zone[0].lab, LabOrigins)
    assert {"lab-acme-shop-policy", "lab-globex-blog-policy"} <= names


def test_control_plane(run: Run) -> None:
    plan = plan_of()
    zone: list[hd.Zone] = []
    names = run(lambda: zone.append(hd.Zone("local", hd.ZoneArgs(plan=plan))))
    assert isinstance(zone[0].control, ControlPlane)
    assert {"control-keys", "a-control-1", "a-control-1-authority", "control-policy", "bundles-control"} <= names


def test_shared_instance(run: Run) -> None:
    plan = plan_of()
    names = run(lambda: web(hd.Zone("local", hd.ZoneArgs(plan=plan)), plan))
    assert {"web", "a-web-1", "b-web-1", "instance-web-policy"} <= names


def test_dedicated_instance(run: Run) -> None:
    plan = plan_of(DEDICATED)

    def program() -> None:
        zone = hd.Zone("local", hd.ZoneArgs(plan=plan))
        vault = hd.DedicatedInstance("vault", hd.DedicatedInstanceArgs(zone=zone, plan=plan.instance("vault")))
        assert vault.tenant == "initech"

    assert {"vault", "a-vault-1", "b-vault-1", "instance-vault-policy"} <= run(program)


def test_proxy_edge(run: Run) -> None:
    plan = plan_of()

    def program() -> None:
        zone = hd.Zone("local", hd.ZoneArgs(plan=plan))
        hd.ProxyEdge("edge", hd.ProxyEdgeArgs(zone=zone, plan=plan.edge, instances=[web(zone, plan)]))

    assert {"edge", "east-edge", "west-edge", "edge-policy"} <= run(program)


def test_byol_instance(run: Run) -> None:
    args = hd.ByolInstanceArgs(plan=byol.plan_of(byol.on_cloud()), licence=byol.licence())
    names = run(lambda: hd.ByolInstance("web", args))
    assert {"web", "web-network", "web-waf-image", "web-1", "web-1-seat", "web-2", "web-2-seat"} <= names


def test_declare_is_the_same_as_the_components_by_hand(run: Run) -> None:
    plan = plan_of()

    def by_hand() -> None:
        zone = hd.Zone("local", hd.ZoneArgs(plan=plan))
        hd.ProxyEdge("edge", hd.ProxyEdgeArgs(zone=zone, plan=plan.edge, instances=[web(zone, plan)]))

    assert run(lambda: hd.declare(plan)) == run(by_hand)
