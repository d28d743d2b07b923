"""Instances, tenants, sites and origins: names are told apart, hosts are unique, origins are places we may reach."""

from collections.abc import Iterator
from difflib import get_close_matches

from hdinfra.model.addressing import pool
from hdinfra.model.names import IPAddress, IPv4Address, IPv6Address
from hdinfra.model.plans import load_allowances
from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import InstanceSpec, Mode, OriginSpec, Profile, SiteSpec, TenantSpec, ZoneSpec
from hdinfra.protocol.merge import machinery_in

CONTROL = "control"
"""As an Instance would be called, so are the API machines: `<cluster>-control-1`."""
DNS = "dns"
"""And the name servers, where the Zone has some: `<cluster>-dns-1`."""


def check_instances(spec: ZoneSpec) -> Iterator[Refusal]:
    """`instance.duplicate-name`, `instance.cluster-unknown`, `instance.latch`, `tenant.*`, `site.*`."""
    clusters = {cluster.name for cluster in spec.clusters}
    taken = {CONTROL: "The management API", **({DNS: "The Zone's DNS"} if spec.dns else {})}
    names: set[str] = set(taken)
    for index, instance in enumerate(spec.instances):
        path = f"instances[{index}]"
        if instance.name in names:
            who = taken.get(instance.name, "Another Instance")
            message = f"{who} is called `{instance.name}` too; their Machines would have the same names."
            fix = f"write `name: {instance.name[:30]}2`"
            yield Refusal(f"{path}.name", "instance.duplicate-name", message, fix)
        names.add(instance.name)
        yield from _clusters(instance, path, clusters)
        yield from _tenants(instance, path)
        yield from _latch(instance, path)
    yield from _sites(spec)


def _clusters(instance: InstanceSpec, path: str, known: set[str]) -> Iterator[Refusal]:
    all_known = ", ".join(sorted(known)) or "no Cluster"
    for index, name in enumerate(instance.clusters or ()):
        if name not in known:
            nearest = get_close_matches(name, sorted(known), n=1, cutoff=0.0)
            yield Refusal(
                f"{path}.clusters[{index}]",
                "instance.cluster-unknown",
                f"`{instance.name}` shall run in `{name}`, but the Zone has {all_known}.",
                f"write `{nearest[0]}`, or add `{name}` to `clusters` of the Zone" if nearest else "add a Cluster",
            )


def _tenants(instance: InstanceSpec, path: str) -> Iterator[Refusal]:
    names: set[str] = set()
    for index, tenant in enumerate(instance.tenants):
        if tenant.name in names:
            yield Refusal(
                f"{path}.tenants[{index}].name",
                "tenant.duplicate-name",
                f"`{instance.name}` has two tenants called `{tenant.name}`; their files would overwrite each other's.",
                f"write `name: {tenant.name[:30]}2`, or put both tenants' sites under one",
            )
        names.add(tenant.name)


def _latch(instance: InstanceSpec, path: str) -> Iterator[Refusal]:
    health = instance.health
    for name in () if health.latch else ("rejoin", "silence_seconds"):
        if (found := getattr(health, name)) is not None:
            message = f"`{instance.name}` has `{name}: {found}`, which concerns a latch, and no latch."
            fix = f"write `latch: true` beside it, or drop `{name}`"
            yield Refusal(f"{path}.health.{name}", "instance.latch", message, fix)


def _sites(spec: ZoneSpec) -> Iterator[Refusal]:
    holders: dict[str, str] = {}
    origins = _Origins(spec)
    for i, instance in enumerate(spec.instances):
        for t, tenant in enumerate(instance.tenants):
            yield from _caches(tenant, f"instances[{i}].tenants[{t}]")
            for s, site in enumerate(tenant.sites):
                path = f"instances[{i}].tenants[{t}].sites[{s}]"
                yield from _host(site, path, holders, f"`{tenant.name}` of `{instance.name}`")
                yield from origins.check(site, path)
                yield from _ceilings(site, path)
                yield from _exclusions(site, path)
                yield from _profile(site, path)


def _host(site: SiteSpec, path: str, holders: dict[str, str], holder: str) -> Iterator[Refusal]:
    first = holders.setdefault(site.host, holder)
    if first is not holder:
        yield Refusal(
            f"{path}.host",
            "site.duplicate-host",
            f"`{site.host}` is a site of {first} and again of {holder}; the edge could not say whose requests it gets.",
            "leave one of the two out, or give this one a host name of its own",
        )


def _ceilings(site: SiteSpec, path: str) -> Iterator[Refusal]:
    ceilings = site.ceilings
    modes = list(Mode)
    broken = {
        "mode": (modes.index(site.mode) < modes.index(ceilings.lowest_mode), site.mode, ceilings.lowest_mode),
        "paranoia": (site.paranoia > ceilings.highest_paranoia, site.paranoia, ceilings.highest_paranoia),
        "exclusions": (len(site.exclusions) > ceilings.exclusions, len(site.exclusions), ceilings.exclusions),
    }
    limits = {"mode": "lowest_mode", "paranoia": "highest_paranoia", "exclusions": "exclusions"}
    for name, (is_broken, found, limit) in broken.items():
        if is_broken:
            message = f"`{site.host}` has `{name}` {found}, beyond its own ceiling `{limits[name]}` {limit}."
            fix = f"write `ceilings: {{{limits[name]}: {found}}}`, or bring `{name}` within {limit}"
            yield Refusal(f"{path}.{name}", "site.ceiling", message, fix)


