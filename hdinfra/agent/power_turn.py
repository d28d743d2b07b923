"""After an ordered shutdown a service waits for its turn: batteries that would last for another one, and those that it
needs. It waits in vain for so long, then it starts all the same: late service is better than none."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from .first_boot import read_first_boot
from .paths import CERTIFICATE, KEY
from .power import MARK, Plan, Supply, Turn
from .problems import log

_PORT = 3493
_SECONDS = 3.0
_EVERY_SECONDS = 1.0
Probe = Callable[[str, int], bool]
Ask = Callable[[Supply, str], str]


def wait_turn(plan: Plan, service: str, root: Path) -> None:
    """Return when the service may start. ValueError for a service that this host does not have."""
    turn = next((one for one in plan.turns if one.service == service), None)
    if turn is None:
        raise ValueError(f"no service `{service}` has a turn here")
    if not (root / MARK.lstrip("/")).exists():
        return
    deadline, told = time.monotonic() + plan.patience, ""
    context = _context(root)
    while why := hindrance(plan, turn, answers, lambda supply, name: asked(supply, name, context)):
        if why != told:
            log(f"{service} waits: {why}")
            told = why
        if time.monotonic() >= deadline:
            log(f"{service} starts after {plan.patience:.0f} s all the same: {why}")
            return
        time.sleep(_EVERY_SECONDS)


def hindrance(plan: Plan, turn: Turn, probe: Probe, ask: Ask) -> str:
    """Why the service does not start yet; empty when it may."""
    batteries = [_short(supply, ask) for supply in plan.supplies]
    if batteries and all(batteries):
        return "; ".join(batteries)
    for port, addresses in turn.answers:
        if not any(probe(address, port) for address in addresses):
            return f"nobody answers at port {port} of {', '.join(addresses)}"
    return ""


def answers(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((address, port), timeout=_SECONDS).close()
    except OSError:
        return False
    return True


def asked(supply: Supply, name: str, context: ssl.SSLContext) -> str:
    """A variable of a battery, from upsd, whose certificate has to name its host. OSError or ValueError if there is
    none to be had."""
    last: Exception = OSError("no address")
    for address in supply.addresses:
        try:
            with socket.create_connection((address, _PORT), timeout=_SECONDS) as plain:
                return _asked(plain, supply, name, context)
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            last = error
    raise last


def _asked(plain: socket.socket, supply: Supply, name: str, context: ssl.SSLContext) -> str:
    plain.sendall(b"STARTTLS\n")
    if not _line(plain).startswith("OK"):
        raise ValueError(f"upsd on `{supply.server}` speaks no TLS")
    with context.wrap_socket(plain, server_hostname=supply.server) as tls:
        tls.sendall(f"GET VAR {supply.ups} {name}\n".encode())
        said = _line(tls)
    if not said.startswith(f'VAR {supply.ups} {name} "'):
        raise ValueError(f"upsd on `{supply.server}` says {said!r:.80}")
    return said.split('"')[1]


def _line(connection: socket.socket) -> str:
    found = b""
    while not found.endswith(b"\n") and len(found) < 512:
        part = connection.recv(1)  # no more: what follows an answer to STARTTLS is TLS's
        if not part:
            break
        found += part
    return found.decode(errors="replace").strip()


def _short(supply: Supply, ask: Ask) -> str:
    """What this battery lacks; empty when it would last."""
    try:
        status, charge = ask(supply, "ups.status").split(), float(ask(supply, "battery.charge"))
    except (OSError, ValueError) as error:
        return f"{supply.ups} is not to be asked: {error}"
    if "OL" not in status or {"FSD", "LB"} & set(status):
        return f"{supply.ups} is {' '.join(status)}"
    return f"{supply.ups} is at {charge:.0f} % of {supply.percent:.0f} %" if charge < supply.percent else ""


def _context(root: Path) -> ssl.SSLContext:
    boot = read_first_boot(root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if boot is not None:
        context.load_verify_locations(cadata=boot.root)
        context.load_cert_chain(root / CERTIFICATE.lstrip("/"), root / KEY.lstrip("/"))
    return context
