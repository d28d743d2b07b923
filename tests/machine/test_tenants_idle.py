"""Who may sleep: what HAProxy counts decides, and whoever is in doubt stays awake."""

from pathlib import Path

import pytest

from hdinfra.agent import look, quota
from hdinfra.agent.commands import Result
from hdinfra.agent.eyes import _life
from hdinfra.agent.look import limits_unenforced
from hdinfra.agent.paths import BEHIND, TENANTS_IN_FORCE
from hdinfra.agent.policy import Document, TenantLimits, WafPolicy
from hdinfra.agent.router import CONNECTIONS, OF_ALL
from hdinfra.agent.tenants import idle, keys_in


def row(name: str, last: str, current: str = "0", server: str = "BACKEND") -> dict[str, str]:
    """As `show stat` has it; `last` is empty for what never was asked."""
    return {"pxname": name, "svname": server, "lastsess": last, "scur": current}


@pytest.mark.parametrize(
    ("last", "current", "up", "sleeps"),
    [
        ("600", "0", 9_000, True),
        ("599", "0", 9_000, False),
        ("9000", "1", 9_000, False),  # one long download
        ("-1", "0", 600, True),
        ("-1", "0", 599, False),  # HAProxy has just been reloaded and knows nothing yet
        ("", "0", 599, False),
    ],
)
def test_ten_minutes_without_a_request_send_to_sleep(last: str, current: str, up: int, sleeps: bool) -> None:
    assert list(idle([row("tenant-acme", last, current)], up)) == (["acme"] if sleeps else [])


def test_nothing_but_tenants_is_looked_at() -> None:
    rows = [row("site-ab-read", "9000"), row("tenant-acme", "9000", server="nginx"), row("router", "9000")]
    assert list(idle(rows, 9_000)) == []


def test_tenants_are_found_by_their_folders() -> None:
    folder = "/etc/hdinfra/policy/tenants"
    assert keys_in([f"{folder}/acme/main.conf", f"{folder}/acme/limits", "/etc/hdinfra/policy/haproxy/x"]) == {"acme"}


@pytest.mark.parametrize(("words", "life"), [("0\n\n2", "2"), ("", ""), ("0", "0")])
def test_tenants_that_wake_and_sleep_have_not_crashed(words: str, life: str) -> None:
    assert _life(lambda _: Result(0, words), "hdinfra-tenant@*.service") == life


@pytest.mark.parametrize(
    ("kernel", "missing"),
    [
        ("cpuset cpu io memory hugetlb pids rdma misc\n", []),
        ("cpu memory pids\n", ["io"]),
        (None, ["cpu", "io", "memory", "pids"]),  # the old hierarchy has no such file
    ],
)
def test_limits_that_a_place_cannot_hold_are_named(tmp_path: Path, kernel: str | None, missing: list[str]) -> None:
    controllers = tmp_path / "cgroup.controllers"
    if kernel is not None:
        controllers.write_text(kernel)
    limits = TenantLimits("acme", "small", 100, 100, 1024, 1280, 64)
    assert limits_unenforced(Document("waf", WafPolicy((), (), (limits,)), b""), controllers, ()) == missing
    assert limits_unenforced(Document("waf", WafPolicy((), ()), b""), controllers, ()) == []


def test_what_keeps_no_quotas_and_knows_no_weights_is_named(tmp_path: Path) -> None:
    """Of /proc and of folders that are not there this is sure, whatever the disk here can do."""
    controllers = tmp_path / "cgroup.controllers"
    controllers.write_text("cpu io memory pids\n")
    document = Document("waf", WafPolicy((), (), (TenantLimits("acme", "small", 100, 100, 1024, 1280, 64),)), b"")
    for folder in ("/proc", str(tmp_path / "none")):
        assert limits_unenforced(document, controllers, [folder]) == ["disk", "io"]
        assert not quota.enforce(folder)
        with pytest.raises(OSError, match=r"Errno"):
            quota.limit(folder, 65534, 16)


@pytest.mark.parametrize(("granted", "missing"), [(480, ["connections"]), (CONNECTIONS + OF_ALL, [])])
def test_too_few_connections_for_all_tenants_are_named(
    granted: int, missing: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a place grants 1,024 descriptors."""
    controllers = tmp_path / "cgroup.controllers"
    controllers.write_text("cpu io memory pids\n")
    document = Document("waf", WafPolicy((), (), (TenantLimits("acme", "small", 100, 100, 1024, 1280, 64),)), b"")
    monkeypatch.setattr(look, "most_connections", lambda: granted)
    assert limits_unenforced(document, controllers, ()) == missing


def test_tenants_that_did_not_take_their_files_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / TENANTS_IN_FORCE.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "acme").write_text(f"{BEHIND}nginx of acme kept its old workers")
    (folder / "glo_bex").write_text("ab" * 32)
    assert look.behind(tmp_path) == {"acme": "nginx of acme kept its old workers"}
    assert look.behind(tmp_path / "none") == {}
