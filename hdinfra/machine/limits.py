"""Whether every Machine's user data fits into what its provider takes: seen in the plan, not at the provider's door."""

import sys
from collections.abc import Iterator, Mapping

from hdinfra.machine.cloud_init import all_files, user_data_bytes
from hdinfra.machine.first_boot import callers_file, sample_first_boot
from hdinfra.machine.machine import File, Machine
from hdinfra.machine.roles import MANAGED, machine_of
from hdinfra.machine.unmanaged import told_to, unmanaged
from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.plan import MachinePlan, ZonePlan
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Encoding, limits_of_provider
from hdinfra.model.spec import Provider

_UNLIMITED = sys.maxsize
_BUNDLES = "write `install: true` in place of `provider` and `region`, and install machines of that cloud from bundles"


def user_data_refusals(plan: ZonePlan, limits: Mapping[Provider, int] | None = None) -> tuple[Refusal, ...]:
    """One refusal for each role and provider whose Machines are too big; `limits` in bytes, else the catalogue's."""
    return tuple(
        _refusal(path, planned, machine, (found, limit))
        for path, planned in _largest(plan).values()
        for machine in (machine_of(plan.zone, planned),)
        if (limit := _limit(planned.provider, limits)) < (found := bytes_of(plan, machine, planned.provider))
    )


def byol_refusals(plan: ByolPlan, limits: Mapping[Provider, int] | None = None) -> tuple[Refusal, ...]:
    """At most one: without `code_url` a BYOL Machine's code comes in its user data too. With one site that is 161 kB of
    text, 45 kB after gzip or 61 kB in base64; with `code_url`, 26, 8 or 11 kB (decision 35). `limits` in bytes; left
    out, the catalogue's, but none on the local cloud, where user data is a file."""
    planned = max(plan.machines, key=lambda machine: len(machine.name))
    machine = unmanaged(machine_of(plan.name, planned))
    found = user_data_bytes(machine, told_to(plan, planned), _encoding(planned.provider))
    is_file = limits is None and planned.provider is Provider.LOCAL
    limit = _UNLIMITED if is_file else _limit(planned.provider, limits)
    if plan.installs or found <= limit:
        return ()
    what = "policy" if plan.code_url else "code and policy"
    message = (
        f"cloud-init data of `{planned.name}`, {what} with it, is {found:,} bytes as it is sent; "
        f"{planned.provider} takes at most {limit:,} and would reject the Machine."
    )
    return (Refusal("provider", "machine.user-data-limit", message, f"{_way_out(plan)}; or {_BUNDLES}"),)


def _way_out(plan: ByolPlan) -> str:
    if plan.code_url:
        return f"take some of the {len(plan.instance.sites)} `sites` out, into a spec and Machines of their own"
    return "write `code_url: https://...`, the folder of a web server where you put what `hdinfra byol code` writes"


def bytes_of(plan: ZonePlan, machine: Machine, provider: Provider) -> int:
    """Size of a Machine's user data with all that it is told at its first boot, as the provider counts it."""
    return user_data_bytes(machine, _first_boot(plan, machine.identity.role), _encoding(provider))


def _first_boot(plan: ZonePlan, role: str) -> tuple[File, ...]:
    if role not in MANAGED:
        return ()
    names = [api.name for api in plan.control.machines]
    file = sample_first_boot(names, control=role == "control").file()
    return (file, callers_file(plan.control.admin_networks)) if role == "control" else (file,)


def _limit(provider: Provider, limits: Mapping[Provider, int] | None) -> int:
    return limits_of_provider(provider).user_data_bytes if limits is None else limits[provider]


def _encoding(provider: Provider) -> Encoding:
    return limits_of_provider(provider).user_data_encoding


def _largest(plan: ZonePlan) -> dict[tuple[Provider, str], tuple[str, MachinePlan]]:
    """Machines of one role differ in their identity alone, so the one with the longest name stands for all."""
    largest: dict[tuple[Provider, str], tuple[str, MachinePlan]] = {}
    for path, machine in _paths(plan):
        key = (machine.provider, machine.role)
        if key not in largest or len(machine.name) > len(largest[key][1].name):
            largest[key] = (path, machine)
    return largest


def _paths(plan: ZonePlan) -> Iterator[tuple[str, MachinePlan]]:
    for number, instance in enumerate(plan.instances):
        yield from ((f"instances[{number}]", machine) for machine in instance.machines)
    for number, machine in enumerate(plan.edge.machines if plan.edge else ()):
        yield f"edge.places[{number}]", machine
    yield from (("control", machine) for machine in plan.control.machines)
    yield from (("dns", machine) for machine in (plan.dns.machines if plan.dns else ()))
    for number, machine in enumerate(plan.lab.origins):
        yield f"lab.origins[{number}]", machine
    if plan.bundles.store:
        yield "bundles", plan.bundles.store


def _refusal(path: str, planned: MachinePlan, machine: Machine, sizes: tuple[int, int]) -> Refusal:
    found, limit = sizes
    biggest = sorted(all_files(machine), key=lambda file: (-len(file.content), file.path))[:3]
    named = ", ".join(f"`{file.path}` ({len(file.content):,} bytes)" for file in biggest)
    return Refusal(
        path=path,
        rule="machine.user-data-limit",
        message=f"cloud-init data of role `{planned.role}` is {found:,} bytes as it is sent; "
        f"{planned.provider} takes at most {limit:,} and would reject the Machine. Its biggest files: {named}.",
        fix=f"move `{biggest[0].path}` into a package, or choose another provider than `{planned.provider}` here.",
    )
