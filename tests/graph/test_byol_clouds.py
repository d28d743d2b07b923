"""A BYOL Instance on each cloud: its code comes in user data where there is room, else from the address that its spec
names, and without one it is refused before anything is registered."""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

import hdinfra as hd
from hdinfra.machine.bundle import unmanaged_bundle
from hdinfra.machine.unmanaged import CODE_FOLDER, FIRST_POLICY_PATH
from hdinfra.model.policy import canonical
from hdinfra.model.regions import limits_of_provider
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder
from tests.graph.answers import INVOKES, OUTPUTS
from tests.model import byol_specs as byol
from tests.model.legal import Data, setting
from tests.model.refused import without

URL = "https://code.acme.test/hdinfra"


@dataclass(frozen=True)
class OfCloud:
    """A region, the type token of its machines, where in their inputs the user data is, and whether it takes code."""

    region: str
    machine: str
    user_data: tuple[str | int, ...]
    takes_code: bool = False


CLOUDS = {
    Provider.AWS: OfCloud("eu-central-1", "aws:ec2/instance:Instance", ("userDataBase64",)),
    Provider.AZURE: OfCloud(
        "westeurope", "azure-native:compute:VirtualMachine", ("osProfile", "customData"), takes_code=True
    ),
    Provider.DIGITALOCEAN: OfCloud("fra1", "digitalocean:index/droplet:Droplet", ("userData",)),
    Provider.GCP: OfCloud("europe-west3", "gcp:compute/instance:Instance", ("metadata", "user-data"), takes_code=True),
    Provider.HETZNER: OfCloud("nbg1", "hcloud:index/server:Server", ("userData",)),
    Provider.IBM: OfCloud("eu-de", "ibm:index/isInstance:IsInstance", ("userData",)),
    Provider.LINODE: OfCloud("de-fra-2", "linode:index/instance:Instance", ("metadatas", 0, "userData")),
}
REFUSING = [provider for provider, cloud in CLOUDS.items() if not cloud.takes_code]


def spec_on(provider: Provider, url: str | None) -> Data:
    """Two Machines on that cloud."""
    where = (setting("provider", provider.value), setting("region", CLOUDS[provider].region))
    return byol.on_cloud(*where, without("ipv4"), without("publish"), setting("code_url", url))


@cache
def declared(provider: Provider, url: str | None) -> Graph:
    """What such a stack registers."""
    plan = byol.plan_of(spec_on(provider, url))
    args = hd.ByolInstanceArgs(plan=plan, licence=byol.licence())
    return Recorder(outputs=OUTPUTS, invokes=INVOKES)(lambda: hd.ByolInstance("web", args))


def user_data(graph: Graph, provider: Provider) -> list[tuple[str, str]]:
    """Of each machine: as it is sent, and as cloud-init reads it."""
    found = []
    for machine in graph.of_type(CLOUDS[provider].machine):
        sent: Any = machine.inputs
        for step in CLOUDS[provider].user_data:
            sent = sent[step]
        is_text = limits_of_provider(provider).user_data_encoding == "plain"
        found.append((sent, sent if is_text else gzip.decompress(base64.b64decode(sent)).decode()))
    return found


def files_of(text: str) -> Mapping[str, str]:
    """What cloud-init writes, by path."""
    return {one["path"]: one["content"] for one in yaml.load(text, Loader=yaml.CSafeLoader)["write_files"]}


def counted(provider: Provider, sent: str) -> int:
    """Its bytes as that provider counts them."""
    is_bytes = limits_of_provider(provider).user_data_encoding == "gzip"
    return len(base64.b64decode(sent)) if is_bytes else len(sent)


def test_every_cloud_is_here() -> None:
    assert {Provider.LOCAL, *CLOUDS} == set(Provider)


@pytest.mark.parametrize("provider", CLOUDS)
def test_every_cloud_takes_an_instance_whose_code_has_an_address(provider: Provider) -> None:
    graph = declared(provider, URL)
    bundle = unmanaged_bundle("waf")
    told = user_data(graph, provider)
    assert len(told) == 2
    for sent, text in told:
        assert counted(provider, sent) <= limits_of_provider(provider).user_data_bytes
        files = files_of(text)
        assert json.loads(files["/etc/hdinfra/first-boot.json"]) == {
            "code": {"url": f"{URL}/{bundle.sha256}.tar", "sha256": bundle.sha256}
        }
        assert files[FIRST_POLICY_PATH] == canonical(byol.plan_of(spec_on(provider, URL)).policy)
        assert not [path for path in files if path.startswith(CODE_FOLDER)]
        assert "/usr/sbin/hdsync" not in files and "/etc/hdinfra/unmanaged" in files


@pytest.mark.parametrize("provider", CLOUDS)
def test_no_machine_is_without_its_seat_and_none_without_a_provider(provider: Provider) -> None:
    graph = declared(provider, URL)
    for machine in graph.of_type(CLOUDS[provider].machine):
        assert f"{machine.name}-seat" in machine.depends_on
    assert graph.duplicates() == frozenset()
    assert graph.orphans() == graph.without_provider() == graph.unfinished() == ()


@pytest.mark.parametrize("provider", [provider for provider, cloud in CLOUDS.items() if cloud.takes_code])
def test_where_there_is_room_the_code_comes_in_user_data(provider: Provider) -> None:
    for sent, text in user_data(declared(provider, None), provider):
        assert counted(provider, sent) <= limits_of_provider(provider).user_data_bytes
        files = files_of(text)
        assert f"{CODE_FOLDER}/hdinfra/agent/hdctl.py" in files
        assert "/etc/hdinfra/first-boot.json" not in files


@pytest.mark.parametrize("provider", REFUSING)
def test_where_there_is_none_the_refusal_names_the_address_as_the_way_out(provider: Provider) -> None:
    with pytest.raises(hd.RefusedError) as refused:
        declared(provider, None)
    (found,) = refused.value.refusals
    assert (found.rule, found.path) == ("machine.user-data-limit", "provider")
    assert f"{provider} takes at most {limits_of_provider(provider).user_data_bytes:,}" in found.message
    assert "code and policy with it" in found.message
    assert found.fix.startswith("write `code_url: https://...`") and "hdinfra byol code" in found.fix
    assert "install: true" in found.fix
