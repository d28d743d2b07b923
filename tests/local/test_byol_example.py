"""examples/byol as a customer has it: copied into an empty folder, with hdinfra installed from its built wheel."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.inventory import remove_owned
from tests.graph.specs import ROOT

ATTACK = "/?id=1%27%20OR%201=1--%20-"
HOST = {"Host": "shop.acme.test"}
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Customer:
    """A project folder, the interpreter that hdinfra was installed for, and a stack."""

    folder: Path
    bin: Path
    stack: str

    def run(self, *argv: str, code: int = 0) -> str:
        """Run a program of the customer's; all it said."""
        own = {
            "PATH": f"{self.bin}{os.pathsep}{os.defpath}",
            "PULUMI_BACKEND_URL": (self.folder.parent / "backend").as_uri(),
            "PULUMI_HOME": str(self.folder.parent / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "a passphrase of this test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "VIRTUAL_ENV"))}
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env={**kept, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def pulumi(self, *argv: str, code: int = 0) -> str:
        """Run the engine without questions."""
        return self.run("pulumi", *argv, "--non-interactive", "--color", "never", code=code)

    def edit(self, **changes: Any) -> None:
        """Write the spec anew with these keys."""
        path = self.folder / "byol.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))

    def seats(self) -> list[int]:
        """The slots that hold one."""
        return [seat["slot"] for seat in json.loads((self.folder / "web.seats.json").read_text())["seats"]]


@pytest.fixture
def customer(tmp_path: Path, container_engine: Engine, worker: str) -> Iterator[Customer]:
    """The example at a port and in a network of this run's own; whatever is left of it is removed."""
    number = hashlib.sha256(f"{ROOT}{worker}".encode()).digest()
    stack = f"t{number.hex()[:6]}"
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "examples/byol", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "backend").mkdir()
    found = Customer(folder, _installed(tmp_path), stack)
    # 10.0.0.0/12, where neither a user's zone nor any other test is.
    network = f"10.{number[0] % 15 + 1}.{number[1]}"
    found.edit(ipv4=f"{network}.0/24", edges=[f"{network}.1"], publish={"port": _free_port()})
    remove_owned(container_engine.client, f"byol-example-{stack}")
    yield found
    remove_owned(container_engine.client, f"byol-example-{stack}")


def _installed(folder: Path) -> Path:
    """The wheel in an environment of its own; dependencies are this checkout's, so that nothing is downloaded."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder / "wheel", ROOT], check=True)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    (wheel,) = (folder / "wheel").glob("*.whl")
    python = folder / "venv/bin/python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel], check=True)
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    own = Path(sys.executable).parent
    (python.parent / "pulumi").symlink_to(own / "pulumi")
    if (host := own / "pulumi-language-python").exists():  # ours runs a program in its own interpreter
        lines = host.read_text().splitlines(keepends=True)
        (python.parent / host.name).write_text("".join((f"#!{python}\n", *lines[1:])))
        (python.parent / host.name).chmod(0o755)
    return python.parent


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_a_customer_brings_it_up_changes_it_and_takes_it_down(customer: Customer, container_engine: Engine) -> None:
    where = customer.run("python", "-c", "import hdinfra; print(hdinfra.__file__)")
    assert Path(where.strip()).is_relative_to(customer.bin.parent)
    customer.pulumi("stack", "init", customer.stack)

    customer.edit(machines=3)
    refused = customer.pulumi("up", "--yes", "--skip-preview", code=1)
    assert "byol.licence-count" in refused
    assert "Traceback" not in refused
    assert not (customer.folder / "web.seats.json").exists()

    customer.edit(machines=2)
    customer.pulumi("up", "--yes", "--skip-preview")
    status = json.loads(customer.pulumi("stack", "output", "status", "--json"))
    assert [httpx.get(f"{url}{ATTACK}", headers=HOST).status_code for url in status["urls"]] == [403, 403]
    assert customer.seats() == [0, 1]
    machine = container_engine.client.containers.get(status["machines"][0]["container"])
    told = json.loads(machine.exec_run(["hdctl", "status", "--json"])[1])
    assert (told["serving"], told["problems"]) == (True, [])

    customer.edit(machines=1)
    customer.pulumi("up", "--yes", "--skip-preview")
    assert customer.seats() == [0]
    assert httpx.get(f"{status['urls'][0]}{ATTACK}", headers=HOST).status_code == 403

    customer.pulumi("destroy", "--yes", "--skip-preview")
    assert customer.seats() == []
    assert container_engine.client.containers.list(all=True, filters={"name": f"byol-example-{customer.stack}"}) == []
