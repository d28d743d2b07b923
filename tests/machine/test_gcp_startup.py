"""On Google Cloud the startup script hands our user data to cloud-init: in a Debian, with a metadata server of ours."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hdinfra.machine.cloud_init import compressed
from hdinfra.machine.installer import meta_data
from hdinfra.machine.sources import asset
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import lay_files, start_container
from tests.machine.sync_stack import eventually

CONFIG = """#cloud-config
users: []
cloud_init_modules: [write_files, set_hostname]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_user, final_message]
write_files:
- {path: /etc/hdinfra/told, permissions: "0640", content: "a Machine"}
runcmd:
- [sh, -c, "echo booted >>/var/lib/booted"]
"""
# What apt-get is called with, and a package that comes by it.
APT = """#!/bin/sh
echo "$@" >>/var/lib/asked
case "$*" in *"install cloud-init") mv /usr/bin/cloud-init.of-the-mirror /usr/bin/cloud-init ;; esac
"""
SERVER = """
import http.server, json, sys
told = json.load(open("/srv/told.json"))
class Metadata(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = told.get(self.path, "").encode()
        known = self.headers.get("Metadata-Flavor") == "Google" and body
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(body if known else b"")
http.server.HTTPServer(("127.0.0.1", 80), Metadata).serve_forever()
"""
HOME = "/computeMetadata/v1/instance/attributes"
TOLD = {
    f"{HOME}/user-data": base64.b64encode(compressed(CONFIG)).decode(),
    f"{HOME}/hdinfra-meta-data": meta_data("fra-web-1"),
}
Sh = Callable[[str], tuple[int, str]]


@contextmanager
def instance(engine: Engine) -> Iterator[Sh]:
    """A Debian without cloud-init, whose mirror and metadata server are within itself."""
    container = start_container(engine, ())

    def sh(words: str) -> tuple[int, str]:
        code, said = container.exec_run(["timeout", "120", "sh", "-c", words])
        return code, said.decode()

    try:
        lay_files(container, {"/srv/told.json": json.dumps(TOLD), "/srv/metadata.py": SERVER}, 0o644)
        lay_files(container, {"/usr/local/bin/apt-get": APT, "/srv/startup": asset("gcp_startup.sh")}, 0o755)
        assert sh("mv /usr/bin/cloud-init /usr/bin/cloud-init.of-the-mirror")[0] == 0
        assert sh("echo 127.0.0.1 metadata.google.internal >>/etc/hosts")[0] == 0
        yield sh
    finally:
        container.remove(force=True)


@pytest.fixture
def booting(engine: Engine) -> Iterator[Sh]:
    with instance(engine) as sh:
        yield sh


def served(sh: Sh) -> None:
    """The metadata server answers."""
    assert sh("setsid python3 /srv/metadata.py >/dev/null 2>&1 </dev/null &")[0] == 0
    asked = f"""import urllib.request as u
u.urlopen(u.Request("http://metadata.google.internal{HOME}/user-data", headers={{"Metadata-Flavor": "Google"}}))"""
    eventually(lambda: sh(f"python3 -c '{asked}'")[0] == 0, within=30)


def test_it_installs_cloud_init_once_and_the_machine_is_what_it_was_told(booting: Sh) -> None:
    served(booting)
    code, said = booting("/srv/startup")
    assert code == 0, said
    assert booting("cat /etc/hdinfra/told; stat -c %a /etc/hdinfra/told; cat /var/lib/booted") == (
        0,
        "a Machine640\nbooted\n",
    )
    assert booting("cat /var/lib/asked")[1].count("install cloud-init") == 1
    assert booting("stat -c %a /var/lib/cloud/seed/nocloud/user-data") == (0, "600\n")
    # At the next boot there is nothing left to do, and cloud-init does not start by itself.
    assert booting("/srv/startup && cat /var/lib/booted && ls /etc/cloud/cloud-init.disabled")[1].startswith(
        "booted\n/"
    )
    assert booting("wc -l </var/lib/asked") == (0, "2\n")


def test_without_its_user_data_it_fails_and_the_next_boot_tries_again(booting: Sh) -> None:
    code, _ = booting("/srv/startup")
    assert code != 0
    assert booting("test -e /var/lib/cloud/instance/boot-finished")[0] != 0
    served(booting)
    code, said = booting("/srv/startup")
    assert (code, booting("cat /var/lib/booted")) == (0, (0, "booted\n")), said


def test_an_image_that_brings_cloud_init_is_left_to_it(booting: Sh) -> None:
    assert booting("mkdir -p /run/cloud-init && touch /run/cloud-init/enabled && /srv/startup") == (0, "")
    assert booting("test -e /var/lib/asked || test -e /etc/cloud/cloud-init.disabled")[0] != 0
