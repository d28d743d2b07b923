"""Every rule has a case that breaks it alone, and what is refused comes as a whole."""

import tempfile
from pathlib import Path

import pytest

from hdinfra.model.held import Held, HeldInstance, HeldMesh
from hdinfra.model.planner import plan_zone
from hdinfra.model.refusal import RefusedError
from hdinfra.model.regions import Catalogue
from hdinfra.model.rules import RULES, rules_markdown
from hdinfra.model.spec import Feature, ZoneSpec
from hdinfra.model.spec_file import load_spec, parse_spec
from hdinfra.model.typed import validated
from hdinfra.planning import read_certificates
from hdinfra.protocol import certificate as certificates
from tests.model import byol_specs as byol
from tests.model import cloud_specs as clouds
from tests.model.legal import Change, Data, legal, setting
from tests.model.refused import RefusalCase, refusals, without
from tests.model.refused_byol import BYOL
from tests.model.refused_cloudflare import CLOUDFLARE
from tests.model.refused_dns import DNS
from tests.model.refused_edge_pools import EDGE_POOLS
from tests.model.refused_failover import FAILOVER
from tests.model.refused_hardware import HARDWARE
from tests.model.refused_kept import KEPT
from tests.model.refused_replacement import REPLACEMENT
from tests.model.refused_server import SERVER
from tests.model.refused_ups import UPS
from tests.strategies import WIDE, wide_catalogue

# Decided where cloud-init data is rendered, and tested there.
OF_THE_MACHINE = {"machine.user-data-limit"}


def case(rule: str, path: str, *changes: Change, held: Held | None = None) -> RefusalCase:
    """A legal spec with these changes, planned."""
    catalogue = wide_catalogue(machines_per_cluster=150)
    return RefusalCase(rule, path, lambda: plan_zone(validated(ZoneSpec, legal(*changes)), held or Held(), catalogue))


def cloud(rule: str, path: str, *changes: Change, catalogue: Catalogue | None = None) -> RefusalCase:
    """The legal spec of three clouds with these changes, over the shipped tables."""
    return RefusalCase(rule, path, lambda: plan_zone(validated(ZoneSpec, clouds.europe(*changes)), Held(), catalogue))


def text(rule: str, path: str, yaml: str) -> RefusalCase:
    """A text that is no spec."""
    return RefusalCase(rule, path, lambda: parse_spec(yaml, "zone.yaml"))


def full(data: Data) -> None:
    """150 Machines fit into a region; `one` gets 160, the others 80."""
    data["instances"] = [
        {"name": "shop", "capacity": 80, "clusters": ["one", "two"]},
        {"name": "pay", "capacity": 80, "clusters": ["one", "three"]},
    ]
    data["clusters"].append({"name": "three", "provider": "local", "region": "r03"})
    data["lab"] = {}


def issued(host: str = "shop.acme.test") -> str:
    """A certificate of 90 days for that host."""
    return certificates.issue_site(ROOT, ROOT_KEY, SITE_KEY, host, certificates.Life(byol.NOW, days=90))


def supplied(rule: str, path: str, now: float = byol.NOW, **files: str | None) -> RefusalCase:
    """The legal spec whose first site brings a certificate, in these files; None: the file is not there."""

    def refuse() -> None:
        texts = {"certificate": issued(), "key": SITE_KEY, **files}
        with tempfile.TemporaryDirectory() as folder:
            for name, content in texts.items():
                if content is not None:
                    (Path(folder) / name).write_text(content)
            https = setting(f"{SITE}.https", {"certificate": "certificate", "key": "key"})
            spec = validated(ZoneSpec, legal(https))
            raise RefusedError(read_certificates(spec, Path(folder), now).refusals)

    return RefusalCase(rule, path, refuse)


