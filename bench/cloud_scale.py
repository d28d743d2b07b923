"""What importing us with one cloud costs beside its SDK alone, and whether planning grows with the Machines alone."""

import os
import sys
from collections.abc import Iterator

from bench.cloud_zones import ZONES
from bench.figure import Figure
from bench.flat import imports_of
from bench.plan_scale import seconds, wide, wide_zone
from bench.talk import say
from hdinfra.machine.limits import user_data_refusals
from hdinfra.model.planner import plan_zone
from hdinfra.testing.credentials import dummy_credentials

_SMALL, _LARGE = 100, 3_000
_MILLION = 1_000_000


def measure_plan_linear(pairs: int) -> Iterator[Figure]:
    """Microseconds a Machine of `_LARGE`, beside those of `_SMALL`."""
    found = sorted(((_microseconds(_LARGE), _microseconds(_SMALL)) for _ in range(pairs)), key=lambda p: p[0] / p[1])
    say("plan-linear: ratios " + ", ".join(f"{large / small:.2f}" for large, small in found))
    large, small = found[len(found) // 2]
    yield Figure("plan-linear", round(large, 1), "us a machine", 1.2, round(small, 1), goal_is_ratio=True)


def measure_imports(pairs: int) -> Iterator[Figure]:
    """Processor time of an interpreter that imports all that declares a Zone, and of one that imports the SDK alone."""
    os.environ.update(dummy_credentials("of a benchmark"))
    for zone in ZONES:
        name = f"import-{zone.provider.value}"
        ours = f"import hdinfra.components.declare, hdinfra.clouds.{zone.provider.value}"
        sdk = "\n".join(("import pulumi", *imports_of(zone.graph(), zone.package, zone.module)))
        ours += f"\n{sdk}"  # what we import is lazy in parts, and a Zone needs them all
        taken = sorted(((_processor(ours), _processor(sdk)) for _ in range(pairs)), key=lambda pair: pair[0] / pair[1])
        say(f"{name}: ratios " + ", ".join(f"{one / other:.2f}" for one, other in taken))
        one, other = taken[len(taken) // 2]
        yield Figure(name, round(one, 2), "s", 1.1, round(other, 2), goal_is_ratio=True)


def _microseconds(machines: int) -> float:
    """Of planning that many Machines or a few more, and looking whether their user data fits."""
    spec, catalogue = wide_zone(_instances(machines)), wide()
    planned = len(plan_zone(spec, catalogue=catalogue).machines)
    taken = seconds(lambda: user_data_refusals(plan_zone(spec, catalogue=catalogue)), 5 if machines < _LARGE else 2)
    return taken / planned * _MILLION


def _instances(machines: int) -> int:
    """How many Instances have that many Machines: an Instance's are the same whatever others there are."""
    some = 20
    each = len(plan_zone(wide_zone(some), catalogue=wide()).machines) / some
    return round(machines / each)


def _processor(program: str) -> float:
    """User and system time of an interpreter that runs this."""
    child = os.posix_spawn(sys.executable, [sys.executable, "-W", "ignore", "-c", program], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise AssertionError(f"it ended with {status}: {program}")
    return usage.ru_utime + usage.ru_stime
