"""An edge by itself: whether its host answers, and each site that has a direct name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from hdinfra.operate.at_once import each

_SECONDS = 5.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host said of its health: whether it serves, and in which words it does not."""

    serves: bool
    said: str = ""


Ask = Callable[[str, str], Answer]
"""From a host and a path to what it answered."""


def is_edge(output: Mapping[str, Any]) -> bool:
    """Whether a stack's output `status` is an edge's by itself, and no Zone's."""
    return isinstance(output.get("edge"), str) and "pools" in output


def look_at_edge(output: Mapping[str, Any], ask: Ask) -> Json:
    """The output, and beside the host and each pool what it answered. A pool without a direct name has None."""
    path = output["health_path"]
    direct = {tunnel["name"]: tunnel["direct"] for tunnel in output["tunnels"] if tunnel["direct"]}
    hosts = [output["host"], *direct.values()]
    answers = dict(zip(hosts, each(lambda host: ask(host, path), hosts), strict=True))
    own = answers[output["host"]]
    return {
        **{key: output[key] for key in ("edge", "host", "steering", "fallback", "recover_seconds", "fail_back")},
        "serves": own.serves,
        "said": own.said,
        "pools": [_pool(pool, direct, answers) for pool in output["pools"]],
        "tunnels": [{key: tunnel[key] for key in ("name", "hosts", "connectors")} for tunnel in output["tunnels"]],
    }


def ask_over_https(host: str, path: str) -> Answer:
    """One question, with five seconds for it."""
    try:
        status = httpx.get(f"https://{host}{path}", timeout=_SECONDS).status_code
    except httpx.HTTPError as failed:
        return Answer(False, f"it does not answer: {str(failed) or type(failed).__name__}")
    return Answer(status == httpx.codes.OK, "" if status == httpx.codes.OK else f"it answers with {status}")


def _pool(pool: Mapping[str, Any], direct: Mapping[str, str], answers: Mapping[str, Answer]) -> Json:
    asked = [answers[direct[name]] for name in pool["tunnels"] if name in direct]
    own = asked[0] if asked else None
    return {
        "name": pool["name"],
        "drained": pool["drained"],
        "serves": own.serves if own else None,
        "said": own.said if own else "",
    }
