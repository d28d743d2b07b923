"""The drill in which the edge's first entrance is the outage: users are led to the second one, and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hdinfra.model.plan import EntrancePlan
from hdinfra.operate.drills.stage import Outcome, Stage
from hdinfra.operate.edge_switch import Switched, switch_edge
from hdinfra.operate.errors import WorkspaceError
from hdinfra.operate.up import edge_is_well
from hdinfra.operate.waiting import seconds_until

_BACK_SECONDS = 180.0


def entrance_loss(stage: Stage) -> Outcome:
    """Every place that only the entrance in force has is killed; users are led to an entrance without them."""
    first, second = _entrances(stage)
    lost = {place for place in first.places if place not in second.places}
    machines = [one for one in (stage.plan.edge.machines if stage.plan.edge else ()) if one.place in lost]
    names = {machine.name for machine in machines}
    containers = [one["container"] for one in stage.zone.known.edge_machines if one["name"] in names]
    urls = tuple(f"http://{one.publish.address}:{one.publish.port}" for one in machines if one.publish)
    with stage.load():
        stage.calm()
        with _back_in_the_end(stage, first.name):
            with stage.broken(f"entrance {first.name} is lost", containers):
                begin = time.monotonic()
                switched = _switch(stage, second.name)
                moved = round(time.monotonic() - begin, 3)
                stage.rest(stage.order.seconds)
                stage.photograph(f"while entrance {first.name} was away")
            back = seconds_until(lambda: all(map(edge_is_well, urls)), within=_BACK_SECONDS)
        stage.calm()
    return Outcome(
        about=f"Entrance {first.name} ({', '.join(first.places)}) was lost; users were led to {second.name}.",
        measured={"switched": switched.seconds, "back": back},
        facts={
            "the whole of `hdinfra edge switch` took": f"{moved:.1f} s",
            "resolvers may keep the old answer for": f"{switched.old_answers_seconds} s",
        },
        counts=lambda answer: answer.edge not in urls,
    )


def has_two(stage: Stage) -> bool:
    """Whether users can be led from the entrance in force to one without some of its places."""
    return _two(stage) is not None


def _entrances(stage: Stage) -> tuple[EntrancePlan, EntrancePlan]:
    found = _two(stage)
    if found is None:
        raise WorkspaceError(
            "This Zone has no entrance that does without places of the first, so there is nowhere to lead users.",
            retry="write `dns` with two `entrances` into the spec, then hdinfra up",
        )
    return found


def _two(stage: Stage) -> tuple[EntrancePlan, EntrancePlan] | None:
    dns = stage.plan.dns if stage.zone.known.dns_machines else None  # planned alone, they lead nobody anywhere
    if dns is None:
        return None
    first = next(one for one in dns.entrances if one.name == dns.entrance)
    others = (one for one in dns.entrances if one.places and set(first.places) - set(one.places))
    second = next(others, None)
    return (first, second) if second else None


def _switch(stage: Stage, to: str) -> Switched:
    stage.record.log.decided(f"users are led to entrance {to}")
    switched = switch_edge(stage.workspace, to, stage.talk)
    for server, took in sorted(switched.servers.items()):
        told = "never answered so" if took is None else f"answered so after {took:.1f} s"
        stage.record.log.planned(f"{server} {told}")
    return switched


@contextmanager
def _back_in_the_end(stage: Stage, to: str) -> Iterator[None]:
    """Users are at the first entrance again afterwards, also when the drill is interrupted."""
    try:
        yield
    finally:
        stage.record.log.decided(f"users are led back to entrance {to}")
        switch_edge(stage.workspace, to, stage.talk, force=True)
