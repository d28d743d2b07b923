"""The resource `hdmetal:index:Server`: a server of one's own, installed once and then watched."""

import base64
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from hdinfra.plugins.kind import Call, Difference, PluginError, Values
from hdinfra.plugins.metal import shapes
from hdinfra.plugins.metal.bmc import Bmc, BmcError
from hdinfra.plugins.metal.checks import VIRTUAL_MEDIA, check_together
from hdinfra.plugins.metal.hardware import Hardware, as_outputs, hardware
from hdinfra.plugins.metal.installation import Installation
from hdinfra.plugins.metal.medium import Medium, check_image
from hdinfra.plugins.metal.overwriting import (
    OWN_DISKS,
    asked_anew,
    check_leave,
    disks_of,
    newly_noted,
    order_with_leave,
)
from hdinfra.plugins.metal.pace import Pace
from hdinfra.plugins.metal.reports import Reports, Told
from hdinfra.plugins.metal.right_one import check_right_one
from hdinfra.plugins.metal.shelf import Offer, Place, Shelf, published
from hdinfra.plugins.metal.trust import Access
from hdinfra.plugins.metal.wiping import wipe
from hdinfra.plugins.shapes import Failure
from hdinfra.plugins.values import UNKNOWN, holds_unknown

_INSTALLING = frozenset({"profile", "order", "image", "media", "boot", "waitSeconds", "overwrite"})
"""What counts only when a server is installed."""


