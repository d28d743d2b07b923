"""A container engine for the local cloud: whatever answers, else Podman from Debian's or Ubuntu's archive."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hdinfra.plugins.local.engine import EngineNotFound, find_engine
from toolchain.talk import ToolchainError, say

APT_SECONDS = 900
# Podman itself only recommends these: netavark and aardvark-dns for dual stack networks, iptables for published ports.
PODMAN = ("podman", "runc", "netavark", "aardvark-dns", "iptables")
# For hosts that cannot pull an image: the machines' root file system is made here, as root.
BOOTSTRAP = ("debootstrap", "debian-archive-keyring")
HELP = (
    "No container engine answers (looked at DOCKER_HOST, Docker's and Podman's sockets, `podman` on PATH).\n"
    "  fix, one of:\n"
    "    install Docker (https://docs.docker.com/engine/install/) and start it: systemctl start docker\n"
    "    on Debian or Ubuntu: sudo apt-get install podman runc netavark aardvark-dns iptables debootstrap\n"
    "    name a running engine: export DOCKER_HOST=unix:///path/of/docker.sock"
)


@dataclass(frozen=True, slots=True)
class Host:
    """The computer as far as this matters; tests describe others."""

    environment: Mapping[str, str]
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    root: Path = Path("/")

    def program(self, name: str) -> str | None:
        """On PATH, or where only root's PATH reaches."""
        path = self.environment.get("PATH", os.defpath)
        return shutil.which(name, path=f"{path}:{self.root / 'usr/sbin'}:{self.root / 'sbin'}")

    @property
    def named_engine(self) -> str | None:
        """One that the user named is never replaced by another."""
        return self.environment.get("DOCKER_HOST") or self.environment.get("CONTAINER_HOST")

    @property
    def is_debian_root(self) -> bool:
        """Whether we may install packages: Debian, Ubuntu and what is made of them."""
        return self.is_root and self.program("apt-get") is not None and (self.root / "etc/debian_version").exists()

    @property
    def has_unified_cgroups(self) -> bool:
        """False on cgroup v1 and hybrid hosts, where crun refuses to start and runc must do it."""
        return (self.root / "sys/fs/cgroup/cgroup.controllers").exists()


def ensure_container_engine(host: Host, find: Callable[[], object] = find_engine) -> None:
    """Have an engine that can run the local cloud, and what makes its image where none can be pulled."""
    if host.is_debian_root and (missing := missing_beside(host)):
        apt_install(host, missing)
    try:
        find()
    except EngineNotFound as reason:
        if host.named_engine:
            raise ToolchainError(str(reason)) from reason
        if not host.is_debian_root:
            raise ToolchainError(HELP) from reason
        apt_install(host, PODMAN)
        find()


def missing_beside(host: Host) -> tuple[str, ...]:
    """What an engine needs beside itself here."""
    needs_runc = host.program("podman") and not host.has_unified_cgroups and not host.program("runc")
    return (*(("runc",) if needs_runc else ()), *(() if host.program("debootstrap") else BOOTSTRAP))


def apt_install(host: Host, packages: tuple[str, ...], fix: str = HELP) -> None:
    """Without questions and without recommended packages; `fix` ends the error where that is not to be had."""
    say(f"installing {' '.join(packages)} with apt-get")
    try:
        apt_get(host, "update", "-qq")
        apt_get(host, "install", "-y", "-qq", "--no-install-recommends", *packages)
    except ToolchainError as error:
        raise ToolchainError(f"{error}\n{fix}") from error


def apt_get(host: Host, *arguments: str) -> None:
    """Run it; its own words are the error. A package manager at work elsewhere is waited for."""
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments]
    try:
        done = subprocess.run(  # noqa: S603  our own arguments, no shell
            command,
            env={**host.environment, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=APT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise ToolchainError(f"`{' '.join(command)}` did not end in {APT_SECONDS} s.\n  fix: run it by hand") from slow
    if done.returncode != 0:
        raise ToolchainError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
