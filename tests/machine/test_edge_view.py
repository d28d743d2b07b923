"""Whoever watches an edge sees the servers of the policy in force, also when another one came meanwhile."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent import look
from hdinfra.agent.applier import Applier
from hdinfra.agent.commands import run
from hdinfra.agent.durable import write_whole
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.paths import DOCUMENT
from tests.machine.sync_stack import waf
from tests.machine.test_policy import EDGE


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    """Its root; the machine's HAProxy does not answer, so that all are down."""
    (tmp_path / DOCUMENT.lstrip("/")).parent.mkdir(parents=True)
    return tmp_path


def in_force(root: Path, document: Any) -> None:
    write_whole(root / DOCUMENT.lstrip("/"), json.dumps(document).encode(), 0o600)


def edge_of(*names: str) -> dict[str, Any]:
    """With these WAF machines."""
    told: dict[str, Any] = json.loads(json.dumps(EDGE))
    (instance, *_) = told["instances"]
    (backend, *_) = instance["backends"]
    told["instances"] = [{**instance, "backends": [{**backend, "name": name} for name in names]}]
    told["sites"] = [site for site in told["sites"] if site["instance"] == instance["name"]]
    return told


def names(servers: Sequence[dict[str, Any]]) -> set[str]:
    return {server["name"] for server in servers}


def test_servers_of_another_policy_are_seen_as_soon_as_it_is_in_force(edge: Path) -> None:
    in_force(edge, edge_of("a-web-1"))
    views = look.views(Applier(run, edge), 30)
    assert names(next(views)) == {"a-web-1"}
    in_force(edge, edge_of("a-web-1", "b-web-1"))
    assert names(next(views)) == {"a-web-1", "b-web-1"}


def test_it_says_nothing_while_nothing_changes_and_ends_in_time(edge: Path) -> None:
    in_force(edge, edge_of("a-web-1"))
    assert len(list(look.views(Applier(run, edge), 0.5))) == 1


@pytest.mark.parametrize("document", [None, waf("a.test")])
def test_others_have_no_servers_to_watch(edge: Path, document: Any) -> None:
    if document:
        in_force(edge, document)
    with pytest.raises(PolicyError, match="only a load balancer with a policy"):
        next(look.views(Applier(run, edge), 1))
