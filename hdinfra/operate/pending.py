"""Operations that a killed run had begun: what becomes of them before the next run."""

import json
from collections.abc import Callable

from hdinfra.operate.engine import Deployed, Engine


def resolve_pending(engine: Engine, deployed: Deployed | None, say: Callable[[str], None]) -> None:
    """On this computer the next run finds what is really there. What a provider's cloud may have made is named to the
    human instead: nothing here knows whether it is there, and the engine would make it once more."""
    if deployed is None or not deployed.pending:
        return
    half = [one["resource"]["urn"] for one in deployed.pending if one["resource"]["urn"] in deployed.elsewhere]
    if half:
        names = ", ".join(urn.rpartition("::")[2] for urn in half)
        say(f"a killed run left {names} half done at a provider's cloud: `pulumi refresh` asks about each")
        return
    # Read once more, for what was given may hold secrets in the clear.
    kept = engine.deployed()
    if kept is None:
        return
    # The plugin adopts what it finds under a name by label, so a half-made machine is taken over by the next Create.
    say(f"resolving {len(kept.pending)} operations that a killed run had begun")
    state = json.dumps(kept.without_pending())
    engine.demand("stack", "import", "--stack", engine.workspace.stack, "--force", given=state)
