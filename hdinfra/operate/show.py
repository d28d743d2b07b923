"""Plans, status and drill reports for people, as tables; and as plain data for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from hdinfra.machine.limits import bytes_of
from hdinfra.machine.roles import machine_of
from hdinfra.model.costs import monthly_prices
from hdinfra.model.plan import InstancePlan, MachinePlan, ZonePlan
from hdinfra.model.regions import limits_of_provider
from hdinfra.model.spec import Feature, Provider
from hdinfra.operate.decide import Decision
from hdinfra.operate.report import Report
from hdinfra.operate.servers import show_servers
from hdinfra.operate.show_dns import show_dns
from hdinfra.operate.site_tls import words
from hdinfra.operate.tables import seconds, table

if TYPE_CHECKING:  # a plan is shown without the extra that looking at machines needs
    from hdinfra.operate.status import Declared

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class UserData:
    """How much of a provider's limit one role's user data takes, in bytes as it is sent."""

    role: str
    provider: str
    bytes: int
    limit: int


def user_data(plan: ZonePlan) -> tuple[UserData, ...]:
    """Largest user data of every role at every provider of the plan."""
    largest: dict[tuple[str, str], int] = {}
    for machine in _one_of_each(plan.machines):
        key = (machine.role, machine.provider)
        largest[key] = max(largest.get(key, 0), bytes_of(plan, machine_of(plan.zone, machine), machine.provider))
    return tuple(
        UserData(role, provider, size, limits_of_provider(Provider(provider)).user_data_bytes)
        for (role, provider), size in sorted(largest.items())
    )


def plan_json(decision: Decision) -> Json:
    """The whole plan as plain data."""
    plan = decision.plan
    return {
        "zone": plan.zone,
        "area": plan.area,
        "serial": plan.held.serial,
        "clusters": [
            {
                "name": cluster.name,
                "provider": str(cluster.provider),
                "region": cluster.region,
                "operator": cluster.operator,
                "ipv4": str(cluster.prefixes.ipv4),
                "ipv6": str(cluster.prefixes.ipv6),
            }
            for cluster in plan.clusters
        ],
        "lacks": lacking(plan),
        "instances": [
            {"name": one.name, "tenancy": one.tenancy, "tenants": _names(one), "machines": len(one.machines)}
            for one in plan.instances
        ],
        "machines": [_machine_json(machine) for machine in plan.machines],
        "sites": [
            {"host": site.host, "tenant": site.tenant, "instance": instance.name, "mode": str(site.mode)}
            for instance in plan.instances
            for site in instance.sites
        ],
        "user_data": [
            {"role": one.role, "provider": one.provider, "bytes": one.bytes, "limit": one.limit}
            for one in user_data(plan)
        ],
        "monthly_price": round(sum(monthly_prices(plan).values()), 2),
        "monthly_prices": monthly_prices(plan),
        "notes": list(decision.notes),
    }


def lacking(plan: ZonePlan) -> dict[str, list[str]]:
    """By Cluster and place of the edge, what its provider lacks: what nobody required is left out there in silence."""
    grounds = (*plan.clusters, *(plan.edge.places if plan.edge else ()))
    return {one.name: sorted(limits_of_provider(one.provider).lacks) for one in grounds}


def _lacking_rows(plan: ZonePlan) -> list[tuple[str, str]]:
    return [(name, ", ".join(features) or "nothing") for name, features in lacking(plan).items()]


def _names(instance: InstancePlan) -> list[str]:
    return [tenant.name for tenant in instance.tenants]


def show_plan(decision: Decision, console: Console) -> None:
    """Print the plan as tables."""
    plan = decision.plan
    console.print(f"zone [bold]{escape(plan.zone)}[/bold] in area {escape(plan.area)}, held serial {plan.held.serial}")
    console.print(table(("cluster", "provider", "region", "operator", "ipv4", "ipv6"), _cluster_rows(plan)))
    console.print(table(("cluster or place", "its provider lacks"), _lacking_rows(plan)))
    instances = [(one.name, one.tenancy, ", ".join(_names(one)), str(len(one.machines))) for one in plan.instances]
    console.print(table(("instance", "tenancy", "tenants", "machines"), instances))
    machines = [_machine_json(machine) for machine in plan.machines]
    console.print(table(("machine", "role", "size", "private", "public", "published"), map(_machine_row, machines)))
    console.print(table(("role", "provider", "user data", "limit"), _user_data_rows(plan)))
    prices = monthly_prices(plan)
    console.print(table(("machines of", "euro a month"), ((place, f"{price:.2f}") for place, price in prices.items())))
    console.print(f"about {sum(prices.values()):.2f} euro a month")
    for note in decision.notes:
        console.print(escape(note))


def show_status(status: Json, not_well: Sequence[str], console: Console) -> None:
    """Print what runs, and name what is not well."""
    rows = [
        _status_row(cluster["name"], cluster["operator"], machine)
        for cluster in status["clusters"]
        for machine in cluster["machines"]
    ]
    for place in ("edge", "control", "bundles", "lab"):
        machines = status["edge"]["machines"] if place == "edge" else status[place]
        rows += [_status_row(place, "", machine) for machine in machines]
    rows += [_status_row("dns", "", machine) for machine in status.get("dns", {}).get("machines", ())]
    console.print(table(("cluster", "operator", "machine", "role", "health", "policy", "remarks"), rows))
    for url in (*status["edge"]["urls"], *status["edge"]["https_urls"]):
        console.print(f"edge {escape(url)}")
    for one in status["edge"]["addresses"]:
        console.print(f"edge {escape(one['place'])}: users come to {', '.join(map(escape, one['addresses']))}")
    show_dns(status.get("dns"), console)
    for one in status["instances"]:
        tenants = ", ".join(map(escape, one["tenants"])) or "nobody yet"
        console.print(f"instance {escape(one['name'])}, {one['tenancy']}: {tenants}")
    certificates = {one["host"]: one for one in status["certificates"]}
    for site in status["sites"]:
        console.print(_site_line(site, certificates.get(site["host"])))
    show_servers(status["servers"], console)
    for alarm in status["alarms"]:
        console.print(f"[red]alarm {escape(alarm['code'])}:[/red] {escape(str(alarm['message']))}")
    for name in not_well:
        console.print(f"[red]not serving:[/red] {escape(name)}")


def show_sites(sites: Sequence[Json], console: Console) -> None:
    """Print the spec's sites."""
    rows = [
        (
            site["host"],
            site["tenant"],
            site["instance"],
            site["mode"],
            site["profile"],
            str(site["paranoia"]),
            ", ".join(site["origins"]),
        )
        for site in sites
    ]
    console.print(table(("site", "tenant", "instance", "mode", "profile", "paranoia", "origins"), rows))


