"""From the spec on disk and what is held, in the file and as deployed, to the plan that will be declared."""

from dataclasses import dataclass

import hdinfra
from hdinfra.model.held import Held
from hdinfra.model.held_file import dump_held, load_held, newest
from hdinfra.model.plan import ZonePlan
from hdinfra.operate.engine import Deployed
from hdinfra.operate.workspace import Workspace, write_atomically


@dataclass(frozen=True, slots=True)
class Decision:
    """The plan, and what a human should know of how it came about."""

    plan: ZonePlan
    notes: tuple[str, ...] = ()


def decide(workspace: Workspace, deployed: Deployed | None) -> Decision:
    """Plan with the newest held decisions. Raises RefusedError with every refusal."""
    spec = hdinfra.load_spec(workspace.spec_file)
    in_file, in_stack = load_held(workspace.lock_file), _deployed_held(deployed)
    held = newest(in_file, in_stack)
    notes: tuple[str, ...] = ()
    if in_stack is not None and in_stack.serial > (in_file.serial if in_file else -1):
        notes = (f"{workspace.lock_file.name} is older than what is deployed (serial {in_stack.serial}): taking that",)
    return Decision(hdinfra.planned(spec, held=held), notes)


def decide_anew(workspace: Workspace) -> Decision:
    """Plan as if nothing were held, for `plan --rechoose`; the serial goes on counting."""
    spec = hdinfra.load_spec(workspace.spec_file)
    in_file = load_held(workspace.lock_file) or Held()
    plan = hdinfra.planned(spec, held=Held(serial=in_file.serial))
    return Decision(plan, ("nothing held was taken into account",))


def keep(workspace: Workspace, decision: Decision) -> bool:
    """Write the lock file; True when its content changed."""
    text = dump_held(decision.plan.held)
    if workspace.lock_file.exists() and workspace.lock_file.read_text() == text:
        return False
    write_atomically(workspace.lock_file, text)
    return True


def _deployed_held(deployed: Deployed | None) -> Held | None:
    held = deployed.outputs.get("held") if deployed else None
    return Held.model_validate(held) if held else None
