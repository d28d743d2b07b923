"""From a BYOL spec to its plan: which Machines there are, where they stand, and what they serve."""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from hdinfra.model.addressing import FIRST_NUMBER, cluster_addresses, cluster_prefixes, pool, subnets
from hdinfra.model.byol import ByolSpec
from hdinfra.model.checks.byol import as_cluster, as_zone, check_byol
from hdinfra.model.declaration import instance_plan
from hdinfra.model.plan import ClusterPlan, InstancePlan, MachinePlan, Prefixes, Publish, Size
from hdinfra.model.policies import waf_policy
from hdinfra.model.policy import WafPolicy
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.regions import Catalogue, load_catalogue
from hdinfra.model.sizing import Need, largest, smallest
from hdinfra.model.spec import Arch, ClusterSpec, Provider, ZoneSpec


@dataclass(frozen=True, slots=True)
class ByolPlan:
    """All that a customer's stack declares, or that bundles are made of. `ground` is None where machines are
    installed: their network is whatever they stand in. `licence` and `ledger` are paths as the spec has them.
    `code_url`: without a slash at its end; None where the code comes with the Machines."""

    name: str
    tenant: str
    instance: InstancePlan
    edges: tuple[IPv4Address | IPv6Address, ...]
    licence: str
    vendor_key: str
    ledger: str
    ground: ClusterPlan | None
    code_url: str | None = None

    @property
    def machines(self) -> tuple[MachinePlan, ...]:
        """The Instance's Machines, slot 0 first."""
        return self.instance.machines

    @property
    def installs(self) -> bool:
        """Whether the customer installs the machines."""
        return self.ground is None

    @property
    def policy(self) -> WafPolicy:
        """What every Machine starts with."""
        return waf_policy(self.instance, {}, self.edges)


def plan_byol(spec: ByolSpec, catalogue: Catalogue | None = None) -> ByolPlan:
    """Decide everything about a BYOL Instance but whether it is licensed. Raises RefusedError with every refusal."""
    cluster = as_cluster(spec)
    tables = catalogue or load_catalogue(frozenset({cluster.provider} if cluster else {Provider.LOCAL}))
    size = _size(spec, cluster, tables)
    refusals = [*check_byol(spec, tables), *([] if size else [_size_refusal(spec, tables)])]
    if refusals or size is None:
        raise RefusedError(refusals)
    zone = as_zone(spec)
    ground = _ground(cluster, zone, tables) if cluster else None
    machines = [_machine(spec, slot, size) for slot in range(spec.machines)]
    if ground:
        machines = [_on_cloud(machine, ground, slot) for slot, machine in enumerate(machines)]
    instance = zone.instances[0].model_copy(update={"tenancy": "byol", "capacity": spec.machines})
    return ByolPlan(
        name=spec.byol,
        tenant=spec.tenant,
        instance=instance_plan(instance, machines),
        edges=tuple(sorted(set(spec.edges), key=lambda address: (address.version, int(address)))),
        licence=spec.licence,
        vendor_key=spec.vendor_key,
        ledger=ledger_path(spec),
        ground=ground,
        code_url=spec.code_url.rstrip("/") if spec.code_url else None,
    )


def ledger_path(spec: ByolSpec) -> str:
    """Where its seats are counted; the path counts from the spec's folder."""
    return spec.ledger or f"{spec.byol}.seats.json"


def _ground(cluster: ClusterSpec, zone: ZoneSpec, tables: Catalogue) -> ClusterPlan:
    region = tables.regions[cluster.provider, cluster.region]
    prefixes = cluster_prefixes(cluster, region.slot, pool(zone))
    parts = subnets(prefixes, region.zones[:2])
    return ClusterPlan(cluster.name, cluster.provider, cluster.region, region.operator, prefixes, parts)


def _machine(spec: ByolSpec, slot: int, size: Size) -> MachinePlan:
    """A machine that is there already: where it stands, nobody asks."""
    return MachinePlan(
        name=f"{spec.byol}-{slot + 1}",
        place=spec.byol,
        role=str(spec.app),
        provider=Provider.LOCAL,
        region="own",
        operator=spec.tenant,
        size=size,
        private=None,
        public=None,
        publish=Publish(spec.publish.address, spec.publish.port + slot) if spec.publish else None,
    )


def _on_cloud(machine: MachinePlan, ground: ClusterPlan, slot: int) -> MachinePlan:
    public = [subnet for subnet in ground.subnets if subnet.public]
    subnet = public[slot % len(public)] if public else None
    prefixes = Prefixes(subnet.ipv4, ground.prefixes.ipv6) if subnet else ground.prefixes
    addresses = cluster_addresses(prefixes, FIRST_NUMBER + slot)
    placed = replace(
        machine,
        provider=ground.provider,
        region=ground.region,
        operator=ground.operator,
        zone=subnet.zone if subnet else None,
    )
    # On the local cloud that network is all the Internet that these Machines have.
    if ground.provider is Provider.LOCAL:
        return replace(placed, public=addresses)
    return replace(placed, private=addresses)


def _size(spec: ByolSpec, cluster: ClusterSpec | None, tables: Catalogue) -> Size | None:
    if cluster is None:
        return Size("own", spec.vcpu, spec.memory_mib, 0.0)
    return smallest(tables.sizes_in(cluster.provider, cluster.region, Arch.AMD64), Need(spec.vcpu, spec.memory_mib))


def _size_refusal(spec: ByolSpec, tables: Catalogue) -> Refusal:
    offers = largest(tables.sizes.get(spec.provider, ())) if spec.provider else ""
    need = f"`{spec.byol}` needs {spec.vcpu} vCPU and {spec.memory_mib:,} MiB a machine"
    message = f"{need}; `{spec.provider}` offers {offers}."
    return Refusal("memory_mib", "instance.size", message, "write less of both, and more `machines`")
