"""What runs inside machines, tested with Debian 13's own Python and libraries: the same tests, in a container."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.models.containers import Container

from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import lay_files, planned, start_container

REPOSITORY = Path(__file__).parents[2]
HOME = "/srv/checkout"
SECONDS = 900  # ends what hangs: it takes 40 on two idle cores, and four times that beside other tests

OF_TESTS = ("python3-httpx", "python3-hypothesis", "python3-pytest", "python3-pytest-xdist")
"""Packages beside those of an API machine."""

LEFT_OUT = {
    "test_bundle": "needs a container engine; what is in the bundles is tested here",
    "test_byol_bundle": "boots a Debian of its own; needs a container engine",
    "test_byol_code": "boots a Debian of its own; needs a container engine",
    "test_cloud_init": "makes user data with pydantic and PyYAML, which never happens on a machine",
    "test_control_debian": "is in a Debian already; needs a container engine",
    "test_control_fuzz": "needs schemathesis, which Debian 13 does not have",
    "test_debian_versions": "is this one",
    "test_dns": "asks a gdnsd in a Debian; needs a container engine",
    "test_droplet": "asks how machines are made; the script has the standard library alone",
    "test_edge_balancer": "boots a Debian of its own; needs a container engine",
    "test_edge_overload": "sends requests to a real HAProxy in a Debian; needs a container engine",
    "test_edge_pools": "sends requests to a real HAProxy in a Debian; needs a container engine",
    "test_edge_tls": "boots a Debian of its own; needs a container engine",
    "test_gcp_startup": "boots a Debian of its own; needs a container engine",
    "test_hdraid_command": "renders what a server is installed with, which never happens on a machine",
    "test_health_answers": "boots a Debian of its own; needs a container engine",
    "test_limits": "decides before any machine exists",
    "test_linode_address": "asks how machines are made; the script has the standard library alone",
    "test_mesh_machine": "decides before any machine exists; has the real nft read the rules in a container",
    "test_metal_installers": "decides before any machine exists; boots a Debian of its own",
    "test_metal_order": "decides before any machine exists",
    "test_metal_profile": "decides before any machine exists; boots a Debian of its own",
    "test_metal_updates": "boots a Debian of its own; needs a container engine",
    "test_nut": "boots several Debians; needs a container engine",
    "test_nut_low": "has the real programs of a Debian see a battery run down; needs a container engine",
    "test_nut_rendered": "has the real programs of a Debian read the files; needs a container engine",
    "test_power": "takes its plan from an inventory, which never happens on a machine",
    "test_replace_host": "is what an operator does, with pydantic and PyYAML",
    "test_rendered": "has the real programs of a Debian read the files; needs a container engine",
    "test_sync_previous": "boots a Debian of its own; needs a container engine",
    "test_tenants_crowd": "sends requests to a real HAProxy in a Debian; needs a container engine",
    "test_tenants": "boots a Debian of its own; needs a container engine",
    "test_sync_kill": "starts Python 20 times (16 s) for what fsync and rename promise, whatever the library",
    "test_tunnel": "has the real programs of a Debian read the files; needs a container engine",
    "test_waf_profiles": "sends requests to a real nginx in a Debian; needs a container engine",
    "test_waf_site": "sends requests to a real nginx in a Debian; needs a container engine",
    "test_watch_unit": "is of a management machine, which has its own Python; needs a container engine",
    "test_without_ipv6": "plans a Zone, which never happens on a machine",
}
"""Modules beside this one that do not run there, and why. All others do, also those that are yet to be written."""

SOURCES = (
    "pyproject.toml",  # warnings are errors there too
    "hdinfra/agent/*.py",
    "hdinfra/control/*.py",
    "hdinfra/protocol/*.py",
    "hdinfra/model/**/*.py",  # it writes the documents that test_policy.py has the agent read
    "hdinfra/model/**/*.toml",
    "tests/machine/control_fixtures.py",
    "tests/machine/raid_recorded/*.json",
    "tests/machine/raid_world.py",
    "tests/machine/sync_api.py",
    "tests/machine/sync_machine.py",
    "tests/machine/sync_stack.py",
    "tests/model/test_protocol.py",
)

CONFTEST = """
from hypothesis import settings

from tests.machine.control_fixtures import api, apis
from tests.machine.sync_api import stand_in
from tests.machine.sync_machine import place
from tests.machine.sync_stack import stack

