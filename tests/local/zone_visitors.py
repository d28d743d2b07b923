"""What a visitor of the first zone asks for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.project import Project
from hdinfra.operate.load import Load, Shape, Target
from hdinfra.operate.report import traffic_of

SHOP, BLOG = "shop.acme.test", "blog.globex.test"


def get(url: str, host: str, path: str = "/", **params: str) -> httpx.Response:
    """One GET of a site through an edge."""
    return httpx.get(f"{url}{path}", headers={"Host": host}, params=params, timeout=10, trust_env=False)


@contextmanager
def undisturbed(zone: Project, per_second: int) -> Iterator[None]:
    """While it is entered both sites are asked for through every edge, and whoever sends a GET is served."""
    targets = [Target(url, host) for host in (SHOP, BLOG) for url in zone.urls]
    # The origins' ledgers outlive a test: its POSTs have numbers that no other's have.
    with Load(targets, Shape(per_second, 300, first_number=time.time_ns() // 1_000_000 * 100_000)) as load:
        yield
    traffic = traffic_of(load.answers)
    assert traffic.gets >= per_second, traffic  # no traffic is no proof
    assert traffic.failed_gets == 0, traffic
