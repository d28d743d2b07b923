"""From the spec on disk and what is held, in the file and as deployed, to the plan that will be declared."""

import time
from dataclasses import dataclass

import hdinfra
from hdinfra.model.checks.kept import OF_WHAT_STANDS
from hdinfra.model.held import Held, with_nothing_standing
from hdinfra.model.held_file import dump_held, load_held, newest
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import rechosen
from hdinfra.model.spec import ZoneSpec
from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.errors import OperateError
from hdinfra.operate.workspace import Workspace, write_atomically


@dataclass(frozen=True, slots=True)
class Decision:
    """The plan, and what a human should know of how it came about."""

    plan: ZonePlan
    notes: tuple[str, ...] = ()


def decide(workspace: Workspace, deployed: Deployed | None) -> Decision:
    """Plan with the newest held decisions. Raises RefusedError with every refusal."""
    return decide_for(hdinfra.load_spec(workspace.spec_file), workspace, deployed)


def decide_for(spec: ZoneSpec, workspace: Workspace, deployed: Deployed | None) -> Decision:
    """The same for a spec that is not on disk yet."""
    in_file, in_stack = load_held(workspace.lock_file), _deployed_held(deployed)
    held = newest(in_file, in_stack)
    notes: tuple[str, ...] = ()
    if in_stack is not None and in_stack.serial > (in_file.serial if in_file else -1):
        notes = (f"{workspace.lock_file.name} is older than what is deployed (serial {in_stack.serial}): taking that",)
    try:
        return Decision(_planned(spec, held, workspace), notes)
    except hdinfra.RefusedError as refused:
        if OF_WHAT_STANDS.isdisjoint(refusal.rule for refusal in refused.refusals) or not _is_down(workspace):
            raise
    gone = f"stack `{workspace.stack}` is down: where {workspace.lock_file.name} says that it stood counts no more"
    return Decision(_planned(spec, with_nothing_standing(held), workspace), (*notes, gone))


def _is_down(workspace: Workspace) -> bool:
    """Whether the engine knows that nothing is up; without its state, as on a computer for reviews, nobody knows."""
    if not workspace.has_backend:
        return False
    try:
        deployed = Engine(workspace).deployed()
    except OperateError:
        return False
    return deployed is None or not (deployed.resources or deployed.pending)


def decide_again(workspace: Workspace, first: Decision, deployed: Deployed | None) -> Decision:
    """Plan again with what is deployed, where that differs from what was decided without it."""
    in_stack = _deployed_held(deployed)
    return first if in_stack in (None, first.plan.held) else decide(workspace, deployed)


def rechoose(workspace: Workspace) -> Decision:
    """Choose Clusters and sizes anew and write the lock file; addresses and withdrawn Clusters stay held."""
    deployed = _deployed_held(Engine(workspace).deployed() if workspace.config_file.exists() else None)
    held = rechosen(newest(load_held(workspace.lock_file), deployed))
    decision = Decision(
        _planned(hdinfra.load_spec(workspace.spec_file), held, workspace),
        (f"chosen anew; `hdinfra up --stack {workspace.stack}` carries it out",),
    )
    keep(workspace, decision.plan.held)
    return decision


def _planned(spec: ZoneSpec, held: Held | None, workspace: Workspace) -> ZonePlan:
    certificates = hdinfra.read_certificates(spec, workspace.spec_file.parent, time.time())
    return hdinfra.planned(spec, held, certificates)


def keep(workspace: Workspace, held: Held) -> bool:
    """Write the lock file; True when its content changed."""
    text = dump_held(held)
    if workspace.lock_file.exists() and workspace.lock_file.read_text() == text:
        return False
    write_atomically(workspace.lock_file, text)
    return True


def keep_deployed(workspace: Workspace, deployed: Deployed | None) -> bool:
    """After a run: what it found out, such as system images, is held from now on; True when the lock file changed."""
    held = _deployed_held(deployed)
    return held is not None and keep(workspace, held)


def keep_deployed_but_switch(workspace: Workspace, deployed: Deployed | None, before: Held | None) -> bool:
    """The same after a run that knew the lock file as it was `before`; True where users were switched to another
    entrance while it ran. Then the file keeps that, and counts as newer than what the run deployed."""
    held, now = _deployed_held(deployed), load_held(workspace.lock_file)
    old = before.entrance if before else None
    if held is None or now is None or now.entrance in {old, held.entrance}:
        keep_deployed(workspace, deployed)
        return False
    keep(workspace, held.model_copy(update={"entrance": now.entrance, "serial": max(held.serial, now.serial) + 1}))
    return True


def _deployed_held(deployed: Deployed | None) -> Held | None:
    held = deployed.outputs.get("held") if deployed else None
    return Held.model_validate(held) if held else None
