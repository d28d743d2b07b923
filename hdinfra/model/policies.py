"""From a Plan and addresses that are known by now to the policy of each role. Pure and sorted."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType

from hdinfra.model.declaration import API_PORT
from hdinfra.model.failover.edge import EdgeFailoverSpec
from hdinfra.model.plan import DnsPlan, InstancePlan, MachinePlan, MeshPlan, OriginPlan, SitePlan
from hdinfra.model.plans import limits_of
from hdinfra.model.policy import (
    AnsweredPlace,
    ApiMachine,
    Backend,
    ControlPolicy,
    DnsPolicy,
    Door,
    EdgeInstance,
    EdgeSite,
    Entrance,
    Failover,
    LabOriginPolicy,
    LoadBalancerPolicy,
    Mesh,
    MeshMachine,
    NameServer,
    NearNetwork,
    OriginAddress,
    WafPolicy,
    WafSite,
)

Pair = tuple[str | IPv4Address, str | IPv6Address]
"""A machine's IPv4 and IPv6 address, empty where its cloud has none; a Plan's `Addresses` is one."""


def waf_policy(
    instance: InstancePlan,
    origins: Mapping[str, Pair],
    edges: Sequence[str | IPv4Address | IPv6Address],
    mesh: Mesh | None = None,
) -> WafPolicy:
    """Policy of each of the Instance's WAF Machines. `origins`: lab machines' public addresses by their spec's name.
    In a mesh the edges are those inside it."""
    edges = [address for peer in mesh.peers for address in (peer.inner_ipv4, peer.inner_ipv6)] if mesh else edges
    sites = (_waf_site(site, origins) for site in instance.sites)
    hosting = {site.tenant for site in instance.sites}  # who has no site has nothing on a machine
    return WafPolicy(
        sites=tuple(sorted(sites, key=lambda site: site.host)),
        edges=tuple(sorted({ip_address(edge) for edge in edges if edge}, key=_by_family)),
        tenants=tuple(limits_of(tenant) for tenant in instance.tenants if tenant.name in hosting),
        mesh=mesh,
        # Without hdsync, as at a customer's own place, nobody would ever say that it is well.
        health=None if instance.tenancy == "byol" else instance.health,
    )


def load_balancer_policy(
    instances: Sequence[tuple[InstancePlan, Mapping[str, Pair]]],
    edges: Sequence[MachinePlan] = (),
    acme: str = "",
    mesh: Mesh | None = None,
    failover: EdgeFailoverSpec | None = None,
) -> LoadBalancerPolicy:
    """Policy of every edge machine; each Instance comes with its Machines' public addresses by name. `acme`: the
    account's thumbprint, where certificates come from there.

    Instances without sites are left out: their WAFs listen nowhere, and the edge would never count as healthy. In a
    mesh the Machines are asked inside it.
    """
    inside = {peer.name: (peer.inner_ipv4, peer.inner_ipv6) for peer in mesh.peers} if mesh else {}
    instances = [(instance, {**addresses, **inside}) for instance, addresses in instances]
    doors = {(edge.publish.port, edge.publish_https.port) for edge in edges if edge.publish and edge.publish_https}
    serving = sorted((pair for pair in instances if pair[0].sites), key=lambda pair: pair[0].name)
    sites = (_edge_site(site, instance.name) for instance, _ in serving for site in instance.sites)
    return LoadBalancerPolicy(
        instances=tuple(_edge_instance(instance, addresses) for instance, addresses in serving),
        sites=tuple(sorted(sites, key=lambda site: site.host)),
        doors=tuple(Door(http=http, https=https) for http, https in sorted(doors)),
        acme=acme,
        mesh=mesh,
        failover=Failover.of(failover) if failover else None,
    )


def mesh_of(
    plan: MeshPlan | None,
    members: Sequence[MachinePlan],
    peers: Sequence[MachinePlan],
    addresses: Mapping[str, Pair],
) -> Mesh | None:
    """The mesh of machines that share one policy. `addresses`: where these and their peers are outside, by name."""
    if plan is None:
        return None
    return Mesh(
        version=plan.version,
        mtu=plan.mtu,
        members=tuple(_mesh_machines(members, addresses)),
        peers=tuple(_mesh_machines(peers, addresses)),
    )


def _mesh_machines(machines: Sequence[MachinePlan], addresses: Mapping[str, Pair]) -> Iterator[MeshMachine]:
    for machine in sorted(machines, key=lambda machine: machine.name):
        if machine.mesh:
            ipv4, ipv6 = addresses[machine.name]
            inner = machine.mesh.addresses
            yield MeshMachine(
                name=machine.name,
                place=machine.place,
                ipv4=IPv4Address(ipv4),
                ipv6=IPv6Address(ipv6) if ipv6 else None,
                inner_ipv4=inner.ipv4,
                inner_ipv6=inner.ipv6,
            )


def lab_origin_policy(name: str, instances: Sequence[InstancePlan]) -> LabOriginPolicy:
    """Policy of the lab machine of that name: the sites that have an origin on it."""
    sites = (site for instance in instances for site in instance.sites)
    return LabOriginPolicy(hosts=tuple(sorted({s.host for s in sites if any(o.lab == name for o in s.origins)})))


def control_policy(
    admin_networks: Sequence[str | IPv4Network | IPv6Network],
    machines: Sequence[Pair] = (),
    apis: Mapping[str, Pair] = MappingProxyType({}),
) -> ControlPolicy:
    """Policy of every API machine: admins from their networks, and each machine from its own public addresses.

    `apis`: addresses of the API machines by name, so that those that are here find those that come later.
    """
    callers = {ip_network(network) for network in admin_networks}
    callers |= {ip_network(address) for pair in machines for address in pair if address}
    return ControlPolicy(
        callers=tuple(sorted(callers, key=lambda n: (n.version, int(n.network_address), n.prefixlen))),
        apis=tuple(_api(name, pair) for name, pair in sorted(apis.items())),
    )


def dns_policy(
    plan: DnsPlan, servers: Mapping[str, Pair], places: Mapping[str, Sequence[str | IPv4Address | IPv6Address]]
) -> DnsPolicy:
    """Policy of every name server. `servers`: their public addresses by name; `places`: of each place of the edge all
    addresses that users come to, of which those that its cloud does not have are empty."""
    known = {name: [ip_address(address) for address in addresses if address] for name, addresses in places.items()}
    return DnsPolicy(
        name=plan.name,
        servers=tuple(
            NameServer(name=machine.name, ipv4=IPv4Address(pair[0]), ipv6=_ipv6(pair))
            for machine in plan.machines
            for pair in (servers[machine.name],)
        ),
        places=tuple(
            AnsweredPlace(name=name, addresses=tuple(sorted(addresses, key=_by_family)))
            for name, addresses in sorted(known.items())
        ),
        entrances=tuple(Entrance(name=one.name, places=one.places, target=one.target or "") for one in plan.entrances),
        entrance=plan.entrance,
        near=tuple(NearNetwork(network=one.network, places=one.places) for one in plan.near),
        ttl_seconds=plan.ttl_seconds,
        interval_seconds=plan.interval_seconds,
        timeout_seconds=plan.timeout_seconds,
        failures=plan.failures,
        recoveries=plan.recoveries,
    )


def _api(name: str, pair: Pair) -> ApiMachine:
    return ApiMachine(name=name, ipv4=IPv4Address(pair[0]), ipv6=_ipv6(pair), port=API_PORT)


def _ipv6(pair: Pair) -> IPv6Address | None:
    return IPv6Address(pair[1]) if pair[1] else None


def _by_family(address: IPv4Address | IPv6Address) -> tuple[int, int]:
    return address.version, int(address)


def _waf_site(site: SitePlan, lab: Mapping[str, Pair]) -> WafSite:
    found = {(address, origin.port) for origin in site.origins for address in _origin_addresses(origin, lab)}
    ordered = sorted(found, key=lambda pair: (*_by_family(pair[0]), pair[1]))
    return WafSite(
        host=site.host,
        tenant=site.tenant,
        mode=site.mode,
        paranoia=site.paranoia,
        origins=tuple(OriginAddress(address=address, port=port) for address, port in ordered),
        health_path=site.health_path,
        response_timeout_seconds=site.response_timeout_seconds,
        exclusions=site.exclusions,
        lowest_mode=site.lowest_mode,
        highest_paranoia=site.highest_paranoia,
        most_exclusions=site.most_exclusions,
        profile=site.profile,
        excluded_paths=site.excluded_paths,
        excluded_networks=site.excluded_networks,
        rate=site.rate,
        cache=site.cache,
    )


def _origin_addresses(origin: OriginPlan, lab: Mapping[str, Pair]) -> Iterator[IPv4Address | IPv6Address]:
    if origin.address is not None:
        yield origin.address
    if origin.lab is not None:
        yield from (ip_address(address) for address in lab[origin.lab])


def _edge_instance(instance: InstancePlan, addresses: Mapping[str, Pair]) -> EdgeInstance:
    backends = (
        Backend(
            name=machine.name,
            cluster=machine.place,
            ipv4=IPv4Address(addresses[machine.name][0]),
            ipv6=_ipv6(addresses[machine.name]),
        )
        for machine in instance.machines
    )
    return EdgeInstance(name=instance.name, backends=tuple(sorted(backends, key=lambda backend: backend.name)))


def _edge_site(site: SitePlan, instance: str) -> EdgeSite:
    return EdgeSite(
        host=site.host,
        instance=instance,
        health_path=site.health_path,
        response_timeout_seconds=site.response_timeout_seconds,
        redirect=site.https.redirect,
        hsts_seconds=site.https.hsts_seconds,
    )
