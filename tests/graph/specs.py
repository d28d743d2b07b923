"""Specs of the graph tier as text, so that tests go through the same door as users."""

from pathlib import Path

import hdinfra as hd
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.spec_file import parse_spec

ROOT = Path(__file__).parents[2]
LOCAL = (ROOT / "stacks/local.yaml").read_text()

NEWS = "          - {host: news.globex.test, origins: [{lab: globex-blog}]}\n"
INITECH = """      - name: initech
        sites:
          - {host: www.initech.test, origins: [{address: 192.0.2.7}]}
"""
DEDICATED = LOCAL.replace("edge:\n", f"  - name: vault\n    tenancy: dedicated\n    tenants:\n{INITECH}edge:\n", 1)
"""With an Instance that is initech's alone."""


def clock() -> float:
    """The same at every run."""
    return 1_800_000_000.0


def plan_of(text: str = LOCAL, held: Held | None = None) -> ZonePlan:
    """The plan of a spec that is not refused."""
    return hd.planned(parse_spec(text, "test.yaml"), held)


def with_site() -> str:
    """One more site of a tenant that is there already, on a lab origin that is there already."""
    return LOCAL.replace("edge:\n", f"{NEWS}edge:\n")


def with_tenant() -> str:
    """One more tenant, whose origin is somewhere on the Internet."""
    return LOCAL.replace("edge:\n", f"{INITECH}edge:\n")


def without_edge() -> str:
    """Nothing in front of the Instances."""
    before, _, after = LOCAL.partition("edge:\n")
    return before + after[after.index("lab:\n") :]
