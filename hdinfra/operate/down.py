"""Take a stack down so that nothing is left but the image cache.

On the local cloud also where the engine's state is broken: what is there is found by label. On providers' clouds only
the state knows what there is, so a destroy that fails ends it, and the state stays.
"""

from collections.abc import Callable

from hdinfra.operate.engine import Deployed, Engine, clear_dead_lock, judged
from hdinfra.operate.errors import EngineError
from hdinfra.operate.progress import Progress
from hdinfra.operate.workspace import Workspace


def down(workspace: Workspace, progress: Progress) -> int:
    """Destroy, forget the stack, remove leftovers by label. Idempotent. How many leftovers there were."""
    engine = Engine(workspace)
    workspace.prepare()
    namespace = workspace.namespace
    clear_dead_lock(engine, progress.say)
    deployed = _deployed(engine, progress.say)
    elsewhere = deployed is not None and bool(deployed.elsewhere)
    if deployed is not None:
        _destroy(engine, progress, by_labels=not elsewhere)
    leftovers = _leftovers(namespace, progress.say) if namespace and not elsewhere else 0
    # Last, because it takes the namespace with it: a `down` that was interrupted before can be run again.
    _forget(engine)
    return leftovers


def _leftovers(namespace: str, say: Callable[[str], None]) -> int:
    # The extra `local` alone has these.
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.leftovers import remove_unknown  # noqa: PLC0415

    return remove_unknown(open_containers(), namespace, frozenset(), say)


def _deployed(engine: Engine, say: Callable[[str], None]) -> Deployed | None:
    try:
        return engine.deployed()
    except EngineError as broken:
        say(f"the engine's state cannot be read, so machines are removed by their labels ({broken.message})")
        return None


def _destroy(engine: Engine, progress: Progress, *, by_labels: bool) -> None:
    progress.say(f"destroying stack `{engine.workspace.stack}`")
    run = engine.stream("destroy", "--skip-preview", on_event=progress.event)
    try:
        judged(run, "destroy", engine.workspace)
    except EngineError as broken:
        if not by_labels:
            raise
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
