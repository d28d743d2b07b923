"""Stand-ins for customers' web servers, for development and drills."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import MachineHandle, NetworkHandle, Scope, cloud_of
from hdinfra.components.control import ControlPlane, PolicyHandle
from hdinfra.components.enrolment import Enrolment
from hdinfra.components.ground import Stand, declare_machine, furnished, lay_ground
from hdinfra.model.plan import InstancePlan, LabPlan
from hdinfra.model.policies import lab_origin_policy
from hdinfra.model.spec import Provider


@dataclass(frozen=True, slots=True)
class LabOriginsArgs:
    """`instances` tell each origin for which sites it answers."""

    plan: LabPlan
    scope: Scope
    instances: tuple[InstancePlan, ...]
    control: ControlPlane
    enrolment: Enrolment
    wan: NetworkHandle | None = None


class LabOrigins(pulumi.ComponentResource):
    """Only where the local cloud plays the Internet (rule `lab.local-only`)."""

    machines: Mapping[str, MachineHandle]
    policies: tuple[PolicyHandle, ...]

    def __init__(self, name: str, args: LabOriginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Lab", name, None, opts)
        bare = lay_ground(name, "lab", cloud_of(Provider.LOCAL), args.scope, self)
        ground = furnished(bare, args.plan.origins, (args.wan,) if args.wan else (), self)
        self.machines = {
            plan.name.removeprefix("lab-"): declare_machine(plan, ground, args.enrolment, self, Stand())
            for plan in args.plan.origins
        }
        self.policies = tuple(
            args.control.publish(
                f"lab-{origin}",
                {origin: machine},
                lab_origin_policy(origin, args.instances).model_dump(mode="json"),
                parent=self,
            )
            for origin, machine in self.machines.items()
        )
        self.register_outputs({"origins": {origin: machine.ipv4 for origin, machine in self.machines.items()}})
