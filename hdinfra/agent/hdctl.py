"""The command on every machine: says what is in force, and does what an operator wants of this one machine.

It needs no control plane and no network. Root and the group hdinfra-operators may use it.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import look, wishes
from .applier import Applier
from .commands import ApplyError, run
from .fields import PolicyError
from .paths import DOOR, SERVER, UNMANAGED
from .shown import shown
from .wishes import CommandError

_PARTS = ("hdinfra-firewall.service", "hdinfra-policy.service")
_DAEMON = "hdsync.service"
_HDRAID = "/usr/local/sbin/hdraid"
_ANSWER_SECONDS = 110
_EXAMPLES = """\
examples:
  hdctl status                  which version is in force, and what is wrong
  hdctl drain                   take no more visitors; `hdctl undrain` when done
  hdctl record shop.acme.test   look at its attacks instead of stopping them
  hdctl reset shop.acme.test    the policy's own mode again
  hdctl health                  whether /edge-health answers 200, and why not
  hdctl rollback                to the good version before this one
  hdctl logs --lines 50 --json  the last lines of every program of ours
"""


class NoDaemonError(CommandError):
    """hdsync does not answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 well, 1 not, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (CommandError, PolicyError, ApplyError, OSError) as error:
        print(f"hdctl: {error}", file=sys.stderr)
        return 1


def ask(request: Mapping[str, Any], door: str = DOOR) -> Any:
    """What hdsync answers; CommandError in its words, NoDaemonError when there is none."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(door)
            connection.sendall(json.dumps(request).encode() + b"\n")
            told = json.loads(connection.makefile("rb").readline())
    except PermissionError:
        raise CommandError("only root and the group hdinfra-operators may") from None
    except (OSError, ValueError) as error:
        raise NoDaemonError(_why_alone(error)) from error
    if not told.get("ok"):
        raise CommandError(str(told.get("message")))
    return told["result"]


def _is_managed() -> bool:
    return not Path(UNMANAGED).exists()


def _why_alone(error: Exception) -> str:
    if _is_managed():
        return f"hdsync does not answer ({error}); see `systemctl status hdsync`"
    return "this machine is unmanaged: there is no hdsync to ask, and what needs none is for root alone"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hdctl", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _operators(commands)
    _base(commands)
    return parser


def _operators(commands: Any) -> None:
    """Commands for people."""
    status = _add(commands, "status", _status, "say which version is in force, whether it serves, and what is wrong")
    status.add_argument("--check", action="store_true", help="print nothing; exit 0 only when serving")
    _add(commands, "sites", _command, "list the sites with the modes that count here")
    _add(commands, "drain", _command, "say of this machine that it is ill, so that nobody sends it more; it serves on")
    _add(commands, "undrain", _command, "take visitors again")
    _add(commands, "reload", _command, "make every program take the policy in force anew")
    for name, words in {
        "bypass": "let a site's requests through unread, on this machine alone",
        "record": "record a site's attacks instead of stopping them, on this machine alone",
        "reset": "give a site the policy's own mode again",
    }.items():
        _add(commands, name, _command, words).add_argument("site", metavar="SITE", help="its host name")
    _add(commands, "rollback", _command, "go to the good version before; this one is skipped until a higher one comes")
    _add(commands, "health", _asked, "say whether this machine can really serve, and every reason why it cannot")
    latch = _add(commands, "latch", _asked, "let this machine say again that it serves, after an outage")
    latch.add_argument("deed", metavar="release", choices=["release"], help="the only thing that is done to it by hand")
    logs = _add(commands, "logs", _command, "print the last lines of every program of ours")
    logs.add_argument("--lines", metavar="N", type=int, default=100, help="how many (default 100, at most 1000)")


def _base(commands: Any) -> None:
    """Commands for the base system, for machines without a control plane, and for tools."""
    apply = _add(commands, "apply", _apply, "bring a policy into force")
    apply.description = (
        "Check a PolicyDocument, write only the files that differ, reload, and wait until it serves. "
        "If anything refuses it, the previous policy stays in force and the reason is on stderr (exit 1)."
    )
    apply.add_argument("file", metavar="FILE", type=Path, help="canonical JSON of a PolicyDocument")
    apply.add_argument("--wait", metavar="SECONDS", type=float, default=30, help="how long to wait (default 30)")
    watch = _add(commands, "watch", _watch, "on a load balancer: print its view of every server whenever it changes")
    watch.add_argument("--seconds", metavar="N", type=float, default=60, help="how long to watch (default 60)")
    _add(commands, "restore", _restore, "at boot: make the files what the policy in force asks for")
    _add(commands, "booted", _booted, "exit 0 once the base system is up")


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    parser.set_defaults(run=run, command=name)
    return parser


def _status(options: argparse.Namespace) -> int:
    applier = Applier(run)
    if options.check:
        return 0 if look.serving(applier, look.current(applier)) else 1
    try:
        told = ask({"command": "status"})
    except NoDaemonError as error:
        if os.geteuid():
            raise
        unknown: dict[str, Any] = {
            "number": None,
            "settings": None,
            "failed": None,
            "certificate_ends": None,
            "seen": {},
        }
        problems = [*([str(error)] if _is_managed() else []), *_of_disks(), *_of_tenants()]
        told = {**look.status(applier), **unknown, "problems": problems}
    _print(options, told)
    return 0


def _of_tenants() -> list[str]:
    """Whose programs did not take their files, where no daemon says it."""
    return [f"tenant {key}: {reason}" for key, reason in look.behind().items()]


def _of_disks() -> list[str]:
    """What is wrong with the disks of a server of one's own, where no daemon says it."""
    if not Path(SERVER).exists():
        return []
    told = run((_HDRAID, "status", "--json"))
    try:
        return [str(problem) for problem in json.loads(told.words.splitlines()[-1])["problems"]]
    except (ValueError, LookupError):
        return [f"disks: {told.words[-300:]}"]


