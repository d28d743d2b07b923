"""One recorded Zone for the questions that are asked of all of it."""

import asyncio
from collections.abc import Iterator

import pulumi
import pytest

import hdinfra as hd
from hdinfra.testing import Graph, Recorder
from hdinfra.testing.credentials import dummy_credentials
from tests.graph import aws_zone as aws
from tests.graph import azure_zone as azure
from tests.graph import gcp_zone as gcp
from tests.graph.specs import clock, plan_of


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Something that stands where credentials are looked for; no provider is ever asked here."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dummy_credentials("of this test").items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_loop() -> None:
    """Outputs are made inside programs: one made beside them would lie on whatever loop the test before has left."""
    asyncio.set_event_loop(None)


@pytest.fixture
def stock_mocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A loop for `pulumi.runtime.test`; stock mocks open another in each worker thread and close none."""
    loops: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remembered)
    asyncio.set_event_loop(main := asyncio.new_event_loop())
    yield
    main.run_until_complete(main.shutdown_default_executor())
    for loop in loops:
        loop.close()
    asyncio.set_event_loop(None)
    pulumi.runtime.settings.reset_options()


@pytest.fixture(scope="session")
def local_zone() -> Graph:
    """Everything that stacks/local.yaml declares."""
    plan = plan_of()
    return Recorder(config={"hdinfra:namespace": "hd-test"})(lambda: hd.declare(plan, clock))


@pytest.fixture(scope="session")
def aws_zone() -> Graph:
    """Two Clusters and two places on AWS, with volumes and snapshots."""
    return aws.declared(aws.plan_of())


@pytest.fixture(scope="session")
def azure_zone() -> Graph:
    """Two Clusters and two places on Azure, with volumes and a load balancer."""
    return azure.declared(azure.plan_of())


@pytest.fixture(scope="session")
def gcp_zone() -> Graph:
    """Two Clusters and two places on Google Cloud, one of these behind a balancer, with volumes and snapshots."""
    return gcp.declared(gcp.plan_of())
