"""A checkout of its own for a benchmark or a test: own folder, namespace, pool and ports, so that nothing meets."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from hdinfra.operate.containers import open_containers
from hdinfra.operate.leftovers import remove_unknown

CHECKOUT = Path(__file__).resolve().parents[1]
_LONGEST_SECONDS = 900
_PORTS = range(20_000, 32_000)  # below those that connections take for themselves (32,768 on): free until they are used
# Away from a zone of the user's (64 by default), Podman's own networks (88 on) and the plugin's tests (96 to 207).
_POOLS = tuple(f"10.{second}.0.0/12" for second in (16, 32, 48, 208, 224, 240))


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder and how to run the command line in it."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as it is on disk."""
        loaded: dict[str, Any] = yaml.safe_load((self.root / "stacks" / "local.yaml").read_text())
        return loaded

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """Replace the spec."""
        (self.root / "stacks" / "local.yaml").write_text(yaml.safe_dump(dict(spec), sort_keys=False))

    @property
    def urls(self) -> list[str]:
        """Where the edges will answer."""
        places = self.spec["edge"]["places"]
        return [f"http://{place['publish']['address']}:{place['publish']['port']}" for place in places]

    @property
    def https_ports(self) -> list[int]:
        """Where they will answer over HTTPS."""
        return [int(place["publish"]["https_port"]) for place in self.spec["edge"]["places"]]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line in a process group of its own."""
        return subprocess.Popen(  # noqa: S603  our own arguments, no shell
            [sys.executable, "-c", "from hdinfra.operate.cli import main; main()", *arguments],
            cwd=self.root,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=_LONGEST_SECONDS)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def must(self, *arguments: str) -> str:
        """Run the command line, which must succeed; its standard output."""
        done = self.run(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"hdinfra {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def ask(self, *arguments: str) -> Any:
        """The verb's `--json`."""
        return json.loads(self.must(*arguments, "--json"))

    def ask_whatever(self, *arguments: str) -> Any:
        """The verb's JSON, also when it found that something is not well (exit 1)."""
        done = self.run(*arguments)
        if done.returncode not in (0, 1) or not done.stdout:
            raise AssertionError(f"hdinfra {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return json.loads(done.stdout)

    def down(self) -> str:
        """Take everything away, whatever state it is in. The namespace is written anew for the next `up`."""
        told = self.run("down").stderr
        remove_unknown(open_containers(), self.namespace, frozenset(), lambda _: None)
        self.write_namespace()
        return told

    def write_namespace(self) -> None:
        """The configuration as the first `up` would write it, with a namespace that the next run knows."""
        path = self.root / "stacks" / "Pulumi.local.yaml"
        path.write_text(yaml.safe_dump({"config": {"hdinfra:namespace": self.namespace}}))


def make_project(root: Path, salt: str, spec_of: str = "local") -> Project:
    """Copy what a stack needs into `root`; pool and ports come from the checkout, the salt and what is free.

    `spec_of`: the stack of the checkout whose spec becomes that of the project's only stack, `local`.
    """
    shutil.copy(CHECKOUT / "Pulumi.yaml", root)
    shutil.copytree(CHECKOUT / "stacks", root / "stacks", ignore=shutil.ignore_patterns("Pulumi.*", "*.lock.yaml"))
    if spec_of != "local":
        shutil.copy(CHECKOUT / "stacks" / f"{spec_of}.yaml", root / "stacks" / "local.yaml")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    number = int.from_bytes(hashlib.sha256(f"{CHECKOUT}/{salt}".encode()).digest()[:4])
    environment = {**dict.fromkeys(os.environ.keys() - own.keys(), ""), "PULUMI_HOME": str(root / "home")}
    project = Project(root, environment, f"hd-{number % 0x1000000:06x}")
    # What a killed run of the same checkout left is found by the same name.
    remove_unknown(open_containers(), project.namespace, frozenset(), lambda _: None)
    project.write_namespace()
    spec = project.spec
    spec["network"] = {"ipv4": _free_pool(number), "ipv6": f"fd{number % 256:02x}:{number >> 16:04x}:1::/48"}
    places, clusters = spec["edge"]["places"], spec["clusters"]
    # Two more, which name servers may have.
    first = _free_row(2 * len(places) + len(clusters) + 2, number)
    for port, place in enumerate(places, first):
        place["publish"] |= {"port": port, "https_port": port + len(places)}
    spec["control"]["publish"]["port"] = first + 2 * len(places)
    project.write_spec(spec)
    return project


def _free_pool(first: int) -> str:
    """A pool that no network of the engine touches, looked for from a place that differs between checkouts."""
    configs = (network.attrs["IPAM"]["Config"] or () for network in open_containers().client.networks.list())
    taken = [ip_network(one["Subnet"], strict=False) for config in configs for one in config if one.get("Subnet")]
    for step in range(len(_POOLS)):
        pool = _POOLS[(first + step) % len(_POOLS)]
        if not any(used.version == 4 and used.overlaps(ip_network(pool)) for used in taken):
            return pool
    raise RuntimeError(f"every pool for tests is taken: {', '.join(_POOLS)}; remove the networks of older runs")


def _free_row(count: int, start: int) -> int:
    """The first of so many ports of the loopback, one after the other, on which nobody listens now."""
    for step in range(0, len(_PORTS), count):
        first = _PORTS[(start + step) % (len(_PORTS) - count)]
        with ExitStack() as held, suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise RuntimeError(f"no {count} ports in a row are free on the loopback")
