"""What a change of the spec touches, by comparing whole recorded graphs."""

import hdinfra as hd
from hdinfra.testing import Graph, Recorder
from tests.graph.specs import LOCAL, clock, plan_of, with_site, with_tenant

POLICIES = {"instance-web-policy", "edge-policy"}
C = "  - {name: c, provider: local, region: lab-west}\n"


def declared(record: Recorder, text: str) -> Graph:
    """The graph of a spec whose stack has run before, so that the first spec's decisions are held."""
    plan = plan_of(text, plan_of().held)
    return record(lambda: hd.declare(plan, clock))


def test_the_same_spec_gives_the_same_graph(record: Recorder) -> None:
    assert declared(record, LOCAL).changed(declared(record, LOCAL)) == frozenset()


def test_a_new_site_touches_policies_only(record: Recorder) -> None:
    changed = declared(record, LOCAL).changed(declared(record, with_site()))
    assert changed == {*POLICIES, "edge-certificates", "lab-globex-blog-policy"}


def test_a_new_tenant_touches_policies_only_and_leaves_the_others_sites(record: Recorder) -> None:
    before, after = declared(record, LOCAL), declared(record, with_tenant())
    assert before.changed(after) == POLICIES | {"edge-certificates"}
    old, new = (
        {site["host"]: site for site in graph.named("instance-web-policy").inputs["document"]["sites"]}
        for graph in (before, after)
    )
    assert {host: new[host] for host in old} == old
    assert new.keys() - old.keys() == {"www.initech.test"}


def test_another_mode_touches_its_wafs_only(record: Recorder) -> None:
    changed = declared(record, LOCAL).changed(declared(record, LOCAL.replace("MITIGATION", "BYPASS")))
    assert changed == {"instance-web-policy"}


def test_a_new_cluster_touches_no_machine(record: Recorder) -> None:
    grown = LOCAL.replace("instances:\n", f"{C}instances:\n", 1)
    before, after = declared(record, LOCAL), declared(record, grown)
    touched = before.changed(after) & before.names
    assert {name for name in touched if before.named(name).custom} <= POLICIES


def test_the_order_of_clusters_changes_nothing(record: Recorder) -> None:
    """The order in which Clusters are written is no input of anything."""
    a, b = (f"  - {{name: {n}, provider: local, region: lab-{r}}}\n" for n, r in (("a", "north"), ("b", "south")))
    assert a + b in LOCAL
    turned = LOCAL.replace(a + b, b + a)
    assert declared(record, LOCAL).changed(declared(record, turned)) == frozenset()
