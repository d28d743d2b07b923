"""The laws of every plan: nobody's failure takes an Instance down, and nothing moves that need not."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.addressing import FIRST_NUMBER, LAST_NUMBER
from hdinfra.model.held import Held, HeldInstance
from hdinfra.model.plan import MachinePlan, ZonePlan
from hdinfra.model.planner import NOTHING_HELD, rechosen
from hdinfra.model.spec import ClusterSpec, InstanceSpec, Provider, ZoneSpec
from hdinfra.model.spec_file import parse_spec
from hdinfra.model.typed import validated
from tests.model.legal import legal, setting
from tests.strategies import OPERATORS, REGIONS, WIDE, cluster, operators, planned, shuffled, zones


def with_clusters(spec: ZoneSpec, clusters: tuple[ClusterSpec, ...]) -> ZoneSpec:
    return spec.model_copy(update={"clusters": clusters})


def own_choice(spec: ZoneSpec) -> ZoneSpec:
    """The same Zone with every Instance left to the planner."""
    instances = tuple(instance.model_copy(update={"clusters": None}) for instance in spec.instances)
    return spec.model_copy(update={"instances": instances})


def addresses(plan: ZonePlan) -> dict[str, tuple[object, object]]:
    return {machine.name: (machine.private, machine.public) for machine in plan.machines}


@given(zones(), st.data())
def test_any_cluster_may_vanish(spec: ZoneSpec, data: st.DataObject) -> None:
    plan = planned(spec)
    lost = data.draw(st.sampled_from([c.name for c in plan.clusters]))
    assert all(i.machines_without(cluster=lost) >= i.capacity for i in plan.instances)


@given(zones(), st.data())
def test_any_operator_may_vanish(spec: ZoneSpec, data: st.DataObject) -> None:
    plan = planned(spec)
    lost = data.draw(st.sampled_from(sorted(plan.operators)))
    assert all(i.machines_without(operator=lost) >= i.capacity for i in plan.instances)


@given(zones())
def test_no_machine_more_than_it_takes(spec: ZoneSpec) -> None:
    for instance in planned(spec).instances:
        counts = {m.place: sum(o.place == m.place for o in instance.machines) for m in instance.machines}
        assert max(counts.values()) - min(counts.values()) <= 1
        of_operator = {
            m.operator: {o.place for o in instance.machines if o.operator == m.operator} for m in instance.machines
        }
        staying = len(counts) - max(map(len, of_operator.values()))
        assert (max(counts.values()) - 1) * staying < instance.capacity


@given(zones())
def test_an_own_choice_takes_one_cluster_an_operator(spec: ZoneSpec) -> None:
    for instance in planned(own_choice(spec)).instances:
        placed = {(m.operator, m.place) for m in instance.machines}
        assert len(placed) == len({operator for operator, _ in placed}) >= 2


@given(zones())
def test_an_own_choice_costs_least(spec: ZoneSpec) -> None:
    prices = {c.name: WIDE.regions[c.provider, c.region] for c in spec.clusters}
    cheapest: dict[str, float] = {}
    for region in prices.values():
        cheapest[region.operator] = min(region.price_factor, cheapest.get(region.operator, 9.0))
    factors = sorted(cheapest.values())
    for instance in planned(own_choice(spec)).instances:
        cost = sum(prices[m.place].price_factor for m in instance.machines)
        others = [-(-instance.capacity // (k - 1)) * sum(factors[:k]) for k in range(2, len(factors) + 1)]
        assert cost <= min(others) + 1e-6


@given(zones(), st.integers())
def test_declaration_order_does_not_matter(spec: ZoneSpec, seed: int) -> None:
    assert planned(shuffled(spec, seed)) == planned(spec)


@given(zones())
def test_the_same_in_gives_the_same_out(spec: ZoneSpec) -> None:
    assert repr(planned(spec)) == repr(planned(spec.model_copy(deep=True)))


@given(zones())
def test_a_plan_of_what_is_held_is_itself(spec: ZoneSpec) -> None:
    plan = planned(spec)
    again = planned(spec, plan.held)
    assert again == plan
    assert again.held.serial == plan.held.serial


@given(zones(), st.integers(1, REGIONS))
def test_a_cluster_that_comes_moves_nothing(spec: ZoneSpec, number: int) -> None:
    plan = planned(spec)
    rest = tuple(c for c in spec.clusters if c.name != f"c{number:02}")
    after = planned(with_clusters(spec, (*rest, cluster(number))), plan.held)
    assert after.machines == plan.machines
    assert set(plan.clusters) <= set(after.clusters)


@given(zones(), st.data())
def test_a_cluster_that_goes_moves_nobody_else(spec: ZoneSpec, data: st.DataObject) -> None:
    spec = own_choice(spec)
    plan = planned(spec)
    lost = data.draw(st.sampled_from(spec.clusters)).name
    rest = tuple(c for c in spec.clusters if c.name != lost)
    if operators([int(c.name[1:]) for c in rest]) < 2:
        return
    after = planned(with_clusters(spec, rest), plan.held)
    stayed = {name: place for name, place in addresses(plan).items() if not name.startswith(f"{lost}-")}
    assert stayed.items() <= addresses(after).items()
    for old, new in zip(plan.instances, after.instances, strict=True):
        if lost not in {m.place for m in old.machines}:
            assert new.machines == old.machines
        assert new.machines_without(operator=new.machines[0].operator) >= new.capacity


@given(zones(), st.data())
def test_a_withdrawn_cluster_takes_no_machines(spec: ZoneSpec, data: st.DataObject) -> None:
    spec = own_choice(spec)
    lost = data.draw(st.sampled_from(spec.clusters)).name
    if operators([int(c.name[1:]) for c in spec.clusters if c.name != lost]) < 2:
        return
    held = planned(spec).held
    plan = planned(spec, held.model_copy(update={"withdrawn": (lost,), "serial": held.serial + 1}))
    assert lost not in {m.place for i in plan.instances for m in i.machines}
    assert plan.withdrawn == (lost,)
    assert plan.held.withdrawn == (lost,)


@given(zones())
def test_addresses_are_unique_and_inside_their_networks(spec: ZoneSpec) -> None:
    plan = planned(spec)
    prefixes = {c.name: c.prefixes for c in plan.clusters}
    assert plan.wan
    for machine in plan.machines:
        assert machine.public
        assert machine.public.ipv4 in plan.wan.ipv4
        assert machine.public.ipv6 in plan.wan.ipv6
        assert (machine.private is None) == (machine.role not in ("waf", "control"))
        if machine.private:
            assert machine.private.ipv4 in prefixes[machine.place].ipv4
            assert machine.private.ipv6 in prefixes[machine.place].ipv6
    both = [a for m in plan.machines for pair in (m.private, m.public) if pair for a in pair]
    assert len(both) == len(set(both))


@given(zones())
def test_networks_are_apart(spec: ZoneSpec) -> None:
    plan = planned(spec)
    assert plan.wan
    networks = [plan.wan, *(c.prefixes for c in plan.clusters)]
    for index, one in enumerate(networks):
        assert one.ipv4.subnet_of(plan.network.ipv4)
        assert one.ipv6.subnet_of(plan.network.ipv6)
        assert not any(one.ipv4.overlaps(o.ipv4) or one.ipv6.overlaps(o.ipv6) for o in networks[:index])


@given(zones())
def test_names_are_unique_and_sorted(spec: ZoneSpec) -> None:
    plan = planned(spec)
    names = [machine.name for machine in plan.machines]
    assert len(names) == len(set(names))
    for instance in plan.instances:
        assert list(instance.machines) == sorted(instance.machines, key=lambda m: m.name)
        assert all(m.name.startswith(f"{m.place}-{instance.name}-") for m in instance.machines)


def shop(plan: ZonePlan) -> tuple[MachinePlan, ...]:
    return plan.instance("shop").machines


@given(zones())
def test_a_machine_is_one_tenants_where_its_instance_is(spec: ZoneSpec) -> None:
    plan = planned(spec)
    for instance in plan.instances:
        owner = instance.tenants[0].name if instance.tenancy == "dedicated" else None
        assert {machine.tenant for machine in instance.machines} == {owner}
        assert plan.held.instances[instance.name].tenant == owner
    named = {machine.name for instance in plan.instances for machine in instance.machines}
    assert {machine.tenant for machine in plan.machines if machine.name not in named} <= {None}


def test_a_known_zone_has_known_addresses() -> None:
    plan = planned(validated(ZoneSpec, legal(setting("network", {"ipv6": "fd00:1:2::/48"}))))
    found = {m.name: (m.private and str(m.private.ipv4), m.public and str(m.public.ipv4)) for m in plan.machines}
    assert found == {
        "one-control-1": ("10.65.0.10", "10.64.1.10"),
        "one-shop-1": ("10.65.0.11", "10.64.1.11"),
        "one-shop-2": ("10.65.0.12", "10.64.1.12"),
        "ten-spare-1": ("10.65.72.10", "10.64.10.10"),
        "two-control-1": ("10.65.8.10", "10.64.2.10"),
        "two-shop-1": ("10.65.8.11", "10.64.2.11"),
        "two-shop-2": ("10.65.8.12", "10.64.2.12"),
        "two-spare-1": ("10.65.8.13", "10.64.2.13"),
        "bundles-store": (None, "10.64.25.10"),
        "east-edge": (None, "10.64.3.10"),
        "west-edge": (None, "10.64.4.10"),
        "lab-app": (None, "10.64.5.10"),
        "lab-web": (None, "10.64.5.11"),
    }
    assert str(plan.clusters[0].prefixes.ipv6) == "fd00:1:2:1::/64"


def test_the_pool_of_another_zone_is_another() -> None:
    one = planned(validated(ZoneSpec, legal()))
    two = planned(validated(ZoneSpec, legal(setting("zone", "brazil"))))
    assert str(one.network.ipv6).startswith("fd")
    assert one.network.ipv6.prefixlen == 48
    assert one.network.ipv6 != two.network.ipv6


def test_a_lost_cluster_is_replaced_while_there_is_another() -> None:
    spec = with_clusters(validated(ZoneSpec, legal(setting("instances.0.capacity", 1))), tuple(map(cluster, (1, 2, 3))))
    plan = planned(spec)
    used = {m.place for m in shop(plan)}
    lost = min(used)
    after = planned(with_clusters(spec, tuple(c for c in spec.clusters if c.name != lost)), plan.held)
    assert {m.place for m in shop(after)} == {c.name for c in spec.clusters} - {lost}
    assert len(shop(after)) == len(shop(plan))


def test_the_number_of_clusters_is_kept_while_it_can_be() -> None:
    spec = with_clusters(
        validated(ZoneSpec, legal(setting("instances.0.capacity", 4))), tuple(map(cluster, (1, 2, 3, 4)))
    )
    plan = planned(spec)
    used = sorted({m.place for m in shop(plan)})
    assert (len(used), len(shop(plan))) == (3, 6)
    after = planned(with_clusters(spec, tuple(c for c in spec.clusters if c.name != used[0])), plan.held)
    assert {m.place for m in shop(after)} == {c.name for c in spec.clusters} - {used[0]}
    assert len(shop(after)) == 6


def test_numbers_follow_as_people_count() -> None:
    plan = planned(validated(ZoneSpec, legal(setting("instances.0.capacity", 11))))
    assert [plan.held.slots[f"two-shop-{n}"] for n in (1, 2, 10, 11)] == [11, 12, 20, 21]


def test_machines_are_raised_where_no_cluster_is_left() -> None:
    spec = with_clusters(validated(ZoneSpec, legal(setting("instances.0.capacity", 4))), tuple(map(cluster, (1, 2, 3))))
    plan = planned(spec)
    assert len(shop(plan)) == 6
    after = planned(with_clusters(spec, spec.clusters[:2]), plan.held)
    assert len(shop(after)) == 8
    assert {m.name for m in shop(plan) if m.place != "c03"} <= {m.name for m in shop(after)}


def test_what_comes_back_waits_until_it_is_chosen_anew() -> None:
    spec = with_clusters(validated(ZoneSpec, legal(setting("instances.0.capacity", 4))), tuple(map(cluster, (1, 2, 3))))
    without = planned(with_clusters(spec, spec.clusters[:2]), planned(spec).held)
    back = planned(spec, without.held)
    assert back.machines == without.machines
    anew = planned(spec, rechosen(back.held))
    assert len(shop(anew)) == 6
    assert anew.held.serial == back.held.serial + 1


def test_rechoosing_keeps_addresses_and_withdrawals() -> None:
    held = Held(
        serial=7,
        instances={"shop": HeldInstance(clusters=("one",), machines_per_cluster=1, size="x")},
        slots={"one-shop-1": 33},
        withdrawn=("ten",),
    )
    assert rechosen(held) == Held(serial=7, slots={"one-shop-1": 33}, withdrawn=("ten",))


def test_the_user_overrules_what_is_held() -> None:
    spec = validated(ZoneSpec, legal())
    held = planned(spec).held
    unused = {"one", "two", "ten"} - set(held.instances["spare"].clusters)
    wanted = ("two", *unused) if "two" not in unused else ("two", "one")
    changed = validated(ZoneSpec, legal(setting("instances.1.clusters", list(wanted))))
    plan = planned(changed, held)
    assert {m.place for m in plan.instance("spare").machines} == set(wanted)
    assert plan.held.serial == held.serial + 1


def test_a_held_size_stays_while_it_fits() -> None:
    spec = validated(ZoneSpec, legal())
    held = planned(spec).held
    roomy = {name: one.model_copy(update={"size": "local-1g"}) for name, one in held.instances.items()}
    kept = planned(spec, held.model_copy(update={"instances": roomy}))
    assert {m.size.name for m in shop(kept)} == {"local-1g"}
    grown = validated(ZoneSpec, legal(setting("instances.0.memory_mib", 2000)))
    assert {m.size.name for m in shop(planned(grown, kept.held))} == {"local-2g"}


def test_a_lock_file_by_hand_cannot_give_two_machines_one_number() -> None:
    spec = validated(ZoneSpec, legal())
    held = planned(spec).held
    wrong = held.model_copy(update={"slots": dict.fromkeys(held.slots, 77) | {"lab-app": 9, "lab-web": 251}})
    plan = planned(spec, wrong)
    pairs = [a for m in plan.machines if m.public for a in m.public]
    assert len(pairs) == len(set(pairs))
    assert all(FIRST_NUMBER <= number <= LAST_NUMBER for number in plan.held.slots.values())


def test_the_serial_counts_changes_only() -> None:
    spec = validated(ZoneSpec, legal())
    plan = planned(spec)
    assert (NOTHING_HELD.serial, plan.held.serial) == (0, 1)
    site = validated(ZoneSpec, legal(setting("instances.0.tenants.0.sites.0.mode", "MITIGATION")))
    assert planned(site, plan.held).held == plan.held


def test_twelve_operators_share_a_great_load() -> None:
    spec = ZoneSpec(
        zone="wide",
        area="lab",
        clusters=tuple(map(cluster, range(1, REGIONS + 1))),
        instances=(InstanceSpec(name="shop", capacity=OPERATORS - 1),),
    )
    assert len(shop(planned(spec))) == OPERATORS


def test_a_zone_without_edge_and_lab_is_fine() -> None:
    plan = planned(parse_spec("zone: a\narea: lab\nclusters:\n- {name: c, provider: local, region: r01}\n"))
    assert (plan.edge, plan.lab.origins, plan.instances) == (None, (), ())
    assert plan.wan is not None
    assert dataclasses.replace(plan) == plan
    assert plan.clusters[0].provider is Provider.LOCAL
