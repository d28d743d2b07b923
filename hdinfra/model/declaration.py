"""Puts what was decided into the Plan's shape; nothing is decided here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import assert_never

from hdinfra.model.addressing import (
    cluster_addresses,
    cluster_prefixes,
    pool,
    subnets,
    wan_addresses,
    wan_prefixes,
)
from hdinfra.model.held import Held
from hdinfra.model.numbering import Seat
from hdinfra.model.plan import (
    Addresses,
    BundlesPlan,
    ClusterPlan,
    ControlPlan,
    EdgePlan,
    HttpsPlan,
    InstancePlan,
    LabPlan,
    MachinePlan,
    OriginPlan,
    Prefixes,
    Publish,
    SitePlan,
    SubnetPlan,
    TenantPlan,
    TlsPlan,
    ZonePlan,
)
from hdinfra.model.regions import Catalogue
from hdinfra.model.spec import (
    ClusterSpec,
    EdgePublishSpec,
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
        edge=EdgePlan(edge, places, _tls(spec.edge.tls)) if spec.edge else None,
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
            bucket=None if spec.bundles.url or wan or not machines else bucket_cluster(spec, catalogue),
        ),
    )


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
        case Provider.AWS | Provider.DIGITALOCEAN | Provider.HETZNER:
            return False
        case _:
            assert_never(provider)


def bucket_cluster(spec: ZoneSpec, catalogue: Catalogue) -> str | None:
    """The first Cluster by name whose provider has buckets: first boots fetch our code from there."""
    having = (c.name for c in spec.clusters if catalogue.lacks(c.provider, Feature.BUCKETS) is None)
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
                subnets=subnets(prefixes, cluster.zones or region.zones[:2]),
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
    target = API_PORT if seat.role == "control" else 80
    publish = Publish(seat.publish.address, seat.publish.port, target) if seat.publish else None
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
    )


def _subnet(seat: Seat, ground: ClusterPlan | None) -> SubnetPlan | None:
    """Machines of one Instance take the availability zones in turn, each by its own number: none moves for another."""
    public = [subnet for subnet in ground.subnets if subnet.public] if ground else []
    ordinal = int(seat.name.rpartition("-")[2]) - 1 if seat.instance else 0
    return public[ordinal % len(public)] if public else None


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
