"""What may be believed: seals, tokens, certificates, releases and entries, and every reason why not."""

import hashlib
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.protocol import certificate, token
from hdinfra.protocol.bundle import check_bundle, sign_bundle
from hdinfra.protocol.entry import Entry, SealedEntry, endorse, latest, open_entry, seal_entry
from hdinfra.protocol.merge import merged, setting_key
from hdinfra.protocol.release import Release, check_clock, open_release, seal_release
from hdinfra.protocol.seal import MAX_BYTES, ProtocolError, new_key, public_of, seal, unseal

KEY, OTHER = new_key(), new_key()
PUBLIC = public_of(KEY)
NOW = 1_800_000_000.0
TOKEN = token.Token("india", "a-shop-1", "waf", int(NOW * 1000))
RELEASE = Release("india", "edge", 7, int(NOW), {"e-edge": "e", "w-edge": "w"}, ("e-edge",), {"app": "x"}, 2.5)
ENTRY = Entry("india", "setting", "instance-shop/a.test", 4, "a-control-1", int(NOW), "ada", {"mode": "BYPASS"})
SITE: dict[str, Any] = {
    "host": "a.test",
    "mode": "RECORD",
    "paranoia": 2,
    "exclusions": [],
    "lowest_mode": "RECORD",
    "highest_paranoia": 3,
    "most_exclusions": 1,
}


def code_of(deed: Callable[[], object]) -> str:
    """Why a statement is not taken; a test fails that is taken."""
    with pytest.raises(ProtocolError) as refused:
        deed()
    return refused.value.code


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=4))
def test_what_is_sealed_comes_back(body: dict[str, Any]) -> None:
    assert unseal("policy", seal("policy", body, KEY), PUBLIC) == body


@given(st.data())
def test_one_changed_character_is_seen(data: st.DataObject) -> None:
    sealed = seal("policy", {"mode": "RECORD"}, KEY)
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:place] + data.draw(st.characters(codec="ascii")) + sealed[place + 1 :]
    try:
        assert unseal("policy", changed, PUBLIC) == {"mode": "RECORD"}  # another spelling of the same JSON
    except ProtocolError as refused:
        assert refused.code.startswith("seal.")


@pytest.mark.parametrize(
    ("code", "sealed"),
    [
        ("seal.foreign", seal("policy", {}, OTHER)),
        ("seal.kind", seal("token", {}, KEY)),
        ("seal.shape", seal("policy", {}, KEY)[:-9]),
        ("seal.shape", "[" * 100_000),
        ("seal.shape", "[]"),
        ("seal.shape", json.dumps({"body": 1, "kind": "policy", "signature": ""})),
        ("seal.shape", json.dumps({"body": "{}", "kind": "policy", "signature": "?"})),
        ("seal.too-long", " " * (MAX_BYTES + 1)),
    ],
    ids=["foreign", "kind", "cut short", "deep", "list", "no text", "no base64", "too long"],
)
def test_refuses_what_is_not_sealed_so(code: str, sealed: str) -> None:
    assert code_of(lambda: unseal("policy", sealed, PUBLIC)) == code


def test_nobody_seals_more_than_is_read() -> None:
    assert code_of(lambda: seal("policy", {"x": "y" * MAX_BYTES}, KEY)) == "seal.too-long"


def test_a_token_is_read_for_a_quarter_of_an_hour() -> None:
    text = token.issue(TOKEN, KEY)
    assert token.read(text, PUBLIC, "india", NOW + 899) == TOKEN
    assert code_of(lambda: token.read(text, PUBLIC, "india", NOW + 901)) == "token.expired"
    assert code_of(lambda: token.read(text, PUBLIC, "india", NOW - 301)) == "token.early"
    assert code_of(lambda: token.read(text, PUBLIC, "europe", NOW)) == "token.foreign"
    assert code_of(lambda: token.read(token.issue(TOKEN, OTHER), PUBLIC, "india", NOW)) == "seal.foreign"


def test_a_servers_token_lives_as_long_as_it_says() -> None:
    long = replace(TOKEN, life_seconds=4_500)
    text = token.issue(long, KEY)
    assert token.read(text, PUBLIC, "india", NOW + 4_499) == long
    assert code_of(lambda: token.read(text, PUBLIC, "india", NOW + 4_501)) == "token.expired"


