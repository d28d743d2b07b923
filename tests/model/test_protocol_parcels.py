"""Parcels: who may open one, what may be believed of it, and why a site's certificate is not shown."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.protocol import certificate, site_certificate
from hdinfra.protocol.parcel import Label, Parcel, open_parcel, public_of, read_parcel, seal_parcel
from hdinfra.protocol.seal import ProtocolError, new_key, seal, unseal
from hdinfra.protocol.seal import public_of as signer_of

NOW = 1_800_000_000.0
SIGNING = new_key()
SIGNER = signer_of(SIGNING)
LABEL = Label("india", "shop.acme.test", 3)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("e-edge", "w-edge", "x-edge")}
PUBLIC = {name: public_of(key.public_key()) for name, key in KEYS.items() if name != "x-edge"}
PEMS = {
    name: key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for name, key in KEYS.items()
}
ROOT_KEY, SITE_KEY = certificate.new_key(), certificate.new_key()
ROOT = certificate.new_site_root("india", ROOT_KEY, NOW)


def issued(host: str = "shop.acme.test", days: int = 90, key: str = SITE_KEY, now: float = NOW) -> str:
    return certificate.issue_site(ROOT, ROOT_KEY, key, host, certificate.Life(now, days=days))


def code_of(deed: Callable[[], object]) -> str:
    with pytest.raises(ProtocolError) as refused:
        deed()
    return refused.value.code


@given(st.text(max_size=300))
def test_every_machine_it_is_for_reads_what_was_sent(text: str) -> None:
    parcel = read_parcel(seal_parcel(LABEL, text, PUBLIC, SIGNING), SIGNER, "india")
    assert {open_parcel(parcel, name, PEMS[name]) for name in PUBLIC} == {text}


def test_nobody_else_reads_it() -> None:
    sealed = seal_parcel(LABEL, SITE_KEY, PUBLIC, SIGNING)
    assert not any(line in sealed for line in SITE_KEY.splitlines())
    parcel = read_parcel(sealed, SIGNER, "india")
    assert code_of(lambda: open_parcel(parcel, "x-edge", PEMS["x-edge"])) == "parcel.not-for-us"
    assert code_of(lambda: open_parcel(parcel, "e-edge", PEMS["x-edge"])) == "parcel.not-for-us"
    lent = replace(parcel, boxes={"x-edge": parcel.boxes["e-edge"]})
    assert code_of(lambda: open_parcel(lent, "x-edge", PEMS["x-edge"])) == "parcel.not-for-us"


@pytest.mark.parametrize("change", [{"host": "blog.globex.test"}, {"number": 4}, {"zone": "iceland"}])
def test_what_is_inside_fits_no_other_label(change: dict[str, object]) -> None:
    parcel = read_parcel(seal_parcel(LABEL, "key", PUBLIC, SIGNING), SIGNER, "india")
    other = Parcel(replace(parcel.label, **change), parcel.ephemeral, parcel.boxes, parcel.content)  # type: ignore[arg-type]
    assert code_of(lambda: open_parcel(other, "e-edge", PEMS["e-edge"])) == "parcel.not-for-us"


def test_what_the_stack_did_not_sign_or_not_so_is_no_parcel() -> None:
    sealed = seal_parcel(LABEL, "key", PUBLIC, SIGNING)
    assert code_of(lambda: read_parcel(sealed, signer_of(new_key()), "india")) == "seal.foreign"
    assert code_of(lambda: read_parcel(sealed, SIGNER, "iceland")) == "parcel.foreign"
    assert code_of(lambda: read_parcel("x" * 300_000, SIGNER, "india")) == "parcel.shape"
    body = unseal("parcel", sealed, SIGNER)
    for wrong in ({"boxes": [1]}, {"label": {"zone": "india"}}, {"content": 7}, {"more": ""}):
        changed = seal("parcel", {**body, **wrong}, SIGNING)
        assert code_of(lambda changed=changed: read_parcel(changed, SIGNER, "india")) == "parcel.shape"
    numbered = seal("parcel", {**body, "label": {**body["label"], "number": 0}}, SIGNING)
    assert code_of(lambda: read_parcel(numbered, SIGNER, "india")) == "parcel.shape"
    release = seal("release", json.loads(json.loads(sealed)["body"]), SIGNING)
    assert code_of(lambda: read_parcel(release, SIGNER, "india")) == "seal.kind"


@pytest.mark.parametrize(
    "public", ["", "AAAA", "not base64!", PUBLIC["e-edge"][:-4] + "AAA="], ids=["empty", "short", "text", "off-curve"]
)
def test_what_is_no_point_is_no_key(public: str) -> None:
    assert code_of(lambda: seal_parcel(LABEL, "key", {"e-edge": public}, SIGNING)) in ("parcel.key", "parcel.shape")


def test_a_leafs_key_opens_what_is_sealed_for_its_certificate() -> None:
    key, root_key = certificate.new_key(), certificate.new_key()
    root = certificate.new_root("india", root_key, NOW)
    name = certificate.Name("india", "load-balancer", "e-edge", 1)
    leaf = certificate.issue_leaf(root, root_key, certificate.request(key, "e-edge"), name, NOW)
    sealed = seal_parcel(LABEL, "key", {"e-edge": certificate.public_point(leaf)}, SIGNING)
    assert open_parcel(read_parcel(sealed, SIGNER, "india"), "e-edge", key) == "key"


def codes(chain: str, key: str = SITE_KEY, host: str = "shop.acme.test", now: float = NOW) -> list[str]:
    return [flaw.code for flaw in site_certificate.flaws(chain, key, host, now)]


def test_a_good_certificate_has_no_flaw() -> None:
    assert codes(issued()) == codes(issued() + ROOT) == codes(issued("*.acme.test")) == []
    found = site_certificate.facts(issued() + ROOT)
    assert (found.hosts, found.issuer, round(found.days)) == (("shop.acme.test",), "hdinfra india sites", 90)
    certificate.check_issued(issued(), ROOT)


def test_each_flaw_is_named_alone() -> None:
    assert codes(issued(), certificate.new_key()) == ["tls.key-mismatch"]
    assert codes(issued("blog.globex.test")) == codes(issued("*.test")) == ["tls.host-not-covered"]
    assert codes(ROOT, ROOT_KEY) == ["tls.host-not-covered"]
    assert codes(issued(), now=NOW + 91 * 86_400) == ["tls.expired"]
    assert codes(issued(now=NOW + 86_400)) == ["tls.not-yet"]
    assert codes("garbage") == codes(issued()[:200]) == codes(issued(), "garbage") == ["tls.file"]
    assert codes(issued(), SITE_KEY[:80]) == ["tls.file"]


def test_all_flaws_come_at_once() -> None:
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    found = codes(issued("blog.globex.test", days=1), other.decode(), now=NOW + 90_000)
    assert found == ["tls.key-mismatch", "tls.host-not-covered", "tls.expired"]
    assert codes("garbage", "garbage") == ["tls.file", "tls.file"]


def test_an_encrypted_key_is_named_as_such() -> None:
    locked = KEYS["e-edge"].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert "encrypted" in site_certificate.flaws(issued(), locked.decode(), "shop.acme.test", NOW)[0].message
