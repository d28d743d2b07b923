"""Of all tiers: hypothesis has our settings before any test is read."""

import tests.strategies  # noqa: F401
