"""Both ways to test a program without an engine: Pulumi's own mocks, and hdinfra's recorder."""

# ruff: noqa: S101  tests assert

import pulumi
import pytest
from program import declare

from hdinfra.testing import Recorder


class Echo(pulumi.runtime.Mocks):
    """Inputs come back as outputs."""

    def __init__(self) -> None:
        self.machines: set[str] = set()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        """One resource."""
        if args.typ == "hdlocal:index:Machine":
            self.machines.add(args.name)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        """Nothing is looked up."""
        pytest.fail(f"{args.token} was called")


def test_with_stock_mocks() -> None:
    mocks = Echo()
    pulumi.runtime.set_mocks(mocks)
    pulumi.runtime.test(lambda: declare() and None)()
    assert {"east-edge", "lab-store", "one-shop-1", "two-shop-1", "west-edge"} <= mocks.machines
    assert {"one-control-1", "two-control-1", "bundles-store"} <= mocks.machines


def test_with_the_recorder(record: Recorder) -> None:
    graph = record(declare)
    assert graph.of_type("hdlocal:index:Machine")
    assert graph.duplicates() == frozenset()
    assert graph.without_provider() == graph.orphans() == graph.unfinished() == ()