def _command(options: argparse.Namespace) -> int:
    site, lines = getattr(options, "site", ""), getattr(options, "lines", 0)
    try:
        told = ask({"command": options.command, "site": site, "lines": lines})
    except NoDaemonError:
        if os.geteuid() or options.command == "rollback":
            raise
        told = _alone(options.command, site, lines)
    _print(options, told)
    return 0


def _asked(options: argparse.Namespace) -> int:
    """What the daemon alone knows."""
    words = (options.command, getattr(options, "deed", ""))
    _print(options, ask({"command": " ".join(filter(None, words))}))
    return 0


def _alone(command: str, site: str, lines: int) -> Mapping[str, Any]:
    """Root needs no daemon for what concerns the policy in force."""
    match command:
        case "sites":
            return {"sites": wishes.sites(Applier(run))}
        case "logs":
            return {"lines": wishes.logs(run, lines)}
    return wishes.changed(Applier(run), command, site)


def _apply(options: argparse.Namespace) -> int:
    applied = Applier(run).apply(options.file.read_bytes(), options.wait)
    document = applied.document
    _json({"app": document.app, "digest": document.digest, "serving": True, "changed": list(applied.changed)})
    return 0


def _watch(options: argparse.Namespace) -> int:
    for servers in look.views(Applier(run), options.seconds):
        _json({"servers": servers})
    return 0


def _restore(_: argparse.Namespace) -> int:
    _json({"changed": list(Applier(run).restore_files())})
    return 0


def _booted(_: argparse.Namespace) -> int:
    parts = (*_PARTS, _DAEMON) if _is_managed() else _PARTS
    return run(("systemctl", "is-active", "--quiet", *parts)).code


def _print(options: argparse.Namespace, told: Mapping[str, Any]) -> None:
    if options.json:
        _json(told)
    else:
        print(shown(options.command, told))


def _json(report: Mapping[str, Any]) -> None:
    print(json.dumps(report, sort_keys=True), flush=True)
