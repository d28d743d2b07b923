"""The control plane: API machines in Clusters of several operators, and the way by which policy reaches Machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import AddressHandle, MachineHandle
from hdinfra.components.enrolment import Enrolment
from hdinfra.components.ground import Yard, declare_machine, resolved
from hdinfra.model.declaration import API_PORT
from hdinfra.model.plan import ControlPlan, MachinePlan
from hdinfra.model.policies import control_policy
from hdinfra.plugins.policy import resources


@dataclass(frozen=True, slots=True)
class PolicyHandle:
    """One scope's policy, in force on its Machines when the resource exists."""

    resource: resources.Policy
    digest: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class ControlPlaneArgs:
    """`yard`: where the Clusters are. `machines`: addresses of all Machines that will ask for policy, by name."""

    plan: ControlPlan
    enrolment: Enrolment
    provider: resources.Provider
    yard: Yard
    machines: Mapping[str, AddressHandle]


class ControlPlane(pulumi.ComponentResource):
    """Its own policy, the networks that may reach it, goes the way of all policy; all others come after it."""

    machines: Mapping[str, MachineHandle]
    policy: PolicyHandle
    endpoints: pulumi.Output[list[dict[str, Any]]]

    def __init__(self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:ControlPlane", name, None, opts)
        self._args = args
        stand = args.yard.stand(name, args.plan.machines, self)
        self.machines = {
            plan.name: declare_machine(plan, args.yard.grounds[plan.place], args.enrolment, self, stand)
            for plan in args.plan.machines
        }
        self.endpoints = _endpoints(args.plan.machines, args.enrolment.apis)
        self._before: tuple[pulumi.Resource, ...] = tuple(self._authority(each) for each in self.machines.values())
        self.policy = self.publish("control", self.machines, _document(args), parent=self)
        self._before = (*self._before, self.policy.resource)
        self.register_outputs({"endpoints": self.endpoints})

    @property
    def zone(self) -> str:
        """Whose machines these are."""
        return self._args.enrolment.zone

    @property
    def keys(self) -> resources.Keys:
        """What the stack signs with."""
        return self._args.enrolment.keys

    @property
    def provider(self) -> resources.Provider:
        """Of all that goes through the API machines."""
        return self._args.provider

    def publish(
        self,
        scope: str,
        machines: Mapping[str, MachineHandle],
        document: pulumi.Input[Mapping[str, Any]],
        *,
        parent: pulumi.Resource,
        after: Sequence[pulumi.Resource] = (),
    ) -> PolicyHandle:
        """One document for all Machines of a scope, rolled out when those it follows are in force."""
        args, keys = self._args, self._args.enrolment.keys
        roles = sorted({machine.plan.role for machine in machines.values()})
        policy = resources.Policy(
            f"{scope}-policy",
            zone=args.enrolment.zone,
            scope=scope,
            members={machine.plan.name: machine.plan.place for machine in machines.values()},
            generations={machine.plan.name: machine.generation for machine in machines.values()},
            document=document,
            bake_seconds=args.plan.bake_seconds,
            code={role: args.enrolment.pins[role] for role in roles},
            endpoints=self.endpoints,
            root=keys.root,
            signing_key=keys.signing_key,
            admin_token=keys.admin_token,
            opts=pulumi.ResourceOptions(parent=parent, provider=args.provider, depends_on=[*self._before, *after]),
        )
        return PolicyHandle(policy, policy.digest)

    def _authority(self, machine: MachineHandle) -> resources.Authority:
        keys, name = self._args.enrolment.keys, machine.plan.name
        return resources.Authority(
            f"{name}-authority",
            zone=self._args.enrolment.zone,
            machine=name,
            generation=machine.generation,
            endpoint=self.endpoints.apply(lambda all_: next(one for one in all_ if one["name"] == name)),
            root=keys.root,
            root_key=keys.root_key,
            signing_key=keys.signing_key,
            opts=pulumi.ResourceOptions(parent=self, provider=self._args.provider),
        )


def _document(args: ControlPlaneArgs) -> pulumi.Output[dict[str, Any]]:
    known = pulumi.Output.all(apis=resolved(args.enrolment.apis), machines=resolved(args.machines))
    return known.apply(
        lambda all_: control_policy(
            args.plan.admin_networks, tuple(all_["machines"].values()), all_["apis"]
        ).model_dump(mode="json")
    )


def _endpoints(
    plans: Sequence[MachinePlan], addresses: Mapping[str, AddressHandle]
) -> pulumi.Output[list[dict[str, Any]]]:
    """Where the program's own computer reaches the API machines."""
    known = [
        pulumi.Output.from_input(str(plan.publish.address)) if plan.publish else addresses[plan.name].ipv4
        for plan in plans
    ]
    ports = [plan.publish.port if plan.publish else API_PORT for plan in plans]
    return pulumi.Output.all(*known).apply(
        lambda all_: [
            {"name": plan.name, "address": address, "port": port}
            for plan, address, port in zip(plans, all_, ports, strict=True)
        ]
    )
