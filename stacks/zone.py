"""The program of a stack that is a Zone: its spec and what is held go in, the whole Zone is declared."""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

import hdinfra as hd
from hdinfra.model.healing.order import Order, digest_of, held_for
from hdinfra.model.held import Held
from hdinfra.model.held_file import dump_held, load_held, newest
from hdinfra.model.plan import Supplied, ZonePlan
from hdinfra.model.spec import ZoneSpec
from hdinfra.planning import Certificates

ORDER = "HDINFRA_ORDER"
"""Names the file with what `hdinfra heal` or `restore` ordered; only these two set it."""
_READS = 20
_AGAIN_SECONDS = 0.2


def run(spec_file: Path, lock_file: Path) -> None:
    """Declare the spec's Zone. A refused spec registers nothing, and the stack keeps the outputs it has."""
    if not lock_file.exists():
        # Most likely the first run: asking for outputs would already register the engine's own provider.
        planned(spec_file, lock_file, {})
    plan = planned(spec_file, lock_file, deployed_outputs())
    keep(plan.held, lock_file)
    declare(plan, as_text(hd.load_spec(spec_file)))


def carry_out(order_file: Path) -> None:
    """Declare what is deployed, with what was ordered changed; the working copy is neither asked nor written.

    RunError, and nothing is changed, where something else was deployed since the order was given.
    """
    order, deployed = Order.model_validate_json(order_file.read_text()), deployed_outputs()
    text, held = str(deployed.get("spec", "")), Held.model_validate(deployed["held"])
    if (held.serial, digest_of(text)) != (order.serial, order.spec):
        raise pulumi.RunError(
            f"the stack was changed since this was ordered (serial {held.serial}, ordered on {order.serial}); "
            "nothing was changed. fix: order it again"
        )
    supplied = {host: Supplied(pair.certificate, pair.key) for host, pair in order.supplied.items()}
    try:
        plan = hd.planned(ZoneSpec.model_validate_json(text), held_for(order, held), Certificates(supplied))
    except hd.RefusedError as refused:
        raise pulumi.RunError(f"the deployed spec is refused like that; nothing was changed.\n{refused}") from refused
    declare(plan, text)


def declare(plan: ZonePlan, spec: str) -> None:
    """The whole Zone, and what is known of it afterwards."""
    declared = hd.declare(plan)
    pulumi.export("held", hd.held_of(declared))
    pulumi.export("control", hd.control_of(declared))
    pulumi.export("status", hd.status_of(declared))
    pulumi.export("spec", spec)


def as_text(spec: ZoneSpec) -> str:
    """What the user wrote and nothing else, as JSON in one text: outputs would make floats of its numbers."""
    return spec.model_dump_json(exclude_unset=True)


def planned(spec_file: Path, lock_file: Path, deployed: Mapping[str, Any]) -> ZonePlan:
    """The plan, or every refusal as the program's last word, without a traceback."""
    try:
        spec = hd.load_spec(spec_file)
        certificates = hd.read_certificates(spec, spec_file.parent, time.time())
        return hd.planned(spec, held_now(lock_file, deployed), certificates)
    except hd.RefusedError as refused:
        raise pulumi.RunError(f"{spec_file.name} is refused; nothing was changed.\n{refused}") from refused


def deployed_outputs() -> Mapping[str, Any]:
    """This stack's outputs as they are deployed now; empty on the first run."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    for _ in range(_READS - 1):
        try:
            return _outputs_of(name)
        except Exception as failed:  # the SDK raises nothing narrower
            # A file backend is read while this very run writes it; a moment later the file is whole.
            if "failed to load checkpoint" not in str(failed):
                raise
            time.sleep(_AGAIN_SECONDS)
    return _outputs_of(name)


def _outputs_of(name: str) -> Mapping[str, Any]:
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name})
    outputs: Mapping[str, Any] = answer.value["outputs"]
    return outputs


def held_now(lock_file: Path, deployed: Mapping[str, Any]) -> Held:
    """What is held: the lock file's, unless something newer is deployed; then a heal is not undone by an old file."""
    in_file = load_held(lock_file)
    in_stack = Held.model_validate(deployed["held"]) if deployed.get("held") else None
    held = newest(in_file, in_stack)
    if in_file is not None and held != in_file:
        pulumi.log.info(
            f"{lock_file.name} (serial {in_file.serial}) is older than what is deployed (serial {held.serial}): "
            "the deployed decisions are taken"
        )
    return held


def keep(held: Held, lock_file: Path) -> None:
    """Write the lock file where it says something else; a preview only tells."""
    text = dump_held(held)
    if pulumi.runtime.is_dry_run() or (lock_file.exists() and lock_file.read_text() == text):
        return
    write_atomically(lock_file, text)
    pulumi.log.info(f"{lock_file.name} was updated (serial {held.serial}): commit it with the spec")


def write_atomically(path: Path, text: str) -> None:
    """Whole or not at all: a lock file cut short by a full disk would be worse than an old one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