@pytest.mark.parametrize("life", [0, -1, True, "900", 172_801])
def test_no_token_lives_for_ever(life: Any) -> None:
    body = {**asdict(TOKEN), "life_seconds": life}
    assert code_of(lambda: token.read(seal("enrolment", body, KEY), PUBLIC, "india", NOW)) == "token.shape"


@pytest.mark.parametrize("body", [{}, {"zone": 1, "machine": "m", "role": "r", "serial": 1}, {"serial": True}])
def test_a_token_has_a_shape(body: dict[str, Any]) -> None:
    assert code_of(lambda: token.read(seal("enrolment", body, KEY), PUBLIC, "india", NOW)) == "token.shape"


class Chain:
    """A stack's root, an API machine's authority, a machine's certificate."""

    def __init__(self, now: float) -> None:
        self.root_key, self.authority_key, self.leaf_key = (certificate.new_key() for _ in range(3))
        self.root = certificate.new_root("india", self.root_key, now)
        csr = certificate.request(self.authority_key, "a-control-1")
        self.authority = certificate.issue_authority(self.root, self.root_key, csr, "a-control-1", now)
        self.csr = certificate.request(self.leaf_key, "anything")
        self.name = certificate.Name("india", "waf", "a-shop-1", 12)
        self.leaf = certificate.issue_leaf(self.authority, self.authority_key, self.csr, self.name, now)


def test_a_certificate_names_its_machine_and_its_key() -> None:
    chain = Chain(NOW)
    assert certificate.name_of(chain.leaf) == chain.name
    assert certificate.key_id(chain.leaf) == certificate.key_id(chain.csr)
    assert certificate.ends_at(chain.leaf) == NOW + certificate.LEAF_HOURS * 3600
    certificate.check_issued(chain.authority, chain.root)
    certificate.check_issued(chain.leaf, chain.authority)


def test_tls_verifies_the_chain_strictly(tmp_path: Path) -> None:
    chain = Chain(time.time())
    pem = tmp_path / "chain.pem"
    pem.write_text(chain.leaf + chain.authority + chain.leaf_key)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=chain.root)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default, which Debian 13 has
    server.load_cert_chain(pem)
    assert _shakes_hands(client, server, "a-shop-1")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shakes_hands(client, server, "b-shop-1")
    with pytest.raises(ssl.SSLCertVerificationError):
        _shakes_hands(ssl.create_default_context(cadata=Chain(time.time()).root), server, "a-shop-1")


def _shakes_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(back, there, server_hostname=name)
    far = server.wrap_bio(there, back, server_side=True)
    for _ in range(6):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return near.version() in ("TLSv1.2", "TLSv1.3")


def test_refuses_foreign_and_broken_certificates() -> None:
    chain, other = Chain(NOW), Chain(NOW)
    assert code_of(lambda: certificate.check_issued(chain.authority, other.root)) == "certificate.foreign"
    assert code_of(lambda: certificate.check_issued(other.leaf, chain.authority)) == "certificate.foreign"
    assert code_of(lambda: certificate.name_of(chain.root)) == "certificate.name"
    assert code_of(lambda: certificate.name_of(chain.leaf[:200])) == "certificate.shape"
    issue = certificate.issue_leaf
    assert code_of(lambda: issue(chain.authority, chain.authority_key, "x", chain.name, NOW)) == "certificate.shape"


def test_a_release_comes_back_as_it_was() -> None:
    assert open_release(seal_release(RELEASE, KEY), PUBLIC, "india") == RELEASE
    assert not RELEASE.whole


def test_refuses_releases_of_others_and_from_the_future() -> None:
    text = seal_release(RELEASE, KEY)
    assert code_of(lambda: open_release(text, public_of(OTHER), "india")) == "seal.foreign"
    assert code_of(lambda: open_release(text, PUBLIC, "europe")) == "release.foreign"
    assert code_of(lambda: check_clock(RELEASE, NOW - 600)) == "release.early"
    check_clock(RELEASE, NOW - 299)


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"number": 0}, {"number": "7"}, {"released": [1]}, {"members": []}, {"more": 1}, {"code": None}],
)
def test_a_release_has_a_shape(change: dict[str, Any]) -> None:
    body = {**unseal("release", seal_release(RELEASE, KEY), PUBLIC), **change}
    assert code_of(lambda: open_release(seal("release", body, KEY), PUBLIC, "india")) == "release.shape"


