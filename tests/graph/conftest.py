"""One recorded Zone for the questions that are asked of all of it."""

from collections.abc import Iterator

import pytest

import hdinfra as hd
from hdinfra.clouds.cloud import CREDENTIALS
from hdinfra.testing import Graph, Recorder
from tests.graph import aws_zone as aws
from tests.graph.specs import clock, plan_of


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Something that stands where credentials are looked for; no provider is ever asked here."""
    with pytest.MonkeyPatch.context() as patch:
        for names in CREDENTIALS.values():
            for name in names[:1]:
                patch.setenv(name, "of this test")
        yield


@pytest.fixture(scope="session")
def local_zone() -> Graph:
    """Everything that stacks/local.yaml declares."""
    plan = plan_of()
    return Recorder(config={"hdinfra:namespace": "hd-test"})(lambda: hd.declare(plan, clock))


@pytest.fixture(scope="session")
def aws_zone() -> Graph:
    """Two Clusters and two places on AWS, with volumes and snapshots."""
    return aws.declared(aws.plan_of())
