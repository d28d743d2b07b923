"""The programs that policy files are for: how each is checked, made to take them, and asked whether it serves."""

import http.client
import socket
from collections.abc import Iterable
from typing import Protocol

from .commands import ApplyError, Run, must
from .haproxy import MASTER_SOCKET, ask
from .paths import BASE, HEALTH_HOST, POLICY

_RELOAD_SECONDS = 30.0
POLITE = {"User-Agent": "hdsync", "Accept": "*/*"}  # without them the CRS takes a question for an attack


class Service(Protocol):
    """One program."""

    @property
    def unit(self) -> str | None:
        """Systemd's name of it, None for what is no process."""

    def reads(self, path: str, /) -> bool:
        """Whether the file is one of this program's."""

    def check(self, stage: str) -> tuple[str, ...] | None:
        """The program's own check of the staged files; None when it has none."""

    def activate(self, run: Run, files: Iterable[str], /) -> None:
        """Make the program take the live files; ApplyError when it does not."""

    def serving(self, files: Iterable[str], /) -> bool:
        """Whether the program answers as these files ask."""


def status_of(port: int, path: str, host: str, patience_seconds: float = 2) -> int:
    """The status of one GET to this machine itself, 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_seconds)
    try:
        connection.request("GET", path, headers={"Host": host, "Connection": "close", **POLITE})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Firewall:
    """nftables: base and policy are loaded in one transaction."""

    unit = None

    def reads(self, path: str) -> bool:
        """Sets' members."""
        return path.endswith(".nft")

    def check(self, stage: str) -> tuple[str, ...]:
        """Dry run of the whole ruleset."""
        return ("/usr/sbin/nft", "-c", "-f", f"{stage}/firewall.nft")

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """Replace the table at once; connections that were allowed stay."""
        must(run, "/usr/sbin/nft", "-f", f"{BASE}/firewall.nft")

    def serving(self, _files: Iterable[str], /) -> bool:
        """Once loaded, it holds."""
        return True


class HaproxyService:
    """HAProxy in master-worker mode: the new worker takes the listeners over."""

    unit = "haproxy.service"

    def reads(self, path: str) -> bool:
        """Configuration and maps."""
        return path.startswith(f"{POLICY}/haproxy/")

    def check(self, stage: str) -> tuple[str, ...]:
        """Parse base and policy together."""
        return ("/usr/sbin/haproxy", "-c", "-f", f"{stage}/haproxy.cfg", "-f", f"{stage}/haproxy")

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """The master's `reload` answers when the new worker is ready, with its words when it is not."""
        try:
            answer = ask(MASTER_SOCKET, "reload", _RELOAD_SECONDS)
        except OSError:
            must(run, "systemctl", "restart", "haproxy.service")
            return
        if "Success=1" not in answer:
            raise ApplyError(f"haproxy refused the reload:\n{answer}")

    def serving(self, files: Iterable[str], /) -> bool:
        """The worker answers; before sites also port 80, well or not (its servers' health is not its own)."""
        names = {path.rpartition("/")[2] for path in files}
        if "edge.cfg" in names:
            return status_of(80, "/healthz", "localhost") in (200, 503)
        if "router.cfg" in names:
            return status_of(80, "/healthz", HEALTH_HOST) in (200, 503)
        return status_of(8404, "/stats;json", "localhost") == 200


class LabService:
    """The stand-in web server reads its hosts at every request."""

    unit = "hdinfra-lab-origin.service"

    def reads(self, path: str) -> bool:
        """Host names."""
        return path.startswith(f"{POLICY}/lab/")

    def check(self, stage: str) -> None:
        """Nothing that the document's own check did not see."""

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """See that it runs."""
        must(run, "systemctl", "start", "hdinfra-lab-origin.service")

    def serving(self, _files: Iterable[str], /) -> bool:
        """It turns an unknown host away, so it answers."""
        return status_of(80, "/", "unknown.invalid") == 421


class ManagementService:
    """The management API behind its nginx; both belong to the base, so a policy reloads neither."""

    unit = "hdinfra-control.service"

    def reads(self, _path: str, /) -> bool:
        """No policy file."""
        return False

    def check(self, stage: str) -> None:
        """Nothing of the policy is its own."""

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """Nothing to take."""

    def serving(self, _files: Iterable[str], /) -> bool:
        """Both answer; that the stack has not certified the API yet is no fault of the machine."""
        return bool(status_of(9001, "/v1/ready", "localhost")) and _listens(9000)

    def ready(self) -> bool:
        """Whether machines may come: certified, and told what the other API machines know. No policy waits for it, as
        it is policy that lets the others in."""
        return status_of(9001, "/v1/ready", "localhost") == 200


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


FIREWALL = Firewall()
HAPROXY = HaproxyService()
LAB = LabService()
MANAGEMENT = ManagementService()