def sealed_entry(entry: Entry = ENTRY, zone: str = "india", api: str = "a-control-1") -> SealedEntry:
    """By an API machine that the stack endorsed."""
    return seal_entry(entry, OTHER, endorse(zone, api, public_of(OTHER), KEY))


def test_an_entry_is_believed_for_the_sake_of_the_endorsement() -> None:
    assert open_entry(sealed_entry(), PUBLIC, "india") == ENTRY


def test_refuses_entries_that_nobody_endorsed() -> None:
    good = sealed_entry()
    forged = seal_entry(ENTRY, new_key(), good.endorsement)
    assert code_of(lambda: open_entry(forged, PUBLIC, "india")) == "seal.foreign"
    assert code_of(lambda: open_entry(good, public_of(OTHER), "india")) == "seal.foreign"
    assert code_of(lambda: open_entry(sealed_entry(api="b-control-1"), PUBLIC, "india")) == "entry.foreign"
    assert code_of(lambda: open_entry(sealed_entry(zone="europe"), PUBLIC, "india")) == "entry.foreign"
    assert code_of(lambda: open_entry(good, PUBLIC, "europe")) == "entry.foreign"


@given(st.permutations([(1, "a"), (1, "b"), (2, "a"), (3, "b")]))
def test_the_last_word_does_not_depend_on_the_order(order: list[tuple[int, str]]) -> None:
    entries = [Entry("india", "setting", "k", number, api, 0, "ada", {}) for number, api in order]
    assert latest(entries)["setting", "k"].order == (3, "b")


def test_a_version_is_the_merge_of_structure_and_settings() -> None:
    document = {"app": "waf", "edges": [], "sites": [SITE, {**SITE, "host": "b.test"}]}
    entry = Entry("india", "setting", setting_key("s", "a.test"), 1, "a", 0, "ada", {"mode": "MITIGATION"})
    found = merged(document, "s", [entry])
    assert [site["mode"] for site in found.document["sites"]] == ["MITIGATION", "RECORD"]
    assert merged(document, "another", [entry]).document == document
    assert merged({"app": "control"}, "s", [entry]).document == {"app": "control"}


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "BYPASS"},
        {"mode": "OFF"},
        {"paranoia": 4},
        {"paranoia": True},
        {"exclusions": [942100, 942110]},
        {"exclusions": [942100.5]},
        {"exclusions": [949110]},
        {"exclusions": [1]},
        {"origins": []},
    ],
    ids=str,
)
def test_what_breaks_a_ceiling_is_left_out_and_named(values: dict[str, Any]) -> None:
    document = {"app": "waf", "sites": [SITE]}
    found = merged(document, "s", [Entry("india", "setting", "s/a.test", 1, "a", 0, "ada", values)])
    assert found.document == document
    assert len(found.ignored) == 1 and found.ignored[0].startswith("a.test: ")


@pytest.mark.parametrize(("mode", "ignored"), [("BYPASS", 0), ("RECORD", 1), ("MITIGATION", 1)])
def test_no_setting_promises_rules_where_the_stack_has_none(mode: str, ignored: int) -> None:
    document = {"app": "waf", "sites": [{**SITE, "lowest_mode": "BYPASS", "profile": "none"}]}
    found = merged(document, "s", [Entry("india", "setting", "s/a.test", 1, "a", 0, "ada", {"mode": mode})])
    assert (len(found.ignored), found.document["sites"][0]["mode"]) == (ignored, "RECORD" if ignored else mode)


def test_a_bundle_is_the_pinned_one_and_signed_for_its_role() -> None:
    archive = b"code"
    digest = hashlib.sha256(archive).hexdigest()
    pin = {"url": "http://x/", "sha256": digest, "signature": sign_bundle("waf", digest, KEY)}
    check_bundle(archive, pin, "waf", PUBLIC)
    assert code_of(lambda: check_bundle(b"other", pin, "waf", PUBLIC)) == "bundle.sha256"
    assert code_of(lambda: check_bundle(archive, pin, "control", PUBLIC)) == "bundle.foreign"
    assert code_of(lambda: check_bundle(archive, pin, "waf", public_of(OTHER))) == "seal.foreign"
