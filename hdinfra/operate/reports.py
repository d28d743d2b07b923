"""Machines on providers' clouds, which nobody enters from here: what each told the API machines last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.operate.control import control_of
from hdinfra.operate.engine import Deployed
from hdinfra.operate.errors import OperateError
from hdinfra.operate.status import Declared, Witness

_LIVE_SECONDS = 15.0
"""Machines report every few seconds, and at every change; whoever is silent for longer is not heard of."""


@dataclass(frozen=True, slots=True)
class Reports:
    """A `Witness`: reports by the cloud's own name of a machine."""

    told: Mapping[str, Mapping[str, Any]]

    def hdctl_status(self, name: str) -> Mapping[str, Any] | None:
        """The last report, unless it is old."""
        report = self.told.get(name)
        seen = report.get("seen_seconds") if report else None
        return report if seen is not None and seen <= _LIVE_SECONDS else None

    def is_running(self, name: str) -> bool:
        """Whether it reported of late."""
        return self.hdctl_status(name) is not None


def reports_of(known: Declared, machines: Mapping[str, Mapping[str, Any]]) -> Reports:
    """The reports of a zone's machines, which the API machines keep by our names."""
    native = {machine["name"]: machine["container"] for machine in known.machines()}
    return Reports({native[name]: report for name, report in machines.items() if name in native})


def witness_of(known: Declared, deployed: Deployed | None, stack: str) -> Witness:
    """The container engine where machines are containers of this computer, else the management API.

    Where no API machine answers, nobody is heard of: that is what status then says of every machine.
    """
    if known.on_this_computer:
        from hdinfra.operate.containers import open_containers  # noqa: PLC0415  the extra `local` alone has it

        return open_containers()
    try:
        with control_of(deployed, stack) as control:
            return reports_of(known, control.machines())
    except OperateError:
        return Reports({})