def _exclusions(site: SiteSpec, path: str) -> Iterator[Refusal]:
    for index, rule in enumerate(site.exclusions):
        if machinery_in([rule]):
            yield Refusal(
                f"{path}.exclusions[{index}]",
                "site.exclusion-machinery",
                f"`{site.host}` does without rule {rule}, which counts or blocks for all others: none would have an "
                "effect any more, whatever its `mode` and ceilings say.",
                "write the number of the rule that is wrong here, which its audit log names; or `mode: RECORD` to "
                "refuse nothing",
            )


def _caches(tenant: TenantSpec, path: str) -> Iterator[Refusal]:
    disk = load_allowances()[tenant.plan].disk_gib * 1024
    sizes = [site.cache.size_mib if site.cache else 0 for site in tenant.sites]
    # Logs, which the same quota is for, get the other half: a full quota takes no audit log.
    if sum(sizes) <= disk // 2:
        return
    largest = sizes.index(max(sizes))
    yield Refusal(
        f"{path}.sites[{largest}].cache.size_mib",
        "tenant.cache-disk",
        f"Caches of `{tenant.name}`'s sites come to {sum(sizes):,} MiB; its plan `{tenant.plan}` has {disk:,} MiB for "
        "caches and logs together, and a disk that is full takes no logs.",
        f"write sizes that come to {disk // 2:,} MiB at most (`{tenant.sites[largest].host}` has {max(sizes):,}), or "
        "give the tenant of a Zone a larger `plan`",
    )


def _profile(site: SiteSpec, path: str) -> Iterator[Refusal]:
    asked = [f"mode: {site.mode}"] if site.mode is Mode.MITIGATION else []
    asked += [f"lowest_mode: {site.ceilings.lowest_mode}"] if site.ceilings.lowest_mode is not Mode.BYPASS else []
    if site.profile is Profile.NONE and asked:
        message = f"`{site.host}` has `profile: none` and `{asked[0]}`; without rules nothing would be inspected."
        fix = f"write `profile: {Profile.BASIC}`, or leave `{asked[0].partition(':')[0]}` out"
        yield Refusal(f"{path}.profile", "site.profile-protects", message, fix)


class _Origins:
    def __init__(self, spec: ZoneSpec) -> None:
        self._lab = sorted(origin.name for origin in spec.lab.origins)
        own = pool(spec)
        self._own = (own.ipv4, own.ipv6) if spec.clusters else ()

    def check(self, site: SiteSpec, path: str) -> Iterator[Refusal]:
        for index, origin in enumerate(site.origins):
            yield from self._origin(origin, f"{path}.origins[{index}]", site.host)

    def _origin(self, origin: OriginSpec, path: str, host: str) -> Iterator[Refusal]:
        if (origin.address is None) == (origin.lab is None):
            found = "names neither an address nor" if origin.lab is None else "names both an address and"
            message = f"An origin of `{host}` {found} a lab machine; where its traffic goes would be a guess."
            fix = "write one of `address: 192.0.2.10` and `lab: NAME`"
            yield Refusal(path, "site.origin-unknown", message, fix)
        elif origin.lab is not None and origin.lab not in self._lab:
            nearest = get_close_matches(origin.lab, self._lab, n=1, cutoff=0.0)
            message = f"`{host}` has its origin on lab machine `{origin.lab}`, which `lab.origins` does not have."
            fix = f"write `lab: {nearest[0]}`, or add `{origin.lab}`" if nearest else f"add `{origin.lab}`"
            yield Refusal(f"{path}.lab", "site.origin-unknown", message, f"{fix} to `lab.origins`")
        if origin.address is not None and (reason := self._unreachable(origin.address)):
            message = f"`{host}` has its origin at {origin.address}, {reason}; a WAF must not be led there."
            fix = "write the address at which the customer's web server is reached from outside"
            yield Refusal(f"{path}.address", "site.origin-address", message, fix)

    def _unreachable(self, address: IPAddress) -> str | None:
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            return self._unreachable(address.ipv4_mapped) or "an IPv4 address in IPv6's clothes"
        kinds = {
            "a loopback address, the WAF's own machine": address.is_loopback,
            "the unspecified address": address.is_unspecified,
            "a multicast address": address.is_multicast,
            "a link-local address, where providers keep machines' secrets": address.is_link_local,
            "a reserved address": isinstance(address, IPv4Address) and (address.is_reserved or int(address) < 2**24),
            "inside the Zone's own network": any(address in network for network in self._own),
        }
        return next((kind for kind, applies in kinds.items() if applies), None)
