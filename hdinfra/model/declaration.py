"""Puts what was decided into the Plan's shape; nothing is decided here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import assert_never

from hdinfra.model.addressing import (
    cluster_addresses,
    cluster_prefixes,
    network_addresses,
    pool,
    subnets,
    wan_addresses,
    wan_prefixes,
)
from hdinfra.model.dns import dns_plan
from hdinfra.model.held import Held
from hdinfra.model.mesh import mesh_mtu, mesh_network
from hdinfra.model.numbering import Seat
from hdinfra.model.plan import (
    Addresses,
    BalancerPlan,
    BundlesPlan,
    ClusterPlan,
    ControlPlan,
    EdgePlan,
    HttpsPlan,
    InstancePlan,
    LabPlan,
    MachinePlan,
    MeshPlan,
    MeshSeat,
    OriginPlan,
    Prefixes,
    Publish,
    SitePlan,
    SubnetPlan,
    TenantPlan,
    TlsPlan,
    ZonePlan,
)
from hdinfra.model.publish import EdgePublishSpec, PublishSpec
from hdinfra.model.regions import BalancerTraits, Catalogue, zones_of
from hdinfra.model.spec import (
    ClusterSpec,
    Feature,
    InstanceSpec,
    OriginSpec,
    Provider,
    SiteSpec,
    TlsSpec,
    ZoneSpec,
)

API_PORT = 9000
"""Where the management API listens (row A18)."""
DNS_PORT = 53
"""Where name servers listen."""
HEALTH_PORT = 8080
"""Where an edge Machine says how it is to a load balancer whose health checks may come without a PROXY header."""


def declaration(
    spec: ZoneSpec, seats: Sequence[Seat], numbers: Mapping[str, int], held: Held, catalogue: Catalogue
) -> ZonePlan:
    """The Plan of these machines. `seats` are sorted by name, and so is everything in the Plan."""
    network = pool(spec)
    wan = wan_prefixes(network) if has_wan(spec) else None
    clusters = _clusters(spec, network, catalogue)
    prefixes = {cluster.name: cluster.prefixes for cluster in clusters}
    owners = {instance.name: instance.owner for instance in spec.instances}
    places = _places(spec, network, catalogue)
    grounds = {ground.name: ground for ground in (*clusters, *places)}
    volumes = {instance.name: instance.volume_gib for instance in spec.instances}
    machines = [
        (
            seat,
            replace(
                _machine(seat, numbers[seat.name], grounds.get(seat.place), wan, owners.get(seat.instance or "")),
                image=held.images.get(image_key(seat.region.provider, seat.region.name, seat.size.arch)),
                volume_gib=_volume(volumes.get(seat.instance or ""), grounds.get(seat.place)),
            ),
        )
        for seat in seats
    ]
    mesh = _mesh(spec, network, seats, held, catalogue)
    machines = [(seat, _in_mesh(machine, mesh, held)) for seat, machine in machines]
    by_instance: dict[str, list[MachinePlan]] = {instance.name: [] for instance in spec.instances}
    for seat, machine in machines:
        if seat.instance is not None:
            by_instance[seat.instance].append(machine)
    apis = tuple(machine for _, machine in machines if machine.role == "control")
    edge = tuple(machine for _, machine in machines if machine.role == "load-balancer")
    return ZonePlan(
        zone=spec.zone,
        area=spec.area,
        network=network,
        wan=wan,
        clusters=clusters,
        instances=tuple(
            instance_plan(instance, by_instance[instance.name])
            for instance in sorted(spec.instances, key=lambda i: i.name)
        ),
        edge=EdgePlan(edge, places, _tls(spec.edge.tls), spec.edge.failover) if spec.edge else None,
        lab=LabPlan(tuple(machine for _, machine in machines if machine.role == "lab-origin")),
        held=held,
        withdrawn=tuple(sorted(prefixes.keys() & set(held.withdrawn))),
        control=ControlPlan(
            machines=apis,
            admin_networks=_admin_networks(spec, wan, [prefixes[api.place] for api in apis]),
            bake_seconds=spec.control.bake_seconds,
        ),
        bundles=BundlesPlan(
            url=spec.bundles.url.rstrip("/") if spec.bundles.url else None,
            store=next((machine for _, machine in machines if machine.role == "bundle-store"), None),
            bucket=None if spec.bundles.url or wan or not machines else bucket_cluster(spec, held, catalogue),
        ),
        mesh=mesh,
        dns=dns_plan(spec, held, [machine for _, machine in machines if machine.role == "dns"]),
    )


def _mesh(
    spec: ZoneSpec, network: Prefixes, seats: Sequence[Seat], held: Held, catalogue: Catalogue
) -> MeshPlan | None:
    if spec.network.mesh is None or held.mesh is None:
        return None
    inside = {seat.region.provider for seat in seats if seat.name in held.mesh.numbers}
    outer = [catalogue.providers[provider].mtu for provider in inside]
    # No packet of ours takes another way than over the Internet, which carries 1,500 bytes at most.
    return MeshPlan(spec.network.mesh.version, mesh_mtu([1500, *outer]), mesh_network(network))


def _in_mesh(machine: MachinePlan, mesh: MeshPlan | None, held: Held) -> MachinePlan:
    if mesh is None or held.mesh is None or machine.name not in held.mesh.numbers:
        return machine
    addresses = network_addresses(mesh.network, held.mesh.numbers[machine.name])
    return replace(machine, mesh=MeshSeat(addresses, mesh.network))


def _tls(spec: TlsSpec) -> TlsPlan:
    return TlsPlan(issuer=spec.issuer, days=spec.days, acme=spec.acme)


def _admin_networks(
    spec: ZoneSpec, wan: Prefixes | None, clusters: Sequence[Prefixes]
) -> tuple[IPv4Network | IPv6Network, ...]:
    # This computer speaks to the local cloud's API machines from their networks' gateways, the networks' first
    # addresses; from which of a machine's networks a published port comes, the container engine decides.
    gateways = [(prefixes.ipv4[1], prefixes.ipv6[1]) for prefixes in ([wan, *clusters] if wan else [])]
    here = [network for ipv4, ipv6 in gateways for network in (IPv4Network(ipv4), IPv6Network(ipv6))]
    return tuple(sorted({*spec.control.admin_networks, *here}, key=lambda n: (n.version, n)))


def has_wan(spec: ZoneSpec) -> bool:
    """Whether the local cloud has to play the Internet."""
    places = spec.edge.places if spec.edge else ()
    providers = {cluster.provider for cluster in spec.clusters} | {place.provider for place in places}
    return bool(spec.lab.origins) or any(_plays_the_internet(provider) for provider in providers)


def _plays_the_internet(provider: Provider) -> bool:
    match provider:
        case Provider.LOCAL:
            return True
        case (
            Provider.AWS
            | Provider.AZURE
            | Provider.DIGITALOCEAN
            | Provider.GCP
            | Provider.HETZNER
            | Provider.IBM
            | Provider.LINODE
        ):
            return False
        case _:
            assert_never(provider)


def bucket_cluster(spec: ZoneSpec, held: Held, catalogue: Catalogue) -> str | None:
    """The first Cluster by name whose provider has buckets, and that is not withdrawn: first boots fetch our code
    from there."""
    taken = (c for c in spec.clusters if c.name not in held.withdrawn)
    having = (c.name for c in taken if catalogue.lacks(c.provider, Feature.BUCKETS) is None)
    return min(having, default=None)


def image_key(provider: Provider, region: str, arch: str) -> str:
    """Under which a system image is held."""
    return f"{provider}/{region}/{arch}"


def _clusters(spec: ZoneSpec, network: Prefixes, catalogue: Catalogue) -> tuple[ClusterPlan, ...]:
    plans: list[ClusterPlan] = []
    for cluster in sorted(spec.clusters, key=lambda cluster: cluster.name):
        region = catalogue.regions[cluster.provider, cluster.region]
        prefixes = cluster_prefixes(cluster, region.slot, network)
        plans.append(
            ClusterPlan(
                name=cluster.name,
                provider=cluster.provider,
                region=cluster.region,
                operator=region.operator,
                prefixes=prefixes,
                subnets=subnets(prefixes, zones_of(cluster, region)),
                account=cluster.account,
                waived=tuple(sorted(cluster.waivers)),
                snapshots=None if Feature.SNAPSHOTS in cluster.waivers else spec.snapshots,
            )
        )
    return tuple(plans)


def _places(spec: ZoneSpec, network: Prefixes, catalogue: Catalogue) -> tuple[ClusterPlan, ...]:
    """Places on providers' clouds: each has a network of its own, which nothing else is routed to."""
    as_clusters = tuple(
        ClusterSpec(
            name=place.name,
            provider=place.provider,
            region=place.region,
            account=place.account,
            waivers=place.waivers,
        )
        for place in (spec.edge.places if spec.edge else ())
        if not _plays_the_internet(place.provider)
    )
    return _clusters(spec.model_copy(update={"clusters": as_clusters}), network, catalogue)


