"""Code of ours: one archive everywhere, only what a role needs, and nothing runs that was not pinned and signed."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hdinfra.machine.bundle import Bundle, bundle_of, keep_bundle, raid_sources, unmanaged_sources
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.roles import MANAGED
from hdinfra.machine.sources import asset
from hdinfra.protocol.bundle import MAX_BYTES, sign_bundle
from hdinfra.protocol.seal import new_key, public_of
from tests.machine.debian import Debian

KEY = new_key()
SERVED = "/srv/bundles"


def names(bundle: Bundle) -> set[str]:
    """What the archive holds."""
    with tarfile.open(fileobj=io.BytesIO(bundle.content)) as archive:
        return set(archive.getnames())


@pytest.mark.parametrize("role", sorted(MANAGED))
def test_an_archive_is_the_same_whoever_makes_it(role: str) -> None:
    first = bundle_of(role)
    bundle_of.cache_clear()
    assert bundle_of(role) == first
    assert len(first.content) < MAX_BYTES
    with tarfile.open(fileobj=io.BytesIO(first.content)) as archive:
        members = archive.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.mode) for m in members} == {(0, 0, 0, 0o644)}
    assert [m.name for m in members] == sorted(m.name for m in members)


def test_a_role_has_its_own_app_and_no_other() -> None:
    apps = {"hdinfra/agent/waf.py", "hdinfra/agent/load_balancer.py", "hdinfra/agent/lab_origin.py"}
    assert names(bundle_of("waf")) & apps == {"hdinfra/agent/waf.py"}
    assert names(bundle_of("control")) & apps == set()
    with_api = {role for role in MANAGED if any(name.startswith("hdinfra/control/") for name in names(bundle_of(role)))}
    assert with_api == {"control"}
    for role in MANAGED:
        assert {"hdinfra/agent/hdctl.py", "hdinfra/protocol/seal.py"} <= names(bundle_of(role))


def test_an_archive_is_kept_under_its_digest(tmp_path: Path) -> None:
    path = keep_bundle(bundle_of("waf"), tmp_path / "bundles")
    assert path.read_bytes() == bundle_of("waf").content
    assert path.name == f"{bundle_of('waf').sha256}.tar"
    before = path.stat().st_ino
    assert keep_bundle(bundle_of("waf"), tmp_path / "bundles").stat().st_ino == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_unmanaged_machine_has_all_that_hdctl_imports(tmp_path: Path) -> None:
    """Its code lies alone there, without the packages of a control plane."""
    for path, text in unmanaged_sources("waf").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    imports = "from hdinfra.agent import hdctl, waf; print(hdctl.__file__)"
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {imports}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/hdinfra/agent/hdctl.py\n"), done.stderr


def test_what_looks_after_disks_comes_with_every_role_and_not_to_customers() -> None:
    """A customer's user data has no room for it; a server has its own copy, which runs alone (test_hdraid_command)."""
    agent = {name for name in names(bundle_of("waf")) if name.startswith("hdinfra/agent/")}
    disks = {name for name in agent if "raid" in name}
    assert disks >= {"hdinfra/agent/hdraid.py", "hdinfra/agent/raid_rules.py", "hdinfra/agent/raid_watch.py"}
    assert disks.isdisjoint(unmanaged_sources("waf"))
    assert disks - raid_sources().keys() == {"hdinfra/agent/raid_watch.py"}


@pytest.fixture
def place(debian: Callable[[str], Debian]) -> Iterator[Debian]:
    """A WAF's system whose link to the code is gone, with the fetcher and a bundle that is served to it."""
    found = debian("waf")
    found.run("sh", "-c", f"rm -rf /usr/lib/hdinfra/code* && mkdir -p {SERVED} && ip link set lo up")
    bundle = bundle_of("waf")
    found.container.put_archive("/", _tar(f"{SERVED}/bundle.tar", bundle.content))
    found.put({"/usr/lib/hdinfra/fetch": asset("fetch")}, 0o755)
    found.put({"/etc/hdinfra/identity.json": json.dumps({"role": "waf"})})
    yield found
    fetch(found)


def _tar(path: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode = len(content), 0o644
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def fetch(place: Debian, *, sha256: str | None = None, role: str = "waf") -> tuple[int, str]:
    """What a first boot does, with this pin."""
    bundle = bundle_of("waf")
    pin = {
        "url": f"file://{SERVED}/bundle.tar",
        "sha256": sha256 or bundle.sha256,
        "signature": sign_bundle(role, bundle.sha256, KEY),
    }
    place.put({FIRST_BOOT_PATH: json.dumps({"code": pin, "signer": public_of(KEY)})})
    return place.run("/usr/lib/hdinfra/fetch")


def test_a_first_boot_fetches_the_pinned_code(place: Debian) -> None:
    assert fetch(place) == (0, "")
    assert fetch(place) == (0, "")
    assert place.run("hdctl", "--help")[0] == 0
    assert place.run("readlink", "/usr/lib/hdinfra/code")[1].strip() == f"code-{bundle_of('waf').sha256[:16]}"


def test_code_that_is_not_the_pinned_one_never_runs(place: Debian) -> None:
    code, words = fetch(place, sha256="0" * 64)
    assert (code, "pinned is 0000" in words) == (1, True), words
    assert place.run("test", "-e", "/usr/lib/hdinfra/code")[0] == 1


def test_code_that_was_signed_for_another_role_never_runs(place: Debian) -> None:
    code, words = fetch(place, role="control")
    assert (code, "did not sign" in words) == (1, True), words
    assert place.run("test", "-e", "/usr/lib/hdinfra/code")[0] == 1
