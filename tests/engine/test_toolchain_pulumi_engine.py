"""Which engine is taken, that a changed archive is refused, and that a second checkout only links what is there."""

import hashlib
import http.server
import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from toolchain import pulumi_engine, release
from toolchain.pulumi_engine import HOST, HOST_SOURCE, VERSION, Setting, ensure_pulumi
from toolchain.talk import ToolchainError

OFFICIAL_HOST = b"#!/bin/sh\necho official\n"


class Mirror:
    """A site that holds what a test puts there, and counts what is fetched."""

    def __init__(self, folder: Path, address: str, fetched: list[str]) -> None:
        self.folder, self.address, self.fetched = folder, address, fetched
        self.archive = folder / f"pulumi-v{VERSION}-{release.platform_name()}.tar.gz"

    def publish(self, engine: bytes, *, checksum: str | None = None) -> str:
        """An archive laid out as the official one, with its checksums file; the checksum that is published."""
        files = {"pulumi": engine, HOST: OFFICIAL_HOST, f"{HOST}-exec": b"helper", "pulumi-watch": b"not for us"}
        with tarfile.open(self.archive, "w:gz") as tar:
            for name, content in {**{f"pulumi/{n}": c for n, c in files.items()}, "../escaped": b"no"}.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
        published = checksum or hashlib.sha256(self.archive.read_bytes()).hexdigest()
        lines = f"{'0' * 64}  pulumi-v{VERSION}-plan9-x64.tar.gz\n{published}  {self.archive.name}\n"
        (self.folder / f"pulumi-{VERSION}-checksums.txt").write_text(lines)
        return published


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    fetched: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            fetched.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Mirror(folder, f"http://127.0.0.1:{server.server_port}", fetched)
    server.shutdown()
    thread.join(10)
    server.server_close()


def engine_script(words: str) -> bytes:
    return f"#!/bin/sh\necho {words}\n".encode()


def program(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def checkout(tmp_path: Path) -> Setting:
    return setting(tmp_path, "first", tmp_path / "none")


def setting(tmp_path: Path, name: str, path: Path, **more: str) -> Setting:
    bin_ = tmp_path / name / ".venv" / "bin"
    bin_.mkdir(parents=True, exist_ok=True)
    # A site without a listener: nothing here may be fetched from the real one.
    base = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(path), release.MIRROR: "http://127.0.0.1:9"}
    return Setting(bin_, {**base, **more})


def test_takes_the_first_good_enough_engine_on_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path / "old", "pulumi", engine_script("v3.249.9"))
    program(tmp_path / "broken", "pulumi", b"#!/bin/sh\nexit 1\n")
    good = program(tmp_path / "good", "pulumi", engine_script("v3.250.0"))
    program(tmp_path / "newer", "pulumi", engine_script("v4.0.0"))
    names = ("old", "broken", "good", "newer")
    where = setting(tmp_path, "first", Path(":".join(str(tmp_path / name) for name in names)))
    ensure_pulumi(where)
    assert (where.bin / "pulumi").read_bytes() == good.read_bytes()
    assert not (where.bin / "pulumi").is_symlink()
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"toolchain: passing over {tmp_path}/old/pulumi: 3.249.9, 3.250.0 is needed",
        f"toolchain: passing over {tmp_path}/broken/pulumi: it names no version, 3.250.0 is needed",
        f"toolchain: using {tmp_path}/good/pulumi (3.250.0)",
    ]


def test_follows_links_to_the_real_engine_and_the_host_beside_it(tmp_path: Path) -> None:
    real = program(tmp_path / "opt", "pulumi", engine_script("v3.260.1"))
    program(tmp_path / "opt", HOST, OFFICIAL_HOST)
    program(tmp_path / "opt", f"{HOST}-exec", b"helper")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(real)
    where = setting(tmp_path, "first", tmp_path / "bin")
    ensure_pulumi(where)
    assert (where.bin / HOST).read_bytes() == OFFICIAL_HOST
    assert (where.bin / f"{HOST}-exec").read_bytes() == b"helper"


def test_brings_our_host_only_where_no_official_one_is(tmp_path: Path) -> None:
    program(tmp_path / "good", "pulumi", engine_script("v3.250.0"))
    where = setting(tmp_path, "first", tmp_path / "good")
    ensure_pulumi(where)
    first_line, _, rest = (where.bin / HOST).read_text().partition("\n")
    assert first_line == f"#!{where.bin}/python"
    assert rest == HOST_SOURCE.read_text()
    assert os.access(where.bin / HOST, os.X_OK)


def test_our_own_copy_on_path_is_not_taken_for_the_users(tmp_path: Path, mirror: Mirror) -> None:
    where = setting(tmp_path, "first", tmp_path / "first" / ".venv" / "bin", **{release.MIRROR: mirror.address})
    program(where.bin, "pulumi", engine_script("v3.250.0"))
    mirror.publish(b"from the mirror")
    ensure_pulumi(where)
    assert (where.bin / "pulumi").read_bytes() == b"from the mirror"