ROOT_KEY, SITE_KEY = certificates.new_key(), certificates.new_key()
ROOT = certificates.new_site_root("india", ROOT_KEY, byol.NOW)
ACME = {"directory": "https://acme.test/directory", "contact": "ops@acme.test"}
SITE = "instances.0.tenants.0.sites.0"
SITE_PATH = "instances[0].tenants[0].sites[0]"
ORIGIN = "instances[0].tenants[0].sites[0].origins[0]"
INITECH = {"name": "initech"}
SHARED_BEFORE = HeldInstance(clusters=("one", "two"), machines_per_cluster=1, size="local-1g")
INITECHS_BEFORE = SHARED_BEFORE.model_copy(update={"tenant": "initech"})
MESH_HELD = Held(mesh=HeldMesh(version=4))
CASES = [
    case("mesh.version-down", "network.mesh.version", setting("network", {"mesh": {"version": 3}}), held=MESH_HELD),
    case("mesh.version-step", "network.mesh.version", setting("network", {"mesh": {"version": 6}}), held=MESH_HELD),
    *(cloud(rule, path, *changes) for rule, path, changes in clouds.BROKEN),
    cloud("cloud.no-buckets", "bundles.url", catalogue=clouds.lacking(Feature.BUCKETS)),
    cloud(
        "cloud.no-balancer-ipv6",
        "edge.places[0]",
        setting("edge.places.0.load_balancer", True),
        catalogue=clouds.lacking(Feature.BALANCER_IPV6),
    ),
    case("zone.area", "area", setting("area", "atlantis")),
    case("zone.area", "clusters[1].region", setting("clusters.1.region", "far")),
    case("zone.area", "edge.places[1].region", setting("edge.places.1.region", "far")),
    case("zone.region-unknown", "clusters[0].region", setting("clusters.0.region", "r99")),
    case("zone.region-unknown", "edge.places[1].region", setting("edge.places.1.region", "r99")),
    case("cluster.duplicate-data-centre", "clusters[1].region", setting("clusters.1.region", "r01")),
    case("cluster.duplicate-name", "clusters[1].name", setting("clusters.1.name", "one")),
    case("cluster.duplicate-name", "clusters[1].name", setting("clusters.1.name", "one-b")),
    case(
        "cluster.duplicate-name",
        "clusters[1].name",
        setting("clusters.0.name", "a-b"),
        setting("clusters.1.name", "a"),
    ),
    case("cluster.duplicate-name", "clusters[0].name", setting("clusters.0.name", "wan")),
    case("cluster.duplicate-name", "clusters[0].name", setting("clusters.0.name", "lab-a")),
    case("cluster.duplicate-name", "clusters[0].name", setting("clusters.0.name", "bundles")),
    case("cluster.duplicate-name", "edge.places[0].name", setting("edge.places.0.name", "two")),
    case("cluster.duplicate-name", "lab.origins[1].name", setting("lab.origins.1.name", "web")),
    case("lab.local-only", "lab.origins[0].region", setting("lab.origins.0.region", "eu-central-1")),
    case("instance.two-clusters", "instances[1].clusters", setting("instances.1.clusters", ["one"])),
    case("instance.two-clusters", "instances[1].clusters", setting("instances.1.clusters", ["one", "one"])),
    case("instance.two-clusters", "instances[1].clusters", setting("instances.1.clusters", [])),
    case(
        "instance.two-clusters",
        "instances[1].clusters",
        setting("instances.1.clusters", ["two", "ten"]),
        held=Held(withdrawn=("ten",)),
    ),
    case("instance.two-operators", "instances[1].clusters", setting("instances.1.clusters", ["one", "ten"])),
    case(
        "instance.two-operators",
        "instances[0].clusters",
        setting("clusters.1.region", "r19"),
        setting("instances", [{"name": "spare"}]),
    ),
    case("instance.one-tenant", "instances[0].tenants", setting("instances.0.tenancy", "dedicated")),
    case("instance.one-tenant", "instances[1].tenants", setting("instances.1.tenancy", "dedicated")),
    *(
        case("instance.owner-kept", "instances[1].tenancy", *changes, held=Held(instances={"spare": before}))
        for before, *changes in (
            (SHARED_BEFORE, setting("instances.1.tenancy", "dedicated"), setting("instances.1.tenants", [INITECH])),
            (INITECHS_BEFORE, setting("instances.1.tenants", [INITECH])),
            (
                INITECHS_BEFORE,
                setting("instances.1.tenancy", "dedicated"),
                setting("instances.1.tenants", [{"name": "hooli"}]),
            ),
        )
    ),
    case("instance.headroom", "instances[0].machines_per_cluster", setting("instances.0.machines_per_cluster", 1)),
    case("instance.headroom", "instances[1].capacity", setting("instances.1.capacity", 151)),
    case(
        "instance.latch",
        "instances[0].health.rejoin",
        setting("instances.0.health", {"rejoin": "http://localhost/x"}),
    ),
    case(
        "instance.latch",
        "instances[0].health.silence_seconds",
        setting("instances.0.health", {"silence_seconds": 9}),
    ),
    case("spec.type", "instances[0].health.writes", setting("instances.0.health", {"writes": "http://192.0.2.1/"})),
    case("instance.size", "instances[1].memory_mib", setting("instances.1.memory_mib", 9000)),
    case("instance.size", "instances[1].vcpu", setting("instances.1.vcpu", 9)),
    case("instance.size", "edge.vcpu", setting("edge.vcpu", 9)),
    case("instance.duplicate-name", "instances[1].name", setting("instances.1.name", "shop")),
    case("instance.duplicate-name", "instances[1].name", setting("instances.1.name", "control")),
    case("control.cluster-unknown", "control.clusters[1]", setting("control", {"clusters": ["one", "tow"]})),
    case("healing.cluster-unknown", "healing.keep[0]", setting("healing", {"keep": ["tow"]})),
    case("control.duplicate-port", "control.publish", setting("control", {"publish": {"port": 8079}})),
    case("control.duplicate-port", "control.publish", setting("control", {"publish": {"port": 65535}})),
    case("instance.two-operators", "control.clusters", setting("control", {"clusters": ["one", "ten"]})),
    case("instance.size", "control.memory_mib", setting("control", {"memory_mib": 9000})),
    case("site.ceiling", f"{SITE_PATH}.mode", setting(f"{SITE}.ceilings", {"lowest_mode": "MITIGATION"})),
    case(
        "site.ceiling",
        f"{SITE_PATH}.paranoia",
        setting(f"{SITE}.paranoia", 3),
        setting(f"{SITE}.ceilings", {"highest_paranoia": 2}),
    ),
    case(
        "site.ceiling",
        f"{SITE_PATH}.exclusions",
        setting(f"{SITE}.exclusions", [942100]),
        setting(f"{SITE}.ceilings", {"exclusions": 0}),
    ),
    case("site.exclusion-machinery", f"{SITE_PATH}.exclusions[1]", setting(f"{SITE}.exclusions", [942100, 949110])),
    case(
        "tenant.cache-disk",
        f"{SITE_PATH}.cache.size_mib",
        setting(f"{SITE}.cache", {"size_mib": 513}),
        setting("instances.0.tenants.0.plan", "free"),
    ),
    case(
        "site.profile-protects",
        f"{SITE_PATH}.profile",
        setting(f"{SITE}.profile", "none"),
        setting(f"{SITE}.mode", "MITIGATION"),
    ),
    case(
        "site.profile-protects",
        f"{SITE_PATH}.profile",
        setting(f"{SITE}.profile", "none"),
        setting(f"{SITE}.ceilings", {"lowest_mode": "RECORD"}),
    ),
    *(
        case("spec.type", f"{SITE_PATH}.{name}", setting(f"{SITE}.{path}", value))
        for name, path, value in (
            *(("excluded_paths[0]", "excluded_paths", [path]) for path in ("/", "/a/../b", "/a//b", "a")),
            *(("excluded_networks[0]", "excluded_networks", [net]) for net in ("0.0.0.0/7", "::/31", "192.0.2.1/24")),
            ("rate.per_second", "rate", {"per_second": 0}),
            ("rate.burst", "rate", {"per_second": 1, "burst": 10_001}),
            ("cache.size_mib", "cache", {"size_mib": 1_025}),
            ("profile", "profile", "wordpress"),
        )
    ),
    case("instance.cluster-unknown", "instances[1].clusters[1]", setting("instances.1.clusters", ["one", "tow"])),
    case(
        "instance.name-length",
        "instances[1].name",
        setting("clusters.0.name", "c" * 32),
        setting("instances.1.name", "i" * 30),
        setting("instances.1.clusters", ["c" * 32, "two"]),
    ),
    case("tenant.duplicate-name", "instances[0].tenants[1].name", setting("instances.0.tenants.1.name", "acme")),
    case(
        "site.duplicate-host",
        "instances[0].tenants[1].sites[0].host",
        setting("instances.0.tenants.1.sites.0.host", "shop.acme.test"),
    ),
    case("site.origin-unknown", f"{ORIGIN}.lab", setting(f"{SITE}.origins", [{"lab": "wob"}])),
    case("site.origin-unknown", ORIGIN, setting(f"{SITE}.origins", [{"port": 81}])),
    case("site.origin-unknown", ORIGIN, setting(f"{SITE}.origins", [{"lab": "web", "address": "192.0.2.1"}])),
    *(
        case("site.origin-address", f"{ORIGIN}.address", setting(f"{SITE}.origins", [{"address": address}]))
        for address in (
            "127.0.0.1", "::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "169.254.169.254", "fe80::1",
            "255.255.255.255", "::ffff:127.0.0.1", "::ffff:192.0.2.1", "10.65.0.10",
        )
    ),
    case("network.overlap", "clusters[0].ipv4", setting("clusters.0.ipv4", "10.64.0.0/20")),
    case("network.overlap", "clusters[0].ipv4", setting("clusters.0.ipv4", "10.65.9.0/24")),
    case(
        "network.overlap",
        "clusters[1].ipv4",
        setting("clusters.0.ipv4", "192.168.0.0/16"),
        setting("clusters.1.ipv4", "192.168.4.0/22"),
    ),
    case(
        "network.overlap",
        "clusters[1].ipv6",
        setting("network", {"ipv6": "fd00:1:2::/48"}),
        setting("clusters.1.ipv6", "fd00:1:2:1::/64"),
    ),
    case("network.size", "network.ipv4", setting("network", {"ipv4": "10.0.0.0/8"})),
    case("network.size", "network.ipv6", setting("network", {"ipv6": "fd00::/56"})),
    case("network.size", "clusters[2].ipv4", setting("clusters.2.ipv4", "192.168.0.0/25")),
    case("network.size", "clusters[2].ipv6", setting("clusters.2.ipv6", "fd00::/80")),
    case("network.reserved", "clusters[2].ipv4", setting("clusters.2.ipv4", "127.0.0.0/16")),
    case("network.reserved", "clusters[2].ipv6", setting("clusters.2.ipv6", "ff02::/64")),
    case("network.reserved", "network.ipv4", setting("network", {"ipv4": "224.0.0.0/12"})),
    case("network.full", "clusters[0]", full),
    case("edge.two-operators", "edge.places", setting("edge.places.1.region", "r12")),
    case("edge.load-balancer", "edge.places[0].machines", setting("edge.places.0.machines", 2)),
    case("spec.type", "edge.places[0].machines", setting("edge.places.0.machines", 26)),
    case("edge.duplicate-port", "edge.places[1].publish", setting("edge.places.1.publish.port", 8080)),
    case(
        "edge.duplicate-port",
        "edge.places[1].publish",
        setting("edge.places.1.publish", {"address": "0.0.0.0", "port": 8080}),
    ),
    case("edge.duplicate-port", "edge.places[1].publish", setting("edge.places.1.publish.port", 8443)),
    case("edge.duplicate-port", "edge.places[1].publish", setting("edge.places.1.publish.https_port", 8443)),
    case("edge.duplicate-port", "edge.places[1].publish", setting("edge.places.1.publish.https_port", 8080)),
    case("edge.https-port", "edge.places[1].publish.https_port", setting("edge.places.1.publish.port", 65_173)),
    case("edge.https-port", "edge.places[1].publish.https_port", setting("edge.places.1.publish.https_port", 8081)),
    case(
        "edge.https-port",
        "edge.places[1].publish.https_port",
        setting("edge.places.1.publish", {"address": "127.0.0.2", "port": 8080, "https_port": 8444}),
    ),
    case("control.duplicate-port", "control.publish", setting("control", {"publish": {"port": 8442}})),
    case("tls.acme-account", "edge.tls.acme", setting("edge.tls", {"issuer": "acme"})),
    case("tls.acme-account", "edge.tls.acme", setting("edge.tls", {"acme": ACME})),
    case("spec.type", "edge.tls.acme.directory", setting("edge.tls", {"acme": {**ACME, "directory": "http://a.test"}})),
    case("tls.certificate-and-key", f"{SITE_PATH}.https", setting(f"{SITE}.https", {"certificate": "a.pem"})),
    case("tls.certificate-and-key", f"{SITE_PATH}.https", setting(f"{SITE}.https", {"key": "a.pem"})),
    case(
        "tls.certificate-missing",
        "instances[0].tenants[1].sites[0].https",
        setting("edge.tls", {"issuer": "supplied"}),
        setting(f"{SITE}.https", {"certificate": "a.pem", "key": "a.key"}),
    ),
    supplied("tls.file", f"{SITE_PATH}.https.certificate", certificate=None),
    supplied("tls.file", f"{SITE_PATH}.https.key", key=None),
    supplied("tls.file", f"{SITE_PATH}.https", certificate="garbage"),
    supplied("tls.file", f"{SITE_PATH}.https", key="garbage"),
    supplied("tls.key-mismatch", f"{SITE_PATH}.https", key=certificates.new_key()),
    supplied("tls.host-not-covered", f"{SITE_PATH}.https", certificate=issued("blog.globex.test")),
    supplied("tls.expired", f"{SITE_PATH}.https", now=byol.NOW + 91 * 86_400),
    supplied("tls.not-yet", f"{SITE_PATH}.https", now=byol.NOW - 86_400),
    case("edge.place-missing", "edge.places", setting("edge.places", [])),
    case("spec.missing", "area", without("area")),
    case("spec.missing", "clusters[0].provider", setting("clusters.0", {"name": "one", "region": "r01"})),
    case("spec.type", "clusters[1].name", setting("clusters.1.name", "Two")),
    case("spec.unknown-key", "clusters[1].colour", setting("clusters.1.colour", "red")),
    case("byol.not-in-vendor-stack", "instances[1].tenancy", setting("instances.1.tenancy", "byol")),
    *BYOL,
    *EDGE_POOLS,
    *CLOUDFLARE,
    *FAILOVER,
    *HARDWARE,
    *SERVER,
    *KEPT,
    *DNS,
    *REPLACEMENT,
    *UPS,
    text("byol.no-zone", "byol", "byol: web\ntenant: acme\n"),
    text("spec.yaml", "zone.yaml", "zone: a\nzone: b\n"),
    text("spec.yaml", "zone.yaml", "a: &x [1]\nb: *x\n"),
    text("spec.yaml", "zone.yaml", "a: !!python/object:os.system x\n"),
    text("spec.yaml", "zone.yaml", "a: !!int ''\n"),
    text("spec.yaml", "zone.yaml", "a: 2026-13-45\n"),
    text("spec.yaml", "zone.yaml", "a: [1\n"),
    text("spec.yaml", "zone.yaml", "a: \x07\n"),
    text("spec.yaml", "zone.yaml", "[" * 20_000),
    text("spec.yaml", "zone.yaml", "- a\n"),
    text("spec.yaml", "zone.yaml", ""),
    text("spec.yaml", "zone.yaml", "? [a]\n: b\n"),
    text("spec.yaml", "zone.yaml", f"a: {'9' * 5000}\n"),
    text("spec.file", "zone.yaml", "#" * (1024 * 1024 + 1)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.rule}-{c.path}")
def test_refuses(case: RefusalCase) -> None:
    assert [(case.rule, case.path)] == [(r.rule, r.path) for r in refusals(case.refuse)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.rule}-{c.path}")
def test_says_what_was_found_and_what_to_do(case: RefusalCase) -> None:
    for refusal in refusals(case.refuse):
        assert refusal.message.endswith(".")
        assert "\n" not in refusal.message + refusal.fix + refusal.path
        assert refusal.fix
        assert not {"invalid", "failed", "bad"} & set(refusal.message.lower().split())


def test_the_legal_spec_is_legal() -> None:
    assert plan_zone(validated(ZoneSpec, legal()), catalogue=WIDE).zone == "india"


def test_every_rule_has_a_case() -> None:
    assert {c.rule for c in CASES} | OF_THE_MACHINE == set(RULES)


def test_rules_have_their_rows() -> None:
    assert Path("docs/rules.md").read_text(encoding="utf-8") == rules_markdown()


def test_refuses_all_at_once() -> None:
    several = legal(
        setting("area", "atlantis"),
        setting("edge.places.1.publish.port", 8080),
        setting(f"{SITE}.origins", [{"address": "127.0.0.1"}]),
        setting("instances.1.clusters", ["one"]),
        setting("clusters.2.ipv4", "192.168.0.0/25"),
    )
    found = refusals(lambda: plan_zone(validated(ZoneSpec, several), catalogue=WIDE))
    assert [r.rule for r in found] == [
        "zone.area",
        "network.size",
        "edge.duplicate-port",
        "site.origin-address",
        "instance.two-clusters",
    ]


def test_fixes_can_be_pasted() -> None:
    def fix(*changes: Change) -> str:
        return refusals(lambda: plan_zone(validated(ZoneSpec, legal(*changes)), catalogue=WIDE))[0].fix

    assert fix(setting("instances.1.clusters", ["one"])).startswith("write `clusters: [one, two]`")
    assert fix(setting("instances.0.machines_per_cluster", 1)).startswith("write `machines_per_cluster: 2`")
    assert fix(setting("edge.places.1.publish.port", 8080)) == "write `port: 8081`"
    assert fix(setting("clusters.0.region", "r-01")) == "write `region: r01`"
    assert fix(setting("clusters.1.region", "far")) == "write `region: r01`, or write `area: world`"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zone.yaml"
    found = refusals(lambda: load_spec(path))
    assert [(r.rule, r.path) for r in found] == [("spec.file", str(path))]
    assert "No such file" in found[0].message


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zone.yaml"
    path.write_bytes(b"zone: \xff")
    assert [(r.rule, r.message) for r in refusals(lambda: load_spec(path))] == [
        ("spec.file", "Byte 6 (0xff) is not UTF-8.")
    ]
