"""The fixture `record`, found by pytest through the package's entry point."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hdinfra.testing.recorder import Recorder


@pytest.fixture
def record() -> "Recorder":
    """Records what a program registers: `graph = record(program)`."""
    from hdinfra.testing.recorder import Recorder  # noqa: PLC0415  Pulumi costs every pytest run 0.2 s otherwise

    return Recorder()
