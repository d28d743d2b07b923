"""What an edge at Cloudflare must hold beside its failover: connectors that one loss leaves, and no way around it."""

from collections.abc import Iterator

from hdinfra.model.failover.cloudflare_spec import ONE_UPLINK, CloudflareSpec, KubernetesSpec, Lock, TunnelSpec
from hdinfra.model.failover.spec import EndpointSpec, PoolSpec
from hdinfra.model.refusal import Refusal


def check_cloudflare(spec: CloudflareSpec) -> Iterator[Refusal]:
    """Every `edge.*` rule of Cloudflare's; those of the failover itself are `check_failover`'s."""
    yield from _proxied(spec)
    yield from _names(spec)
    yield from _references(spec)
    yield from _lock(spec)
    for index, tunnel in enumerate(spec.tunnels):
        yield from _connectors(f"tunnels[{index}]", tunnel)


def _proxied(spec: CloudflareSpec) -> Iterator[Refusal]:
    failover = spec.failover
    if failover.ttl_seconds:
        yield Refusal(
            "failover.ttl_seconds",
            "edge.proxied-ttl",
            f"Users' resolvers keep Cloudflare's own address, so {failover.ttl_seconds} s would be without effect.",
            "drop `ttl_seconds`",
        )
    if failover.monitor.host not in (None, failover.host):
        yield Refusal(
            "failover.monitor.host",
            "edge.monitor-host",
            f"Endpoints are asked as `{failover.host}`, which goes before the monitor's `{failover.monitor.host}`.",
            "drop `host` of the monitor",
        )


def _names(spec: CloudflareSpec) -> Iterator[Refusal]:
    names: set[str] = set()
    hosts = {spec.failover.host}
    for index, tunnel in enumerate(spec.tunnels):
        if tunnel.name in names:
            yield Refusal(
                f"tunnels[{index}].name",
                "edge.duplicate-tunnel",
                f"Another tunnel is called `{tunnel.name}` already, and endpoints name tunnels.",
                "give each its own name",
            )
        names.add(tunnel.name)
        if tunnel.direct in hosts:
            yield Refusal(
                f"tunnels[{index}].direct",
                "edge.duplicate-host",
                f"`{tunnel.direct}` leads elsewhere already: a site's direct name is that site's alone.",
                f"write another name, such as {tunnel.name}-direct.{spec.failover.host.partition('.')[2]}",
            )
        if tunnel.direct:
            hosts.add(tunnel.direct)


def _references(spec: CloudflareSpec) -> Iterator[Refusal]:
    known = {tunnel.name for tunnel in spec.tunnels}
    named: set[str] = set()
    for path, _, endpoint in _endpoints(spec):
        if endpoint.tunnel is None:
            continue
        named.add(endpoint.tunnel)
        if endpoint.tunnel not in known:
            yield Refusal(
                f"{path}.tunnel",
                "edge.tunnel-unknown",
                f"There is no tunnel `{endpoint.tunnel}`; there are: {', '.join(sorted(known)) or 'none'}.",
                f"add `- {{name: {endpoint.tunnel}, ...}}` to `tunnels`, or name one of these",
            )
    for index, tunnel in enumerate(spec.tunnels):
        if tunnel.name not in named:
            yield Refusal(
                f"tunnels[{index}]",
                "edge.tunnel-unknown",
                f"No endpoint leads to the tunnel `{tunnel.name}`: its site would serve nobody.",
                f"add a pool with the endpoint `{{name: {tunnel.name}, tunnel: {tunnel.name}}}`, or drop the tunnel",
            )
    for index, pool in enumerate(spec.failover.pools):
        tunnels = {endpoint.tunnel for endpoint in pool.endpoints} - {None}
        if len(tunnels) > 1:
            yield Refusal(
                f"failover.pools[{index}].endpoints",
                "edge.pool-per-site",
                f"Pool `{pool.name}` has {len(tunnels)} tunnels, so two sites are drained and lost at once.",
                "write a pool for each tunnel; more connectors make one tunnel stronger",
            )


