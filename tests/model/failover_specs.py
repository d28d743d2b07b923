"""One legal pair of sites as plain data."""

import copy

from hdinfra.model.failover.spec import FailoverSpec
from hdinfra.model.typed import validated
from tests.model.legal import Change, Data

PAIR: Data = {
    "host": "shop.acme.test",
    "pools": [
        {"name": "on-prem", "endpoints": [{"name": "rack", "tunnel": "on-prem"}]},
        {"name": "hetzner", "endpoints": [{"name": "cloud", "tunnel": "hetzner"}]},
    ],
    "fallback": "hetzner",
}


def pair(*changes: Change) -> Data:
    """A fresh copy of the pair with these changes."""
    data = copy.deepcopy(PAIR)
    for change in changes:
        change(data)
    return data


def failover(*changes: Change) -> FailoverSpec:
    """The pair with these changes as a spec, checked by type alone."""
    return validated(FailoverSpec, pair(*changes))
