"""A host moves to a spare server: who it is stays, disks and ports are the other server's. Decided, not done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from hdinfra.model.hardware.checked import checked
from hdinfra.model.hardware.inventory import Inventory, inventory_of
from hdinfra.model.hardware.server_plan import server_plan
from hdinfra.model.hardware.spec import HardwareSpec, HostSpec, ServerSpec
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.server import ServerPlan

BY_LEAVE = frozenset({"replace.model", "replace.still-needed", "replace.weaker"})
"""Rules that whoever replaces a host may set aside by naming them: better than before is not always to be had."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`old_is_well`: the server that is left becomes a spare; otherwise nothing counts on it any more. `in_spite_of`:
    rules of BY_LEAVE that need not hold. `serving`: hosts that serve at this moment, None where nobody can say."""

    host: str
    spare: str
    old_is_well: bool = False
    in_spite_of: frozenset[str] = frozenset()
    serving: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """What the wish comes to. `old` equals `new` where the host is on that server already: nothing is to be done then.

    `plan` is what the spare is installed with; `weaker` what `hdinfra hardware check` refuses from then on; `batteries`
    are UPSs whose cable the host has.
    """

    host: str
    role: str
    old: str
    new: str
    plan: ServerPlan
    spares: tuple[str, ...]
    weaker: tuple[Refusal, ...]
    batteries: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the inventory says so already."""
        return self.old == self.new


def decide(spec: HardwareSpec, wish: Wish) -> Replacement:
    """Raises RefusedError with every `replace.*` refusal."""
    before = inventory_of(spec)
    refusals = [*_unknown(before, wish)]
    if refusals:
        raise RefusedError(refusals)
    host, spare = before.hosts[wish.host], before.servers[wish.spare]
    if host.server == spare.name:
        return _replacement(host, spec, ())
    after = moved(spec, wish)
    weaker = _weaker(spec, after)
    found = (*_unfit(before, host, spare), *_needed(before, host, wish.serving), *_lost(wish, weaker))
    refusals = [one for one in found if one.rule not in BY_LEAVE & wish.in_spite_of]
    if refusals:
        raise RefusedError(refusals)
    return _replacement(host, after, weaker)


def moved(spec: HardwareSpec, wish: Wish) -> HardwareSpec:
    """The inventory afterwards; of one in which both names are known."""
    old = next(host.server for host in spec.hosts if host.name == wish.host)
    if old == wish.spare:
        return spec
    hosts = tuple(
        host.model_copy(update={"server": wish.spare}) if host.name == wish.host else host for host in spec.hosts
    )
    spares = tuple(name for name in spec.spares if name != wish.spare)
    return spec.model_copy(update={"hosts": hosts, "spares": (*spares, old) if wish.old_is_well else spares})


def _replacement(host: HostSpec, after: HardwareSpec, weaker: tuple[Refusal, ...]) -> Replacement:
    inventory = inventory_of(after)
    return Replacement(
        host=host.name,
        role=host.role,
        old=host.server,
        new=inventory.hosts[host.name].server,
        plan=server_plan(inventory, host.name),
        spares=after.spares,
        weaker=weaker,
        batteries=tuple(ups.name for ups in after.upss if ups.nut and ups.nut.host == host.name),
    )


def _unknown(inventory: Inventory, wish: Wish) -> Iterator[Refusal]:
    known = (
        ("host", "replace.host", wish.host, inventory.hosts),
        ("with", "replace.server", wish.spare, inventory.servers),
    )
    for path, rule, name, names in known:
        if name not in names:
            what = "host" if path == "host" else "server"
            message = f"No {what} is called `{name}` in `{inventory.spec.hardware}`, so nothing can be moved."
            yield Refusal(path, rule, message, _nearest(name, names))


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.4) or names[:8]
    return f"name one of {', '.join(f'`{one}`' for one in near)}" if near else "write it into the inventory first"


def _unfit(inventory: Inventory, host: HostSpec, spare: ServerSpec) -> Iterator[Refusal]:
    yield from _idle(inventory, host, spare)
    old = inventory.servers.get(host.server)
    if old is None:
        return
    here, there = inventory.sites.get(old.rack), inventory.sites.get(spare.rack)
    if here != there:
        message = (
            f"`{spare.name}` stands at site `{there}` and `{host.name}` belongs to `{here}`; its addresses are of that "
            "site's network, and nobody would reach them from another one."
        )
        yield _refusal("replace.site", message, _others(inventory, old, spare))
    yield from _too_small(old, spare)
    if spare.model != old.model:
        message = (
            f"`{spare.name}` is a {spare.model}, `{old.name}` a {old.model}; whether processors and memory are enough, "
            "nothing here says."
        )
        yield _refusal(
            "replace.model", message, f"{_others(inventory, old, spare)}, or add `--in-spite-of replace.model`"
        )


