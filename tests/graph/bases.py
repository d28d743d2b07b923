"""The stacks from which every input is flipped: each is up, and what its first run decided is held."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

import hdinfra as hd
from hdinfra.licence.licence import Licence, issue
from hdinfra.model.byol import ByolSpec
from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.checks.tls import sites_of
from hdinfra.model.held import Held
from hdinfra.model.names import Spec
from hdinfra.model.plan import Supplied, ZonePlan
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from hdinfra.planning import Certificates, planned_byol
from hdinfra.testing import Graph
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.flips import INDIAN, POOLS
from tests.graph.flips_dns import DNS
from tests.graph.preview import Previewer, Step
from tests.graph.specs import LOCAL, ROOT, clock
from tests.graph.walk import Flipped, fields_of, flips_of
from tests.model import byol_specs
from tests.model.cloud_specs import WHY, europe
from tests.model.legal import setting

Data = dict[str, Any]
Plan = ZonePlan | ByolPlan
_SUBSCRIPTION = {"subscription_id": "1", "tenant_id": "2", "client_id": "3", "client_secret": "of this test"}
CONFIG = {
    "hdinfra:namespace": "hd-test",
    "hdinfra:account-second": json.dumps({"token": "of this test"}),
    "hdinfra:account-of-ibm": json.dumps({"ibmcloud_api_key": "of this test"}),
    "hdinfra:account-gcp": json.dumps({"impersonate_service_account": "other@acme.iam.gserviceaccount.com"}),
    "hdinfra:account-subscription": json.dumps(_SUBSCRIPTION),
}
SITE: Data = {
    "host": "shop.acme.example",
    "profile": "basic",
    "rate": {"per_second": 20, "burst": 40},
    "cache": {"size_mib": 32},
    "ceilings": {"lowest_mode": "RECORD"},
    "origins": [{"address": "192.0.2.10", "port": 8080}],
}
_OF_A_SITE = frozenset({"SiteSpec", "HttpsSpec", "RateSpec", "CacheSpec", "CeilingsSpec", "OriginSpec", "HealthSpec"})
_ASKED_ELSEWHERE = _OF_A_SITE | {
    *("AcmeSpec", "BundlesSpec", "ControlSpec", "LabSpec", "LabOriginSpec", "NetworkSpec", "SnapshotsSpec"),
    *("TenantSpec", "TlsSpec", "ZoneSpec", "PublishSpec", "EdgePublishSpec", "EdgeSpec", "PlaceSpec"),
}
"""What has nothing of one cloud's own."""
_OF_GOOGLE = _OF_A_SITE | {"AcmeSpec", "BundlesSpec", "TenantSpec", "TlsSpec"}
_TOLD = frozenset({"AcmeSpec", "BundlesSpec", "ControlSpec", "TenantSpec", "TlsSpec"})
_VAULT: Data = {"name": "vault", "tenancy": "dedicated", "memory_mib": 1024, "tenants": [{"name": "initech"}]}


@dataclass(frozen=True)
class Base:
    """One stack: the spec's model and data, and how a plan is made of it and declared.

    `skipped`: models of which another base flips every field, where that is cheaper and goes the same way.
    """

    name: str
    model: type[Spec]
    data: Data
    plan: Callable[[Data, Held], Plan]
    declare: Callable[[Plan], object]
    skipped: frozenset[str] = frozenset()

    def flips(self) -> list[Flipped]:
        """Everything that its spec could say otherwise."""
        return list(flips_of(self.model, self.data, self.skipped))

    def recorder(self) -> Previewer:
        """With what all providers answer."""
        return Previewer(config=CONFIG, outputs=OUTPUTS, invokes=INVOKES)


@dataclass(frozen=True)
class Standing:
    """A base that is up: its plan with all that is held, and what it registered last."""

    base: Base
    held: Held
    plan: Plan
    graph: Graph

    def next(self, data: Data) -> tuple[Plan, tuple[Step, ...]]:
        """The plan of the changed spec, and what its update would do."""
        plan = self.base.plan(data, self.held)
        return plan, self.base.recorder().steps(lambda: self.base.declare(plan), self.graph)


def stand(base: Base) -> Standing:
    """Up, and then up once more: by the second run also the system images are held."""
    first = base.plan(base.data, Held())
    outputs = base.recorder()(lambda: base.declare(first)).outputs
    held = Held.model_validate(outputs["held"]) if "held" in outputs else Held()
    plan = base.plan(base.data, held)
    return Standing(base, held, plan, base.recorder()(lambda: base.declare(plan)))