def show_tenants(tenants: Sequence[Json], console: Console) -> None:
    """Print the spec's tenants."""
    rows = [
        (
            tenant["tenant"],
            tenant["instance"],
            tenant["plan"],
            f"{tenant['cpu']:g}",
            f"{tenant['memory_mib']:,} MiB",
            ", ".join(tenant["sites"]) or "none",
        )
        for tenant in tenants
    ]
    console.print(table(("tenant", "instance", "plan", "cores", "memory", "sites"), rows))


def show_report(report: Report, console: Console) -> None:
    """Print a drill's figures and whether the promises held."""
    ledger = report.ledger
    rows = [
        ("requests", f"{report.requests:,} ({report.gets:,} GETs)"),
        ("failed GETs", f"{report.failed_gets:,}"),
        ("failures", ", ".join(f"{kind}: {count}" for kind, count in report.failures.items()) or "none"),
        ("answers", f"p50 {report.p50_seconds:.3f} s, p99 {report.p99_seconds:.3f} s"),
        ("sent late", f"p99 {report.client_late_p99_seconds:.3f} s"),
        ("slowest answer", f"{report.slowest_seconds:.2f} s"),
        ("edges' view right after", seconds(report.view_right_seconds)),
        ("serving again after", seconds(report.back_seconds)),
        ("numbered POSTs", f"{ledger.sent} sent, {ledger.acknowledged} acknowledged, {len(ledger.ran_twice)} twice"),
        ("failed POSTs", f"{len(ledger.failed)}, of which {len(ledger.failed_but_ran)} ran all the same"),
    ]
    console.print(table((f"{report.how} of {report.cluster}", "measured"), rows))
    for broken in report.broken_promises:
        console.print(f"[red]broken promise:[/red] {escape(broken)}")


