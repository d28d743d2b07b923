"""What a watcher must know of a stack, read by a process of its own: a large state then costs the watcher nothing.

Run as `python -m hdinfra.operate.watch_facts FOLDER STACK`; one JSON object, or the reason on standard error.
"""

import json
import sys
from pathlib import Path
from typing import Any

from hdinfra.operate.control import control_of
from hdinfra.operate.engine import Engine
from hdinfra.operate.errors import HealError, OperateError
from hdinfra.operate.workspace import open_workspace


def facts(folder: Path, stack: str) -> dict[str, Any]:
    """Where the API machines are, the keys with which they are asked (the token is a secret), and what is deployed."""
    deployed = Engine(open_workspace(folder, stack)).deployed_with_secrets()
    with control_of(deployed, stack) as control:
        endpoints = [{"name": one.name, "address": one.address, "port": one.port} for one in control.endpoints]
        keys = control.keys
    outputs = deployed.outputs if deployed else {}
    if not outputs.get("spec"):
        raise HealError(
            f"Stack `{stack}` does not say what it was made from, so it cannot be healed.",
            retry=f"hdinfra up --stack {stack}",
        )
    spec = json.loads(outputs["spec"])
    return {
        "zone": spec["zone"],
        "clusters": sorted(cluster["name"] for cluster in spec["clusters"]),
        "withdrawn": sorted(outputs["held"].get("withdrawn", ())),
        "healing": spec.get("healing", {}),
        "endpoints": endpoints,
        "root": keys.root,
        "token": keys.admin_token,
    }


def main() -> int:
    """For the watcher."""
    try:
        print(json.dumps(facts(Path(sys.argv[1]), sys.argv[2])))
    except OperateError as failed:
        print(failed, file=sys.stderr)
        return failed.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
