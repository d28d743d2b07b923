"""The metal tier's programs are installed by root on Debian, and named with the command to everybody else."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.test_toolchain_container_engine import Computer
from toolchain import container_engine
from toolchain.metal import FILES, PACKAGE_OF, ensure_metal, help_with
from toolchain.talk import ToolchainError

ROOT = Path(__file__).parents[2]
ALL = (*PACKAGE_OF.values(), *FILES.values())


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path).has("apt-get").file("etc/debian_version")


def installing(computer: Computer, monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Apt-get brings these."""

    def apt_get(_host: object, *arguments: str) -> None:
        computer.apt.append(arguments)
        whole(computer.has(*programs))

    monkeypatch.setattr(container_engine, "apt_get", apt_get)


def whole(computer: Computer) -> Computer:
    """With every file that is no program."""
    for path in FILES:
        computer.file(path)
    return computer


def test_what_is_there_is_left_alone(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    installing(computer, monkeypatch)
    ensure_metal(whole(computer.has(*PACKAGE_OF)).host())
    assert computer.apt == []


def test_root_on_debian_gets_what_is_missing(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    installing(computer, monkeypatch, "qemu-img")
    ensure_metal(computer.has(*PACKAGE_OF.keys() - {"qemu-img"}).host())
    assert computer.apt[-1] == ("install", "-y", "-qq", "--no-install-recommends", "qemu-utils", *FILES.values())


def test_what_does_not_come_is_named(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    installing(computer, monkeypatch)
    with pytest.raises(ToolchainError, match="sudo apt-get install qemu-system-x86 qemu-utils"):
        ensure_metal(computer.host())


def test_everybody_else_is_told_what_to_type(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    installing(computer, monkeypatch)
    with pytest.raises(ToolchainError) as refused:
        ensure_metal(computer.host(is_root=False))
    assert (str(refused.value), computer.apt) == (help_with(ALL), [])


def test_without_root_no_disk_can_be_made(computer: Computer) -> None:
    with pytest.raises(ToolchainError, match="sudo make test-metal"):
        ensure_metal(whole(computer.has(*PACKAGE_OF)).host(is_root=False))


def test_an_archive_that_does_not_answer_ends_with_what_to_type(
    computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apt_get(_host: object, *_: str) -> None:
        raise ToolchainError("`apt-get update` ended with 100")

    monkeypatch.setattr(container_engine, "apt_get", apt_get)
    with pytest.raises(ToolchainError) as refused:
        ensure_metal(computer.host())
    assert str(refused.value) == f"`apt-get update` ended with 100\n{help_with(ALL)}"


def test_an_unknown_part_is_wrong_use() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toolchain", "metall"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "no such part: metall" in done.stderr) == (2, True)
