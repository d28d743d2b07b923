"""Servers of one's own as their BMCs see them now; where one is silent, as the engine saw them last."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from hdinfra.operate.at_once import each
from hdinfra.operate.control import plain
from hdinfra.operate.engine import Deployed
from hdinfra.operate.tables import table
from hdinfra.plugins.kind import PluginError

Json = dict[str, Any]
TYPE = "hdmetal:index:Server"
_NO_SUSHY = 'asking BMCs takes the package `sushy`; fix: pip install "hdinfra[metal]"'
_KNOWN = ("power", "health", "model", "serial", "failures", "unread")
_MISSING: Mapping[str, Any] = {"failures": [], "unread": []}


def servers_of(deployed: Deployed | None) -> list[Json]:
    """Every server of a state that was read with its secrets, by name, with a look at its hardware.

    `silence` is why its BMC was not asked with success; what stands beside it is then what the last `up` or `refresh`
    saw. `readings` are of fans, temperatures and power supplies, with their units.
    """
    found = [plain(one["outputs"]) for one in deployed.resources if _is_server(one)] if deployed else []
    return sorted(each(_looked, found), key=lambda server: str(server["server"]))


def fails(server: Mapping[str, Any]) -> bool:
    """Whether anything of it is known not to be well."""
    return bool(server["failures"])


def show_servers(servers: list[Json], console: Console) -> None:
    """Print them, and each part that is not well."""
    if not servers:
        return
    console.print(table(("server", "power", "health", "model", "serial", "profile", "remarks"), map(_row, servers)))
    for server in servers:
        for failure in server["failures"]:
            console.print(f"[red]failed:[/red] {escape(server['server'])}: {escape(str(failure))}")


def _is_server(resource: Mapping[str, Any]) -> bool:
    return resource["type"] == TYPE and not resource.get("delete") and bool(resource.get("outputs"))


def _looked(outputs: Json) -> Json:
    known = {name: outputs.get(name, _MISSING.get(name, "")) for name in _KNOWN}
    server = {"server": outputs["server"], "profile": outputs.get("installed", ""), **known}
    if find_spec("sushy") is None:
        return {
            **server,
            "readings": {},
            "silence": 'asking BMCs takes the package `sushy`: pip install "hdinfra[metal]"',
        }
    from hdinfra.plugins.metal.bmc import Bmc  # noqa: PLC0415  needs the extra
    from hdinfra.plugins.metal.hardware import as_outputs, hardware  # noqa: PLC0415
    from hdinfra.plugins.metal.trust import Access  # noqa: PLC0415

    try:
        with Bmc(Access.of(outputs["bmc"])) as bmc:
            seen = hardware(bmc.get, bmc.system())
    except PluginError as error:
        return {**server, "readings": {}, "silence": str(error).partition("\n")[0]}
    now = as_outputs(seen)
    readings = {part.name: part.reading for part in (*seen.supplies, *seen.sensors) if part.reading}
    return {**server, **{name: now[name] for name in _KNOWN}, "readings": readings, "silence": ""}


def _row(server: Json) -> tuple[str | Text, ...]:
    colour = "red" if server["failures"] else "green" if server["health"] == "OK" else ""
    remarks = [f"as it was last seen: {server['silence']}"] if server["silence"] else []
    remarks += [f"not shown by its BMC: {path}" for path in server["unread"]]
    remarks += [] if server["profile"] else ["it has not reported a profile"]
    return (
        str(server["server"]),
        str(server["power"]),
        Text(str(server["health"]) or "unknown", colour),
        str(server["model"]),
        str(server["serial"]),
        str(server["profile"])[:12],
        "; ".join(remarks),
    )
