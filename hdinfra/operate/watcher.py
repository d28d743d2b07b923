"""`hdinfra watch` itself, without the command line's own weight: it runs for months.

Run as `python -m hdinfra.operate.watcher FOLDER STACK INTERVAL [--once] [--json]`, which `hdinfra watch` becomes.
"""

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from hdinfra.model.healing.memory import Alarm, Decision, Nothing, Withdraw
from hdinfra.operate.errors import OperateError
from hdinfra.operate.watch import Watch, heal_apart
from hdinfra.operate.watch_eyes import Eyes
from hdinfra.operate.watch_hooks import Hooks
from hdinfra.operate.watch_journal import Journal
from hdinfra.operate.workspace import Workspace, open_workspace


def journal_of(workspace: Workspace, say: Callable[[str], None] | None = None) -> Journal:
    """Where the watcher of this stack writes down what it sees and does."""
    return Journal(workspace.state / "watch", workspace.stack, say=say)


def watch(workspace: Workspace, interval_seconds: float, *, once: bool, as_json: bool) -> int:
    """Until SIGTERM or Ctrl-C; a heal that runs then is waited for. Exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    workspace.prepare()
    journal = journal_of(workspace, _say if as_json else None)
    with journal.lease():
        watching = Watch(Eyes(workspace), heal_apart(workspace), journal, hooks=Hooks(journal.spool))
        if not once:
            watching.run(stopping, interval_seconds)
            return 0
        watching.begin()
        decision = watching.once()
        watching.close()
    if not as_json:
        print(f"{type(decision).__name__.lower()}: {told_of(decision)}")
    return 0


def told_of(decision: Decision) -> str:
    """One line of it."""
    match decision:
        case Nothing(reason) | Alarm(_, _, reason):
            return reason
        case Withdraw(cluster, evidence):
            return f"{cluster}: {'; '.join(one.said for one in evidence)}"
        case _:
            assert_never(decision)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """For `hdinfra watch` and for systemd."""
    folder, stack, interval, *rest = sys.argv[1:]
    try:
        workspace = open_workspace(Path(folder), stack)
        return watch(workspace, float(interval), once="--once" in rest, as_json="--json" in rest)
    except OperateError as failed:
        print(failed, file=sys.stderr)
        return failed.exit_code


if __name__ == "__main__":
    sys.exit(main())
