"""A file is the old one or the new one, and a full disk is not made fuller."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hdinfra.agent.durable import write_whole


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """The kernel takes no more than that many bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "policy.json"
    write_whole(target, b"old", 0o600)
    with _room_for(4096), pytest.raises(OSError, match="File too large"):
        write_whole(target, b"n" * 100_000, 0o600)
    assert (target.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (b"old", ["policy.json"])


def test_what_is_open_elsewhere_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "policy.json"
    write_whole(target, b"old", 0o600)
    with target.open("rb") as reader:
        write_whole(target, b"new", 0o600)
        assert (reader.read(), target.read_bytes()) == (b"old", b"new")


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("a" * 255), b"x", 0o644)
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]