settings.register_profile("debian", deadline=None, database=None, max_examples=30)
settings.load_profile("debian")


def pytest_make_parametrize_id(val):
    return "long" if isinstance(val, str) and len(val) > 100 else None
"""
"""Stands for tests/machine/conftest.py, which needs a container engine. Debian's pytest 8.3 names cases by values of
any length; those signed with a new key would have another name in each worker of pytest-xdist, which it refuses."""

VERSIONS = """
import json, platform
from importlib import import_module
from importlib.metadata import version
names = ["cryptography", "fastapi", "httpx", "hypothesis", "pydantic", "pytest", "sqlalchemy", "starlette", "uvicorn"]
print(json.dumps({"python": [platform.python_version(), "/usr/lib/python3"]}
    | {name: [version(name), import_module(name).__file__] for name in names}))
"""

LEAST = 880
"""Tests that must have run; 900 when this was written."""


@dataclass(frozen=True)
class Ran:
    """How a program ended, and all that it said."""

    code: int
    words: str

    @property
    def counts(self) -> dict[str, int]:
        """The last line of pytest: `12 passed, 1 failed in 0.5s`."""
        last = self.words.rpartition("\n")[2]
        return {outcome: int(number) for number, outcome in re.findall(r"(\d+) ([a-z]+)", last)}


class Checkout:
    """Our code, bare as on a machine, and its tests."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.put(sources())

    def put(self, files: dict[str, str]) -> None:
        lay_files(self._container, {f"{HOME}/{path}": text for path, text in files.items()})

    def run(self, *argv: str) -> Ran:
        code, words = self._container.exec_run(["timeout", str(SECONDS), *argv], workdir=HOME)
        return Ran(code, words.decode().strip())

    def pytest(self, *more: str) -> Ran:
        return self.run("python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *more)

    def versions(self) -> dict[str, list[str]]:
        """Of each library, and where it lies."""
        found: dict[str, list[str]] = json.loads(self.run("python3", "-c", VERSIONS).words)
        return found


def sources() -> dict[str, str]:
    """All files of the checkout there."""
    found = [path for pattern in SOURCES for path in REPOSITORY.glob(pattern)] + modules()
    return {
        **{str(path.relative_to(REPOSITORY)): path.read_text() for path in found},
        "hdinfra/__init__.py": "",  # as in the bundles
        "tests/conftest.py": CONFTEST,
    }


def modules() -> list[Path]:
    """Those of this folder that run there."""
    return [path for path in sorted(Path(__file__).parent.glob("test_*.py")) if path.stem not in LEFT_OUT]


@pytest.fixture(scope="module")
def checkout(engine: Engine) -> Iterator[Checkout]:
    packages = machine_of("india", planned("control")).packages
    container = start_container(engine, (*packages, *OF_TESTS))
    try:
        yield Checkout(container)
    finally:
        container.remove(force=True)


def test_the_libraries_are_debians(checkout: Checkout) -> None:
    versions = checkout.versions()
    assert versions["python"][0].startswith("3.13."), versions
    assert all(where.startswith("/usr/lib/python3") for _, where in versions.values()), versions


def test_all_passes_with_them(checkout: Checkout) -> None:
    ran = checkout.pytest("-n", "2", "--maxfail=10", "tests")
    versions = {name: version for name, (version, _) in checkout.versions().items()}
    evidence = f"{versions}\n{ran.words[-8000:]}"
    assert ran.code == 0, evidence
    assert ran.counts.keys() == {"passed"} and ran.counts["passed"] >= LEAST, evidence


SPOILT = {
    "failure": ("def test_it():\n    assert not 1\n", 1),
    "warning": ("import warnings\ndef test_it():\n    warnings.warn('old', DeprecationWarning)\n", 1),
    "nothing": ("def it():\n    pass\n", 5),
    "unread": ("import docker\n", 2),
}


@pytest.mark.parametrize("case", SPOILT)
def test_it_would_be_seen(checkout: Checkout, case: str) -> None:
    text, code = SPOILT[case]
    checkout.put({f"spoilt/test_{case}.py": text})
    ran = checkout.pytest(f"spoilt/test_{case}.py")
    assert (ran.code, ran.counts.get("passed")) == (code, None), ran.words


def test_what_is_left_out_is_there() -> None:
    assert {path.stem for path in Path(__file__).parent.glob("test_*.py")} >= LEFT_OUT.keys()
