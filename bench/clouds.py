"""What three hundred resources on one cloud cost with us, beside a flat program that registers the same by hand.

The real engine, with stand-ins for all providers. Both programs, and the naive one, run in turn; what is told is the
pair whose ratio is the median.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from bench.cloud_zones import ZONES, CloudZone
from bench.figure import Figure
from bench.flat import flat_program, naive_program
from bench.project import CHECKOUT
from bench.talk import say
from hdinfra.testing import Graph, Recorder
from hdinfra.testing.credentials import dummy_credentials

FEWEST_PAIRS = 5
_LONGEST_SECONDS = 300
_NAIVE_RUNS = 3
_OURS = "from bench.cloud_zones import let_regions_be_operators\n\nlet_regions_be_operators()\n"
_PREVIEW = ("preview",)
_UP = ("up", "--yes", "--skip-preview")
_HOST = b"pulumi-language-python"
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """`seconds` on the clock, and the most that the language host and its children had in memory."""

    seconds: float
    mib: float


Pair = tuple[float, float]
"""Of ours and of the other."""


def measure_clouds(pairs: int) -> Iterator[Figure]:
    """Each cloud by itself; which is measured can be told by BENCH_CLOUDS, its names separated by commas."""
    chosen = os.environ.get("BENCH_CLOUDS", "")
    for zone in ZONES:
        if not chosen or zone.provider.value in chosen.split(","):
            with TemporaryDirectory(prefix="hdinfra-bench-") as folder:
                yield from _measure(zone, Path(folder), max(pairs, FEWEST_PAIRS))


def _measure(zone: CloudZone, folder: Path, pairs: int) -> Iterator[Figure]:
    os.environ.update(dummy_credentials("of a benchmark"))
    name, graph = f"clouds-{zone.provider.value}", zone.graph()
    flat = flat_program(graph, zone.package, zone.module)
    _check(zone, graph, flat)
    programs = {
        "ours": _ours(folder / "ours", zone, graph),
        "flat": _Program(folder / "flat", {"__main__.py": flat}, zone, graph),
        "naive": _Program(
            folder / "naive", {"__main__.py": naive_program(graph, zone.package, zone.module)}, zone, graph
        ),
    }
    say(f"{name}: {len(graph.resources)} resources, load {os.getloadavg()[0]:.1f}")
    previews: dict[str, list[Cost]] = {key: [] for key in programs}
    ups: dict[str, list[Cost]] = {"ours": [], "flat": []}
    for number in range(pairs):
        for kept, arguments in ((previews, _PREVIEW), (ups, _UP)):
            for key, costs in kept.items():
                if key == "naive" and number >= _NAIVE_RUNS:
                    continue
                costs.append(programs[key].run(*arguments))
                say(f"{arguments[0]} {key}: {costs[-1].seconds:.2f} s, {costs[-1].mib:.0f} MiB")
    say(f"{name}: load {os.getloadavg()[0]:.1f}")
    yield _figure(f"{name}-preview", "s", 1.1, _seconds(previews["ours"], previews["flat"]))
    yield _figure(f"{name}-up", "s", 1.1, _seconds(ups["ours"], ups["flat"]))
    yield _figure(f"{name}-memory", "MiB", 1.15, _memory(ups["ours"], ups["flat"]))
    # No more than the naive program takes: what is gained beyond that is told by the ratio.
    yield _figure(f"{name}-naive-gain", "s", 1.0, _seconds(previews["ours"], previews["naive"]))
    yield _figure(f"{name}-naive-gain-memory", "MiB", 1.0, _memory(previews["ours"], previews["naive"]))


def _seconds(ours: Sequence[Cost], others: Sequence[Cost]) -> list[Pair]:
    return [(one.seconds, other.seconds) for one, other in zip(ours, others, strict=False)]


def _memory(ours: Sequence[Cost], others: Sequence[Cost]) -> list[Pair]:
    return [(one.mib, other.mib) for one, other in zip(ours, others, strict=False)]


def _figure(name: str, unit: str, goal: float, pairs: Sequence[Pair]) -> Figure:
    found = sorted(pairs, key=lambda pair: pair[0] / pair[1])
    say(f"{name}: ratios " + ", ".join(f"{ours / other:.2f}" for ours, other in found))
    ours, other = found[len(found) // 2]
    return Figure(name, round(ours, 2), unit, goal, round(other, 2), goal_is_ratio=True)


def _check(zone: CloudZone, graph: Graph, flat: str) -> None:
    """A flat program that registers something else would be no baseline."""

    def program() -> None:
        exec(compile(flat, "flat", "exec"), {})  # noqa: S102  we wrote it

    record = Recorder(project="hdinfra", stack="bench", outputs=zone.answers)
    others = sorted(graph.changed(record(program)))
    if others:
        raise AssertionError(f"the flat program registers other resources than ours: {', '.join(others[:5])}")


class _Program:
    """A project with a stack of its own, which is as new before each run."""

    def __init__(self, folder: Path, files: Mapping[str, str], zone: CloudZone, graph: Graph, main: str = ".") -> None:
        self._project, self._state, self._new = folder / "project", folder / "state", folder / "new"
        self._environment = _environment(folder, self._state, zone, graph)
        packages = zone.plugins
        providers = [{"name": name, "path": str(_stand_in(folder, name))} for name in sorted(packages)]
        settings = {"name": "hdinfra", "runtime": "python", "main": main, "plugins": {"providers": providers}}
        self._files = {"Pulumi.yaml": yaml.safe_dump(settings), **files}
        self._write()
        self._state.mkdir()
        self._pulumi("stack", "init", "bench")
        shutil.copytree(self._state, self._new)

    def run(self, *arguments: str) -> Cost:
        """From nothing."""
        self._write()
        shutil.rmtree(self._state)
        shutil.copytree(self._new, self._state)
        begin = time.monotonic()
        mib = self._pulumi(*arguments, "--stack", "bench")
        return Cost(time.monotonic() - begin, mib)

    def _write(self) -> None:
        settings = self._project / "Pulumi.bench.yaml"
        kept = settings.read_text() if settings.exists() else None
        shutil.rmtree(self._project, ignore_errors=True)
        for name, text in {**self._files, **({"Pulumi.bench.yaml": kept} if kept else {})}.items():
            path = self._project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _pulumi(self, *arguments: str) -> float:
        command = [str(Path(sys.executable).parent / "pulumi"), *arguments, "--non-interactive", "--color", "never"]
        process = subprocess.Popen(  # noqa: S603  our own arguments, no shell
            command,
            cwd=self._project,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with _Peak(process.pid) as peak:
            said, _ = process.communicate(timeout=_LONGEST_SECONDS)
        if process.returncode != 0:
            raise AssertionError(f"pulumi {' '.join(arguments)} ended with {process.returncode}:\n{said[-4000:]}")
        return peak.kib / _KIB


def _ours(folder: Path, zone: CloudZone, graph: Graph) -> _Program:
    """The stack's own program, as a user has it."""
    texts = {f"stacks/{path.name}": path.read_text() for path in sorted((CHECKOUT / "stacks").glob("*.py"))}
    texts["stacks/__main__.py"] = _OURS + texts["stacks/__main__.py"]
    return _Program(folder, {**texts, "stacks/bench.yaml": zone.spec}, zone, graph, main="stacks")


