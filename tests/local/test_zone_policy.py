"""The policy path with real machines: none needs the control plane to serve, strangers see nothing."""

import json
import ssl
import warnings
from typing import Any

import httpx
import pytest
from docker.models.containers import Container

from bench.project import Project
from hdinfra.operate.containers import open_containers, said
from hdinfra.operate.waiting import seconds_until
from tests.local.zone_visitors import BLOG, SHOP, get

CLOSED = "import socket,sys; s=socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


def machine(zone: Project, name: str) -> Container:
    """One machine's container."""
    return open_containers().client.containers.get(f"{zone.namespace}-{name}")


def hdctl(zone: Project, name: str, *arguments: str) -> Any:
    """What `hdctl --json` says on a machine."""
    done = machine(zone, name).exec_run(["hdctl", *arguments, "--json"], stderr=False)
    assert done.exit_code == 0, (arguments, done.output)
    return json.loads(said(done))


def is_serving(zone: Project, name: str) -> bool:
    """Whether it says so; one that boots says nothing yet."""
    return bool((open_containers().hdctl_status(f"{zone.namespace}-{name}") or {}).get("serving"))


def test_machines_serve_and_restart_without_their_control_plane(zone: Project) -> None:
    apis = [machine(zone, name) for name in ("a-control-1", "b-control-1")]
    try:
        for api in apis:
            api.kill("SIGKILL")
        web = machine(zone, "a-web-1")
        web.restart(timeout=0)
        served = seconds_until(lambda: is_serving(zone, "a-web-1"), within=60)
        assert served is not None
        hdctl(zone, "a-web-1", "bypass", SHOP)
        assert [s["mode"] for s in hdctl(zone, "a-web-1", "sites")["sites"] if s["host"] == SHOP] == ["BYPASS"]
        hdctl(zone, "a-web-1", "reset", SHOP)
        assert get(zone.urls[0], SHOP, q="<script>alert(1)</script>").status_code == httpx.codes.FORBIDDEN
        assert all(get(url, BLOG).status_code == 200 for url in zone.urls)
        refused = zone.run("policy", "show")
        assert (refused.returncode, "each serving its last policy" in refused.stderr) == (1, True)
    finally:
        zone.must("up")
    assert seconds_until(lambda: zone.run("status", "--json").returncode == 0, within=60) is not None


def test_one_api_machine_down_is_no_failure(zone: Project) -> None:
    api, spec = machine(zone, "b-control-1"), zone.spec
    api.pause()
    try:
        zone.must("site", "mode", SHOP, "RECORD", "--no-up")
        done = zone.run("up")  # the refresh thaws the machine, or publishes past it: either way no failure
        assert done.returncode == 0, done.stderr
        assert get(zone.urls[0], SHOP, q="<script>alert(1)</script>").status_code == httpx.codes.OK
    finally:
        zone.write_spec(spec)
        zone.must("up")


def test_a_drained_machine_gets_no_traffic_and_comes_back(zone: Project) -> None:
    def sees(name: str, *, up: bool) -> bool:
        told = hdctl(zone, "east-edge", "status")["servers"]
        return {one["up"] for one in told if one["name"] == name} == {up}

    hdctl(zone, "a-web-1", "drain")
    try:
        assert seconds_until(lambda: sees("a-web-1", up=False), within=10) is not None
        assert all(get(url, SHOP).status_code == 200 for url in zone.urls)
    finally:
        hdctl(zone, "a-web-1", "undrain")
    assert seconds_until(lambda: sees("a-web-1", up=True), within=10) is not None


@pytest.mark.parametrize("name", ["a-web-1", "east-edge", "a-control-1", "lab-acme-shop"])
def test_nothing_of_the_management_is_open_to_strangers(zone: Project, name: str) -> None:
    """The bundle store stands in the wan and is neither an admin's network nor a machine with a policy of its own."""
    stranger, status = machine(zone, "bundles-store"), zone.ask("status")
    known = [m for c in status["clusters"] for m in c["machines"]]
    known += [*status["edge"]["machines"], *status["control"], *status["lab"]]
    (found,) = [m for m in known if m["name"] == name]
    for address in (found["ipv4"], found["ipv6"]):
        for port in (22, 9000, 9001):
            code = stranger.exec_run(["runuser", "-u", "nobody", "--", "python3", "-c", CLOSED, address, str(port)])[0]
            assert code != 0, (address, port)


def test_an_admin_reaches_the_api_with_tls_and_a_token_only(zone: Project) -> None:
    port = zone.spec["control"]["publish"]["port"]
    plain = ssl.create_default_context()
    plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
    url = f"https://127.0.0.1:{port}"
    with httpx.Client(verify=plain, trust_env=False) as client:
        assert client.get(f"{url}/v1/ready").json() == {"ready": True}
        assert client.get(f"{url}/v1/policies").status_code == httpx.codes.UNAUTHORIZED
        assert client.get(f"{url}/v1/sync").status_code == httpx.codes.FORBIDDEN
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        old.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    with httpx.Client(verify=old, trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get(f"{url}/v1/ready")


def test_keys_and_tokens_lie_where_root_alone_reads_them(zone: Project) -> None:
    script = "find /etc/hdinfra /var/lib/hdinfra /var/lib/hdinfra-control -type f -perm /077 2>/dev/null"
    for name in ("a-web-1", "a-control-1"):
        open_to_others = said(machine(zone, name).exec_run(["sh", "-c", script])).split()
        assert [path for path in open_to_others if path.endswith((".pem", "first-boot.json", ".db", "front"))] == []
        boot = json.loads(said(machine(zone, name).exec_run(["cat", "/etc/hdinfra/first-boot.json"])))
        assert not boot.get("token"), "a token that was used is forgotten"
