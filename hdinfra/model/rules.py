"""Every reason why a spec is refused. Ids are stable and never reused; docs/rules.md is this table."""

from collections.abc import Mapping
from types import MappingProxyType

from hdinfra.model.spec import Feature

RULES: Mapping[str, str] = MappingProxyType(
    {
        "account.clouds-only": "Accounts are of providers' clouds; the local cloud has none.",
        "byol.last-port": "Every Machine of a published BYOL Instance has a port, up to 65,535.",
        "byol.licence-app": "The licence names the Instance's App.",
        "byol.licence-clock": "This computer's clock is not behind the licence's own date of issue.",
        "byol.licence-count": "The licence is for as many machines as the Instance has.",
        "byol.licence-expired": "The licence has not run out.",
        "byol.licence-forged": "The licence is as the vendor signed it, byte by byte.",
        "byol.licence-not-yet": "The licence's first day has come.",
        "byol.licence-tenant": "The licence was issued to the tenant that the spec names.",
        "byol.no-https": "A BYOL Instance stands behind somebody else's edge, so its sites say nothing of HTTPS.",
        "byol.no-zone": "What is deployed as a Zone is the spec of a Zone, not of a BYOL Instance.",
        "byol.not-in-vendor-stack": "A Zone has no BYOL Instance: those are hosted by the customer.",
        "byol.one-way": "A BYOL Instance stands either in a cloud's data centre or on machines that are installed.",
        **{
            f"cloud.no-{feature}": f"What needs {feature} stands where the provider has it, or a waiver says why not."
            for feature in Feature
            if feature not in (Feature.BUCKETS, Feature.LOAD_BALANCERS, Feature.PRIVATE_IPV6)
        },
        "cloud.no-buckets": "Some Cluster's provider has buckets for our code, or `bundles.url` names another address.",
        "cloud.no-load-balancers": "A place whose provider has no load balancer asks for none.",
        "cloud.no-private-ipv6": "A Cluster whose provider gives, or lacks, private IPv6 networks names none.",
        "cluster.zone-unknown": "Every availability zone is one of its region's.",
        "cluster.duplicate-data-centre": "Two Clusters of a Zone are never in the same data centre of one provider.",
        "cluster.duplicate-name": (
            "Clusters, edge places and lab machines have names of their own, no name of a Cluster or place starts "
            "with another one and a hyphen, and `bundles`, `control`, `lab` and `wan` are taken: resources are "
            "excluded by that prefix."
        ),
        "control.callers": "A firewall of every API machine's cloud can name all that may come.",
        "cluster.network-kept": "A Cluster in which Machines stand keeps its networks.",
        "cluster.place-kept": "A Cluster in which Machines stand keeps provider, region, account and zones.",
        "control.cluster-unknown": "The management API names only Clusters of its Zone.",
        "control.duplicate-port": "An API machine is published at no port that another machine holds.",
        "edge.all-drained": "Some pool of a failover is not drained.",
        "edge.connectors": (
            "A tunnel's connectors are on at least two machines, or nodes, and go out through at least two uplinks, or "
            "a waiver says why there is one; no two share both."
        ),
        "edge.dns-only": (
            "Where users are steered by DNS, nothing is written that needs the edge in their way: affinity, tunnels."
        ),
        "edge.duplicate-host": "A site's direct name is no other site's, and not the service's.",
        "edge.duplicate-name": "Pools, and the endpoints of a pool, have names of their own.",
        "dns.cluster-unknown": "Name servers stand in Clusters of their Zone.",
        "dns.duplicate-network": "A network has one order of places.",
        "dns.duplicate-port": "A name server is published at no port that another machine holds.",
        "dns.edge": "A Zone with name servers of its own has an edge that they lead to.",
        "dns.entrance-kept": "The entrance that users were switched to stays in the spec until they are elsewhere.",
        "dns.entrance-name": "Every entrance has a name of its own, and none that the servers themselves answer for.",
        "dns.name": "No site's host and no entrance's target lies in the domain of the Zone's name servers.",
        "dns.place-unknown": "Names of places are those of the edge's places, each once.",
        "dns.rto": "How long users may be sent to a place that died, by checks and TTL, is within `rto_seconds`.",
        "dns.timeout": "A check is over before the next one is due.",
        "edge.duplicate-port": "No two edge places are published at the same address and port of this computer.",
        "edge.duplicate-tunnel": "Every tunnel has a name of its own.",
        "edge.failback-database": (
            "Sites that share a database are used in order, without affinity, and users go back by hand."
        ),
        "edge.fallback": "The pool that takes users when every pool is down is named, exists and is not drained.",
        "edge.https-port": (
            "An edge shows HTTPS at a port up to 65,535 that is not its plain one, and edges with one plain port have "
            "one for HTTPS."
        ),
        "edge.interval": (
            "Probes are no more frequent than the account's plan gives, and one is over before the next begins."
        ),
        "edge.load-balancer": "An edge place of several machines has a load balancer, so that it has one address.",
        "edge.minimum-healthy": "A pool has as many endpoints as must be up for it to be up.",
        "edge.monitor-host": "Cloudflare's probes ask for the service's own host, as its users' requests do.",
        "edge.origin-lock": (
            "With `tunnel-only` every endpoint is a tunnel; with `cloudflare-only` there is one that is none."
        ),
        "edge.place-kept": "A place of the edge that is up keeps provider, region and account, and so its addresses.",
        "edge.place-missing": "An edge has places.",
        "edge.pool-clusters": "Every Cluster of a pool is one of the Zone's, and in one pool alone.",
        "edge.pool-machines": "Each Instance with sites has Machines in every pool of the edge, and none outside.",
        "edge.plan-limit": "Pools and endpoints are no more than the account's plan gives.",
        "edge.pool-per-site": "A pool has one site's tunnel, and no other's.",
        "edge.proxied-ttl": "At Cloudflare requests are moved, not answers of DNS, so nothing is said of their life.",
        "edge.region-unknown": "Every region of a pool is one of Cloudflare's.",
        "edge.rto": "The time within which users are promised to be served again can be kept at worst.",
        "edge.steering-part": (
            "What a pool says of steering belongs to the steering in force, which has all that it needs."
        ),
        "edge.tunnel-twice": "A tunnel, address or host leads into one pool, once.",
        "edge.tunnel-unknown": "Endpoints name tunnels that there are, and every tunnel is some endpoint's.",
        "edge.two-operators": "The edge's places belong to at least two operators.",
        "edge.weights": "Some pool, and some endpoint of every pool, has a weight above 0.",
        "hardware.duplicate-name": "Every thing in the racks, every host and every service has a name of its own.",
        "hardware.name-unknown": "Every name leads to a thing of the inventory, of the kind that belongs there.",
        "hardware.same-site": "Power and network cables lead to something at the same site.",
        "hardware.server-taken": "A server is one host's, or a spare.",
        "healing.cluster-unknown": "Healing leaves alone only Clusters of its Zone.",
        "host.duplicate-address": "Every host has addresses of its own.",
        "host.gateway": "A host reaches its gateways: they lie in its networks, or are link-local.",
        "instance.app-minimum": "A Machine has at least what its App needs.",
        "instance.arch": "A size that is named runs the programs of the Instance's `arch`.",
        "instance.cluster-unknown": "An Instance names only Clusters of its Zone.",
        "instance.duplicate-name": (
            "Every Instance has a name of its own; `control` is the management API's, `dns` the name servers', where "
            "there are some."
        ),
        "instance.headroom": (
            "After the loss of any one Cluster or operator `capacity` Machines stay, within `machines_per_cluster` "
            "and what the provider takes in one Cluster."
        ),
        "instance.latch": "What closes or opens a latch is written where there is one.",
        "instance.name-length": "A Machine's name, `<cluster>-<instance>-<number>`, is a host label of up to 63 bytes.",
        "instance.owner-kept": ("An Instance that runs stays whose it is: shared, or the same one tenant's alone."),
        "instance.one-tenant": "A dedicated Instance has exactly one tenant.",
        "instance.size-not-sold": "A size that is named is sold in the region of each Cluster that shall have it.",
        "instance.size-unknown": "A size that is named is one of its provider's.",
        "instance.size": "The provider has a size of machine with that many vCPU and that much memory.",
        "instance.two-clusters": "An Instance runs in at least two Clusters that take Machines.",
        "instance.two-operators": "An Instance's Clusters belong to at least two operators.",
        "instance.volume-kept": "Volumes that hold an Instance's data stay, and only grow.",
        "ipv6.native": "Whoever listens has an IPv6 address of the site's own, and no tunnel's.",
        "lab.local-only": "Lab machines stand in regions of the local cloud.",
        "machine.user-data-limit": "A Machine's cloud-init data fits into what its provider takes.",
        "network.duplicate-mac": "Every port has an Ethernet address of its own.",
        "network.full": "A region's Machines, edges and lab machines fit into the numbers of its network.",
        "network.overlap": "No Cluster's network overlaps another one's or the wan.",
        "network.reserved": "Networks are unicast, and neither loopback, link-local nor unspecified.",
        "mesh.peers": "A cloud's firewall can name every peer that a machine has in the mesh, at both ports.",
        "mesh.version-down": "The version of the mesh's keys never goes down.",
        "mesh.version-step": "The version of the mesh's keys goes up by one at a time.",
        "network.size": "The pool is a /12 and a /48; a Cluster's own network is a /16 to /24 and a /64.",
        "network.two-manufacturers": (
            "Each site's routers, and the switches of each server, are of at least two manufacturers, "
            "either of which may fail as a whole."
        ),
        "network.two-nics-two-switches": "Every server has ports on at least two switches.",
        "network.two-ways-out": (
            "From every switch with servers a way leads out, whichever other switch, router or operator is lost."
        ),
        "placement.spread-racks": (
            "Whichever rack is lost (hall or site, where `spread` says so), enough hosts of each service serve."
        ),
        "power.two-chains": "Every server, switch and router has power supplies on at least two chains.",
        "publish.local-only": "Only the local cloud shows machines on this computer.",
        "network.two-links": "A bond has at least two links.",
        "raid.disk-too-small": "Every disk of a mirror has room for the server's layout.",
        "raid.name-length": "A server's name leaves room for its arrays' in their metadata.",
        "raid.disk-serial": "Every disk's serial is written, or part of its path, and both say the same.",
        "raid.same-disk-twice": "No disk is named twice, by whatever name.",
        "raid.two-disks": "Every server has at least two disks to mirror.",
        "replace.disks": "A spare has as many disks as the server that it follows, and none smaller.",
        "replace.host": "What is replaced is a host of the inventory.",
        "replace.model": "A host moves to a server of the same model.",
        "replace.ports": "A spare has as many ports on switches as the server that it follows.",
        "replace.server": "What a host moves to is a server of the inventory.",
        "replace.site": "A host stays at its site, whose network its addresses are of.",
        "replace.spare": "A host moves to a server that is a spare, and nobody else's.",
        "replace.still-needed": "A host that serves moves only where enough others serve meanwhile.",
        "replace.weaker": "After a replacement no rule is broken that was not before, but for a spare less.",
        "site.ceiling": "A site's own settings lie within its ceilings.",
        "site.duplicate-host": "A host name belongs to one site of the Zone.",
        "site.exclusion-machinery": (
            "A site does without rules that find something, never without those that count and block for the others."
        ),
        "site.origin-address": (
            "An origin's address is one that a WAF may reach: not loopback, link-local, multicast, unspecified, "
            "reserved, nor inside the Zone's own network."
        ),
        "site.origin-unknown": "An origin is either an address or the name of a lab machine that exists.",
        "site.profile-protects": (
            "A site that shall refuse attacks, or may not be set to pass them, has a profile with rules."
        ),
        "spare.per-model-and-site": (
            "Every model in use has a spare at its site: servers are mounted, switches and routers on the shelf."
        ),
        "spec.file": "The spec can be read, is UTF-8 and has 1 MiB at most.",
        "spec.missing": "Every key that has no default is given.",
        "spec.type": "Every value has the type and range of its key.",
        "spec.unknown-key": "Every key is one that the spec knows.",
        "spec.yaml": "The spec is one YAML mapping without duplicate keys, aliases and explicit tags.",
        "tenant.cache-disk": "The caches of a tenant's sites take half of its plan's disk at most; logs have the rest.",
        "tenant.duplicate-name": "Every tenant of an Instance has a name of its own.",
        "tls.acme-account": "An ACME account is given where the issuer is `acme`, and nowhere else.",
        "tls.certificate-and-key": "A site names both a certificate and its key, or neither.",
        "tls.certificate-missing": "Where certificates are supplied, every site names one.",
        "tls.expired": "A supplied certificate has not ended.",
        "tls.file": "A supplied certificate and its key can be read, are PEM and not encrypted.",
        "tls.host-not-covered": "A supplied certificate names its site's host, itself or by a wildcard.",
        "tls.key-mismatch": "A supplied certificate was made for the key beside it.",
        "tls.not-yet": "A supplied certificate's first day has come.",
        "ups.battery-lasts": "A battery that is low lasts until everything has stopped in its order.",
        "ups.host": "The host with a battery's cable is fed by that battery.",
        "ups.network-fed": "Routers and switches of a site whose batteries are watched hang on one of these.",
        "ups.order-ring": "No service needs, over others, itself.",
        "ups.told-apart": "Batteries at one host's cables differ by port or serial.",
        "ups.watched": "Where one battery of a site is watched, all are that feed hosts.",
        "zone.area": "The Zone's area is known, and its Clusters and its edge's places lie in the area's countries.",
        "zone.local-alone": "A Zone is on the local cloud whole or not at all.",
        "zone.name-kept": "A Zone that is up keeps its name.",
        "zone.region-unknown": "Every region is one of its provider's.",
    }
)
"""Rule to what it asks for."""


def rules_markdown() -> str:
    """The text of docs/rules.md."""
    rows = "".join(f"| `{rule}` | {meaning} |\n" for rule, meaning in sorted(RULES.items()))
    return (
        "# Rules\n\n"
        "What a spec must hold before anything is registered. A spec that breaks some is refused with all of them at\n"
        "once; each refusal names the rule, the path in the spec, what was found, and what to write instead.\n"
        "Written from `hdinfra/model/rules.py` by `python -m hdinfra.model.rules > docs/rules.md`.\n\n"
        f"| rule | what it asks for |\n|---|---|\n{rows}"
    )


if __name__ == "__main__":
    print(rules_markdown(), end="")
