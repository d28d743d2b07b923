"""The Pulumi engine and its Python language host, into the environment's own `bin`.

In this order: a good enough `pulumi` on PATH; the official release; a build from pinned Go modules. What was
downloaded or built is kept in the user's cache folder, named by version, pins and platform: the next checkout links it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain.cache import cache_folder, digest, kept, place
from toolchain.go_build import HERE, build_engine, numbers
from toolchain.release import UnavailableError, base_address, fetch_release
from toolchain.talk import say

VERSION = "3.250.0"
HOST = "pulumi-language-python"
HOST_SOURCE = HERE / "language_host.py"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where to install to, and what surrounds us; tests give their own."""

    bin: Path
    environment: Mapping[str, str]

    @property
    def record(self) -> Path:
        """What was installed last, so that a warm run looks at three files and starts nothing."""
        return self.bin / ".hdinfra-toolchain.json"

    @property
    def search_path(self) -> list[Path]:
        """PATH without our own `bin`: a copy that we made is no reason to stop looking."""
        parts = self.environment.get("PATH", os.defpath).split(os.pathsep)
        return [Path(part) for part in parts if part and Path(part).resolve() != self.bin.resolve()]


@dataclass(frozen=True, slots=True)
class Record:
    """`wanted` names the inputs; `sizes` the files that came out."""

    wanted: str
    sizes: dict[str, int]


def ensure_pulumi(setting: Setting) -> None:
    """Have `pulumi` and `pulumi-language-python` in `bin`."""
    wanted = digest(
        VERSION.encode(), (HERE / "go.sum").read_bytes(), HOST_SOURCE.read_bytes(), str(setting.bin).encode()
    )
    if is_installed(setting, wanted):
        return
    source = find_on_path(setting) or kept_engine(setting)
    place(source, setting.bin / "pulumi")
    install_host(setting, official_host(source, setting))
    write_record(setting, wanted)


def is_installed(setting: Setting, wanted: str) -> bool:
    """Whether the last run did all this already and nobody has touched it since."""
    try:
        record = Record(**json.loads(setting.record.read_text()))
        return record.wanted == wanted and record.sizes == sizes(setting.bin)
    except (OSError, ValueError, TypeError):
        return False


def sizes(folder: Path) -> dict[str, int]:
    """Of every file that this module puts there."""
    return {name: (folder / name).stat().st_size for name in ("pulumi", HOST)}


def write_record(setting: Setting, wanted: str) -> None:
    """After everything else, so that an interrupted run is repeated."""
    setting.record.write_text(json.dumps(asdict(Record(wanted, sizes(setting.bin)))))


def find_on_path(setting: Setting) -> Path | None:
    """The first `pulumi` on PATH that is new enough, links resolved."""
    for found in programs("pulumi", setting.search_path):
        version = version_of(found, setting.environment)
        if version >= numbers(VERSION):
            say(f"using {found} ({'.'.join(map(str, version))})")
            return found.resolve()
        say(f"passing over {found}: {'.'.join(map(str, version)) or 'it names no version'}, {VERSION} is needed")
    return None


def programs(name: str, folders: list[Path]) -> Iterator[Path]:
    """Every executable of that name, in the order of `folders`."""
    found = (shutil.which(name, path=str(folder)) for folder in folders)
    return (Path(path) for path in found if path)


def version_of(program: Path, environment: Mapping[str, str]) -> tuple[int, ...]:
    """What `pulumi version` prints; nothing where it does not run."""
    quiet = {**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(  # noqa: S603  the user's own engine
            [program, "version"], env=quiet, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return numbers(done.stdout) if done.returncode == 0 else ()


def kept_engine(setting: Setting) -> Path:
    """From the cache, which is filled by download or build when it has none."""
    cache = cache_folder(setting.environment)
    key = f"{VERSION}-{sys.platform}-{os.uname().machine}-{digest((HERE / 'go.sum').read_bytes())}"

    def make(folder: Path) -> None:
        try:
            fetch_release(VERSION, setting.environment, folder)
        except UnavailableError as reason:
            say(f"no release to be had ({reason})")
            build_engine(VERSION, setting.environment, cache, folder)

    base_address(setting.environment)  # a wrong mirror is refused also when the cache would do
    return kept(cache / "pulumi" / key, make) / "pulumi"


def official_host(pulumi: Path, setting: Setting) -> Path | None:
    """The language host that belongs to this engine: beside it, or on PATH."""
    beside = pulumi.parent / HOST
    return beside if os.access(beside, os.X_OK) else next(programs(HOST, setting.search_path), None)


def install_host(setting: Setting, official: Path | None) -> None:
    """The official one with its helper, else ours, started by this environment's interpreter."""
    if official is not None:
        place(official.resolve(), setting.bin / HOST)
        helper = official.resolve().with_name(f"{HOST}-exec")
        if helper.exists():
            place(helper, setting.bin / helper.name)
        return
    unfinished = setting.bin / f".{HOST}.{os.getpid()}"
    unfinished.write_text(f"#!{setting.bin / 'python'}\n{HOST_SOURCE.read_text()}")
    unfinished.chmod(0o755)
    unfinished.replace(setting.bin / HOST)
