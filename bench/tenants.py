"""What a tenant costs a WAF machine: time to apply the 200th, memory of those that sleep, and how long waking takes."""

import time
from collections.abc import Iterator

from bench.figure import Figure
from hdinfra.plugins.local.engine import find_engine
from tests.machine.debian import Debian
from tests.machine.tenants_machine import applied, asked, policy, waf_machine

_TENANTS = 200
_WAKINGS = 5
_KEEPERS = "for p in 1 $(pidof haproxy); do grep -h ^Pss: /proc/$p/smaps_rollup; done"
"""What an idle tenant takes, it takes of systemd and HAProxy; their proportional set sizes, in kB."""


def measure_tenants() -> Iterator[Figure]:
    """On one booted machine of its own, without a zone."""
    engine = find_engine()
    with waf_machine(engine) as place:
        applied(place, _tenants(1))
        before = _kept_mib(place)
        applied(place, _tenants(_TENANTS - 1))
        begin = time.monotonic()
        applied(place, _tenants(_TENANTS))
        yield Figure("tenants-200th-applied", round(time.monotonic() - begin, 2), "s", goal=3)
        each = (_kept_mib(place) - before) / (_TENANTS - 1)
        yield Figure("tenants-idle-memory", round(each, 3), "MiB", goal=2)
        yield Figure("tenants-waking", round(max(_waking(place) for _ in range(_WAKINGS)), 3), "s", goal=1)
    engine.client.close()


def _tenants(count: int) -> dict[str, object]:
    return policy(*((f"tenant-{number:03}", f"www.tenant-{number:03}.test") for number in range(count)))


def _kept_mib(place: Debian) -> float:
    return sum(int(word) for word in place.run("sh", "-c", _KEEPERS)[1].split() if word.isdigit()) / 1024


def _waking(place: Debian) -> float:
    """Seconds by which a request takes longer that has to wake its tenant."""
    place.run("systemctl", "stop", "hdinfra-tenant@tenant_007.service")
    cold, warm = _asking(place), _asking(place)
    return max(cold - warm, 0)


def _asking(place: Debian) -> float:
    begin = time.monotonic()
    ((code, _),) = asked(place, ("www.tenant-007.test", "/", {}))
    if code != 200:
        raise AssertionError(f"the tenant's site answered {code}")
    return time.monotonic() - begin
