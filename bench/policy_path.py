"""How soon a policy change is served by six machines, and what users see of fifty changes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.figure import Figure
from bench.fleet import containers_of, control_plane, run_in, seconds_until_all, writer
from bench.project import Project, make_project
from bench.talk import say
from hdinfra.operate.containers import open_containers
from hdinfra.operate.control import Control
from hdinfra.operate.load import Load, Shape, Target
from hdinfra.operate.report import traffic_of
from hdinfra.plugins.policy.api import Api
from hdinfra.protocol.release import Release

_CHANGES = 20
_CHANGES_UNDER_LOAD = 50
_RATE = 200
_WITHIN_SECONDS = 60.0
_SCOPE = "instance-web"
_LONGEST_SECONDS = 900.0


@contextmanager
def six_machines() -> Iterator[Project]:
    """A zone whose Instance has three machines in each of two Clusters, and bakes nothing."""
    with TemporaryDirectory(prefix="hdinfra-bench-") as folder:
        project = make_project(Path(folder), "bench-six")
        spec = project.spec
        spec["instances"][0] |= {"capacity": 3, "machines_per_cluster": 3}
        spec["control"] = {**spec.get("control", {}), "bake_seconds": 0}
        project.write_spec(spec)
        try:
            say("bringing a zone of six machines up")
            project.must("up")
            yield project
        finally:
            project.down()


def measure_policy_path(zone: Project) -> Iterable[Figure]:
    """From the API's acceptance to the last machine's report; and failed GETs meanwhile."""
    with control_plane(zone) as control, writer(control) as api:
        newest = control.standing(_SCOPE).newest
        if newest is None:
            raise AssertionError("the zone has no policy")
        change = partial(_change_seconds, control, api, newest)
        served = [change(mode) for mode in _modes(_CHANGES)]
        say(f"served after {median(served):.2f} s (worst {max(served):.2f} s) by {len(newest.members)} machines")
        failed = _failed_under_load(zone, change)
        direct = median(_direct_seconds(zone) for _ in range(5))
        yield Figure("policy-change-to-served", round(median(served), 2), "s", 2, round(direct, 2))
        yield Figure("policy-changes-failed-gets", failed, "GETs", 0)


def _modes(count: int) -> Iterable[str]:
    return islice(cycle(("RECORD", "MITIGATION")), count)


def _change_seconds(control: Control, api: Api, release: Release, mode: str) -> float:
    host = release.document["sites"][0]["host"]
    number = int(api.put(f"/v1/sites/{host}/settings", {"mode": mode})["number"])
    return seconds_until_all(control, release.members, partial(_serves, number=number), within=_WITHIN_SECONDS)


def _serves(machine: Mapping[str, Any], *, number: int) -> bool:
    return machine["serving"] is True and int(machine["settings"] or 0) >= number


def _direct_seconds(zone: Project) -> float:
    """The same change handed to one machine, with nothing in between: the floor of what any path costs."""
    containers, name = open_containers(), containers_of(zone, "waf")[0]
    run_in(containers, name, "python3", "-IBc", _TOGGLE)
    begin = time.monotonic()
    run_in(containers, name, "hdctl", "apply", "/run/bench-policy.json", "--wait", "30")
    return time.monotonic() - begin


_TOGGLE = """
import json, pathlib
policy = json.loads(pathlib.Path("/var/lib/hdinfra/policy.json").read_text())
site = policy["sites"][0]
site["mode"] = "RECORD" if site["mode"] == "MITIGATION" else "MITIGATION"
text = json.dumps(policy, sort_keys=True, separators=(",", ":"))
pathlib.Path("/run/bench-policy.json").write_text(text)
"""


def _failed_under_load(zone: Project, change: Callable[[str], float]) -> int:
    targets = [Target(url, site["host"]) for site in zone.ask("status")["sites"] for url in zone.urls]
    with Load(targets, Shape(_RATE, _LONGEST_SECONDS)) as load:
        for mode in _modes(_CHANGES_UNDER_LOAD):
            change(mode)
    seen = traffic_of(load.answers)
    say(f"{_CHANGES_UNDER_LOAD} changes under {_RATE} requests/s: {seen.failed_gets} of {seen.gets:,} GETs failed")
    if seen.gets == 0:
        raise AssertionError("no GET was sent, which proves nothing")
    return seen.failed_gets
