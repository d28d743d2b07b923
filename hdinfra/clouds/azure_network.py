"""The network of a Cluster on Azure: a resource group, a network that is closed but for its doors, its flow logs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network

import pulumi
from pulumi_azure_native import network, resources, storage

from hdinfra.clouds import azure_rules
from hdinfra.clouds.azure_aliases import as_named_today
from hdinfra.clouds.cloud import Ground, NetworkHandle, SubnetHandle
from hdinfra.clouds.names import cut
from hdinfra.model.addressing import subnets
from hdinfra.model.plan import NetworkPlan, SubnetPlan
from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider

_FLOW_LOG_DAYS = 90
"""At least what row 7.8 of the CIS Azure Foundations Benchmark 5.0 asks for."""
_WATCHERS = "NetworkWatcherRG"
_SUFFIX = 8  # hexadecimal digits that the provider adds to a name
_PARTED = 21  # the smallest network that is parted (addressing.subnets)
_NEXT_SUBNET = 64 + 12  # our slots take the last 9 bits of a /64's number: subnets are told apart above them


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureNetwork(NetworkHandle):
    """And the resource group in which all of a Cluster lies."""

    group: resources.ResourceGroup


def network_of(ground: Ground) -> AzureNetwork:
    """The ground's own network; TypeError where it is another cloud's."""
    found = ground.networks[-1]
    if not isinstance(found, AzureNetwork):
        raise TypeError(f"`{ground.name}` stands in {found!r:.80}, and not in a network on Azure")
    return found


def tags(ground: Ground, labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """A resource's tags: whose it is, and what is said of it; the provider adds none by itself."""
    here = {"hdinfra.zone": ground.scope.zone, "hdinfra.place": ground.name}
    return {**ground.scope.own_labels, **here, **(labels or {})}


def sized(name: str, limit: int = 80) -> str | None:
    """None, for the provider to choose one, unless that would be too long. Most of Azure's take 80 characters."""
    return None if len(name) + _SUFFIX <= limit else cut(name, name, limit)


def zones_of(region: str) -> tuple[str, ...]:
    """All availability zones that a region has, over which what has no zone of its own is spread."""
    found = load_catalogue(frozenset({Provider.AZURE})).region(Provider.AZURE, region)
    return found.zones if found else ()


def account_name(group: resources.ResourceGroup, name: str) -> pulumi.Output[str]:
    """24 letters and digits that no other storage account in the world has: the group's id has the subscription's."""
    named: pulumi.Output[str] = group.id.apply(
        lambda id_: f"hdinfra{hashlib.sha256(f'{id_}/{name}'.encode()).hexdigest()[:17]}"
    )
    return named


def declare_network(name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> AzureNetwork:
    """The resource group, and the network with all that lies in it but Machines."""
    opts = as_named_today(opts)
    group = resources.ResourceGroup(f"{ground.name}-group", location=ground.place.region, tags=tags(ground), opts=opts)
    doors, closed = (
        network.NetworkSecurityGroup(
            f"{name}-{kind}",
            resource_group_name=group.name,
            location=ground.place.region,
            security_rules=rules,
            tags=tags(ground),
            opts=opts,
        )
        for kind, rules in (("public", azure_rules.at_the_doors()), ("private", azure_rules.closed()))
    )
    parts = _parts(plan)
    vnet = network.VirtualNetwork(
        name,
        resource_group_name=group.name,
        location=ground.place.region,
        address_space={"address_prefixes": [str(plan.prefixes.ipv4), *(str(_ipv6(plan, part)) for part in parts)]},
        subnets=[
            {
                "name": part.name,
                "address_prefixes": [str(part.ipv4), str(_ipv6(plan, part))],
                "network_security_group": {"id": (doors if part.public else closed).id},
                "default_outbound_access": False,  # out goes who has a public address
            }
            for part in parts
        ],
        tags=tags(ground),
        opts=opts,
    )
    _log_flows(f"{name}-flows", vnet, group, ground, opts)
    public = {
        part.zone: SubnetHandle(
            vnet,
            pulumi.Output.concat(vnet.id, f"/subnets/{part.name}"),
            pulumi.Output.from_input(str(_ipv6(plan, part))),
        )
        for part in parts
        if part.public
    }
    return AzureNetwork(vnet, vnet.id, public, group=group)


def _parts(plan: NetworkPlan) -> tuple[SubnetPlan, ...]:
    """Those of the plan; in a region without availability zones one of each kind, where there is room for two."""
    if plan.subnets:
        return plan.subnets
    if plan.prefixes.ipv4.prefixlen <= _PARTED:
        return subnets(plan.prefixes, ("",))
    return (SubnetPlan("public-1", "", public=True, number=0, ipv4=plan.prefixes.ipv4),)


def _ipv6(plan: NetworkPlan, part: SubnetPlan) -> IPv6Network:
    """A subnet takes exactly a /64. Only this network's Machines see it, for Azure translates to public addresses."""
    return IPv6Network((int(plan.prefixes.ipv6.network_address) + ((part.number + 1) << _NEXT_SUBNET), 64))


def _log_flows(
    name: str,
    vnet: network.VirtualNetwork,
    group: resources.ResourceGroup,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> None:
    """Azure makes a region's only network watcher by itself, with the first network there (decision 21)."""
    region = ground.place.region
    store = storage.StorageAccount(
        f"{name}-store",
        resource_group_name=group.name,
        account_name=account_name(group, name),
        location=region,
        kind="StorageV2",
        sku={"name": "Standard_LRS"},
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        enable_https_traffic_only=True,
        minimum_tls_version="TLS1_2",
        # The watcher comes as one of Azure's own services, and nobody else.
        network_rule_set={"default_action": storage.DefaultAction.DENY, "bypass": "AzureServices"},
        tags=tags(ground),
        opts=opts,
    )
    network.FlowLog(
        name,
        resource_group_name=_WATCHERS,
        network_watcher_name=f"NetworkWatcher_{region}",
        location=region,
        target_resource_id=vnet.id,
        storage_id=store.id,
        enabled=True,
        format={"type": "JSON", "version": 2},
        retention_policy={"enabled": True, "days": _FLOW_LOG_DAYS},
        tags=tags(ground),
        opts=opts,
    )
