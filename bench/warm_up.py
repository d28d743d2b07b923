"""How long `up` takes, warm and without a change, beside doing the same without us."""

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import hdinfra
from bench.bare import Bare
from bench.figure import Figure
from bench.project import Project
from bench.talk import say
from hdinfra.machine.roles import machine_of
from hdinfra.model.plan import ZonePlan
from hdinfra.operate.containers import open_containers
from hdinfra.operate.engine import Engine
from hdinfra.operate.workspace import Workspace
from hdinfra.plugins.kind import Call
from hdinfra.plugins.local.builder import ensure_image
from hdinfra.plugins.local.engine import find_engine

_EMPTY_PROGRAM = ""

# Registers what it is told and decides nothing: the floor of what any program with these resources costs.
_BARE_PROGRAM = """\
import json, pathlib
import pulumi
providers, made = {}, {}
for row in json.loads(pathlib.Path(__file__).with_name("rows.json").read_text()):
    after = [made[urn] for urn in row["dependencies"] if urn in made]
    if row["provider"] is None:
        made[row["urn"]] = pulumi.ProviderResource("hdlocal", row["name"], row["inputs"])
    else:
        options = pulumi.ResourceOptions(provider=made[row["provider"]], depends_on=after)
        made[row["urn"]] = pulumi.CustomResource(row["type"], row["name"], row["inputs"], options)
"""


def measure_warm(zone: Project, pairs: int) -> Iterable[Figure]:
    """From nothing but the caches to the first good answer of both edges."""
    plan = _plan(zone)
    ours, bare = [], []
    for pair in range(pairs):
        zone.down()
        say(f"warm up, pair {pair + 1} of {pairs}: bare")
        bare.append(_bare_seconds(zone, plan))
        say(f"bare {bare[-1]:.1f} s; ours")
        ours.append(_seconds(lambda: zone.must("up")))
        say(f"ours {ours[-1]:.1f} s")
    empty = median(_empty_stack_seconds() for _ in range(pairs))
    baseline = round(median(bare) + empty / 2, 2)  # the goal is 2 x bare + empty = 2 x (bare + empty / 2)
    yield Figure("warm-up-to-first-answers", round(median(ours), 2), "s", 2.0, baseline, goal_is_ratio=True)


def measure_no_change(zone: Project, pairs: int) -> Iterable[Figure]:
    """`up` where nothing changed, beside a bare program with the same resources, plugin and `--refresh`."""
    engine = Engine(Workspace(zone.root, "local", {**os.environ, **zone.environment}))
    rows = _rows(json.loads(engine.demand("stack", "export", "--stack", "local", "--show-secrets")))
    ours = median(_seconds(lambda: zone.must("up")) for _ in range(pairs))
    say(f"no change: ours {ours:.1f} s")
    zone.down()
    with TemporaryDirectory() as folder:
        (Path(folder) / "rows.json").write_text(json.dumps(rows))
        program = _program(Path(folder), _BARE_PROGRAM)
        try:
            program.demand("up", "--yes", "--skip-preview", "--stack", "local")
            bare = median(_seconds(lambda: _bare_up(program)) for _ in range(pairs))
        finally:
            program.demand("destroy", "--yes", "--skip-preview", "--stack", "local")
    say(f"no change: bare {bare:.1f} s")
    yield Figure("no-change-up", round(ours, 2), "s", 1.3, round(bare, 2), goal_is_ratio=True)


def _plan(zone: Project) -> ZonePlan:
    return hdinfra.planned(hdinfra.load_spec(zone.root / "stacks" / "local.yaml"))


def _bare_seconds(zone: Project, plan: ZonePlan) -> float:
    engine, call = find_engine(), Call(name="bench", progress=say)
    packages = {machine.role: machine_of(plan.zone, machine).packages for machine in plan.machines}
    images = {role: ensure_image(engine, packages[role], call) for role in sorted(packages)}
    bare = Bare(open_containers().client, zone.namespace, images, plan)
    try:
        return bare.up()
    finally:
        bare.down()


def _empty_stack_seconds() -> float:
    with TemporaryDirectory() as folder:
        program = _program(Path(folder), _EMPTY_PROGRAM)
        return _seconds(lambda: _bare_up(program))


def _bare_up(program: Engine) -> None:
    program.demand("up", "--yes", "--refresh", "--skip-preview", "--stack", "local")


def _program(root: Path, text: str) -> Engine:
    (root / "stacks").mkdir()
    (root / "Pulumi.yaml").write_text("name: bare\nruntime: python\n")
    (root / "__main__.py").write_text(text)
    workspace = Workspace(root, "local", {"PATH": os.environ["PATH"], "HOME": str(root), "PULUMI_HOME": str(root)})
    workspace.prepare()
    engine = Engine(workspace)
    engine.demand("stack", "init", "local", "--no-select")
    return engine


def _rows(state: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for resource in state["deployment"]["resources"]:
        kind = resource["type"]
        if not kind.startswith(("hdlocal:", "pulumi:providers:hdlocal")):
            continue
        provider = resource.get("provider")
        rows.append(
            {
                "urn": resource["urn"],
                "name": resource["urn"].rpartition("::")[2],
                "type": kind,
                "provider": provider.rpartition("::")[0] if provider else None,
                "inputs": _plain({k: v for k, v in resource["inputs"].items() if not k.startswith("__")}),
                "dependencies": resource.get("dependencies") or [],
            }
        )
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if "plaintext" in value:
            return json.loads(value["plaintext"])
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _seconds(deed: Callable[[], object]) -> float:
    begin = time.monotonic()
    deed()
    return time.monotonic() - begin