def _zone_plan(data: Data, held: Held) -> ZonePlan:
    spec = validated(ZoneSpec, data)
    own = {site.host: Supplied("a certificate", "its key") for _, site in sites_of(spec) if site.https.certificate}
    return hd.planned(spec, held, Certificates(own))


def _declare_zone(plan: Plan) -> None:
    if not isinstance(plan, ZonePlan):
        raise TypeError(f"{plan.name} is no Zone")
    declared = hd.declare(plan, clock)
    pulumi.export("held", hd.held_of(declared))


def _licence(data: Mapping[str, Any]) -> str:
    """Issued to whomever the spec names."""
    begins, ends = byol_specs.YEAR_BEGINS, byol_specs.YEAR_ENDS
    terms = Licence(id="1", tenant=data["tenant"], apps=("waf",), machines=4, not_before=begins, expires=ends)
    return issue(terms, byol_specs.VENDOR_KEY)


def _byol_plan(data: Data, held: Held) -> ByolPlan:  # noqa: ARG001
    return planned_byol(validated(ByolSpec, data), _licence(data), byol_specs.NOW)


def _declare_byol(plan: Plan) -> None:
    if not isinstance(plan, ByolPlan):
        raise TypeError(f"{plan.zone} is no BYOL Instance")
    hd.ByolInstance(plan.name, hd.ByolInstanceArgs(plan=plan, licence=_licence({"tenant": plan.tenant})))


def _europe() -> Data:
    acme = {"name": "acme", "plan": "large", "sites": [copy.deepcopy(SITE)]}
    data = europe(
        setting("snapshots", {"every": "day", "keep": 7}),
        setting("clusters.1.waivers.spread", WHY),
        *(
            setting(f"clusters.{number}.waivers.{feature}", WHY)
            for number in (1, 2)
            for feature in ("snapshot-retention", "volume-snapshots")
        ),
        setting("edge.places.1.waivers.snapshot-retention", WHY),
        setting("edge.places.1.machines", 2),
        setting("edge.places.1.load_balancer", True),
        setting("instances.0.capacity", 4),
        setting("instances.0.volume_gib", 20),
        setting("instances.0.tenants", [acme, {"name": "globex"}]),
        setting("control", {"admin_networks": ["203.0.113.0/24", "2001:db8:ad::/48"]}),
    )
    data["edge"]["tls"] = {
        "issuer": "acme",
        "acme": {"directory": "https://acme-v02.example/directory", "contact": "noc@acme.example"},
    }
    data["instances"].append(copy.deepcopy(_VAULT))
    return data


def _ibm() -> Data:
    """A Cluster and a place without IPv6, the place with its provider's load balancer."""
    waived = {"ipv6": WHY, "balancer-ipv6": WHY}
    data = europe(
        setting("clusters.1", {"name": "ibm", "provider": "ibm", "region": "eu-de", "waivers": dict(waived)}),
        setting("edge.places.0", {"name": "mad", "provider": "ibm", "region": "eu-es", "waivers": dict(waived)}),
        setting("edge.places.0.load_balancer", True),
        setting("snapshots", {"every": "day", "keep": 7}),
        setting("instances.0.capacity", 4),
        setting("control", {"admin_networks": ["203.0.113.0/24", "2001:db8:ad::/48"]}),
    )
    data["clusters"][2]["waivers"]["snapshot-retention"] = WHY
    data["edge"]["places"][1]["waivers"]["snapshot-retention"] = WHY
    data["bundles"] = {"url": "https://code.example/ibm"}  # also where AWS, which has buckets, is left
    return data


def _azure() -> Data:
    """Azure, and one operator more."""
    why = dict.fromkeys(("disk-encryption", "spread"), WHY)
    return {
        "zone": "even",
        "area": "europe",
        "clusters": [
            {"name": "az", "provider": "azure", "region": "westeurope"},
            {"name": "hz", "provider": "hetzner", "region": "nbg1", "waivers": {**why}},
        ],
        "instances": [
            {"name": "even", "capacity": 2, "memory_mib": 2048, "volume_gib": 20, "tenants": [{"name": "acme"}]}
        ],
        "edge": {
            "places": [
                {"name": "fra", "provider": "azure", "region": "germanywestcentral", "load_balancer": True},
                {"name": "hel", "provider": "hetzner", "region": "hel1", "waivers": {**why}},
            ]
        },
    }


