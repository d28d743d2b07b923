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
            if feature not in (Feature.BUCKETS, Feature.PRIVATE_IPV6)
        },
        "cloud.no-buckets": "Some Cluster's provider has buckets for our code, or `bundles.url` names another address.",
        "cloud.no-private-ipv6": "A Cluster whose provider gives, or lacks, private IPv6 networks names none.",
        "cluster.zone-unknown": "Every availability zone is one of its region's.",
        "cluster.duplicate-data-centre": "Two Clusters of a Zone are never in the same data centre of one provider.",
        "cluster.duplicate-name": (
            "Clusters, edge places and lab machines have names of their own, no name of a Cluster or place starts "
            "with another one and a hyphen, and `bundles`, `control`, `lab` and `wan` are taken: resources are "
            "excluded by that prefix."
        ),
        "control.callers": "A firewall of every API machine's cloud can name all that may come.",
        "control.cluster-unknown": "The management API names only Clusters of its Zone.",
        "control.duplicate-port": "An API machine is published at no port that another machine holds.",
        "edge.duplicate-port": "No two edge places are published at the same address and port of this computer.",
        "edge.https-port": (
            "An edge shows HTTPS at a port up to 65,535 that is not its plain one, and edges with one plain port have "
            "one for HTTPS."
        ),
        "edge.place-missing": "An edge has places.",
        "edge.two-operators": "The edge's places belong to at least two operators.",
        "instance.app-minimum": "A Machine has at least what its App needs.",
        "instance.arch": "A size that is named runs the programs of the Instance's `arch`.",
        "instance.cluster-unknown": "An Instance names only Clusters of its Zone.",
        "instance.duplicate-name": "Every Instance has a name of its own, and `control` is the management API's.",
        "instance.headroom": (
            "After the loss of any one Cluster or operator `capacity` Machines stay, within `machines_per_cluster` "
            "and what the provider takes in one Cluster."
        ),
        "instance.name-length": "A Machine's name, `<cluster>-<instance>-<number>`, is a host label of up to 63 bytes.",
        "instance.owner-kept": ("An Instance that runs stays whose it is: shared, or the same one tenant's alone."),
        "instance.one-tenant": "A dedicated Instance has exactly one tenant.",
        "instance.size-unknown": "A size that is named is one of its provider's.",
        "instance.size": "The provider has a size of machine with that many vCPU and that much memory.",
        "instance.two-clusters": "An Instance runs in at least two Clusters that take Machines.",
        "instance.two-operators": "An Instance's Clusters belong to at least two operators.",
        "lab.local-only": "Lab machines stand in regions of the local cloud.",
        "machine.user-data-limit": "A Machine's cloud-init data fits into what its provider takes.",
        "network.full": "A region's Machines, edges and lab machines fit into the numbers of its network.",
        "network.overlap": "No Cluster's network overlaps another one's or the wan.",
        "network.reserved": "Networks are unicast, and neither loopback, link-local nor unspecified.",
        "network.size": "The pool is a /12 and a /48; a Cluster's own network is a /16 to /24 and a /64.",
        "publish.local-only": "Only the local cloud shows machines on this computer.",
        "site.ceiling": "A site's own settings lie within its ceilings.",
        "site.duplicate-host": "A host name belongs to one site of the Zone.",
        "site.origin-address": (
            "An origin's address is one that a WAF may reach: not loopback, link-local, multicast, unspecified, "
            "reserved, nor inside the Zone's own network."
        ),
        "site.origin-unknown": "An origin is either an address or the name of a lab machine that exists.",
        "site.profile-protects": (
            "A site that shall refuse attacks, or may not be set to pass them, has a profile with rules."
        ),
        "spec.file": "The spec can be read, is UTF-8 and has 1 MiB at most.",
        "spec.missing": "Every key that has no default is given.",
        "spec.type": "Every value has the type and range of its key.",
        "spec.unknown-key": "Every key is one that the spec knows.",
        "spec.yaml": "The spec is one YAML mapping without duplicate keys, aliases and explicit tags.",
        "tenant.duplicate-name": "Every tenant of an Instance has a name of its own.",
        "tls.acme-account": "An ACME account is given where the issuer is `acme`, and nowhere else.",
        "tls.certificate-and-key": "A site names both a certificate and its key, or neither.",
        "tls.certificate-missing": "Where certificates are supplied, every site names one.",
        "tls.expired": "A supplied certificate has not ended.",
        "tls.file": "A supplied certificate and its key can be read, are PEM and not encrypted.",
        "tls.host-not-covered": "A supplied certificate names its site's host, itself or by a wildcard.",
        "tls.key-mismatch": "A supplied certificate was made for the key beside it.",
        "tls.not-yet": "A supplied certificate's first day has come.",
        "zone.area": "The Zone's area is known, and every Cluster's data centre lies inside it.",
        "zone.local-alone": "A Zone is on the local cloud whole or not at all.",
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
