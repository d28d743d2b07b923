"""What a program registers for TLS: one resource for all sites, keys secret, and each issuer's own."""

from pathlib import Path

import hdinfra as hd
from hdinfra.model.spec_file import parse_spec
from hdinfra.planning import read_certificates
from hdinfra.protocol import certificate
from hdinfra.testing import Graph, Recorder
from tests.graph.specs import LOCAL, clock, plan_of
from tests.model.test_refusals import ROOT, ROOT_KEY

ACME = LOCAL.replace(
    "edge:\n",
    "edge:\n  tls: {issuer: acme, acme: {directory: https://acme.test/directory, contact: ops@acme.test}}\n",
)


def of(graph: Graph, type_: str) -> list[str]:
    return [resource.name for resource in graph.of_type(f"hdpolicy:index:{type_}")]


def test_a_local_authority_certifies_all_sites_in_one_resource(local_zone: Graph) -> None:
    assert (of(local_zone, "SiteAuthority"), of(local_zone, "AcmeAccount")) == (["edge-authority"], [])
    (found,) = local_zone.of_type("hdpolicy:index:Certificates")
    assert found.inputs["hosts"] == ["blog.globex.test", "shop.acme.test"]
    assert found.inputs["generations"].keys() == {"east-edge", "west-edge"}
    assert (found.inputs["issuer"], found.inputs["issuerKey"]) == ("local", "recorded site key")
    assert "edge-policy" in found.depends_on


def test_no_key_is_in_a_policy_or_in_user_data(local_zone: Graph) -> None:
    for resource in local_zone.resources:
        if resource.type != "hdpolicy:index:Certificates":
            assert "recorded site key" not in repr(resource.inputs), resource.urn
        if resource.type == "hdpolicy:index:Policy":
            assert "PRIVATE KEY" not in repr(resource.inputs["document"])


def test_edges_lead_to_their_own_port_of_https(local_zone: Graph) -> None:
    document = local_zone.named("edge-policy").inputs["document"]
    assert document["doors"] == [{"http": 8080, "https": 8443}, {"http": 8081, "https": 8444}]
    assert {site["host"]: site["redirect"] for site in document["sites"]} == {
        "blog.globex.test": False,
        "shop.acme.test": False,
    }


def test_over_acme_the_edges_know_the_account_before_anything_is_ordered(record: Recorder) -> None:
    graph = record(lambda: hd.declare(plan_of(ACME), clock))
    assert (of(graph, "SiteAuthority"), of(graph, "AcmeAccount")) == ([], ["edge-acme-account"])
    assert graph.named("edge-policy").inputs["document"]["acme"] == "recorded".ljust(43, "-")
    found = graph.named("edge-certificates")
    assert (found.inputs["issuer"], found.inputs["contact"]) == ("acme", "ops@acme.test")
    assert (found.inputs["directory"], found.inputs["issuerCertificate"]) == ("https://acme.test/directory", "")


def test_a_supplied_certificate_goes_before_the_issuer_and_its_key_is_secret(record: Recorder, tmp_path: Path) -> None:
    key = certificate.new_key()
    chain = certificate.issue_site(ROOT, ROOT_KEY, key, "shop.acme.test", certificate.Life(clock(), days=9))
    (tmp_path / "shop.pem").write_text(chain)
    (tmp_path / "shop.key").write_text(key)
    own = LOCAL.replace("https: {redirect: false}", "https: {certificate: shop.pem, key: shop.key}", 1)
    spec = hd.planned(parsed := parse_spec(own, "test.yaml"), None, read_certificates(parsed, tmp_path, clock()))
    assert key not in repr(spec)
    found = record(lambda: hd.declare(spec, clock)).named("edge-certificates")
    assert found.inputs["hosts"] == ["blog.globex.test"]
    assert found.inputs["supplied"] == {"shop.acme.test": {"certificate": chain, "key": key}}
    assert "supplied" in found.secrets
