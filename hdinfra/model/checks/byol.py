"""What a BYOL spec must hold by itself, and that a Zone holds none."""

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from hdinfra.model.byol import ByolSpec
from hdinfra.model.checks.instances import check_instances
from hdinfra.model.checks.network import check_network
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue
from hdinfra.model.site_parts import HttpsSpec
from hdinfra.model.spec import ClusterSpec, InstanceSpec, TenantSpec, ZoneSpec

_SITES = "instances[0].tenants[0].sites"
_CLUSTER = "clusters[0]."
_LAST_PORT = 65_535
_OF_A_CLOUD = ("provider", "region", "ipv4", "ipv6", "code_url", "publish")


def check_no_byol(spec: ZoneSpec) -> Iterator[Refusal]:
    """`byol.not-in-vendor-stack`."""
    for index, instance in enumerate(spec.instances):
        if instance.tenancy == "byol":
            yield Refusal(
                f"instances[{index}].tenancy",
                "byol.not-in-vendor-stack",
                f"`{instance.name}` has tenancy `byol`; such an Instance is hosted by the customer, and this Zone's "
                "control plane could neither reach nor release it.",
                f"take `{instance.name}` out of this Zone; the customer writes a spec with `byol: {instance.name}` and "
                "deploys it with stacks/byol.py, as examples/byol does",
            )


def check_byol(spec: ByolSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    """`byol.one-way`, `byol.last-port`, `byol.no-https`, and those rules of Zones that a single place can break."""
    yield from _one_way(spec)
    if cluster := as_cluster(spec):
        yield from _region(cluster, catalogue)
        yield from _network(as_zone(spec, cluster), catalogue)
    yield from _last_port(spec)
    yield from _https(spec)
    yield from _sites(spec)


def as_cluster(spec: ByolSpec) -> ClusterSpec | None:
    """The one place as a Cluster, which all that counts addresses understands; None where machines are installed."""
    if spec.install or spec.provider is None or spec.region is None:
        return None
    return ClusterSpec(name=spec.byol, provider=spec.provider, region=spec.region, ipv4=spec.ipv4, ipv6=spec.ipv6)


def as_zone(spec: ByolSpec, *clusters: ClusterSpec) -> ZoneSpec:
    """The spec in the words of a Zone, so that a rule that both have is written once."""
    tenant = TenantSpec(name=spec.tenant, sites=spec.sites)
    instance = InstanceSpec(name=spec.byol, app=spec.app, tenants=(tenant,))
    return ZoneSpec(zone=spec.byol, area="lab", clusters=clusters, instances=(instance,))


def _one_way(spec: ByolSpec) -> Iterator[Refusal]:
    given = [name for name in _OF_A_CLOUD if getattr(spec, name) is not None]
    if spec.install and given:
        yield Refusal(
            "install",
            "byol.one-way",
            f"`{spec.byol}` is installed on machines that are there already, so `{given[0]}` would be without effect.",
            f"drop {' and '.join(f'`{name}`' for name in given)}, or drop `install`",
        )
    elif not spec.install and not {"provider", "region"} <= set(given):
        missing = "region" if "provider" in given else "provider"
        yield Refusal(
            missing,
            "byol.one-way",
            f"`{spec.byol}` has neither a cloud with its data centre nor `install: true`; it would stand nowhere.",
            "write `provider: local` and `region: lab-north`, or `install: true` for machines that you install",
        )


def _region(cluster: ClusterSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    if catalogue.region(cluster.provider, cluster.region) is None:
        names = catalogue.region_names(cluster.provider)
        nearest = get_close_matches(cluster.region, names, n=1, cutoff=0.0)
        message = f"`{cluster.region}` is no region of `{cluster.provider}`; it has {', '.join(names)}."
        yield Refusal("region", "zone.region-unknown", message, f"write `region: {nearest[0]}`")


def _network(zone: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for refusal in check_network(zone, catalogue, has_wan=False):
        yield replace(refusal, path=refusal.path.removeprefix(_CLUSTER))


def _last_port(spec: ByolSpec) -> Iterator[Refusal]:
    if spec.publish and spec.publish.port + spec.machines - 1 > _LAST_PORT:
        yield Refusal(
            "publish.port",
            "byol.last-port",
            f"{spec.machines} Machines are published from port {spec.publish.port} on, and ports end at {_LAST_PORT}; "
            "the last would not start.",
            f"write `port: {_LAST_PORT + 1 - spec.machines}` at most",
        )


def _https(spec: ByolSpec) -> Iterator[Refusal]:
    for index, site in enumerate(spec.sites):
        if site.https != HttpsSpec():
            yield Refusal(
                f"sites[{index}].https",
                "byol.no-https",
                f"`{site.host}` is asked for over the edge in front, which is not ours: what is said of HTTPS would be "
                "without effect.",
                "drop `https`, and set it up at the edge that `edges` names",
            )


def _sites(spec: ByolSpec) -> Iterator[Refusal]:
    # Without a Cluster the Zone has no network of its own: here the whole network is the customer's, origins too.
    for refusal in check_instances(as_zone(spec)):
        if refusal.path.startswith(_SITES):
            found = replace(refusal, path=f"sites{refusal.path.removeprefix(_SITES)}")
            yield _no_lab(found) if found.path.endswith(".lab") else found


def _no_lab(refusal: Refusal) -> Refusal:
    message = "A lab machine belongs to a Zone of the local cloud; a BYOL Instance has none to send traffic to."
    return replace(refusal, message=message, fix="write `address: 192.0.2.10`, where the web server is reached")
