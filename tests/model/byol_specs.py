"""A legal BYOL spec as plain data, the licence that goes with it, and what both are planned to."""

import copy
from typing import Any

from hdinfra.licence.licence import Licence, first_second, issue
from hdinfra.model.byol import ByolSpec
from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.typed import validated
from hdinfra.planning import planned_byol
from hdinfra.protocol.seal import new_key, public_of
from tests.model.legal import Change, Data, setting
from tests.model.refused import without

VENDOR_KEY = new_key()
YEAR_BEGINS, YEAR_ENDS = first_second("2027-01-01"), first_second("2028-01-01")
NOW = float(first_second("2027-06-01"))
SITE: Data = {"host": "shop.acme.test", "mode": "MITIGATION", "origins": [{"address": "10.20.0.7"}]}
LEGAL: Data = {
    "byol": "web",
    "tenant": "acme",
    "machines": 2,
    "licence": "acme.licence",
    "vendor_key": public_of(VENDOR_KEY),
    "edges": ["192.0.2.1", "2001:db8::1"],
    "sites": [SITE],
}
AT_AWS = (setting("provider", "aws"), setting("region", "eu-central-1"), without("ipv4"), without("publish"))
ON_CLOUD: Data = {"provider": "local", "region": "lab-north", "ipv4": "10.99.0.0/24", "publish": {"port": 8280}}


def installed(*changes: Change) -> Data:
    """On machines that the customer installs."""
    return _changed({**LEGAL, "install": True}, changes)


def on_cloud(*changes: Change) -> Data:
    """In one data centre of the local cloud."""
    return _changed({**LEGAL, **ON_CLOUD}, changes)


def licence(**changes: Any) -> str:
    """The text of a licence for four machines of 2027."""
    fields = {"id": "acme-1", "tenant": "acme", "apps": ("waf",), "machines": 4}
    times = {"not_before": YEAR_BEGINS, "expires": YEAR_ENDS}
    return issue(Licence(**{**fields, **times, **changes}), VENDOR_KEY)


def plan_of(data: Data, text: str | None = None, now: float = NOW) -> ByolPlan:
    """Through the one door; RefusedError with every refusal."""
    return planned_byol(validated(ByolSpec, data), licence() if text is None else text, now)


def _changed(data: Data, changes: tuple[Change, ...]) -> Data:
    data = copy.deepcopy(data)
    for change in changes:
        change(data)
    return data
