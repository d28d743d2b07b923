"""An edge machine whose HAProxy runs, before WAF machines that a script on it plays."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hdinfra.agent.applier import rendered
from hdinfra.agent.local import Local
from hdinfra.agent.paths import SITE_CERTIFICATES
from hdinfra.agent.policy import Document, LoadBalancerPolicy
from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian, planned, start_debian
from tests.machine.test_edge_balancer import CONFIGURATION, HOST, PID, certified
from tests.machine.test_rendered import prepare_edge


@contextmanager
def played_edge(engine: Engine, policy: LoadBalancerPolicy, wafs: Mapping[str, int], script: str) -> Iterator[Debian]:
    """With that policy, whose one site is HOST. `wafs`: at which port the script answers for port 80 of an address."""
    made = start_debian(engine, machine_of("india", planned("load-balancer")))
    try:
        made.run("nft", "add table ip played")
        made.run("nft", "add chain ip played out { type nat hook output priority -100; }")
        for address, port in wafs.items():
            made.run("ip", "addr", "add", f"{address}/32", "dev", "lo")
            made.run("nft", f"add rule ip played out ip daddr {address} tcp dport 80 redirect to :{port}")
        made.put({"/played.py": script})
        made.run("sh", "-c", "python3 /played.py >/dev/null 2>&1 &")
        prepare_edge(made)
        made.put({f"{SITE_CERTIFICATES}/{HOST}.pem": certified()}, 0o600)
        made.policy(rendered(Document("load-balancer", policy, b""), Local()).files)
        start_haproxy(made)
        yield made
    finally:
        made.container.remove(force=True)


def start_haproxy(place: Debian, *more: str) -> None:
    """With the policy that is there; `more` of its arguments."""
    code, words = place.run("haproxy", "-W", "-D", "-p", PID, *CONFIGURATION, *more)
    assert code == 0 and "WARNING" not in words, words
