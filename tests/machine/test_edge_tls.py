"""The edge over TLS, by the real HAProxy: which certificate, which versions, which way, and whatever goes wrong."""

import datetime
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from hdinfra.agent import load_balancer
from hdinfra.agent.policy import Door, EdgeSite, LoadBalancerPolicy
from hdinfra.protocol import certificate
from hdinfra.protocol.certificate import Life
from hdinfra.protocol.parcel import Label, seal_parcel
from hdinfra.protocol.seal import new_key
from hdinfra.protocol.seal import public_of as signer_of
from tests.machine.debian import Debian
from tests.machine.test_rendered import edge, prepare_edge

NOW = time.time()
SHOP, BLOG, LATER = "shop.acme.test", "blog.globex.test", "later.acme.test"
ROOT_KEY = certificate.new_key()
ROOT = certificate.new_site_root("india", ROOT_KEY, NOW)
SIGNING = new_key()
THUMBPRINT = "t" * 43
FOLDER = "/etc/hdinfra/tls/certificates"
PID = "/run/haproxy/haproxy.pid"
MACHINE_KEY = certificate.new_key()


def machine_point() -> str:
    root_key = certificate.new_key()
    root = certificate.new_root("india", root_key, NOW)
    name = certificate.Name("india", "load-balancer", "e-edge", 1)
    leaf = certificate.issue_leaf(root, root_key, certificate.request(MACHINE_KEY, "e-edge"), name, NOW)
    return certificate.public_point(leaf)


POINT = machine_point()


def pair(host: str, days: int = 90) -> dict[str, str]:
    key = certificate.new_key()
    return {"certificate": certificate.issue_site(ROOT, ROOT_KEY, key, host, Life(NOW, days=days)), "key": key}


def parcel(host: str, number: int, inside: Mapping[str, str] | None) -> str:
    text = json.dumps(inside) if inside else ""
    return seal_parcel(Label("india", host, number), text, {"e-edge": POINT}, SIGNING)


POLICY = LoadBalancerPolicy(
    edge(SHOP).instances,
    (
        EdgeSite(SHOP, "shop", "/health", 3, redirect=True, hsts_seconds=600),
        EdgeSite(BLOG, "shop", "/health", 3),
        EdgeSite(LATER, "shop", "/health", 3, redirect=True),
    ),
    (Door(8080, 8443),),
    THUMBPRINT,
)

