"""The first boot of an unmanaged machine whose code has an address: a real HTTPS server, and what it may do wrong."""

import json
import time
from collections.abc import Iterator
from importlib.resources import files

import pytest

from hdinfra.machine.bundle import unmanaged_bundle
from hdinfra.machine.cloud_init import cloud_config
from hdinfra.machine.installer import meta_data
from hdinfra.machine.roles import machine_of
from hdinfra.machine.unmanaged import told_to, unmanaged
from hdinfra.model.policy import digest
from hdinfra.plugins.local.engine import Engine
from hdinfra.protocol.certificate import Life, issue_site, new_key, new_site_root
from tests.machine.debian import Debian, booted_container
from tests.machine.sync_stack import eventually
from tests.model import byol_specs as byol
from tests.model.legal import setting

PORT = 8443
PLAN = byol.plan_of(byol.on_cloud(setting("code_url", f"https://localhost:{PORT}/busy")))
MACHINE = unmanaged(machine_of(PLAN.name, PLAN.machines[0]))
BUNDLE = unmanaged_bundle("waf")
LIMITS = "LIMIT, PATIENCE, TRY = 4 << 20, 300, 60 "
TOLD, FETCH, LOG = "/etc/hdinfra/first-boot.json", "/usr/lib/hdinfra/fetch", "/srv/asked"
# The folder of the address says how it answers. `busy` has its bad moment first.
SERVER = f"""
import pathlib, ssl, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHOLE = pathlib.Path("/srv/code.tar").read_bytes()
asked = []

class Code(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        with open("{LOG}", "a") as log:
            log.write(self.path + "\\n")
        getattr(self, self.path.split("/")[1])()

    def answer(self, body, length=None, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def busy(self):
        self.answer(b"later", status=503) if len(asked) < 3 else self.answer(WHOLE)

    def whole(self):
        self.answer(WHOLE)

    def edited(self):
        self.answer(WHOLE[:5000] + bytes([WHOLE[5000] ^ 1]) + WHOLE[5001:])

    def huge(self):
        self.answer(bytes(5 << 20))

    def short(self):
        self.answer(WHOLE[:70000], length=len(WHOLE))

    def slow(self):
        self.answer(WHOLE[:100], length=len(WHOLE))
        while not threading.Event().wait(0.1):
            self.wfile.write(b"x")

    def mute(self):
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\nServer: ")
        while not threading.Event().wait(0.1):
            self.wfile.write(b"x")

    def clear(self):
        self.answer(b"", status=302, Location="http://localhost:8080/whole")

    def gone(self):
        self.answer(b"", status=404)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/localhost.pem")
server = ThreadingHTTPServer(("127.0.0.1", {PORT}), Code)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
UNIT = """
[Service]
ExecStartPre=/usr/sbin/update-ca-certificates
ExecStart=/usr/bin/python3 /srv/server.py
"""


def laid() -> dict[str, str]:
    """The server with a certificate that the machine trusts, and the seed of the machine."""
    now = time.time()
    root_key, key = new_key(), new_key()
    root = new_site_root("acme", root_key, now)
    seed = "/var/lib/cloud/seed/nocloud"
    return {
        "/usr/local/share/ca-certificates/acme.crt": root,
        "/srv/localhost.pem": f"{issue_site(root, root_key, key, 'localhost', Life(now, days=9))}{key}",
        "/srv/code.tar": BUNDLE.content.decode(),
        "/srv/server.py": SERVER,
        "/etc/systemd/system/code.service": UNIT,
        "/etc/systemd/system/cloud-final.service.d/code.conf": "[Unit]\nWants=code.service\nAfter=code.service\n",
        f"{seed}/user-data": cloud_config(MACHINE, told_to(PLAN, PLAN.machines[0])),
        f"{seed}/meta-data": meta_data(MACHINE.identity.name),
    }


@pytest.fixture(scope="module")
def booted(engine: Engine) -> Iterator[Debian]:
    """The machine after its first boot, which met a busy server."""
    made = booted_container(engine, MACHINE.packages, laid())
    try:
        yield Debian(made, MACHINE)
    finally:
        made.remove(force=True)


@pytest.fixture
def hasty(booted: Debian) -> Iterator[Debian]:
    """The machine before it has its code, of which it asks but once. Afterwards it has it again."""
    text = files("hdinfra.machine").joinpath("assets", "fetch-once").read_text()
    assert text.count(LIMITS) == 1
    booted.put({"/srv/fetch": text.replace(LIMITS, "LIMIT, PATIENCE, TRY = 4 << 20, 0, 60 ")}, 0o755)
    booted.run("sh", "-c", "mv /usr/lib/hdinfra/code /srv/link; mv /usr/lib/hdinfra/code-* /srv/")
    yield booted
    booted.run("sh", "-c", f"rm -rf {TOLD} /usr/lib/hdinfra/code*; mv /srv/code-* /usr/lib/hdinfra/")
    booted.run("mv", "/srv/link", "/usr/lib/hdinfra/code")


def fetched(place: Debian, folder: str, sha256: str = BUNDLE.sha256, host: str = "localhost") -> tuple[int, str]:
    """One run of what a first boot runs, with that address."""
    url = f"https://{host}:{PORT}/{folder}/{BUNDLE.file_name}"
    place.put({TOLD: json.dumps({"code": {"url": url, "sha256": sha256}})}, 0o600)
    return place.run("/srv/fetch")


def there(place: Debian) -> list[str]:
    """What of the code lies on the machine."""
    return place.run("sh", "-c", "ls -d /usr/lib/hdinfra/code* 2>/dev/null")[1].split()


def test_the_code_comes_from_the_address_and_hdctl_brings_the_policy_into_force(booted: Debian) -> None:
    code, words = booted.run("hdctl", "status", "--json")
    assert code == 0, words + booted.run("tail", "-40", "/var/log/cloud-init-output.log")[1]
    told = json.loads(words)
    assert (told["app"], told["serving"], told["digest"], told["problems"]) == ("waf", True, digest(PLAN.policy), [])
    assert booted.run("hdctl", "booted") == (0, "")
    attack = ("-H", "Host: shop.acme.test", "127.0.0.1/?id=1%27%20OR%201=1--%20-")
    assert booted.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *attack)[1] == "403"
    assert booted.run("readlink", "/usr/lib/hdinfra/code")[1].strip() == f"code-{BUNDLE.sha256[:16]}"


def test_it_asked_until_the_server_had_it_and_after_a_reboot_never_again(booted: Debian) -> None:
    asked = booted.run("cat", LOG)[1].split()
    assert asked == [f"/busy/{BUNDLE.file_name}"] * 3
    assert booted.run("test", "-e", TOLD)[0] == 1
    booted.container.restart(timeout=10)
    # cloud-init is through and the server stands ready; whoever wanted to ask has asked.
    for well in (
        ("test", "-s", "/run/cloud-init/result.json"),
        ("systemctl", "is-active", "--quiet", "code.service"),
        ("hdctl", "status", "--check"),
    ):
        eventually(lambda well=well: booted.run(*well)[0] == 0, 60, lambda: booted.run("journalctl", "-n", "60"))
    assert booted.run("cat", LOG)[1].split() == asked


def test_a_server_that_has_it_is_asked_once(hasty: Debian) -> None:
    before = len(hasty.run("cat", LOG)[1].split())
    assert fetched(hasty, "whole") == (0, "")
    assert len(hasty.run("cat", LOG)[1].split()) == before + 1
    assert hasty.run("hdctl", "booted") == (0, "")
    assert hasty.run("test", "-e", TOLD)[0] == 1


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("edited", f"due is {BUNDLE.sha256}"),
        ("huge", "gave more than 4194304 bytes"),
        ("short", "the connection broke off"),
        ("clear", "unknown url type: http"),
        ("gone", "HTTP Error 404"),
    ],
)
def test_what_is_not_the_code_is_refused_and_nothing_is_installed(hasty: Debian, folder: str, words: str) -> None:
    code, said = fetched(hasty, folder)
    assert (code, words in said, "nothing was installed" in said) == (1, True, True), said
    assert f"https://localhost:{PORT}/{folder}/{BUNDLE.file_name}" in said
    assert (there(hasty), hasty.run("test", "-e", TOLD)[0]) == ([], 0)


@pytest.mark.parametrize("folder", ["slow", "mute"])
def test_a_server_that_gives_byte_after_byte_is_not_waited_for(hasty: Debian, folder: str) -> None:
    hasty.run("sed", "-i", "s/0, 60 /0, 1 /", "/srv/fetch")
    code, said = fetched(hasty, folder)
    assert (code, "no whole answer within 1 s" in said, there(hasty)) == (1, True, []), said


def test_another_digest_than_the_stack_told_is_refused(hasty: Debian) -> None:
    code, said = fetched(hasty, "whole", sha256="0" * 64)
    assert (code, f"SHA-256 {BUNDLE.sha256}, due is {'0' * 64}" in said, there(hasty)) == (1, True, []), said


def test_a_server_of_another_name_is_not_believed(hasty: Debian) -> None:
    code, said = fetched(hasty, "whole", host="127.0.0.1")
    assert (code, "CERTIFICATE_VERIFY_FAILED" in said, there(hasty)) == (1, True, []), said


def test_a_server_whose_authority_nobody_trusts_is_not_believed(hasty: Debian) -> None:
    hasty.run("sh", "-c", "mv /usr/local/share/ca-certificates/acme.crt /srv/; update-ca-certificates --fresh")
    code, said = fetched(hasty, "whole")
    hasty.run("sh", "-c", "mv /srv/acme.crt /usr/local/share/ca-certificates/; update-ca-certificates")
    assert (code, "CERTIFICATE_VERIFY_FAILED" in said, there(hasty)) == (1, True, []), said


def test_a_first_boot_without_its_code_ends_there_and_says_why(hasty: Debian) -> None:
    hasty.run("cp", "-a", FETCH, "/srv/patient")
    hasty.run("cp", "/srv/fetch", FETCH)
    fetched(hasty, "edited")
    code, said = hasty.run("/usr/lib/hdinfra/boot.sh")
    hasty.run("mv", "/srv/patient", FETCH)
    assert (code, "nothing was installed" in said, there(hasty)) == (1, True, []), said
