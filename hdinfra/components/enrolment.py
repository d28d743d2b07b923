"""What Machines are told at their first boot, so that they find the control plane and prove who they are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import AddressHandle
from hdinfra.machine.first_boot import FirstBoot, Pin, callers_file
from hdinfra.machine.machine import File
from hdinfra.model.declaration import API_PORT
from hdinfra.model.plan import ControlPlan, MachinePlan
from hdinfra.plugins.policy import resources
from hdinfra.protocol.endpoint import Endpoint
from hdinfra.protocol.token import LIFE_SECONDS, Token, issue

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`apis`: API machines' addresses by name. `pins`: each role's bundle. `clock` dates the tokens."""

    zone: str
    control: ControlPlan
    keys: resources.Keys
    apis: Mapping[str, AddressHandle]
    pins: Mapping[str, pulumi.Output[dict[str, str]]]
    clock: Clock = time.time

    def files(self, plan: MachinePlan, life_seconds: int = LIFE_SECONDS) -> pulumi.Output[tuple[File, ...]]:
        """A Machine's first boot. The token, which lives so long from now on, is a secret, and so is the whole."""
        return pulumi.Output.all(
            key=self.keys.signing_key,
            root=self.keys.root,
            signer=self.keys.signer,
            admin=self.keys.token_hash,
            endpoints=self._endpoints(),
            pin=self.pins[plan.role],
        ).apply(lambda known: self._files(plan, known, life_seconds))

    def _files(self, plan: MachinePlan, known: dict[str, Any], life_seconds: int) -> tuple[File, ...]:
        # A token of its own at every run: one that no machine has used by then expires unused.
        token = Token(self.zone, plan.name, plan.role, int(self.clock() * 1000), life_seconds)
        is_api = plan.role == "control"
        boot = FirstBoot(
            # Under stock mocks the engine answers nothing, and nothing boots.
            token=issue(token, known["key"]) if known["key"] else "",
            root=known["root"],
            signer=known["signer"],
            endpoints=tuple(known["endpoints"]),
            code=Pin(**known["pin"]),
            admin=known["admin"] if is_api else None,
        )
        return (boot.file(), callers_file(self.control.admin_networks)) if is_api else (boot.file(),)

    def _endpoints(self) -> pulumi.Output[list[Endpoint]]:
        known = {name: pulumi.Output.all(api.ipv4, api.ipv6) for name, api in sorted(self.apis.items())}
        return pulumi.Output.all(**known).apply(
            lambda all_: [Endpoint(name, pair[0], pair[1], API_PORT) for name, pair in all_.items()]
        )