def _environment(folder: Path, state: Path, zone: CloudZone, graph: Graph) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    outputs = {
        f"{one.type} {one.name}": {key: value for key, value in answer(one.name, one.inputs).items() if key != "id"}
        for one in graph.resources
        if (answer := zone.answers.get(one.type))
    }
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONWARNINGS": "ignore",
        "PULUMI_BACKEND_URL": state.as_uri(),
        # The file backend would write the whole state twice for each resource, in both programs alike.
        "PULUMI_EXPERIMENTAL": "true",
        "PULUMI_SKIP_CHECKPOINTS": "true",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of a benchmark",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "STANDIN_OUTPUTS": json.dumps({key: answer for key, answer in outputs.items() if answer}),
        "STANDIN_INVOKES": json.dumps(zone.invokes),
    }


def _stand_in(folder: Path, package: str) -> Path:
    """The folder of a stand-in's executable."""
    place = folder / "plugins" / package
    place.mkdir(parents=True, exist_ok=True)
    executable = place / f"pulumi-resource-{package}"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.engine.standin {package} "$@"\n')
    executable.chmod(0o755)
    return place


class _Peak:
    """The most memory of the language host below a process and of its children, as the kernel counts it for each.

    The kernel keeps the peak itself, so looking now and then is enough: the host outlives its program.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)
        self._peaks: dict[int, int] = {}

    def __enter__(self) -> "_Peak":
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()

    @property
    def kib(self) -> int:
        """Of all of them together."""
        return sum(self._peaks.values())

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for child in _children(self._pid):
                with suppress(OSError):
                    if _HOST in Path(f"/proc/{child}/cmdline").read_bytes():
                        self._keep(child)

    def _keep(self, pid: int) -> None:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self._peaks[pid] = int(line.split()[1])
        for child in _children(pid):
            with suppress(OSError):
                self._keep(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found
