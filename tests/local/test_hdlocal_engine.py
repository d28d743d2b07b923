"""Finding the container engine, and the limits that it may give."""

import os
import shutil
from pathlib import Path

import pytest

from hdinfra.plugins.local import engine as engines
from hdinfra.plugins.local.engine import Engine, EngineNotFound, find_engine
from hdinfra.plugins.local.limits import hard_limits, inotify_spent, ulimits
from tests.local.hdlocal_fixtures import eventually


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "CONTAINER_HOST"])
def test_engine_that_is_named_and_dead_is_refused_not_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv(variable, f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineNotFound, match=f"{variable} names the container engine .* does not answer"):
        find_engine()


def test_engine_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch, container_engine: Engine) -> None:
    monkeypatch.setenv("DOCKER_HOST", container_engine.url)
    found = find_engine()
    assert found.url == container_engine.url
    assert found.facts == container_engine.facts
    found.close()


def test_without_any_engine_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotFound, match="apt-get install podman"):
        find_engine()


def test_podman_that_cannot_start_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone(monkeypatch, tmp_path)
    broken = tmp_path / "podman"
    broken.write_text("#!/bin/sh\necho 'storage is on fire' >&2\nexit 125\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EngineNotFound, match="storage is on fire"):
        find_engine()


def test_podmans_own_service_is_started_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shutil.which("podman"), "Podman is missing\n  fix: apt-get install podman"
    alone(monkeypatch, tmp_path)
    monkeypatch.setattr(engines, "_IDLE_SECONDS", 2)
    first, second = find_engine(), find_engine()
    assert first.url == second.url == f"unix://{tmp_path}/podman.sock"
    assert first.client.ping()
    for found in (first, second):
        found.close()
    assert second.service is None
    assert first.service is not None
    # The service outlives whoever started it, and their folder: without a folder it could start no container.
    assert Path(f"/proc/{first.service}/cwd").readlink() == Path("/")
    service = first.service
    eventually(lambda: os.waitpid(service, os.WNOHANG) == (service, 0), within=30)


def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a host where no engine's socket answers."""
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(engines, "_sockets", lambda: iter([tmp_path / "podman.sock"]))
    monkeypatch.setattr(engines, "_own_socket", lambda: tmp_path / "podman.sock")


LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             32768                32768                processes
Max open files            1024                 20000                files
Max locked memory         unlimited            unlimited            bytes
"""


def taken(proc: Path, instances: int) -> Path:
    """A /proc in which so many inotify instances of 128 are taken."""
    limits = proc / "sys/fs/inotify"
    limits.mkdir(parents=True)
    (limits / "max_user_instances").write_text("128\n")
    for number in range(instances):
        (proc / f"{number}" / "fd").mkdir(parents=True)
        (proc / f"{number}" / "fd" / "3").symlink_to("anon_inode:inotify")
        (proc / f"{number}" / "fd" / "4").symlink_to("socket:[1]")
    return proc


def test_inotify_that_is_spent_is_told_with_its_remedy(tmp_path: Path) -> None:
    told = inotify_spent(taken(tmp_path, 126))
    assert "about 126 inotify instances and may have 128" in told and "sysctl fs.inotify.max_user_instances" in told


def test_where_inotify_is_left_or_unknown_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert inotify_spent(tmp_path / "no linux") == ""
    assert inotify_spent(taken(tmp_path, 100)) == ""


def test_hard_limits_are_read_from_the_engines_process() -> None:
    assert hard_limits(LIMITS) == {"nproc": 32_768, "nofile": 20_000}
    assert hard_limits(LIMITS.replace("20000 ", "unlimited ")) == {"nproc": 32_768}


def test_limits_ask_for_no_more_than_the_engine_has(container_engine: Engine) -> None:
    asked = {limit.name: limit.hard for limit in ulimits(container_engine.url)}
    assert 0 < asked["nofile"] <= 65_536
    assert 0 < asked["nproc"] <= 16_384
