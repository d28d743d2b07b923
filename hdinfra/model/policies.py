"""From a Plan and addresses that are known by now to the policy of each role. Pure and sorted."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType

from hdinfra.model.declaration import API_PORT
from hdinfra.model.plan import InstancePlan, MachinePlan, OriginPlan, SitePlan
from hdinfra.model.plans import limits_of
from hdinfra.model.policy import (
    ApiMachine,
    Backend,
    ControlPolicy,
    Door,
    EdgeInstance,
    EdgeSite,
    LabOriginPolicy,
    LoadBalancerPolicy,
    OriginAddress,
    WafPolicy,
    WafSite,
)

Pair = tuple[str | IPv4Address, str | IPv6Address]
"""A machine's IPv4 and IPv6 address; a Plan's `Addresses` is one."""


def waf_policy(
    instance: InstancePlan, origins: Mapping[str, Pair], edges: Sequence[str | IPv4Address | IPv6Address]
) -> WafPolicy:
    """Policy of each of the Instance's WAF Machines. `origins`: lab machines' public addresses by their spec's name."""
    sites = (_waf_site(site, origins) for site in instance.sites)
    hosting = {site.tenant for site in instance.sites}  # who has no site has nothing on a machine
    return WafPolicy(
        sites=tuple(sorted(sites, key=lambda site: site.host)),
        edges=tuple(sorted({ip_address(edge) for edge in edges}, key=_by_family)),
        tenants=tuple(limits_of(tenant) for tenant in instance.tenants if tenant.name in hosting),
    )


def load_balancer_policy(
    instances: Sequence[tuple[InstancePlan, Mapping[str, Pair]]], edges: Sequence[MachinePlan] = (), acme: str = ""
) -> LoadBalancerPolicy:
    """Policy of every edge machine; each Instance comes with its Machines' public addresses by name. `acme`: the
    account's thumbprint, where certificates come from there.

    Instances without sites are left out: their WAFs listen nowhere, and the edge would never count as healthy.
    """
    doors = {(edge.publish.port, edge.publish_https.port) for edge in edges if edge.publish and edge.publish_https}
    serving = sorted((pair for pair in instances if pair[0].sites), key=lambda pair: pair[0].name)
    sites = (_edge_site(site, instance.name) for instance, _ in serving for site in instance.sites)
    return LoadBalancerPolicy(
        instances=tuple(_edge_instance(instance, addresses) for instance, addresses in serving),
        sites=tuple(sorted(sites, key=lambda site: site.host)),
        doors=tuple(Door(http=http, https=https) for http, https in sorted(doors)),
        acme=acme,
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
    callers |= {ip_network(address) for pair in machines for address in pair}
    return ControlPolicy(
        callers=tuple(sorted(callers, key=lambda n: (n.version, int(n.network_address), n.prefixlen))),
        apis=tuple(_api(name, pair) for name, pair in sorted(apis.items())),
    )


def _api(name: str, pair: Pair) -> ApiMachine:
    return ApiMachine(name=name, ipv4=IPv4Address(pair[0]), ipv6=IPv6Address(pair[1]), port=API_PORT)


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
            ipv6=IPv6Address(addresses[machine.name][1]),
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
