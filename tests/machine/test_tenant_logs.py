"""Logs that no rotation can keep up with are emptied; nothing else is, whatever a tenant puts in their place."""

import os
from pathlib import Path

import pytest

from hdinfra.agent.logs import cut_logs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The logs of one tenant."""
    made = tmp_path / "logs" / "acme"
    made.mkdir(parents=True)
    return made


def long(path: Path) -> Path:
    path.write_bytes(bytes(101))
    return path


def test_only_what_is_too_long_is_emptied(folder: Path) -> None:
    fits = folder / "error.log"
    fits.write_bytes(bytes(100))
    cut = [long(folder / "error.log.1"), long(folder / "www.acme.test.audit.json")]
    assert cut_logs(folder.parent, 100) == cut
    assert [path.stat().st_size for path in (fits, *cut)] == [100, 0, 0]


def test_what_is_not_a_plain_file_of_the_tenants_is_left_alone(folder: Path, tmp_path: Path) -> None:
    victim, linked = long(tmp_path / "victim"), long(tmp_path / "linked")
    (folder / "soft.log").symlink_to(victim)
    (folder / "hard.log").hardlink_to(linked)
    (folder / "folder.log").mkdir()
    os.mkfifo(folder / "pipe.log")
    assert cut_logs(folder.parent, 100) == []
    assert (victim.stat().st_size, linked.stat().st_size) == (101, 101)


def test_another_users_file_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = long(folder / "error.log")
    real = os.fstat

    def fstat(handle: int) -> os.stat_result:
        fields = list(real(handle))
        fields[4] += 1  # the owner
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", fstat)
    assert cut_logs(folder.parent, 100) == []
    assert kept.stat().st_size == 101
