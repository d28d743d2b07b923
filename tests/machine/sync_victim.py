"""A process that applies one version after the other until it is killed: `python -m tests.machine.sync_victim ROOT`."""

import json
import sys
import time
from pathlib import Path

from hdinfra.agent import applier as applier_module
from hdinfra.agent.versions import Trust, opened
from tests.machine.sync_machine import Place, Program, render_stand_in
from tests.machine.sync_stack import API, Stack, offer


def place_under(root: Path, trust: Trust) -> Place:
    """A machine there whose program is a stand-in; it trusts that stack."""
    program = Program(root)
    applier_module.rendered = render_stand_in(program)
    stack = Stack()
    stack.key = ""
    place = Place(root, stack, program, 9)
    Stack.trust = property(lambda _: trust)  # type: ignore[assignment, method-assign]
    return place


def main() -> None:
    """Goes through the prepared releases over and over; a line says that one is in force."""
    root, told = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    keeper = place_under(root, Trust(**told["trust"])).keeper()
    keeper.step()
    print("ready", flush=True)
    for sealed in told["releases"]:
        keeper.offer(API, opened(offer([sealed]), Trust(**told["trust"]), time.time()))
        keeper.step()


if __name__ == "__main__":
    main()
