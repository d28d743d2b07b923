"""The API on Debian 13 with its own libraries, behind the real nginx: two API machines in one container."""

import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from hdinfra.machine.apps import base
from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.sources import asset
from hdinfra.plugins.kind import Call
from hdinfra.plugins.local.builder import ensure_image
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.limits import ulimits
from tests.machine.control_fixtures import APIS, SYSTEM, ZONE, Stack, document
from tests.machine.debian import LABEL

PACKAGES = (*base.PACKAGES, "nginx", "python3-fastapi", "python3-sqlalchemy", "python3-uvicorn")
PORTS = {APIS[0]: 9000, APIS[1]: 9002}
MOST_RESIDENT_KIB = 90 * 1024  # so that the machine as a whole stays under 150 MiB


class ApiMachines:
    """One container in which both API machines run, each with its own folders and ports."""

    def __init__(self, engine: Engine) -> None:
        self.stack = Stack()
        self.container: Container = engine.client.containers.run(
            ensure_image(engine, PACKAGES, Call()),
            ["sleep", "infinity"],
            name=f"hdtest-control-{uuid.uuid4().hex[:12]}",
            labels={LABEL: str(os.getpid())},
            network_mode="none",
            ulimits=ulimits(engine.url),
            detach=True,
        )

    def put(self, files: dict[str, bytes], mode: int = 0o644) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode = len(content), mode
                archive.addfile(member, io.BytesIO(content))
        assert self.container.put_archive("/", buffer.getvalue())

    def run(self, command: str) -> str:
        code, words = self.container.exec_run(["sh", "-c", command])
        assert code == 0, words.decode()
        return str(words.decode())

    def install(self) -> None:
        """As the bundle and cloud-init do."""
        assert self.container.put_archive("/tmp", bundle_of("control").content)
        self.run("mkdir -p /usr/lib/hdinfra/code && cp -r /tmp/hdinfra /usr/lib/hdinfra/code/")
        self.put({"/usr/lib/hdinfra/hdinfra-control": asset("hdinfra-control").encode()}, 0o755)
        self.run("useradd --system --no-create-home hdinfra-control")
        client = Path(__file__).with_name("control_client.py").read_bytes()
        self.put({"/root/client.py": client, "/root/stack.json": json.dumps(self.told()).encode()}, 0o600)

    def told(self) -> dict[str, Any]:
        return {
            "zone": ZONE,
            "key": self.stack.key,
            "root": self.stack.root,
            "root_key": self.stack.root_key,
            "system": SYSTEM,
            "apis": [[name, PORTS[name]] for name in APIS],
            "document": document(),
            "site": document()["sites"][0]["host"],
        }

    def start(self) -> None:
        """The first as it is shipped; the second with its own folders and ports."""
        for name in APIS:
            self.configure(name)
            code = f"import hdinfra.control.setup as s; from pathlib import Path; {self.setup_call(name)}"
            self.python("root", code)
            self.detached(f"nginx -c {self.etc(name)}/nginx.conf -g 'daemon off; pid /run/nginx-{name}.pid;'")
        self.detached("runuser -u hdinfra-control -- /usr/lib/hdinfra/hdinfra-control")
        second = (
            "import sys; from pathlib import Path; sys.path.insert(0, '/usr/lib/hdinfra/code'); "
            "from hdinfra.control.serve import serve; from hdinfra.control.node import Node; "
            "from hdinfra.control.settings import read_settings; "
            f"serve(Node(read_settings(Path('{self.home(APIS[1])}'))), 9003)"
        )
        self.detached(f'runuser -u hdinfra-control -- python3 -IB -c "{second}"')
        for name in APIS:  # what the path unit does
            pem = f"{self.home(name)}/tls/server.pem"
            self.detached(
                f'before=$(sha256sum {pem}); until [ "$(sha256sum {pem})" != "$before" ]; do sleep 0.02; done; '
                f"kill -HUP $(cat /run/nginx-{name}.pid)"
            )

    def configure(self, name: str) -> None:
        boot = self.stack.first_boot(name)
        for endpoint in boot["endpoints"]:
            endpoint["port"] = PORTS[endpoint["name"]]
        identity = {"name": name, "zone": ZONE, "place": name[0], "role": "control"}
        conf = asset("control-nginx.conf").replace("pid /run/nginx.pid;\n", "")
        if name != APIS[0]:
            conf = conf.replace(":9001", ":9003").replace(":9000", ":9002")
            conf = conf.replace("/var/lib/hdinfra-control", self.home(name)).replace("/etc/hdinfra", self.etc(name))
        files = {"first-boot.json": json.dumps(boot), "identity.json": json.dumps(identity), "nginx.conf": conf}
        self.put({f"{self.etc(name)}/{path}": text.encode() for path, text in files.items()}, 0o600)

    def setup_call(self, name: str) -> str:
        if name == APIS[0]:
            return "assert s.main() == 0"
        return (
            "import pwd; u = pwd.getpwnam('hdinfra-control'); "
            f"s.set_up(Path('{self.etc(name)}'), Path('{self.home(name)}'), (u.pw_uid, u.pw_gid))"
        )

    def python(self, user: str, code: str) -> str:
        path = "import sys; sys.path.insert(0, '/usr/lib/hdinfra/code'); "
        return self.run(f'runuser -u {user} -- python3 -IB -c "{path}{code}"')

    def detached(self, command: str) -> None:
        self.container.exec_run(["sh", "-c", f"{{ {command}; }} >>/root/log 2>&1"], detach=True)

    def home(self, name: str) -> str:
        return "/var/lib/hdinfra-control" + ("" if name == APIS[0] else "-2")

    def etc(self, name: str) -> str:
        return "/etc/hdinfra" + ("" if name == APIS[0] else "-2")

    def resident_kib(self) -> int:
        """Of the first one's API process."""
        script = (
            "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | "
            "grep -q '^/usr/bin/python3 -IB /usr/lib/hdinfra/hdinfra-control' && grep VmRSS $p/status; done; true"
        )
        return int(self.run(script).split()[1])


