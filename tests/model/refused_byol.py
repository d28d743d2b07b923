"""Specs of BYOL Instances, each of which breaks one rule."""

from tests.model import byol_specs as byol
from tests.model.legal import Data, setting
from tests.model.refused import RefusalCase, without

OWN = "sites.0.origins.0"


def own(rule: str, path: str, data: Data, licence: str | None = None, now: float = byol.NOW) -> RefusalCase:
    """A BYOL spec under that licence."""
    return RefusalCase(rule, path, lambda: byol.plan_of(data, licence, now))


BYOL = [
    own("byol.one-way", "provider", byol.installed(without("install"))),
    own("byol.one-way", "region", byol.on_cloud(without("region"))),
    own("byol.one-way", "install", byol.on_cloud(setting("install", True))),
    own("byol.no-https", "sites[0].https", byol.on_cloud(setting("sites.0.https", {"redirect": False}))),
    own("byol.last-port", "publish.port", byol.on_cloud(setting("publish.port", 65_535))),
    own("byol.licence-app", "app", byol.installed(), byol.licence(apps=("load-balancer",))),
    own("byol.licence-clock", "licence", byol.installed(), byol.licence(issued=int(byol.NOW) + 86_401)),
    own("byol.licence-count", "machines", byol.installed(setting("machines", 5))),
    own("byol.licence-expired", "licence", byol.installed(), now=byol.YEAR_ENDS),
    own("byol.licence-forged", "licence", byol.installed(), byol.licence().replace("acme-1", "acme-2")),
    own("byol.licence-forged", "licence", byol.installed(setting("vendor_key", f"{'A' * 43}="))),
    own("byol.licence-forged", "licence", byol.installed(), ""),
    own("byol.licence-not-yet", "licence", byol.installed(), now=byol.YEAR_BEGINS - 1),
    own("byol.licence-tenant", "tenant", byol.installed(), byol.licence(tenant="globex")),
    own("byol.one-way", "install", byol.installed(setting("code_url", "https://code.acme.test"))),
    own("machine.user-data-limit", "provider", byol.on_cloud(*byol.AT_AWS)),
    *(own("spec.type", "code_url", byol.on_cloud(setting("code_url", url))) for url in (
        "http://code.acme.test/hdinfra", "https://acme:secret@code.acme.test/hdinfra", "https://:443/hdinfra",
        "https://code.acme.test:port", "https://code.acme.test:99999", "https://[code.acme.test", "https://code.acme.test/?v=1",
        "https://code.acme.test/'; reboot; '", "https://code.acme.test/\n",
    )),
    own("zone.region-unknown", "region", byol.on_cloud(setting("region", "r99"))),
    own("network.size", "ipv4", byol.on_cloud(setting("ipv4", "10.99.0.0/25"))),
    own("network.reserved", "ipv6", byol.on_cloud(setting("ipv6", "ff02::/64"))),
    own("instance.size", "memory_mib", byol.on_cloud(setting("memory_mib", 9000))),
    own("site.duplicate-host", "sites[1].host", byol.installed(setting("sites", [byol.SITE, byol.SITE]))),
    own("site.origin-address", "sites[0].origins[0].address", byol.installed(setting(OWN, {"address": "::1"}))),
    own("site.origin-unknown", "sites[0].origins[0].lab", byol.installed(setting(OWN, {"lab": "web"}))),
    own("site.ceiling", "sites[0].mode", byol.installed(setting("sites.0", {**byol.SITE, "mode": "RECORD",
        "ceilings": {"lowest_mode": "MITIGATION"}}))),
    own("spec.type", "edges", byol.installed(setting("edges", []))),
    own("spec.unknown-key", "tennant", byol.installed(setting("tennant", "acme"))),
]  # fmt: skip