def _google() -> Data:
    """With Google Cloud; what sites, tenants and TLS say ends in policy documents, on any cloud."""
    why = dict.fromkeys(("disk-encryption", "snapshot-retention", "spread", "volume-snapshots"), WHY)
    return {
        "zone": "google",
        "area": "europe",
        "snapshots": {"every": "day", "keep": 7},
        "clusters": [
            {"name": "aws", "provider": "aws", "region": "eu-central-1"},
            {"name": "gcp", "provider": "gcp", "region": "europe-west3"},
            {"name": "hz", "provider": "hetzner", "region": "nbg1", "waivers": why},
        ],
        "instances": [
            {
                "name": "wide",
                "capacity": 4,
                "memory_mib": 2048,
                "volume_gib": 20,
                "tenants": [{"name": "acme", "plan": "large", "sites": [copy.deepcopy(SITE)]}, {"name": "globex"}],
            }
        ],
        "edge": {
            "places": [
                {"name": "dub", "provider": "aws", "region": "eu-west-1"},
                {
                    "name": "mad",
                    "provider": "gcp",
                    "region": "europe-southwest1",
                    "machines": 2,
                    "load_balancer": True,
                },
            ]
        },
        "control": {"admin_networks": ["203.0.113.0/24", "2001:db8:ad::/48"], "memory_mib": 1024},
    }


def _india() -> Data:
    """stacks/india.yaml with names that flips know."""
    data: Data = yaml.safe_load((ROOT / "stacks/india.yaml").read_text())
    for cluster, name in zip(data["clusters"], ("aws", "do", "li"), strict=True):
        cluster["name"] = name
    for place, name in zip(data["edge"]["places"], ("hyd", "bom"), strict=True):
        place["name"] = name
    (web,) = data["instances"]
    web |= {"name": INDIAN, "capacity": 4, "tenants": [{"name": "acme", "sites": [copy.deepcopy(SITE)]}]}
    data["clusters"][1]["waivers"] |= {"snapshot-retention": WHY, "spread": WHY}
    return data


def _world() -> Data:
    """stacks/world.yaml, with a site that can be told from others."""
    data: Data = yaml.safe_load((ROOT / "stacks/world.yaml").read_text())
    data["instances"][0]["tenants"][0]["sites"] = [copy.deepcopy(SITE)]
    return data


def _local() -> Data:
    data: Data = yaml.safe_load(LOCAL)
    data["lab"]["origins"].append({"name": "spare", "region": "lab-centre"})
    return data


def _mesh() -> Data:
    data = _local()
    data["network"] = {"mesh": {"version": 1}}
    data["edge"]["failover"] = copy.deepcopy(POOLS)
    return data


def _dns() -> Data:
    data = _local()
    data["clusters"].append({"name": "c", "provider": "local", "region": "lab-coast"})
    data["dns"] = copy.deepcopy(DNS)
    return data


def _byol() -> Data:
    return byol_specs.on_cloud(setting("sites", [copy.deepcopy(SITE)]))


_MESHED = ("NetworkSpec", "MeshSpec", "EdgeFailoverSpec", "EdgePoolSpec", "MonitorSpec")
_STANDING = ("ClusterSpec", "PlaceSpec", "SnapshotsSpec")


def _of_all_but(*kept: str) -> frozenset[str]:
    return frozenset({model.__name__ for model, _ in fields_of(ZoneSpec)} - set(kept))


BASES = {
    base.name: base
    for base in (
        Base("azure", ZoneSpec, _azure(), _zone_plan, _declare_zone, _ASKED_ELSEWHERE),
        # What a site says ends in policy documents, on any cloud.
        Base("europe", ZoneSpec, _europe(), _zone_plan, _declare_zone, _OF_A_SITE),
        Base("google", ZoneSpec, _google(), _zone_plan, _declare_zone, _OF_GOOGLE),
        # What is told to Machines alone is the same on every cloud.
        Base("india", ZoneSpec, _india(), _zone_plan, _declare_zone, _OF_A_SITE | _TOLD),
        Base("local", ZoneSpec, _local(), _zone_plan, _declare_zone),
        # All but where it stands the other Zones flip.
        Base("ibm", ZoneSpec, _ibm(), _zone_plan, _declare_zone, _of_all_but(*_STANDING)),
        # All but the mesh and the pools is as in `local`.
        Base("mesh", ZoneSpec, _mesh(), _zone_plan, _declare_zone, _of_all_but(*_MESHED)),
        # All but the name servers is as in `local`.
        Base("dns", ZoneSpec, _dns(), _zone_plan, _declare_zone, _of_all_but("DnsSpec", "EntranceSpec", "NearSpec")),
        # Its edge is not ours, and says nothing of HTTPS (byol.no-https).
        Base("byol", ByolSpec, _byol(), _byol_plan, _declare_byol, frozenset({"HttpsSpec"})),
    )
}

WORLD = Base("world", ZoneSpec, _world(), _zone_plan, _declare_zone, _of_all_but())
"""Brought up as it is: each of its clouds has a base of its own whose inputs are flipped."""
