"""What runs, and whether it is well: the stack's outputs, compared with a look at every machine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hdinfra.operate.at_once import each
from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.errors import WorkspaceError
from hdinfra.operate.site_tls import certificates

Json = dict[str, Any]
Told = Mapping[str, Any] | None
_MACHINE_FIELDS = ("name", "container", "instance", "role", "ipv4", "ipv6")
_CLUSTER_FIELDS = ("name", "provider", "region", "operator")
_POLICY_FIELDS: Mapping[str, object] = {
    "number": None,
    "settings": None,
    "digest": None,
    "drained": False,
    "overrides": {},
    "failed": None,
    "problems": [],
    "limits_unenforced": [],
    "mesh": None,
    "failover": None,
}
"""What a machine says of its policy, and what stands there when it says nothing."""
_SITE_FIELDS = ("host", "tenant", "instance", "mode")


class Witness(Protocol):
    """Who says how machines are, by the cloud's own names of them."""

    def hdctl_status(self, name: str) -> Told:
        """What the machine says of itself; None where it says nothing."""
        ...

    def is_running(self, name: str) -> bool:
        """Whether it lives, as far as anybody can tell."""
        ...


@dataclass(frozen=True, slots=True)
class Declared:
    """The stack output `status`: what is declared, without a look at whether it lives."""

    output: Mapping[str, Any]

    @property
    def clusters(self) -> Sequence[Mapping[str, Any]]:
        """Every Cluster with its machines."""
        return tuple(self.output["clusters"])

    @property
    def edge_containers(self) -> tuple[str, ...]:
        """Containers of the edge's machines."""
        return tuple(machine["container"] for machine in self.edge_machines)

    @property
    def edge_machines(self) -> Sequence[Mapping[str, Any]]:
        """The edge's machines."""
        return tuple(self.output["edge"].get("machines", ()))

    @property
    def control_machines(self) -> Sequence[Mapping[str, Any]]:
        """The API machines."""
        return tuple(self.output.get("control", ()))

    @property
    def dns(self) -> Mapping[str, Any]:
        """The Zone's own name servers; empty where it has none."""
        return dict(self.output.get("dns", {}))

    @property
    def dns_machines(self) -> Sequence[Mapping[str, Any]]:
        """The name servers."""
        return tuple(self.dns.get("machines", ()))

    @property
    def stores(self) -> Sequence[Mapping[str, Any]]:
        """The machine that plays a bucket, where there is one."""
        return tuple(self.output.get("bundles", ()))

    @property
    def lab_machines(self) -> Sequence[Mapping[str, Any]]:
        """Machines that play customers' web servers."""
        return tuple(self.output.get("lab", ()))

    @property
    def lab_containers(self) -> tuple[str, ...]:
        """Containers of the machines that play customers' web servers."""
        return tuple(machine["container"] for machine in self.lab_machines)

    @property
    def edge_urls(self) -> tuple[str, ...]:
        """Where the edge answers."""
        return tuple(self.output["edge"]["urls"])

    @property
    def failover(self) -> Mapping[str, Any] | None:
        """Pools of Clusters in order, as the spec has them; None where all Clusters take users."""
        found: Mapping[str, Any] | None = self.output["edge"].get("failover")
        return found

    @property
    def https_urls(self) -> tuple[str, ...]:
        """Where it answers over HTTPS."""
        return tuple(self.output["edge"].get("https_urls", ()))

    @property
    def authority(self) -> str:
        """The certificate (PEM) that visitors have to believe; empty where everybody knows the issuer."""
        return str(self.output["edge"].get("authority") or "")

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every site's host."""
        return tuple(site["host"] for site in self.output["sites"])

    @property
    def on_this_computer(self) -> bool:
        """Whether its machines are containers here."""
        return any(cluster["provider"] == "local" for cluster in self.clusters)

    def machines(self) -> Iterator[Mapping[str, Any]]:
        """Every machine that knows policy."""
        for cluster in self.clusters:
            yield from cluster["machines"]
        yield from (*self.edge_machines, *self.control_machines, *self.dns_machines, *self.lab_machines)

    def machines_of(self, cluster: str) -> tuple[str, ...]:
        """Containers of one Cluster; WorkspaceError names the Clusters there are."""
        for each_cluster in self.clusters:
            if each_cluster["name"] == cluster:
                own = [machine["container"] for machine in each_cluster["machines"]]
                # An API machine or a name server carries its Cluster's name as all that stands there.
                others = (*self.control_machines, *self.dns_machines)
                return (*own, *(one["container"] for one in others if one["name"].startswith(f"{cluster}-")))
        known = ", ".join(sorted(one["name"] for one in self.clusters))
        raise WorkspaceError(f"There is no Cluster `{cluster}` in this stack.", retry=f"--cluster with one of: {known}")

    def containers(self) -> Iterator[str]:
        """Every machine's container."""
        yield from (machine["container"] for machine in self.machines())


