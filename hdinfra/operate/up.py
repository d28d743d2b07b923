"""Bring a stack up, or mend it: decide, clear what a killed run left, declare, and wait until it answers."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import yaml

from hdinfra.model.plan import ZonePlan
from hdinfra.operate.apart import excluding, urns_of
from hdinfra.operate.decide import Decision, decide, decide_again, keep, keep_deployed
from hdinfra.operate.engine import Deployed, Engine, clear_dead_lock, judged
from hdinfra.operate.errors import NotServingError
from hdinfra.operate.pending import resolve_pending
from hdinfra.operate.progress import Progress
from hdinfra.operate.status import Declared, declared_of
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.workspace import NAMESPACE_KEY, Workspace, write_atomically

_SERVING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Up:
    """How it ended: the plan as deployed, what the stack says, and what changed."""

    plan: ZonePlan
    known: Declared
    changes: dict[str, int]


def up(workspace: Workspace, progress: Progress) -> Up:
    """The whole verb. Refusals are raised before the engine starts."""
    decision = decide(workspace, None)
    engine = Engine(workspace)
    workspace.prepare()
    clear_dead_lock(engine, progress.say)
    before = ready_stack(engine, progress.say)
    decision = decide_again(workspace, decision, before)
    _announce(decision, workspace, progress.say)
    resolve_pending(engine, before, progress.say)
    progress.say(f"declaring zone `{decision.plan.zone}` ({len(decision.plan.machines)} machines)")
    apart = urns_of(before, decision.plan.withdrawn) if before else ()
    if apart:
        names = ", ".join(f"`{name}`" for name in decision.plan.withdrawn)
        progress.say(f"{names} is withdrawn: {len(apart)} resources are left alone until `hdinfra restore`")
    run = engine.stream("up", "--refresh", "--skip-preview", *excluding(apart), on_event=progress.event)
    judged(run, "up", workspace)
    # Where all stayed the same, so did the state: reading it again would cost as much as planning.
    after = before if before is not None and run.changes.keys() <= {"same"} else engine.deployed()
    known = declared_of(after, workspace.stack)
    if keep_deployed(workspace, after):
        progress.say(f"{workspace.lock_file.relative_to(workspace.root)} now holds the system images that were found")
    if known.on_this_computer:
        _sweep(workspace, after, progress.say)
    wait_until_serving(known, progress.say)
    return Up(decision.plan, known, run.changes)


def ready_stack(engine: Engine, say: Callable[[str], None]) -> Deployed | None:
    """Make the stack and its namespace where they are missing; its state."""
    deployed = engine.deployed()
    if deployed is None:
        _forget_foreign_salt(engine.workspace)
        say(f"making stack `{engine.workspace.stack}` in {engine.workspace.backend}")
        engine.demand("stack", "init", engine.workspace.stack, "--no-select")
    if engine.workspace.namespace is None:
        value = f"hd-{secrets.token_hex(3)}"
        engine.demand("config", "set", NAMESPACE_KEY, value, "--stack", engine.workspace.stack)
    return deployed


def wait_until_serving(known: Declared, say: Callable[[str], None]) -> None:
    """Every edge answers 200 on /healthz through its published port, or NotServingError."""
    for url in known.edge_urls:
        took = seconds_until(partial(edge_is_well, url), within=_SERVING_SECONDS)
        if took is None:
            raise NotServingError(
                f"All is declared, but the edge at {url} does not answer 200 on /healthz.",
                running="every machine of the zone",
                retry="hdinfra status, which names the machine that is not well",
            )
        say(f"{url} serves")


def edge_is_well(url: str) -> bool:
    """Whether an edge answers 200 on /healthz there, which it does while some machine of each Instance serves."""
    # The standard library's client: importing httpx for two requests takes longer than both.
    asked = HTTPConnection(urlsplit(url).netloc, timeout=2)
    try:
        asked.request("GET", "/healthz")
        return asked.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        asked.close()


def _announce(decision: Decision, workspace: Workspace, say: Callable[[str], None]) -> None:
    for note in decision.notes:
        say(note)
    if keep(workspace, decision.plan.held):
        say(f"wrote {workspace.lock_file.relative_to(workspace.root)}")


def _forget_foreign_salt(workspace: Workspace) -> None:
    # A configuration that outlived its state was salted with a passphrase that is gone; the engine would refuse it.
    if not workspace.config_file.exists():
        return
    config = yaml.safe_load(workspace.config_file.read_text()) or {}
    if config.pop("encryptionsalt", None) is not None:
        write_atomically(workspace.config_file, yaml.safe_dump(config))


def _sweep(workspace: Workspace, deployed: Deployed | None, say: Callable[[str], None]) -> None:
    if deployed is None or workspace.namespace is None:
        return
    # The extra `local` alone has these.
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.leftovers import remove_unknown  # noqa: PLC0415

    known = deployed.named("container") | deployed.named("networkName")
    remove_unknown(open_containers(), workspace.namespace, known, say)
