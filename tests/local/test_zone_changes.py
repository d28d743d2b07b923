"""A zone that runs: status tells the truth, `up` mends, and a new site disturbs nobody."""

import copy
import json
from typing import Any

from bench.project import Project
from hdinfra.operate.containers import Containers, open_containers, said
from hdinfra.operate.waiting import seconds_until
from tests.local.zone_visitors import BLOG, SHOP, get, undisturbed

CHECKSUMS = "find /etc/hdinfra /etc/nginx /etc/haproxy -type f -exec sha256sum {} + | sort -k2"


def container_ids(zone: Project, containers: Containers) -> dict[str, str]:
    """Every machine's container, by name."""
    found = containers.client.containers.list(all=True, filters={"label": f"hdinfra.namespace={zone.namespace}"})
    return {str(container.name): str(container.id) for container in found}


def addresses(zone: Project) -> dict[str, tuple[str, str, bool]]:
    """Where Cluster b's machines are, and that they are well."""
    machines = zone.ask("status")["clusters"][1]["machines"]
    return {machine["name"]: (machine["ipv4"], machine["ipv6"], machine["healthy"]) for machine in machines}


def checksums(zone: Project, containers: Containers, machine: str) -> dict[str, str]:
    """Files of a machine's policy and base, by path."""
    told = said(containers.client.containers.get(f"{zone.namespace}-{machine}").exec_run(["sh", "-c", CHECKSUMS]))
    return {path: digest for digest, _, path in (line.partition("  ") for line in told.splitlines())}


def with_site(spec: dict[str, Any], tenant: str, host: str) -> dict[str, Any]:
    """The spec with one more site of that tenant, at the tenant's own origin."""
    for one in spec["instances"][0]["tenants"]:
        if one["name"] == tenant:
            one["sites"].append({**copy.deepcopy(one["sites"][0]), "host": host})
    return spec


def test_status_has_the_promised_shape(zone: Project) -> None:
    status = zone.ask("status")
    parts = [
        "zone",
        "clusters",
        "instances",
        "edge",
        "control",
        "bundles",
        "lab",
        "sites",
        "certificates",
        "alarms",
        "servers",
    ]
    assert list(status) == parts
    assert {one["host"]: one["well"] for one in status["certificates"]} == {SHOP: True, BLOG: True}
    assert [(c["name"], c["provider"], c["healthy"]) for c in status["clusters"]] == [
        ("a", "local", True),
        ("b", "local", True),
    ]
    machine = status["clusters"][0]["machines"][0]
    told = [
        "number",
        "settings",
        "digest",
        "drained",
        "overrides",
        "failed",
        "problems",
        "limits_unenforced",
        "mesh",
        "failover",
    ]
    assert list(machine) == ["name", "container", "instance", "role", "ipv4", "ipv6", "healthy", *told]
    assert (machine["container"], machine["role"]) == (f"{zone.namespace}-a-web-1", "waf")
    assert status["edge"]["urls"] == zone.urls
    assert [one["name"] for one in status["control"]] == ["a-control-1", "b-control-1"]
    assert status["alarms"] == []
    assert {(s["host"], s["tenant"], s["instance"], s["mode"]) for s in status["sites"]} == {
        (SHOP, "acme", "web", "MITIGATION"),
        (BLOG, "globex", "web", "RECORD"),
    }


def test_up_without_a_change_changes_nothing(zone: Project) -> None:
    containers = open_containers()
    before = container_ids(zone, containers)
    zone.must("up")
    assert container_ids(zone, containers) == before


def test_up_heals_what_was_killed_thaws_what_is_frozen_and_sweeps_what_nobody_knows(zone: Project) -> None:
    containers = open_containers()
    killed = containers.client.containers.get(f"{zone.namespace}-a-web-1")
    killed.kill("SIGKILL")
    done = zone.run("status", "--json")
    assert done.returncode == 1
    assert [c["healthy"] for c in json.loads(done.stdout)["clusters"]] == [False, True]
    assert all(get(url, SHOP).status_code == 200 for url in zone.urls)
    containers.client.containers.get(f"{zone.namespace}-west-edge").pause()
    labels = {"hdinfra.namespace": zone.namespace}
    containers.client.containers.create(killed.image, name=f"{zone.namespace}-orphan", labels=labels)
    zone.must("up")
    assert [cluster["healthy"] for cluster in zone.ask("status")["clusters"]] == [True, True]
    assert all(get(url, SHOP).status_code == 200 for url in zone.urls)
    assert f"{zone.namespace}-orphan" not in container_ids(zone, containers)


def test_a_removed_machine_is_made_anew_at_its_old_addresses(zone: Project) -> None:
    containers = open_containers()
    before = addresses(zone)
    containers.client.containers.get(f"{zone.namespace}-b-web-1").remove(force=True)
    zone.must("up")
    assert addresses(zone) == before


def test_a_new_site_fails_no_request_replaces_no_machine_and_touches_only_its_tenants_files(zone: Project) -> None:
    containers, spec = open_containers(), zone.spec
    machines, files = container_ids(zone, containers), checksums(zone, containers, "a-web-1")
    assert files
    try:
        with undisturbed(zone, per_second=200):
            zone.write_spec(with_site(zone.spec, "acme", "new.acme.test"))
            zone.must("up")
            assert all(get(url, "new.acme.test").status_code == 200 for url in zone.urls)
        after = checksums(zone, containers, "a-web-1")
        assert container_ids(zone, containers) == machines
        changed = {path for path in files.keys() | after.keys() if files.get(path) != after.get(path)}
        assert changed
        assert {path for path in changed if "acme" not in path} == {"/etc/hdinfra/policy/haproxy/tenants.map"}
    finally:
        zone.write_spec(spec)
        zone.must("up")
    gone = seconds_until(lambda: get(zone.urls[0], "new.acme.test").status_code == 421, within=10)
    assert gone is not None