def declared(engine: Engine) -> Declared:
    """Read the stack; WorkspaceError when nothing was deployed."""
    return declared_of(engine.deployed(), engine.workspace.stack)


def declared_of(deployed: Deployed | None, stack: str) -> Declared:
    """The output `status` of a state that was read."""
    if deployed is None or "status" not in deployed.outputs:
        raise WorkspaceError(f"Stack `{stack}` is not up.", retry=f"hdinfra up --stack {stack}")
    return Declared(deployed.outputs["status"])


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: the zone with `healthy` filled in, every container that does not serve, edge and lab included, and
    sites that some edge shows no certificate for, or one that has ended."""

    zone: Json
    unwell: tuple[str, ...]
    uncertified: tuple[str, ...] = ()


def look(
    known: Declared,
    witness: Witness,
    alarms: Sequence[Mapping[str, Any]] = (),
    servers: Sequence[Mapping[str, Any]] = (),
) -> Seen:
    """Look at every machine at once. `alarms` are those of the management API, as far as it answered, `servers` what
    BMCs say of the hardware."""
    names = sorted(set(known.containers()))
    told = dict(zip(names, each(witness.hdctl_status, names), strict=True))
    # It serves files and knows no policy, so it has no agent to ask.
    stores = [store["container"] for store in known.stores]
    told |= {name: {"serving": witness.is_running(name)} for name in stores}
    zone: Json = {
        "zone": known.output["zone"],
        "clusters": [_cluster(cluster, told) for cluster in known.clusters],
        # A zone that was brought up before there were dedicated Instances does not say so.
        "instances": [dict(one) for one in known.output.get("instances", ())],
        "edge": {
            "urls": list(known.edge_urls),
            "https_urls": list(known.https_urls),
            # A zone that was brought up before its status named them says nothing of them.
            "addresses": [dict(one) for one in known.output["edge"].get("addresses", ())],
            "machines": _machines(known.edge_machines, told),
            "failover": known.output["edge"].get("failover"),
        },
        "control": _machines(known.control_machines, told),
        "bundles": _machines(known.stores, told),
        "lab": _machines(known.lab_machines, told),
        "sites": [{key: site[key] for key in _SITE_FIELDS} for site in known.output["sites"]],
        # A zone that was brought up before there was TLS shows none.
        "certificates": (
            certificates(known.hosts, [told[name] for name in known.edge_containers])
            if "https_urls" in known.output["edge"] and known.edge_machines
            else []
        ),
        "alarms": [dict(alarm) for alarm in alarms],
        "servers": [dict(server) for server in servers],
    }
    if known.dns:
        zone["dns"] = {**_answers(known, told), "machines": _machines(known.dns_machines, told)}
    uncertified = tuple(str(one["host"]) for one in zone["certificates"] if not one["well"])
    return Seen(zone, tuple(name for name in sorted(told) if not _serves(told[name])), uncertified)


def _answers(known: Declared, told: Mapping[str, Told]) -> Json:
    """What the name servers are asked to say, and what each says, where it can be asked from here."""
    said = {one["name"]: (told[one["container"]] or {}).get("answers") for one in known.dns_machines}
    kept = ("name", "alias", "entrance", "entrances", "ttl_seconds")
    return {**{key: known.dns[key] for key in kept}, "answers": said}


def _cluster(cluster: Mapping[str, Any], told: Mapping[str, Told]) -> Json:
    machines = _machines(cluster["machines"], told)
    healthy = all(machine["healthy"] for machine in machines)
    return {**{key: cluster[key] for key in _CLUSTER_FIELDS}, "healthy": healthy, "machines": machines}


def _machines(machines: Sequence[Mapping[str, Any]], told: Mapping[str, Told]) -> list[Json]:
    return [_machine(machine, told[machine["container"]]) for machine in machines]


def _machine(machine: Mapping[str, Any], told: Told) -> Json:
    policy = {name: (told or {}).get(name, missing) for name, missing in _POLICY_FIELDS.items()}
    return {**{key: machine[key] for key in _MACHINE_FIELDS}, "healthy": _serves(told), **policy}


def _serves(told: Told) -> bool:
    return bool(told and told.get("serving"))