def curl_lines(known: "Declared") -> list[str]:
    """Lines to paste: every site through the first edge."""
    return [f"curl -H 'Host: {host}' {known.edge_urls[0]}/" for host in known.hosts if known.edge_urls]


def _one_of_each(machines: Iterable[MachinePlan]) -> list[MachinePlan]:
    # Machines of one role differ in their identity alone, so the longest name has the largest user data.
    by_role: dict[tuple[str, str], MachinePlan] = {}
    for machine in sorted(machines, key=lambda one: (len(one.name + one.place), one.name)):
        by_role[machine.role, machine.provider] = machine
    return list(by_role.values())


def _machine_json(machine: MachinePlan) -> Json:
    return {
        "name": machine.name,
        "place": machine.place,
        "role": machine.role,
        "operator": machine.operator,
        "size": machine.size.name,
        "zone": machine.zone,
        "private": _private(machine),
        "public": [str(machine.public.ipv4), str(machine.public.ipv6)] if machine.public else [],
        "published": f"http://{machine.publish.address}:{machine.publish.port}" if machine.publish else None,
    }


def _private(machine: MachinePlan) -> list[str]:
    if machine.private is None:
        return []
    lacks_ipv6 = limits_of_provider(machine.provider).lacks.get(Feature.PRIVATE_IPV6)
    return [str(machine.private.ipv4), *([] if lacks_ipv6 else [str(machine.private.ipv6)])]


def _machine_row(machine: Json) -> tuple[str, ...]:
    addresses = ("\n".join(machine["private"]), "\n".join(machine["public"]))
    return (machine["name"], machine["role"], machine["size"], *addresses, machine["published"] or "")


def _cluster_rows(plan: ZonePlan) -> Iterable[tuple[str, ...]]:
    for one in plan.clusters:
        prefixes = (str(one.prefixes.ipv4), str(one.prefixes.ipv6))
        yield (one.name, str(one.provider), one.region, one.operator, *prefixes)


def _user_data_rows(plan: ZonePlan) -> Iterable[tuple[str, ...]]:
    return ((one.role, one.provider, f"{one.bytes:,} B", f"{one.limit:,} B") for one in user_data(plan))


def _status_row(place: str, operator: str, machine: Json) -> tuple[str | Text, ...]:
    version = "" if machine["number"] is None else f"{machine['number']}.{machine['settings'] or 0}"
    remarks = [f"{host} is {mode} here" for host, mode in sorted(machine["overrides"].items())]
    remarks += ["drained"] if machine["drained"] else []
    remarks += [f"went back from {failed['number']}: {failed['reason']}"] if (failed := machine["failed"]) else []
    remarks += machine["problems"]
    remarks += _mesh(machine["mesh"])
    if steered := machine["failover"]:
        remarks += [f"users of {instance} go to {pool}" for instance, pool in sorted(steered["chosen"].items())]
    if unenforced := machine["limits_unenforced"]:
        remarks.append(f"tenants' limits are not enforced here: {', '.join(unenforced)}")
    return (place, operator, machine["name"], machine["role"], _mark(machine["healthy"]), version, "; ".join(remarks))


def _mesh(mesh: Json | None) -> list[str]:
    if mesh is None:
        return []
    behind = [] if mesh["switched"] else ["not all peers have it yet"]
    silent = [f"no handshake with {', '.join(mesh['silent'])}"] if mesh["silent"] else []
    return [", ".join((f"mesh version {mesh['version']}", *behind, *silent))]


def _site_line(site: Json, certificate: Json | None) -> str:
    line = f"site {escape(site['host'])} of {escape(site['tenant'])}, {site['mode']}"
    if certificate is None:
        return line
    colour = "red" if not certificate["well"] else "yellow" if certificate["ends_soon"] else ""
    told = escape(words(certificate))
    return f"{line}, [{colour}]{told}[/{colour}]" if colour else f"{line}, {told}"


def _mark(healthy: bool) -> Text:
    return Text("well", "green") if healthy else Text("not well", "red")
