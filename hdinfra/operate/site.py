"""The spec's sites: listed, and changed only where the changed spec can be planned."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hdinfra
from hdinfra.model.spec import OriginSpec, SiteSpec
from hdinfra.model.spec_file import parse_spec
from hdinfra.model.yaml_text import read_text
from hdinfra.operate.decide import Decision, decide_for
from hdinfra.operate.errors import WorkspaceError
from hdinfra.operate.site_edit import Edit
from hdinfra.operate.workspace import Workspace, write_atomically

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Edited:
    """How the spec's file ended up. `decision` is what it comes to now."""

    decision: Decision
    changed: bool


def edit_spec(workspace: Workspace, edit: Edit) -> Edited:
    """Write the edited spec, or RefusedError with every refusal and the file as it was."""
    # Behind a link lies the file that is meant: replacing the link would leave that file old.
    path = workspace.spec_file.resolve()
    before = read_text(path)
    parse_spec(before, str(workspace.spec_file))
    after = edit(before)
    decision = decide_for(parse_spec(after, str(workspace.spec_file)), workspace, None)
    if after != before:
        _write(path, after)
    return Edited(decision, after != before)


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text, mode=stat.S_IMODE(path.stat().st_mode))
    except OSError as failed:
        raise WorkspaceError(f"`{path}` cannot be written; it is as it was.", retry="the same again") from failed


def list_sites(workspace: Workspace) -> list[Json]:
    """Every site of the spec, as `--json` gives it."""
    spec = hdinfra.load_spec(workspace.spec_file)
    return [
        {"instance": instance.name, "tenant": tenant.name, **_site(site)}
        for instance in spec.instances
        for tenant in instance.tenants
        for site in tenant.sites
    ]


def _site(site: SiteSpec) -> Json:
    return {
        "host": site.host,
        "mode": site.mode.value,
        "profile": site.profile.value,
        "paranoia": site.paranoia,
        "origins": [_origin(origin) for origin in site.origins],
    }


def _origin(origin: OriginSpec) -> str:
    if origin.lab is not None:
        return f"lab:{origin.lab}"
    address = str(origin.address)
    return f"[{address}]:{origin.port}" if ":" in address else f"{address}:{origin.port}"