def _lock(spec: CloudflareSpec) -> Iterator[Refusal]:
    open_ones = [(path, endpoint) for path, _, endpoint in _endpoints(spec) if endpoint.tunnel is None]
    if spec.cloudflare.lock is Lock.TUNNEL_ONLY:
        for path, endpoint in open_ones:
            yield Refusal(
                path,
                "edge.origin-lock",
                f"`{endpoint.name}` is asked at {endpoint.address or endpoint.host}, where anybody could ask it; "
                "the lock is `tunnel-only`.",
                "write `tunnel: ...` instead, or `lock: cloudflare-only`",
            )
    elif not open_ones:
        yield Refusal(
            "cloudflare.lock",
            "edge.origin-lock",
            f"Every endpoint is a tunnel, at which nobody else can ask: `{spec.cloudflare.lock}` would lock nothing.",
            "write `lock: tunnel-only`, or leave it out",
        )


def _connectors(path: str, tunnel: TunnelSpec) -> Iterator[Refusal]:
    if tunnel.kubernetes:
        yield from _pods(path, tunnel, tunnel.kubernetes)
        return
    for index, connector in enumerate(tunnel.connectors):
        if connector in tunnel.connectors[:index]:
            yield _refused(
                f"{path}.connectors[{index}]",
                f"`{connector.machine}` has two connectors over `{connector.uplink}`, which are lost together.",
                "drop one of them",
            )
    machines = {connector.machine for connector in tunnel.connectors}
    if len(machines) < 2:
        yield _refused(
            f"{path}.connectors",
            f"All connectors of `{tunnel.name}` are on {', '.join(sorted(machines))}; with it the site is gone.",
            "add `{machine: ..., uplink: ...}` with another machine",
        )
    yield from _uplinks(f"{path}.connectors", tunnel, {connector.uplink for connector in tunnel.connectors})


def _uplinks(path: str, tunnel: TunnelSpec, uplinks: set[str]) -> Iterator[Refusal]:
    waived = ONE_UPLINK in tunnel.waivers
    if len(uplinks) < 2 and not waived:
        yield _refused(
            path,
            f"All connectors of `{tunnel.name}` go out through {', '.join(sorted(uplinks))}; a cut takes them all.",
            "add a connector with another `uplink`, or `waivers: {uplinks: <why there is only one>}`",
        )
    if len(uplinks) > 1 and waived:
        yield _refused(
            path,
            f"`{tunnel.name}` has {len(uplinks)} ways out, so its waiver would be without effect.",
            "drop `waivers`",
        )


def _pods(path: str, tunnel: TunnelSpec, pods: KubernetesSpec) -> Iterator[Refusal]:
    if pods.replicas < 2:
        yield _refused(
            f"{path}.kubernetes.replicas",
            f"`{tunnel.name}` has {pods.replicas} pod; with its node the site is gone.",
            "write `replicas: 2`",
        )
    if pods.uplink_label is None and ONE_UPLINK not in tunnel.waivers:
        yield _refused(
            f"{path}.kubernetes",
            f"Nothing says through which way out each pod of `{tunnel.name}` connects; one cut may take all.",
            "add `uplink_label: <a label of nodes>`, or `waivers: {uplinks: <why there is only one>}`",
        )
    if pods.uplink_label and ONE_UPLINK in tunnel.waivers:
        yield _refused(
            f"{path}.kubernetes",
            f"Pods of `{tunnel.name}` are spread by `{pods.uplink_label}`, so its waiver would be without effect.",
            "drop `waivers`",
        )


def _refused(path: str, message: str, fix: str) -> Refusal:
    return Refusal(path, "edge.connectors", message, fix)


def _endpoints(spec: CloudflareSpec) -> Iterator[tuple[str, PoolSpec, EndpointSpec]]:
    for p, pool in enumerate(spec.failover.pools):
        for e, endpoint in enumerate(pool.endpoints):
            yield f"failover.pools[{p}].endpoints[{e}]", pool, endpoint
