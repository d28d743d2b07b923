"""Whether this machine can really serve. Pure: what was seen goes in, reasons against it come out."""

from collections.abc import Iterator
from dataclasses import dataclass

from .health_policy import HealthPolicy


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a machine says that it does not serve. `outage`: whether a latch closes when it lasts; what somebody wanted,
    and a policy that is on its way, is none."""

    text: str
    outage: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a machine.

    `app`: what it is, None before its first policy. `serving`: all its programs answer as that asks. `waiting`: a newer
    policy than the one in force was offered; `in_doubt`: the one in force is on probation and was not seen well;
    `failed`: why a newer one is not in force. `disk_free_percent`: of the fullest disk. `load`: programs that want to
    run on each core. `writes`: status of the declared check, 0 for no answer, None where none is declared.
    `silent_seconds`: since anybody asked for its health. `unserved`: Instances that an edge can send nobody to.
    """

    app: str | None
    serving: bool
    waiting: bool = False
    in_doubt: bool = False
    failed: str | None = None
    drained: bool = False
    disk_free_percent: float = 100
    load: float = 0
    writes: int | None = None
    silent_seconds: float = 0
    unserved: tuple[str, ...] = ()


def reasons(seen: Seen, bounds: HealthPolicy) -> tuple[Reason, ...]:
    """Everything that speaks against it; nothing when it can serve, but for its latch."""
    if seen.app is None:
        return (Reason("it has no policy yet", outage=False),)
    return (*_of_programs(seen), *_of_policy(seen), *_of_resources(seen, bounds))


def _of_programs(seen: Seen) -> Iterator[Reason]:
    if not seen.serving:
        yield Reason("its programs do not answer as the policy in force asks", outage=True)
    if seen.writes not in (None, 200):
        answer = f"answers {seen.writes}" if seen.writes else "does not answer"
        yield Reason(f"writes are not possible: their check {answer}", outage=True)
    for instance in seen.unserved:
        yield Reason(f"nobody serves `{instance}`", outage=True)


def _of_policy(seen: Seen) -> Iterator[Reason]:
    if seen.drained:
        yield Reason("it is drained", outage=False)
    if seen.waiting:
        yield Reason("a newer policy than the one in force is waiting", outage=False)
    # On probation and seen well it serves: were it ill for that, each change of policy would move all users away.
    if seen.in_doubt:
        yield Reason("the policy in force is on probation and was not seen well", outage=False)
    if seen.failed:
        yield Reason(f"the newest policy failed here: {seen.failed}", outage=False)


def _of_resources(seen: Seen, bounds: HealthPolicy) -> Iterator[Reason]:
    if seen.disk_free_percent < bounds.disk_free_percent:
        found = f"{seen.disk_free_percent:.1f} % of a disk is free"
        yield Reason(f"{found}, less than {bounds.disk_free_percent} %", outage=True)
    if seen.load > bounds.load_per_core:
        found = f"{seen.load:.1f} programs want to run on each core"
        yield Reason(f"{found}, more than {bounds.load_per_core}", outage=True)
    if bounds.latch and bounds.silence_seconds is not None and seen.silent_seconds > bounds.silence_seconds:
        found = f"nobody has asked for its health for {seen.silent_seconds:.0f} s"
        yield Reason(f"{found}, longer than {bounds.silence_seconds} s: it was cut off", outage=True)