def _volume(gib: int | None, ground: ClusterPlan | None) -> int | None:
    return gib if ground and Feature.VOLUMES not in ground.waived else None


def _machine(
    seat: Seat, number: int, ground: ClusterPlan | None, wan: Prefixes | None, tenant: str | None
) -> MachinePlan:
    region = seat.region
    subnet = _subnet(seat, ground)
    publish = _publish(seat.publish, seat.role) if seat.publish else None
    https = seat.publish if isinstance(seat.publish, EdgePublishSpec) else None
    return MachinePlan(
        name=seat.name,
        place=seat.place,
        role=seat.role,
        provider=region.provider,
        region=region.name,
        operator=region.operator,
        size=seat.size,
        private=_private(ground, subnet, number),
        public=wan_addresses(wan, region.slot, number) if wan and _plays_the_internet(region.provider) else None,
        publish=publish,
        tenant=tenant,
        zone=subnet.zone if subnet else None,
        snapshots=ground.snapshots if ground else None,
        publish_https=Publish(https.address, https.https, 443) if https else None,
        balancer=_balancer(seat.balancer, ground) if seat.balancer and ground else None,
    )


def _publish(door: PublishSpec, role: str) -> Publish:
    match role:
        case "control":
            return Publish(door.address, door.port, API_PORT)
        case "dns":
            return Publish(door.address, door.port, DNS_PORT, udp=True)
    return Publish(door.address, door.port)


