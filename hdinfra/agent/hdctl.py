"""The command on every machine: brings policy into force and says what is."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .applier import Applier
from .commands import ApplyError, run
from .haproxy import statistics
from .paths import SYSCTLS
from .policy import LoadBalancerPolicy, PolicyError

_WATCH_SECONDS = 0.1
_PARTS = ("hdinfra-firewall.service", "hdinfra-policy.service")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 well, 1 not, 2 wrong use."""
    options = _parser().parse_args(arguments)
    return int(options.command(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hdctl", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    apply = commands.add_parser(
        "apply",
        help="bring a policy into force",
        description="Check a PolicyDocument, write only the files that differ, reload, and wait until it serves. "
        "If anything refuses it, the previous policy stays in force and the reason is on stderr (exit 1).",
    )
    apply.add_argument("file", metavar="FILE", type=Path, help="canonical JSON of a PolicyDocument")
    apply.add_argument("--wait", metavar="SECONDS", type=float, default=30, help="how long to wait (default 30)")
    apply.set_defaults(command=_apply)
    status = commands.add_parser("status", help="say which policy is in force and whether it serves, as JSON")
    status.add_argument("--check", action="store_true", help="print nothing; exit 0 only when serving")
    status.set_defaults(command=_status)
    watch = commands.add_parser("watch", help="on a load balancer: print its view of every server whenever it changes")
    watch.add_argument("--seconds", metavar="N", type=float, default=60, help="how long to watch (default 60)")
    watch.set_defaults(command=_watch)
    restore = commands.add_parser("restore", help="at boot: make the files what the policy in force asks for")
    restore.set_defaults(command=_restore)
    booted = commands.add_parser("booted", help="exit 0 once the base system is up")
    booted.set_defaults(command=_booted)
    return parser


def _apply(options: argparse.Namespace) -> int:
    try:
        applied = Applier(run).apply(options.file.read_bytes(), options.wait)
    except (PolicyError, ApplyError, OSError) as error:
        print(f"hdctl: {error}", file=sys.stderr)
        return 1
    document = applied.document
    _print({"app": document.app, "digest": document.digest, "serving": True, "changed": list(applied.changed)})
    return 0


def _status(options: argparse.Namespace) -> int:
    applier = Applier(run)
    document = applier.current()
    serving = bool(document) and applier.serving(document) if document else False
    if options.check:
        return 0 if serving else 1
    report: dict[str, Any] = {
        "app": document.app if document else None,
        "digest": document.digest if document else None,
        "serving": serving,
        "sysctls_denied": _sysctls_denied(),
    }
    if document and isinstance(document.policy, LoadBalancerPolicy):
        report["servers"] = _servers(document.policy)
    _print(report)
    return 0


def _watch(options: argparse.Namespace) -> int:
    document = Applier(run).current()
    if not document or not isinstance(document.policy, LoadBalancerPolicy):
        print("hdctl: only a load balancer with a policy has servers to watch", file=sys.stderr)
        return 1
    seen, deadline = None, time.monotonic() + options.seconds
    while time.monotonic() < deadline:
        servers = _servers(document.policy)
        if servers != seen:
            seen = servers
            print(json.dumps({"servers": servers}, sort_keys=True), flush=True)
        time.sleep(_WATCH_SECONDS)
    return 0


def _restore(_: argparse.Namespace) -> int:
    try:
        _print({"changed": list(Applier(run).restore_files())})
    except (PolicyError, OSError) as error:
        print(f"hdctl: {error}", file=sys.stderr)
        return 1
    return 0


def _booted(_: argparse.Namespace) -> int:
    return run(("systemctl", "is-active", "--quiet", *_PARTS)).code


def _servers(policy: LoadBalancerPolicy) -> list[dict[str, Any]]:
    """What HAProxy holds of each server, in both families; down when HAProxy does not answer."""
    try:
        rows = statistics()
    except OSError:
        rows = []
    up = {(row["pxname"], row["svname"]) for row in rows if row["status"].startswith("UP")}
    return [
        {
            "instance": instance.name,
            "name": backend.name,
            "cluster": backend.cluster,
            "family": family,
            "up": (f"{instance.name}-read", f"{backend.name}.{family}") in up,
        }
        for instance in policy.instances
        for backend in instance.backends
        for family in ("ipv4", "ipv6")
    ]


def _sysctls_denied() -> list[str]:
    """Settings of the base that this place does not have: a container's kernel is not its own."""
    path = Path(SYSCTLS)
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [(key.strip(), value.split()) for key, sign, value in (line.partition("=") for line in lines) if sign]
    return [key for key, value in pairs if _sysctl(key) != value]


def _sysctl(key: str) -> list[str] | None:
    try:
        return (Path("/proc/sys") / key.replace(".", "/")).read_text().split()
    except OSError:
        return None


def _print(report: dict[str, Any]) -> None:
    print(json.dumps(report, sort_keys=True))