@pytest.fixture(scope="module")
def machines(engine: Engine) -> Iterator[ApiMachines]:
    found = ApiMachines(engine)
    try:
        found.install()
        found.start()
        yield found
    finally:
        found.container.remove(force=True)


@pytest.fixture(scope="module")
def saw(machines: ApiMachines) -> dict[str, Any]:
    code, words = machines.container.exec_run(["timeout", "90", "python3", "-IB", "/root/client.py"])
    assert code == 0, words.decode() + machines.run("cat /root/log")
    found: dict[str, Any] = json.loads(words)
    return found


def test_nobody_trusts_an_api_machine_before_the_stack_does(saw: dict[str, Any]) -> None:
    assert {saw[f"trusted before, {name}"] for name in APIS} == {"CERTIFICATE_VERIFY_FAILED"}
    assert saw["bootstrap again"][1]["error"] == "bootstrap.done"


def test_policy_comes_over_both_families_and_both_api_machines(saw: dict[str, Any]) -> None:
    assert saw["ipv6"] == [200, {"version": "1", "api": APIS[0], "zone": ZONE}]
    assert saw["publish"] == [200, {"number": 1}]
    assert saw["sync"]["releases"] == [True]
    assert (saw["report"], saw["set"][0], saw["settings"], saw["renew"]) == ([200, 200], 200, 1, 200)
    assert saw["seconds to the other"] < 2


def test_what_one_sends_under_our_headers_is_dropped(saw: dict[str, Any]) -> None:
    assert (saw["forged headers"][0], saw["forged headers"][1]["error"]) == (403, "certificate.missing")
    assert (saw["no certificate"][0], saw["no certificate"][1]["error"]) == (403, "certificate.missing")
    assert (saw["past nginx"][0], saw["past nginx"][1]["error"]) == (403, "front.missing")


def test_nginx_refuses_foreign_and_expired_certificates(saw: dict[str, Any]) -> None:
    for which in ("foreign certificate", "expired certificate"):
        assert (saw[which][0], saw[which][1]["error"]) == (403, "certificate.refused"), saw[which]
    assert "expired" in saw["expired certificate"][1]["message"]
    assert saw["too long"] == "HTTP/1.1 413"


def test_a_replayed_token_revokes_both_on_both(saw: dict[str, Any]) -> None:
    assert saw["replayed elsewhere"][1]["error"] == "token.used"
    assert {answer["error"] for _, answer in saw["revoked"]} == {"machine.revoked"}
    assert [[alarm["code"] for alarm in alarms] for alarms in saw["alarms"]] == [["machine.two-keys"]] * 2


def test_the_api_is_small(machines: ApiMachines, saw: dict[str, Any]) -> None:
    assert saw
    assert 10_000 < machines.resident_kib() < MOST_RESIDENT_KIB


def test_secrets_are_their_owners_alone(machines: ApiMachines) -> None:
    listing = machines.run("stat -c '%a %U %n' /var/lib/hdinfra-control/* /etc/hdinfra/control-front.conf")
    for line in listing.splitlines():
        mode, owner, path = line.split()
        assert int(mode, 8) & 0o077 == 0 or "api.db" in path, line
        assert owner == ("root" if path.startswith("/etc") else "hdinfra-control"), line


def test_setup_changes_nothing_that_is_there(machines: ApiMachines) -> None:
    look = (
        "sha256sum /var/lib/hdinfra-control/*[a-z] /etc/hdinfra/control-front.conf 2>/dev/null | grep -v api.db; true"
    )
    before = machines.run(look)
    machines.run("/usr/lib/hdinfra/hdinfra-control setup")
    assert machines.run(look) == before and "authority-key" in before
