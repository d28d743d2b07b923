"""With one cloud's extra installed, that cloud works, and nothing of the others is imported."""

import json
import os
import subprocess
import sys

import pytest

from hdinfra.clouds.cloud import SDKS
from hdinfra.model.spec import Provider
from hdinfra.testing.credentials import dummy_credentials
from tests.graph.specs import ROOT

CLOUDS = (
    Provider.AWS,
    Provider.AZURE,
    Provider.DIGITALOCEAN,
    Provider.GCP,
    Provider.HETZNER,
    Provider.IBM,
    Provider.LINODE,
)
REGIONS = {
    Provider.AWS: ("eu-central-1", "eu-west-3"),
    Provider.AZURE: ("westeurope", "northeurope"),
    Provider.DIGITALOCEAN: ("fra1", "ams3"),
    Provider.GCP: ("europe-west3", "europe-west9"),
    Provider.HETZNER: ("nbg1", "hel1"),
    Provider.IBM: ("eu-de", "eu-gb"),
    Provider.LINODE: ("de-fra-2", "nl-ams"),
}
# A process of its own, in which the other SDKs can be neither found nor imported. Which of its regions fail together
# is what a company is; here each region is one of its own, for else no Zone could stand on one provider alone.
PROGRAM = """
import json, sys

cloud, regions, others = json.loads(sys.argv[1])
asked = []

class Without:  # finds what another finder finds, but for what is not installed
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in others:
            asked.append(name)
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]

from dataclasses import replace

import hdinfra as hd
from hdinfra.model.planner import plan_zone
from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import ZoneSpec
from hdinfra.testing import Recorder
from tests.graph.answers import INVOKES, OUTPUTS

shipped = load_catalogue()
apart = {key: replace(one, operator=one.name) for key, one in shipped.regions.items()}
waived = {feature: "only to have a plan" for feature in ("disk-encryption", "ipv6", "spread")}
spec = ZoneSpec.model_validate({
    "zone": "one", "area": "europe", "bundles": {"url": "https://code.example/one"},
    "clusters": [{"name": name, "provider": cloud, "region": region, "waivers": waived}
                 for name, region in zip(("one", "two"), regions)],
    "instances": [{"name": "web", "tenants": [{"name": "acme"}]}],
})
plan = plan_zone(spec, catalogue=replace(shipped, regions=apart))
graph = Recorder(outputs=OUTPUTS, invokes=INVOKES)(lambda: hd.declare(plan, lambda: 1_800_000_000.0))
ours = {name for name in sys.modules if name.startswith("hdinfra.sdks.")}
print(json.dumps({"imported": sorted(ours | {name.partition(".")[0] for name in sys.modules}), "asked": asked,
                  "types": sorted({one.type.partition(":")[0] for one in graph.resources if one.custom}),
                  "names": sorted(graph.names)}))
"""


def ran(cloud: Provider, absent: list[str]) -> subprocess.CompletedProcess[str]:
    """A Zone of two Clusters on that cloud, where these packages are not installed."""
    told = json.dumps([cloud.value, REGIONS[cloud], absent])
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, told],
        cwd=ROOT,
        env={**os.environ, **dummy_credentials("of this test"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,  # 4 s on a quiet machine
        check=False,
    )


def others_of(cloud: Provider) -> list[str]:
    """Every other cloud's package, in use here or not yet, and the local cloud's."""
    later = ["pulumi_cloudflare", "pulumi_kubernetes"]
    return [*(package for other, package in SDKS.items() if other is not cloud), *later]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_works_without_the_others(cloud: Provider) -> None:
    done = ran(cloud, others_of(cloud))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"one-web-1", "two-web-1"} <= set(found["names"])
    assert SDKS[cloud] in found["imported"]
    assert not set(found["imported"]) & set(others_of(cloud))
    assert found["asked"] == [], "something looked for what is not installed"


@pytest.mark.parametrize("cloud", [cloud for cloud in CLOUDS if not SDKS[cloud].startswith("hdinfra.")])
def test_a_missing_extra_is_named(cloud: Provider) -> None:
    done = ran(cloud, [SDKS[cloud]])
    assert done.returncode != 0
    assert f'pip install "hdinfra[{cloud}]"' in done.stderr.splitlines()[-1], done.stderr
    assert f"`{SDKS[cloud]}`, which is not installed" in done.stderr


def test_aws_without_a_load_balancer_does_without_that_part_of_its_sdk() -> None:
    program = "import sys, hdinfra.clouds.aws; print(*(name for name in sys.modules if name.startswith('pulumi_aws.')))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    imported = done.stdout.split()
    assert any(name.startswith("pulumi_aws.ec2.") for name in imported)
    assert not [name for name in imported if name.startswith("pulumi_aws.lb.")]