def test_installs_the_release_of_the_mirror(tmp_path: Path, checkout: Setting, mirror: Mirror) -> None:
    mirror.publish(b"the engine")
    where = Setting(checkout.bin, {**checkout.environment, release.MIRROR: f"{mirror.address}/"})
    ensure_pulumi(where)
    assert (where.bin / "pulumi").read_bytes() == b"the engine"
    assert (where.bin / HOST).read_bytes() == OFFICIAL_HOST
    kept = next((tmp_path / "cache" / "hdinfra" / "pulumi").glob("3.250.0-*[!k]"))
    assert sorted(path.name for path in kept.iterdir()) == ["pulumi", HOST, f"{HOST}-exec"]
    assert not list(tmp_path.rglob("escaped"))


def test_a_second_checkout_links_what_the_first_one_fetched(tmp_path: Path, checkout: Setting, mirror: Mirror) -> None:
    mirror.publish(b"the engine")
    first = Setting(checkout.bin, {**checkout.environment, release.MIRROR: mirror.address})
    second = setting(tmp_path, "second", tmp_path / "none", **{release.MIRROR: mirror.address})
    ensure_pulumi(first)
    assert len(mirror.fetched) == 2
    ensure_pulumi(second)
    ensure_pulumi(second)
    assert len(mirror.fetched) == 2
    assert (second.bin / "pulumi").samefile(first.bin / "pulumi")


def test_a_changed_archive_is_refused_and_nothing_else_is_tried(
    tmp_path: Path, checkout: Setting, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = mirror.publish(b"the engine", checksum="ab" * 32)
    built: list[str] = []
    monkeypatch.setattr(pulumi_engine, "build_engine", lambda *_: built.append("built"))
    found = hashlib.sha256(mirror.archive.read_bytes()).hexdigest()
    with pytest.raises(ToolchainError) as refused:
        ensure_pulumi(Setting(checkout.bin, {**checkout.environment, release.MIRROR: mirror.address}))
    assert str(refused.value).startswith(
        f"{mirror.address}/{mirror.archive.name} has the SHA-256 checksum {found}, but {published} is published"
    )
    assert built == []
    assert list(checkout.bin.iterdir()) == []
    assert [path.suffix for path in (tmp_path / "cache" / "hdinfra" / "pulumi").iterdir()] == [".lock"]


def test_builds_where_no_release_is_to_be_had(
    checkout: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(version: str, _environment: object, _cache: Path, folder: Path) -> None:
        assert list(folder.iterdir()) == []
        program(folder, "pulumi", f"built {version}".encode())

    monkeypatch.setattr(pulumi_engine, "build_engine", build)
    ensure_pulumi(checkout)
    assert (checkout.bin / "pulumi").read_bytes() == b"built 3.250.0"
    assert "no release to be had (http://127.0.0.1:9/" in capsys.readouterr().err


def test_a_mirror_without_this_version_is_passed_over(
    checkout: Setting, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_engine, "build_engine", lambda _v, _e, _c, folder: program(folder, "pulumi", b"built"))
    ensure_pulumi(Setting(checkout.bin, {**checkout.environment, release.MIRROR: mirror.address}))
    assert (checkout.bin / "pulumi").read_bytes() == b"built"


def test_a_failed_build_leaves_nothing_that_the_next_run_would_take(
    checkout: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_version: str, _environment: object, _cache: Path, folder: Path) -> None:
        program(folder, "pulumi", b"half")
        raise ToolchainError("no compiler")

    monkeypatch.setattr(pulumi_engine, "build_engine", fail)
    with pytest.raises(ToolchainError, match="no compiler"):
        ensure_pulumi(checkout)
    monkeypatch.setattr(pulumi_engine, "build_engine", lambda _v, _e, _c, folder: program(folder, "pulumi", b"whole"))
    ensure_pulumi(checkout)
    assert (checkout.bin / "pulumi").read_bytes() == b"whole"


@pytest.mark.parametrize("address", ["http://mirror.example", "ftp://127.0.0.1", "mirror.example"])
def test_a_mirror_that_anybody_on_the_way_could_change_is_refused(checkout: Setting, address: str) -> None:
    with pytest.raises(ToolchainError, match=f"^{release.MIRROR} is `{address}`, over which anybody"):
        ensure_pulumi(Setting(checkout.bin, {**checkout.environment, release.MIRROR: address}))


def test_repeats_when_somebody_changed_what_was_installed(tmp_path: Path) -> None:
    program(tmp_path / "good", "pulumi", engine_script("v3.250.0"))
    where = setting(tmp_path, "first", tmp_path / "good")
    ensure_pulumi(where)
    (where.bin / HOST).unlink()
    ensure_pulumi(where)
    assert (where.bin / HOST).exists()


def test_two_at_once_fetch_it_once(tmp_path: Path, mirror: Mirror) -> None:
    mirror.publish(b"the engine")
    both = [setting(tmp_path, name, tmp_path / "none", **{release.MIRROR: mirror.address}) for name in ("one", "two")]
    threads = [threading.Thread(target=ensure_pulumi, args=(where,)) for where in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(mirror.fetched) == 2
    assert (both[0].bin / "pulumi").samefile(both[1].bin / "pulumi")


def test_what_setup_installed_here_runs(pulumi_cli: Path) -> None:
    assert not pulumi_cli.is_symlink()
    assert not (Path(sys.executable).parent / HOST).is_symlink()
    assert pulumi_engine.version_of(pulumi_cli, os.environ) >= (3, 250, 0)