def _idle(inventory: Inventory, host: HostSpec, spare: ServerSpec) -> Iterator[Refusal]:
    holder = next((one.name for one in inventory.spec.hosts if one.server == spare.name), None)
    if holder is not None:
        message = f"`{spare.name}` is `{holder}`, which would lose its disks."
    elif spare.name not in inventory.spec.spares:
        message = f"`{spare.name}` is idle but no spare; a server that was replaced is left so, and may be broken."
    else:
        return
    old = inventory.servers.get(host.server)
    fix = _others(inventory, old, spare) if old else "name a spare"
    yield _refusal("replace.spare", message, fix if holder else f"{fix}, or write `{spare.name}` into `spares`")


def _too_small(old: ServerSpec, spare: ServerSpec) -> Iterator[Refusal]:
    if len(spare.disks) < len(old.disks):
        message = f"`{spare.name}` mirrors {len(spare.disks)} disks, `{old.name}` {len(old.disks)}; fewer could fail."
        yield _refusal(
            "replace.disks", message, f"plug in {len(old.disks) - len(spare.disks)} more and write them down"
        )
    has, needs = (min(disk.size_mib for disk in (*one.disks, *one.spare_disks)) for one in (spare, old))
    if has < needs:
        message = (
            f"`{spare.name}` has {has:,} MiB on each disk, `{old.name}` {needs:,}; what is kept there may not fit."
        )
        yield _refusal("replace.disks", message, f"plug disks of {needs:,} MiB or more into `{spare.name}`")
    if len(spare.nics) < len(old.nics):
        message = f"`{spare.name}` has {len(spare.nics)} ports on switches, `{old.name}` {len(old.nics)}."
        yield _refusal("replace.ports", message, f"cable {len(old.nics) - len(spare.nics)} more and write them down")


def _needed(inventory: Inventory, host: HostSpec, serving: frozenset[str] | None) -> Iterator[Refusal]:
    if serving is None or host.name not in serving:
        return
    for service in inventory.spec.services:
        others = (set(service.hosts) & serving) - {host.name}
        if host.name in service.hosts and len(others) < service.needs:
            told = f"{len(others)} of its other hosts {'serves' if len(others) == 1 else 'serve'}"
            message = (
                f"`{host.name}` serves `{service.name}`, which needs {service.needs}, and {told}; while the spare is "
                "installed, the service would be down."
            )
            fix = "mend another of its hosts first, or add `--in-spite-of replace.still-needed`"
            yield Refusal("host", "replace.still-needed", message, fix)


def _lost(wish: Wish, weaker: tuple[Refusal, ...]) -> Iterator[Refusal]:
    # That there is a spare less is what spares are for.
    lost = [one for one in weaker if not one.rule.startswith("spare.")]
    if lost:
        told = "; ".join(f"{one.rule}: {one.message}" for one in lost)
        message = f"With `{wish.host}` on `{wish.spare}` the inventory would be refused. {told}"
        fix = "take a spare that stands elsewhere, or add `--in-spite-of replace.weaker`"
        yield _refusal("replace.weaker", message, fix)


def _weaker(before: HardwareSpec, after: HardwareSpec) -> tuple[Refusal, ...]:
    known = {(one.rule, one.path) for one in _refusals(before)}
    return tuple(one for one in _refusals(after) if (one.rule, one.path) not in known)


def _refusals(spec: HardwareSpec) -> tuple[Refusal, ...]:
    try:
        checked(spec)
    except RefusedError as refused:
        return refused.refusals
    return ()


def _others(inventory: Inventory, old: ServerSpec, spare: ServerSpec) -> str:
    """Spares that would do better."""
    site = inventory.sites.get(old.rack)
    fit = [
        name
        for name in inventory.spec.spares
        if (one := inventory.servers.get(name)) is not None
        and one is not spare
        and inventory.sites.get(one.rack) == site
        and not (*_too_small(old, one),)
    ]
    alike = [name for name in fit if inventory.servers[name].model == old.model]
    return (
        f"write `--with {(alike or fit)[0]}`" if fit else f"mount a {old.model} at `{site}` and write it into `spares`"
    )


def _refusal(rule: str, message: str, fix: str) -> Refusal:
    return Refusal("with", rule, message, fix)