def _balancer(traits: BalancerTraits, ground: ClusterPlan) -> BalancerPlan:
    """Health checks that surely begin with the header may ask where visitors come; others need a door of their own, for
    that one takes nothing without."""
    match traits.client_address:
        case "kept":
            return BalancerPlan()
        case "header":
            networks = traits.networks or (ground.prefixes.ipv4,)  # no cloud has a private IPv6 that plans fix
            return BalancerPlan(networks, header=True, health_port=80 if traits.health_header else HEALTH_PORT)
        case _:
            assert_never(traits.client_address)


def _subnet(seat: Seat, ground: ClusterPlan | None) -> SubnetPlan | None:
    """Machines of one Instance or place take the availability zones in turn, each by its own number."""
    public = [subnet for subnet in ground.subnets if subnet.public] if ground else []
    return public[_ordinal(seat) % len(public)] if public else None


def _ordinal(seat: Seat) -> int:
    """How many of its Instance's or place's come before it; an edge's first has no number."""
    if seat.instance is None and seat.role != "load-balancer":
        return 0
    number = seat.name.rpartition("-")[2]
    return int(number) - 1 if number.isdecimal() else 0


def _private(ground: ClusterPlan | None, subnet: SubnetPlan | None, number: int) -> Addresses | None:
    if ground is None:
        return None
    return cluster_addresses(Prefixes(subnet.ipv4, ground.prefixes.ipv6) if subnet else ground.prefixes, number)


def instance_plan(instance: InstanceSpec, machines: Sequence[MachinePlan]) -> InstancePlan:
    """An Instance with these Machines; sites by host, whatever order the spec has them in."""
    sites = [_site(site, tenant.name) for tenant in instance.tenants for site in tenant.sites]
    return InstancePlan(
        name=instance.name,
        app=instance.app,
        tenancy=instance.tenancy,
        capacity=instance.capacity,
        machines=tuple(machines),
        tenants=tuple(
            TenantPlan(tenant.name, tenant.plan) for tenant in sorted(instance.tenants, key=lambda tenant: tenant.name)
        ),
        sites=tuple(sorted(sites, key=lambda site: site.host)),
        health=instance.health,
    )


def _site(site: SiteSpec, tenant: str) -> SitePlan:
    origins = {_origin(origin) for origin in site.origins}
    return SitePlan(
        host=site.host,
        tenant=tenant,
        mode=site.mode,
        paranoia=site.paranoia,
        origins=tuple(sorted(origins, key=lambda o: (o.lab or "", str(o.address or ""), o.port))),
        health_path=site.health_path,
        response_timeout_seconds=site.response_timeout_seconds,
        exclusions=tuple(sorted(set(site.exclusions))),
        lowest_mode=site.ceilings.lowest_mode,
        highest_paranoia=site.ceilings.highest_paranoia,
        most_exclusions=site.ceilings.exclusions,
        profile=site.profile,
        excluded_paths=tuple(sorted({path.rstrip("/") for path in site.excluded_paths})),
        excluded_networks=tuple(sorted(set(site.excluded_networks), key=lambda n: (n.version, n))),
        rate=site.rate,
        cache=site.cache,
        https=HttpsPlan(**site.https.model_dump()),
    )


def _origin(origin: OriginSpec) -> OriginPlan:
    return OriginPlan(address=origin.address, port=origin.port, lab=origin.lab)
