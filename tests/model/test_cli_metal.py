"""`hdinfra metal image`: what cannot be built is told before anything is fetched."""

from pathlib import Path

import pytest

from hdinfra.machine.roles import ROLES, machine_of, packages_of
from hdinfra.operate import metal_image
from hdinfra.operate.cli import run
from hdinfra.operate.cpio import cpio
from hdinfra.operate.metal_image import TOOLS
from hdinfra.operate.metal_root import BASE, Kernel, RootChoice
from tests.machine.debian import planned


@pytest.fixture(autouse=True)
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here builds anything."""

    def refuse(*_: object) -> None:
        raise AssertionError("it began to build")

    monkeypatch.setattr(metal_image, "make_root", refuse)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(["metal", "image", *arguments])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_program_is_named_with_what_brings_it(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metal_image.shutil, "which", lambda name, **_: None if name == tool else name)
    code, words = told(capsys, str(tmp_path))
    assert (code, f"try: apt-get install {TOOLS[tool]}" in words) == (1, True), words


def test_only_root_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(metal_image.shutil, "which", lambda name, **_: name)
    monkeypatch.setattr(metal_image.os, "geteuid", lambda: 1000)
    code, words = told(capsys, str(tmp_path))
    assert (code, "sudo" in words) == (1, True), words


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [(("--kernel", "rt"), "--kernel generic or cloud"), (("--role", "mail"), "--role with one of")],
)
def test_what_there_is_not_is_refused(
    arguments: tuple[str, str], fix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = told(capsys, str(tmp_path), *arguments)
    assert (code, fix in words, list(tmp_path.iterdir())) == (1, True, []), words


@pytest.mark.parametrize("role", ROLES)
def test_an_image_for_a_role_has_what_its_machines_need(role: str) -> None:
    assert packages_of(role) == machine_of("india", planned(role)).packages


def test_every_image_has_what_installs() -> None:
    packages = set(RootChoice(Kernel.GENERIC, ("nginx",)).all_packages)
    assert {"gdisk", "mdadm", "dosfstools", "e2fsprogs", "udev", "python3", "grub-efi-amd64", "nginx"} <= packages
    assert "linux-image-amd64" in packages
    assert not any(name.startswith("linux-image") for name in BASE)


def test_the_first_files_are_the_same_bytes_for_the_same_files() -> None:
    files = {"init": (b"#!/bin/sh\n", 0o755), "a/b/c": (b"x", 0o644)}
    archive = cpio(files)
    assert archive == cpio(dict(reversed(files.items())))
    assert [archive.count(name) for name in (b"00a\0", b"a/b\0", b"a/b/c\0", b"init\0")] == [1, 1, 1, 1]
    assert len(archive) % 4 == 0 and archive.endswith(b"TRAILER!!!\0\0\0\0")