TAKE = """
import json, sys
sys.path.insert(0, "/usr/lib/hdinfra/code")
from pathlib import Path
from hdinfra.agent.commands import run
from hdinfra.agent.parcels import Parcels
from hdinfra.agent.problems import Problems
from hdinfra.agent.versions import Trust
texts, signer = json.loads(Path("/run/parcels.json").read_text())
problems = Problems()
taken = Parcels(Path("/"), Trust(signer, "india", "e-edge"), run, problems)
missing = taken.missing({"shop.acme.test": 10 ** 6})
taken.take(texts)
print(json.dumps([problems.texts(), taken.digest, missing]))
"""
ASK = """
import http.client, json, socket, ssl, sys
port, sni, host, path, top = sys.argv[1:6]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_ciphers("DEFAULT@SECLEVEL=0")
context.minimum_version = ssl.TLSVersion.TLSv1
if top:
    context.maximum_version = getattr(ssl.TLSVersion, top)
context.set_alpn_protocols(["h2", "http/1.1"] if path == "h2" else ["http/1.1"])
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
connection.connect()
told = {}
if sni:
    try:
        connection.sock = context.wrap_socket(connection.sock, server_hostname=sni)
    except ssl.SSLError as error:
        print(json.dumps({"refused": str(error)}))
        sys.exit()
    told["certificate"] = ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(True))
    told["spoken"], told["alpn"] = connection.sock.version(), connection.sock.selected_alpn_protocol()
if path != "h2":
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    told |= {"status": answer.status, "headers": dict(answer.getheaders()), "text": answer.read().decode()}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def place(debian: Callable[[str], Debian]) -> Iterator[Debian]:
    """An edge that runs with POLICY and no certificate yet."""
    made = debian("load-balancer")
    made.run("rm", "-rf", "/etc/hdinfra/tls", "/var/lib/hdinfra/parcels.json")
    made.policy(load_balancer.render(POLICY))
    made.put({"/var/lib/hdinfra/key.pem": MACHINE_KEY}, 0o600)
    prepare_edge(made)
    files = ("-f", "/etc/hdinfra/haproxy.cfg", "-f", "/etc/hdinfra/policy/haproxy")
    code, words = made.run("haproxy", "-c", *files)
    warnings = [line for line in words.splitlines() if "[WARNING]" in line]
    assert (code, len(warnings)) == (0, 2), words
    assert all("no SSL certificate specified" in line for line in warnings), words
    with running(made, *files):
        yield made


@contextmanager
def running(place: Debian, *files: str) -> Iterator[None]:
    """HAProxy as its unit starts it, but as a daemon."""
    code, words = place.run("haproxy", "-W", "-D", *files, "-p", PID, "-S", "/run/haproxy/master.sock")
    assert code == 0, words
    try:
        yield
    finally:
        place.run("sh", "-c", f"kill $(cat {PID})")


def take(place: Debian, *texts: str) -> list[Any]:
    """What the agent makes of these parcels: problems, and the digest of what is shown."""
    place.put({"/run/parcels.json": json.dumps([texts, signer_of(SIGNING)])})
    code, words = place.run("python3", "-c", TAKE)
    assert code == 0, words
    found: list[Any] = json.loads(next(line for line in words.splitlines() if line.startswith("[[")))
    return found


def ask(place: Debian, host: str, path: str = "/", *, sni: str = "", port: int = 0, top: str = "") -> dict[str, Any]:
    code, words = place.run(
        "python3", "-W", "ignore", "-c", ASK, str(port or (443 if sni else 80)), sni, host, path, top
    )
    assert code == 0, words
    found: dict[str, Any] = json.loads(words)
    return found


def shown(place: Debian, host: str) -> str:
    return str(ask(place, host, "h2", sni=host).get("certificate", ""))


def test_it_starts_without_a_certificate_and_then_shows_each_site_its_own(place: Debian) -> None:
    assert "refused" in ask(place, SHOP, sni=SHOP)
    assert ask(place, SHOP)["status"] == 503  # answered over HTTP: nobody is led to where there is no certificate
    own = {host: pair(host) for host in (SHOP, BLOG)}
    problems, digest, missing = take(place, *(parcel(host, 1, own[host]) for host in own))
    assert (problems, len(digest), missing) == ([], 16, [SHOP])
    for host in own:
        assert shown(place, host) == own[host]["certificate"]
    found = ask(place, SHOP, "h2", sni=SHOP)
    assert (found["spoken"], found["alpn"]) == ("TLSv1.3", "h2")
    assert "refused" in ask(place, "nobody.test", sni="nobody.test")


def test_keys_are_roots_alone(place: Debian) -> None:
    take(place, parcel(SHOP, 2, pair(SHOP)))
    code, modes = place.run("sh", "-c", f"stat -c '%a %U' /etc/hdinfra/tls {FOLDER} {FOLDER}/* /etc/hdinfra/tls/*.lst")
    assert (code, set(modes.split("\n")[:-1])) == (0, {"700 root", "600 root"})


@pytest.mark.parametrize(("top", "well"), [("TLSv1_2", True), ("TLSv1_1", False), ("TLSv1", False)])
def test_versions_before_1_2_are_refused(place: Debian, top: str, well: bool) -> None:
    take(place, parcel(SHOP, 3, pair(SHOP)))
    assert ("refused" not in ask(place, SHOP, "h2", sni=SHOP, top=top)) is well


def test_a_host_that_the_name_did_not_announce_is_answered_by_the_host(place: Debian) -> None:
    take(place, parcel(SHOP, 4, pair(SHOP)))
    assert ask(place, BLOG, sni=SHOP)["status"] == 503
    assert ask(place, "nobody.test", sni=SHOP)["status"] == 421


def test_the_way_to_https_is_shown_where_asked_for_and_possible(place: Debian) -> None:
    take(place, parcel(SHOP, 5, pair(SHOP)))
    for host, target in ((f"{SHOP}:8080", f"https://{SHOP}:8443/a?b=c"), (SHOP, f"https://{SHOP}/a?b=c")):
        found = ask(place, host, "/a?b=c")
        assert (found["status"], found["headers"]["location"]) == (308, target)
    for host in (BLOG, LATER):  # not asked for; asked for, but there is no certificate yet
        assert ask(place, host)["status"] == 503


def test_hsts_is_said_over_https_alone(place: Debian) -> None:
    take(place, parcel(SHOP, 6, pair(SHOP)), parcel(BLOG, 6, pair(BLOG)))
    name = "strict-transport-security"
    assert ask(place, SHOP, sni=SHOP)["headers"][name] == "max-age=600"
    assert name not in ask(place, BLOG, sni=BLOG)["headers"]
    assert name not in ask(place, SHOP)["headers"]


def test_any_challenge_is_answered_with_our_account_and_nothing_else_is(place: Debian) -> None:
    take(place, parcel(SHOP, 7, pair(SHOP)))
    token = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
    found = ask(place, f"{SHOP}:80", f"/.well-known/acme-challenge/{token}")
    assert (found["status"], found["text"]) == (200, f"{token}.{THUMBPRINT}")
    assert ask(place, LATER, f"/.well-known/acme-challenge/{token}")["status"] == 200
    for odd in ("short", token + "%0d%0a", "a" * 129, token + "/.."):
        assert ask(place, SHOP, f"/.well-known/acme-challenge/{odd}")["status"] != 200
    assert ask(place, "nobody.test", f"/.well-known/acme-challenge/{token}")["status"] == 421


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: {**pair(SHOP), "key": certificate.new_key()}, "made for another key"),
        (lambda: pair(BLOG), f"not for `{SHOP}`"),
        (lambda: {**pair(SHOP), "certificate": "garbage"}, "cannot be read"),
        (lambda: pair(SHOP, days=0), "ended on"),
        (lambda: {"certificate": "only"}, "'key'"),
    ],
)
def test_what_is_not_well_is_named_and_the_last_good_one_stays(
    place: Debian, wrong: Callable[[], dict[str, str]], words: str
) -> None:
    numbers = json.loads(place.run("sh", "-c", "cat /var/lib/hdinfra/parcels.json || echo {}")[1])
    number = int(numbers.get(SHOP, 0)) + 1
    good = pair(SHOP)
    before = take(place, parcel(SHOP, number, good))
    problems, digest, _ = take(place, parcel(SHOP, number + 1, wrong()))
    assert digest == before[1]
    assert [problem for problem in problems if words in problem and SHOP in problem], problems
    assert shown(place, SHOP) == good["certificate"]


def weak(host: str) -> dict[str, str]:
    """Whole, of its key, for its host and in its time; but no program of Debian 13 shows so short a key."""
    key = rsa.generate_private_key(65_537, 1_024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    begin = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begin, begin + datetime.timedelta(days=9))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    chain = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"certificate": chain.decode(), "key": key.private_bytes(*form).decode()}


def test_one_that_only_haproxy_refuses_keeps_the_others_not_out(place: Debian) -> None:
    take(place, parcel(SHOP, 90, pair(SHOP)))
    new = pair(SHOP)
    problems, _, _ = take(place, parcel(SHOP, 91, new), parcel(LATER, 1, weak(LATER)))
    assert [f"certificate of {LATER}: the edge does not take it" in problem for problem in problems] == [True], problems
    assert shown(place, SHOP) == new["certificate"]
    assert place.run("ls", f"{FOLDER}/{LATER}.pem")[0] != 0


def test_a_strangers_or_older_parcel_changes_nothing(place: Debian) -> None:
    good = pair(SHOP)
    take(place, parcel(SHOP, 95, good))
    assert take(place, parcel(SHOP, 94, pair(SHOP)))[0] == []
    strange = seal_parcel(Label("india", SHOP, 99), json.dumps(pair(SHOP)), {"e-edge": POINT}, new_key())
    assert "another key" in take(place, strange)[0][0]
    not_ours = certificate.public_point(certificate.new_root("x", certificate.new_key(), NOW))
    other = seal_parcel(Label("india", SHOP, 99), json.dumps(pair(SHOP)), {"e-edge": not_ours}, SIGNING)
    assert "sealed for another key" in take(place, other)[0][0]
    assert shown(place, SHOP) == good["certificate"]


def test_a_site_that_is_gone_is_shown_no_more(place: Debian) -> None:
    take(place, parcel(BLOG, 100, pair(BLOG)))
    assert shown(place, BLOG)
    assert take(place, parcel(BLOG, 101, None))[0] == []
    assert "refused" in ask(place, BLOG, sni=BLOG)
    assert place.run("ls", f"{FOLDER}/{BLOG}.pem")[0] != 0
