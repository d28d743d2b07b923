"""Route 53: a health check for every address, and for each place and family a record that answers while it is well."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import route53

from hdinfra.model.route53 import Route53Plan
from hdinfra.protocol.edge_health import HOST, PATH

Addresses = Mapping[str, Sequence[pulumi.Output[str]]]
"""By record type (A, AAAA) a place's addresses."""


def declare_records(
    name: str,
    plan: Route53Plan,
    zone_id: pulumi.Input[str],
    places: Mapping[str, Addresses],
    opts: pulumi.ResourceOptions,
) -> tuple[route53.Record, ...]:
    """All records; `name` starts the names of all, and parent and provider come with `opts`."""
    records = [
        _place(f"{name}-{place}-{kind.lower()}", place, kind, addresses, plan, zone_id, opts)
        for place, families in sorted(places.items())
        for kind, addresses in sorted(families.items())
        if addresses
    ]
    aliases = [
        route53.Record(
            f"{name}-{host}", name=host, type="CNAME", zone_id=zone_id, records=[plan.alias], ttl=plan.ttl_seconds,
            opts=opts,
        )
        for host in plan.hosts
    ]  # fmt: skip
    return (*records, *aliases)


def _place(  # noqa: PLR0913, PLR0917  which of a place's records it is, and all that records say
    name: str,
    place: str,
    kind: str,
    addresses: Sequence[pulumi.Output[str]],
    plan: Route53Plan,
    zone_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> route53.Record:
    """One family of a place. Where it has several addresses one of them that is well is enough, as users try others."""
    checks = [_check(f"{name}-health-{number}", address, plan, opts) for number, address in enumerate(addresses, 1)]
    health = checks[0] if len(checks) == 1 else _any_of(f"{name}-health", checks, opts)
    return route53.Record(
        name,
        name=plan.alias,
        type=kind,
        zone_id=zone_id,
        records=list(addresses),
        ttl=plan.ttl_seconds,
        set_identifier=place,
        latency_routing_policies=[route53.RecordLatencyRoutingPolicyArgs(region=plan.regions[place])],
        health_check_id=health.id,
        opts=opts,
    )


def _check(
    name: str, address: pulumi.Output[str], plan: Route53Plan, opts: pulumi.ResourceOptions
) -> route53.HealthCheck:
    return route53.HealthCheck(
        name,
        type="HTTP",
        ip_address=address,
        port=80,
        resource_path=PATH,
        fqdn=HOST,
        request_interval=plan.interval_seconds,
        failure_threshold=plan.failures,
        tags={"Name": name},
        opts=opts,
    )


def _any_of(name: str, checks: Sequence[route53.HealthCheck], opts: pulumi.ResourceOptions) -> route53.HealthCheck:
    return route53.HealthCheck(
        name,
        type="CALCULATED",
        child_healthchecks=[check.id for check in checks],
        child_health_threshold=1,
        tags={"Name": name},
        opts=opts,
    )
