"""A whole plan in one call, for stacks that are only YAML; and what an operator wants to know of it afterwards."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.dns import DnsEdge, DnsEdgeArgs
from hdinfra.components.edge import ProxyEdge, ProxyEdgeArgs, place_addresses
from hdinfra.components.enrolment import Clock
from hdinfra.components.instance import (
    DedicatedInstance,
    DedicatedInstanceArgs,
    Instance,
    SharedInstance,
    SharedInstanceArgs,
)
from hdinfra.components.zone import Zone, ZoneArgs
from hdinfra.model.declaration import image_key
from hdinfra.model.held import with_images
from hdinfra.model.plan import ClusterPlan, DnsPlan, InstancePlan, ZonePlan


@dataclass(frozen=True, slots=True)
class Declared:
    """The components of one plan."""

    zone: Zone
    instances: tuple[Instance, ...]
    edge: ProxyEdge | None
    dns: DnsEdge | None = None


def declare(plan: ZonePlan, clock: Clock = time.time) -> Declared:
    """Declare everything that the plan holds. `clock` dates the enrolment tokens."""
    zone = Zone(plan.zone, ZoneArgs(plan=plan, clock=clock))
    instances = tuple(_instance(zone, instance) for instance in plan.instances)
    edge = ProxyEdge("edge", ProxyEdgeArgs(zone=zone, plan=plan.edge, instances=instances)) if plan.edge else None
    dns = DnsEdge("dns", DnsEdgeArgs(zone=zone, plan=plan.dns, edge=edge)) if plan.dns and edge else None
    return Declared(zone, instances, edge, dns)


def _instance(zone: Zone, plan: InstancePlan) -> Instance:
    match plan.tenancy:
        case "shared":
            return SharedInstance(plan.name, SharedInstanceArgs(zone=zone, plan=plan))
        case "dedicated":
            return DedicatedInstance(plan.name, DedicatedInstanceArgs(zone=zone, plan=plan))
        case "byol":
            raise ValueError(f"`{plan.name}` is its customer's to host: declare a ByolInstance in their own stack")
        case _:
            assert_never(plan.tenancy)


def status_of(declared: Declared) -> dict[str, Any]:
    """The stack output `status`: where to look. Whether it is well is found by looking, not here."""
    plan, edge = declared.zone.plan, declared.edge
    of_instances = {
        name: (instance.plan.name, machine)
        for instance in declared.instances
        for name, machine in instance.machines.items()
    }
    return {
        "zone": plan.zone,
        "namespace": declared.zone.scope.namespace,
        "clusters": [
            _cluster(cluster, [pair for pair in of_instances.values() if pair[1].plan.place == cluster.name])
            for cluster in plan.clusters
        ],
        "instances": [
            {"name": one.name, "tenancy": one.tenancy, "tenants": [tenant.name for tenant in one.tenants]}
            for one in plan.instances
        ],
        "edge": {
            "urls": list(edge.urls) if edge else [],
            "https_urls": list(edge.https_urls) if edge else [],
            "addresses": place_addresses(edge).apply(_entrances) if edge else [],
            "authority": edge.issuer.certificate if edge and edge.issuer else "",
            "machines": [_machine("edge", machine) for machine in edge.machines.values()] if edge else [],
            "failover": plan.edge.failover.model_dump(mode="json") if plan.edge and plan.edge.failover else None,
        },
        "control": [
            _machine("control", machine)
            for machine in (declared.zone.control.machines.values() if declared.zone.control else ())
        ],
        "bundles": [_machine("bundles", store)] if (store := _store(declared.zone)) else [],
        "lab": [_machine("lab", machine) for machine in declared.zone.lab_machines.values()],
        "sites": _sites(plan),
        **({"dns": _dns(declared.dns, plan.dns)} if declared.dns and plan.dns else {}),
    }


def _entrances(places: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """What a site's DNS says, in both families; a cloud without one gave an empty text for it."""
    return [{"place": place, "addresses": [one for one in known if one]} for place, known in sorted(places.items())]


def _dns(dns: DnsEdge, plan: DnsPlan) -> dict[str, Any]:
    """`publish`: where the local cloud shows each server on this computer, over UDP and TCP."""
    doors = {machine.name: machine.publish for machine in plan.machines if machine.publish}
    return {
        "name": plan.name,
        "alias": dns.alias,
        "entrance": plan.entrance,
        "entrances": [
            {"name": one.name, "places": list(one.places), "target": one.target or ""} for one in plan.entrances
        ],
        "ttl_seconds": plan.ttl_seconds,
        "publish": {name: {"address": str(door.address), "port": door.port} for name, door in doors.items()},
        "machines": [_machine("dns", machine) for machine in dns.machines.values()],
    }


def _store(zone: Zone) -> MachineHandle | None:
    return zone.bundles.store if zone.bundles else None


def control_of(declared: Declared) -> dict[str, Any]:
    """The stack output `control`: where the API machines are. Keys and tokens stay with the resource that made them."""
    control = declared.zone.control
    return {"zone": declared.zone.plan.zone, "endpoints": control.endpoints if control else []}


def held_of(declared: Declared) -> pulumi.Output[dict[str, Any]]:
    """The stack output `held`: the plan's decisions, and the system images that this run found where none was held."""
    control, edge = declared.zone.control, declared.edge
    machines = [
        *(machine for instance in declared.instances for machine in instance.machines.values()),
        *(edge.machines.values() if edge else ()),
        *(control.machines.values() if control else ()),
        *(declared.dns.machines.values() if declared.dns else ()),
    ]
    found = {
        image_key(one.plan.provider, one.plan.region, one.plan.size.arch): one.image for one in machines if one.image
    }
    held = declared.zone.plan.held
    return pulumi.Output.from_input(found).apply(lambda images: with_images(held, images).model_dump(mode="json"))


def _cluster(plan: ClusterPlan, machines: list[tuple[str, MachineHandle]]) -> dict[str, Any]:
    return {
        "name": plan.name,
        "provider": plan.provider.value,
        "region": plan.region,
        "operator": plan.operator,
        "machines": [_machine(instance, machine) for instance, machine in machines],
    }


def _machine(instance: str, machine: MachineHandle) -> dict[str, pulumi.Input[str]]:
    return {
        "name": machine.plan.name,
        "container": machine.native_id,
        "instance": instance,
        "role": machine.plan.role,
        "ipv4": machine.ipv4,
        "ipv6": machine.ipv6,
    }


def _sites(plan: ZonePlan) -> list[dict[str, str]]:
    return [
        {"host": site.host, "tenant": site.tenant, "instance": instance.name, "mode": site.mode.value}
        for instance in plan.instances
        for site in instance.sites
    ]
