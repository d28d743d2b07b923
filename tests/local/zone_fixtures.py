"""A whole zone for tests: brought up once a session by the real command line, and always taken down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.project import Project, make_project


@pytest.fixture(scope="session")
def zone(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[Project]:
    """The checkout's own local zone at addresses and ports of its own, up and serving."""
    project = make_project(tmp_path_factory.mktemp("zone"), f"zone-{worker}")
    try:
        project.must("up")
        yield project
    finally:
        project.down()


@pytest.fixture(scope="module")
def drill_zone(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[Project]:
    """stacks/drill.yaml, up and serving: three Clusters a, b and c, of which two carry the load. Who takes one away
    brings it back."""
    project = make_project(tmp_path_factory.mktemp("drill-zone"), f"drill-{worker}", "drill")
    try:
        project.must("up")
        yield project
    finally:
        project.down()


@pytest.fixture
def spare(tmp_path: Path, worker: str) -> Iterator[Project]:
    """A second project that is not up; whatever a test leaves of it is removed."""
    project = make_project(tmp_path, f"spare-{worker}")
    try:
        yield project
    finally:
        project.down()


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """This process among parallel ones."""
    name: str = getattr(request.config, "workerinput", {}).get("workerid", "alone")
    return name