class ServerKind:
    """Its id is the server's name. Only another text for `reinstall` than the one noted installs what is installed;
    deleting leaves it as it is."""

    inputs = shapes.INPUTS
    outputs: ClassVar[Mapping[str, str]] = {
        "installed": "string",
        "reinstalled": "string",
        OWN_DISKS: "array",
        "key": "string",
        "power": "string",
        "health": "string",
        "model": "string",
        "serial": "string",
        "supplies": "array",
        "disks": "array",
        "sensors": "array",
        "failures": "array",
        "unread": "array",
    }

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._shelf = Shelf()

    def check(self, inputs: Values) -> Iterable[Failure]:
        """What does not go together."""
        return check_together(inputs)

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """Refuses an image or an order that cannot be used. What is not installed anew keeps its outputs."""
        if inputs["boot"] == "virtual-media" and not holds_unknown([inputs.get(name) for name in VIRTUAL_MEDIA]):
            check_image(inputs["image"], _order(inputs))
            check_leave(inputs, state or {})
        if state is not None and state.get("installed") and not asked_anew(inputs, state):
            return {name: state.get(name, UNKNOWN) for name in self.outputs}
        return {**dict.fromkeys(self.outputs, UNKNOWN), "installed": inputs["profile"]}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Installs it, unless it already reports what is asked for: then an earlier run came to its end without us."""
        return inputs["server"], self._bring(call, inputs, {})

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """What BMC and machine say now. A server whose BMC is silent is not gone: it keeps what was known."""
        found: Values = {}
        try:
            found |= as_outputs(_look(state))
        except BmcError as error:
            call.warn(f"`{resource_id}`: its hardware was not looked at: {error}")
        return found | _reported(_last(call, state))

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """All in place but for another name; what counts only when it is installed waits for that."""
        replaces = changed & {"server"}
        return Difference(updates=changed - replaces - _INSTALLING, replaces=replaces)

    def look(self, call: Call, inputs: Values, state: Values, changed: frozenset[str]) -> frozenset[str]:
        """Says that a server runs otherwise than asked for, how it would be installed anew, and what is left on."""
        server = state.get("server")
        if newly_noted(inputs, state):
            call.remark(f"`{server}`: its first text for `reinstall` is noted and installs nothing; another one will")
        if state.get("installed") and inputs.get("overwrite") and not asked_anew(inputs, state):
            call.remark(f"`{server}` is installed; take `overwrite` away, lest a later run overwrites what it has")
        installed, profile = state.get("installed"), inputs["profile"]
        if installed and profile not in (UNKNOWN, installed) and not asked_anew(inputs, state):
            call.remark(
                f"`{server}` runs profile {installed[:12]}, asked for is {profile[:12]}; nothing "
                "installs a server anew but another text for `reinstall`"
            )
        return frozenset()

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Installs it where that is asked for or an earlier installation has not come to its end; else just looks."""
        return self._bring(call, inputs, state)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """As `onDelete` says; without it everything stays as it is."""
        match state.get("onDelete", "leave"):
            case "wipe":
                with Bmc(Access.of(state["bmc"])) as bmc:
                    check_right_one(call, bmc, resource_id, state.get("expect") or {})
                    wipe(call, bmc, resource_id)
            case "power-off":
                with Bmc(Access.of(state["bmc"])) as bmc:
                    check_right_one(call, bmc, resource_id, state.get("expect") or {})
                    bmc.turn(on=False)
            case _:
                call.remark(f"`{resource_id}` is left as it is: what is on its disks, and its power")

    def _bring(self, call: Call, inputs: Values, state: Values) -> Values:
        done = {"reinstalled": inputs.get("reinstall") or state.get("reinstalled", "")}
        if state.get("installed") and not asked_anew(inputs, state):
            kept = {name: state[name] for name in ("installed", "key", OWN_DISKS) if name in state}
            return kept | self._seen(call, inputs) | done
        with closing(Reports(inputs["report"])) as reports, Bmc(Access.of(inputs["bmc"])) as bmc:
            check_right_one(call, bmc, inputs["server"], inputs.get("expect") or {})
            told = self._answered(call, reports)
            if told is not None and told.profile == inputs["profile"] and _is_new(told, state):
                self._adopt(call, inputs, reports.age(told))
            else:
                self._check_idle(inputs, state, told, reports)
                check_leave(inputs, state)
                told = self._installed(call, inputs, state, bmc, reports)
            own = {OWN_DISKS: disks_of(inputs)}
            return as_outputs(hardware(bmc.get, bmc.system())) | _reported(told) | done | own

    def _installed(self, call: Call, inputs: Values, state: Values, bmc: Bmc, reports: Reports) -> Told:
        offer = partial(self._offer, call, inputs, _medium(call, inputs, state)) if inputs["boot"] != "pxe" else None
        pace = replace(self._pace, report=inputs.get("waitSeconds") or self._pace.report)
        installation = Installation(call, bmc, reports, pace, inputs["server"], inputs["profile"], offer)
        # One that failed is not kept as half made: the next create takes what has reported meanwhile, or begins again.
        return installation.run()

    def _offer(self, call: Call, inputs: Values, medium: Medium) -> AbstractContextManager[Offer]:
        media, name = inputs["media"], inputs["server"]
        if "serve" not in media:
            return published(medium, Path(media["folder"]), media["url"], name)
        serve = media["serve"]
        return self._shelf.offered(
            medium, Place(serve["address"], int(serve.get("port", 0)), serve.get("scheme", "https")), name
        )

    def _answered(self, call: Call, reports: Reports) -> Told | None:
        """Nothing is begun whose end nobody could tell us."""
        told: list[Told | None] = []

        def asked() -> bool:
            told[:] = [reports.last()]
            return not reports.silence

        if call.wait_for(asked, within=self._pace.api, every=self._pace.poll):
            return told[0]
        raise PluginError(
            f"The management API does not answer ({reports.silence}), so the end of an installation would not be seen. "
            "The server was not touched.\n"
            "fix: bring up the API machines first (`depends_on`), or write where they are as `report.endpoints`"
        )

    def _check_idle(self, inputs: Values, state: Values, told: Told | None, reports: Reports) -> None:
        if told is None or state:
            return
        age, disks = reports.age(told), disks_of(inputs)
        if age <= self._pace.alive:
            raise PluginError(
                f"`{inputs['server']}` runs: it reported {age:.0f} s ago, profile {told.profile[:12] or 'none'} and "
                f"not {inputs['profile'][:12]}. It was not touched.\n"
                "fix: declare it as it was installed, then it is taken as it is, and another text for `reinstall` "
                f"installs it anew; or, if nobody needs it, turn it off and wait {self._pace.alive:g} s: then it is "
                "installed over" + (f", by overwrite={disks}" if disks else "")
            )

    def _adopt(self, call: Call, inputs: Values, age: float) -> None:
        """Its profile has its disks' serial numbers in it: so they were installed, and nothing is written over them."""
        server = inputs["server"]
        call.remark(f"`{server}` already reports profile {inputs['profile'][:12]}: nothing is installed")
        if age > self._pace.alive:
            call.warn(f"`{server}` reported last {age:.0f} s ago; look at its console")

    def _seen(self, call: Call, inputs: Values) -> Values:
        with Bmc(Access.of(inputs["bmc"])) as bmc:
            check_right_one(call, bmc, inputs["server"], inputs.get("expect") or {})
            found = as_outputs(hardware(bmc.get, bmc.system()))
        return found | _reported(_last(call, inputs))


def _reported(told: Told | None) -> Values:
    return {"installed": told.profile, "key": told.key} if told and told.profile else {}


def _is_new(told: Told, state: Values) -> bool:
    # A machine makes its key at its first boot: with the one that we know it was not installed since.
    return not state.get("installed") or told.key != state.get("key")


def _medium(call: Call, inputs: Values, state: Values) -> Medium:
    call.progress("reading the installer's image")
    return Medium.of(inputs["image"], order_with_leave(inputs, state))


def _order(inputs: Values) -> bytes:
    return base64.b64decode(inputs["order"])


def _look(state: Values) -> Hardware:
    with Bmc(Access.of(state["bmc"])) as bmc:
        return hardware(bmc.get, bmc.system())


def _last(call: Call, values: Values) -> Told | None:
    try:
        with closing(Reports(values["report"])) as reports:
            return reports.last()
    except PluginError as error:
        call.warn(str(error))
        return None
