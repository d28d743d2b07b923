"""Take a stack down so that nothing but the image cache is left, also when the engine's state is broken."""

from collections.abc import Callable

from hdinfra.operate.containers import open_containers
from hdinfra.operate.engine import Engine, clear_dead_lock, judged
from hdinfra.operate.errors import EngineError
from hdinfra.operate.leftovers import remove_unknown
from hdinfra.operate.progress import Progress
from hdinfra.operate.workspace import Workspace


def down(workspace: Workspace, progress: Progress) -> int:
    """Destroy, forget the stack, remove leftovers by label. Idempotent. How many leftovers there were."""
    engine = Engine(workspace)
    workspace.prepare()
    namespace = workspace.namespace
    clear_dead_lock(engine, progress.say)
    if _exists(engine, progress.say):
        _destroy(engine, progress)
    leftovers = remove_unknown(open_containers(), namespace, frozenset(), progress.say) if namespace else 0
    # Last, because it takes the namespace with it: a `down` that was interrupted before can be run again.
    _forget(engine)
    return leftovers


def _exists(engine: Engine, say: Callable[[str], None]) -> bool:
    try:
        return engine.deployed() is not None
    except EngineError as broken:
        say(f"the engine's state cannot be read, so machines are removed by their labels ({broken.message})")
        return False


def _destroy(engine: Engine, progress: Progress) -> None:
    progress.say(f"destroying stack `{engine.workspace.stack}`")
    run = engine.stream("destroy", "--skip-preview", on_event=progress.event)
    try:
        judged(run, "destroy", engine.workspace)
    except EngineError as broken:
        progress.say(f"{broken.message}\ngoing on by labels")


def _forget(engine: Engine) -> None:
    workspace = engine.workspace
    done = engine.ask("stack", "rm", "--yes", "--force", "--stack", workspace.stack)
    if done.returncode != 0 and "no stack named" not in done.stderr:
        raise EngineError(
            f"Every machine is gone, but the state of `{workspace.stack}` cannot be removed: {done.stderr.strip()}",
            retry=f"remove {workspace.state / 'backend'} and {workspace.config_file} by hand",
        )
    workspace.config_file.unlink(missing_ok=True)
