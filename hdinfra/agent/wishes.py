"""What an operator may ask of one machine; it needs no control plane and no network."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from .applier import Applier
from .commands import ApplyError, Run
from .fields import PolicyError
from .local import Local
from .policy import Document, LoadBalancerPolicy, WafPolicy

_WAIT_SECONDS = 30
_MOST_LINES = 1_000
_UNITS = (
    *("hdsync", "hdsync-previous", "hdinfra-policy", "hdinfra-firewall"),
    *("nginx", "haproxy", "hdinfra-tenants*", "hdinfra-tenant@*", "hdinfra-control", "hdinfra-lab-origin", "gdnsd"),
)
T = TypeVar("T")


class CommandError(Exception):
    """What an operator asked for cannot be done; the text says why."""


def drain(applier: Applier) -> None:
    """Say of oneself that one is ill, so that nobody sends more; requests that come are served all the same."""
    document = _document(applier)
    if not isinstance(document.policy, WafPolicy | LoadBalancerPolicy):
        raise CommandError(f"only a WAF or an edge can be drained; this machine's App is {document.app}")
    _bring(applier, document, replace(applier.local(), drained=True))


def undrain(applier: Applier) -> None:
    """The contrary of `drain`."""
    _bring(applier, _document(applier), replace(applier.local(), drained=False))


def override(applier: Applier, host: str, mode: str) -> None:
    """This machine's own mode of a site, stronger than policy and its ceilings."""
    document, local = _document(applier), applier.local()
    if host not in _sites(document):
        raise CommandError(f"this machine protects no site {host!r:.80}; `hdctl sites` lists them")
    _bring(applier, document, replace(local, modes={**local.modes, host: mode}))


def reset(applier: Applier, host: str) -> None:
    """The policy's own mode again."""
    document, local = _document(applier), applier.local()
    if host not in local.modes:
        raise CommandError(f"{host!r:.80} has no mode of this machine's own; `hdctl status` shows those that have")
    _bring(applier, document, replace(local, modes={name: its for name, its in local.modes.items() if name != host}))


def reload(applier: Applier) -> None:
    """Every program takes the policy in force anew."""
    _document(applier)
    _or_say(lambda: applier.reload(_WAIT_SECONDS))


def sites(applier: Applier) -> list[Mapping[str, object]]:
    """Every site with what counts here, and whether that is this machine's own."""
    document, local = _document(applier), applier.local()
    match document.policy:
        case WafPolicy(sites=found):
            return [
                {
                    "host": site.host,
                    "tenant": site.tenant,
                    "mode": local.modes.get(site.host, site.mode),
                    "overridden": site.host in local.modes,
                    "profile": site.profile,
                    "paranoia": site.paranoia,
                    "exclusions": list(site.exclusions),
                }
                for site in found
            ]
        case LoadBalancerPolicy(sites=edge_sites):
            return [{"host": site.host, "instance": site.instance} for site in edge_sites]
    return []


def changed(applier: Applier, command: str, site: str) -> Mapping[str, Any]:
    """Do one of the commands that change something, and say what this machine has of its own now."""
    match command:
        case "drain":
            drain(applier)
        case "undrain":
            undrain(applier)
        case "reload":
            reload(applier)
        case "bypass" | "record":
            override(applier, site, command.upper())
        case "reset":
            reset(applier, site)
        case _:
            raise CommandError(f"no such command: {command!r:.40}")
    local = applier.local()
    return {"drained": local.drained, "overrides": dict(local.modes)}


def logs(run: Run, lines: int) -> list[str]:
    """The last lines of all programs of ours, oldest first."""
    units = [word for unit in _UNITS for word in ("-u", unit)]
    count = str(max(1, min(lines, _MOST_LINES)))
    result = run(("journalctl", *units, "-n", count, "-o", "short-iso", "--no-pager", "--quiet"))
    if result.code:
        raise CommandError(f"the journal does not answer: {result.words}")
    return result.words.splitlines()


def _sites(document: Document) -> set[str]:
    return {site.host for site in document.policy.sites} if isinstance(document.policy, WafPolicy) else set()


def _document(applier: Applier) -> Document:
    document = _or_say(applier.current)
    if document is None:
        raise CommandError("there is no policy here yet")
    return document


def _bring(applier: Applier, document: Document, local: Local) -> None:
    _or_say(lambda: applier.apply_with(document.raw, local, _WAIT_SECONDS))


def _or_say(deed: Callable[[], T]) -> T:
    try:
        return deed()
    except (PolicyError, ApplyError, OSError) as error:
        raise CommandError(f"nothing has changed: {error}") from error
