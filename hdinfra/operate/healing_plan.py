"""What a heal or a restore would change, decided from what is deployed alone; the working copy is not asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hdinfra
from hdinfra.model.costs import monthly_prices
from hdinfra.model.healing.order import Order, SuppliedPair, Switched, digest_of, held_for
from hdinfra.model.healing.spec import HealingBudget
from hdinfra.model.held import Held
from hdinfra.model.held_file import load_held
from hdinfra.model.plan import MachinePlan, Supplied, ZonePlan
from hdinfra.model.spec import ZoneSpec
from hdinfra.operate.control import plain
from hdinfra.operate.engine import Deployed
from hdinfra.operate.errors import HealError
from hdinfra.operate.workspace import Workspace
from hdinfra.planning import Certificates

_CERTIFICATES = "hdpolicy:index:Certificates"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is deployed. `in_file`: the decisions of the lock file here, deployed or not."""

    text: str
    spec: ZoneSpec
    held: Held
    supplied: Mapping[str, SuppliedPair]
    in_file: Held | None = None

    @property
    def floor(self) -> int:
        """The highest serial that any decisions here have."""
        return max(self.held.serial, self.in_file.serial if self.in_file else 0)

    @property
    def switched(self) -> Switched | None:
        """Where users were switched to, if the stack does not know it; a file older than the stack says nothing."""
        if self.in_file is None or self.in_file.serial <= self.held.serial:
            return None
        entrance = self.in_file.entrance
        known = {one.name for one in self.spec.dns.entrances} if self.spec.dns else set()
        if entrance == self.held.entrance or not (entrance is None or entrance in known):
            return None
        return Switched(entrance=entrance)

    def order(self, **changes: Any) -> Order:
        """One that holds for exactly this state."""
        return Order(
            serial=self.held.serial,
            spec=digest_of(self.text),
            floor=self.floor,
            supplied=dict(self.supplied),
            switched=self.switched,
            **changes,
        )

    def plan(self, order: Order | None = None) -> ZonePlan:
        """As it is, or as it would be. RefusedError where that breaks a rule."""
        certificates = {host: Supplied(pair.certificate, pair.key) for host, pair in self.supplied.items()}
        held = held_for(order, self.held) if order else self.held
        return hdinfra.planned(self.spec, held, Certificates(certificates))


@dataclass(frozen=True, slots=True)
class Change:
    """Machines that come and go by name, and what those that come cost in a month by the catalogue's estimates.
    `harmed`: those of Clusters and places that nobody gives up, which would go, or be made anew, with their disks and
    addresses."""

    comes: tuple[str, ...]
    goes: tuple[str, ...]
    monthly_euro: float
    harmed: tuple[str, ...] = ()

    def sparing(self, stack: str) -> None:
        """HealError where it would take away what is not lost. No budget allows that, and no human's word here."""
        if not self.harmed:
            return
        raise HealError(
            f"This heal would take away or make anew {', '.join(self.harmed)}, in no Cluster that is given up, with "
            "what lies on their disks and the addresses that lead there. Nothing was done.",
            running="every machine that ran before",
            retry=f"`hdinfra plan --stack {stack}`, and where that is meant `hdinfra up --stack {stack}`",
        )

    def within(self, budget: HealingBudget, stack: str) -> None:
        """HealError where it is more than the budget allows."""
        over = [
            (len(self.comes) > budget.machines, f"{len(self.comes)} new machines, of {budget.machines} allowed"),
            (
                self.monthly_euro > budget.monthly_euro,
                f"{self.monthly_euro:,.2f} € more a month, of {budget.monthly_euro:,.2f} € allowed",
            ),
        ]
        told = "; ".join(text for broken, text in over if broken)
        if told:
            raise HealError(
                f"This heal is over its budget: {told}. Nothing was done.",
                running="every machine that ran before",
                retry="the same with --over-budget, or raise `healing.budget` in the spec, then "
                f"`hdinfra up --stack {stack}`",
            )


def standing_of(deployed: Deployed | None, workspace: Workspace) -> Standing:
    """From a state that was read with its secrets; HealError where it does not say what a heal needs."""
    outputs = deployed.outputs if deployed else {}
    if deployed is None or not outputs.get("spec") or not outputs.get("held"):
        raise HealError(
            f"Stack `{workspace.stack}` does not say what it was made from, so nothing can be made like it.",
            retry=f"hdinfra up --stack {workspace.stack}",
        )
    text, held = str(outputs["spec"]), Held.model_validate(outputs["held"])
    spec = ZoneSpec.model_validate_json(text)
    return Standing(text, spec, held, _supplied(deployed), load_held(workspace.lock_file))


def change_of(before: ZonePlan, after: ZonePlan) -> Change:
    """The difference of two plans of one Zone, of which the second withdraws more."""
    old, new = ({machine.name for machine in plan.machines} for plan in (before, after))
    was, will = monthly_prices(before), monthly_prices(after)
    more = sum(max(0.0, price - was.get(place, 0.0)) for place, price in will.items())
    harmed = harmed_of(before.machines, after.machines, after.withdrawn)
    return Change(tuple(sorted(new - old)), tuple(sorted(old - new)), round(more, 2), harmed)


def harmed_of(
    before: Sequence[MachinePlan], after: Sequence[MachinePlan], withdrawn: Collection[str]
) -> tuple[str, ...]:
    """Which Machines outside of what is withdrawn would go or be made anew, by name."""
    kept = {machine.name: _what_lasts(machine) for machine in after}
    standing = [machine for machine in before if machine.place not in withdrawn]
    return tuple(sorted(machine.name for machine in standing if kept.get(machine.name) != _what_lasts(machine)))


def _what_lasts(machine: MachinePlan) -> tuple[object, ...]:
    """With another one of these a Machine is another Machine, or its users and data are elsewhere."""
    where = (machine.provider, machine.region, machine.zone, machine.private, machine.public)
    return (*where, machine.image, machine.volume_gib, machine.tenant)


def _supplied(deployed: Deployed) -> dict[str, SuppliedPair]:
    found: dict[str, SuppliedPair] = {}
    for resource in deployed.resources:
        if resource["type"] == _CERTIFICATES and not resource.get("delete"):
            given = plain(resource.get("inputs") or {}).get("supplied") or {}
            found |= {host: SuppliedPair.model_validate(pair) for host, pair in given.items()}
    return found
