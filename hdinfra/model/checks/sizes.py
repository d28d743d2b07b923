"""Sizes that a spec names itself, and what each App needs at least."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue
from hdinfra.model.sizing import Need, by_price
from hdinfra.model.spec import App, ClusterSpec, InstanceSpec, Provider, ZoneSpec

_FEW = 5
"""Sizes that a refusal names."""


def check_sizes(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    """`instance.app-minimum`, `instance.size-unknown` and `instance.arch`."""
    for index, instance in enumerate(spec.instances):
        path = f"instances[{index}]"
        yield from _minimum(instance, path)
        for provider, name in instance.sizes.items():
            yield from _named(instance, f"{path}.sizes.{provider}", (provider, name), catalogue)


def check_sold(
    instance: InstanceSpec, path: str, clusters: Iterable[ClusterSpec], catalogue: Catalogue
) -> Iterator[Refusal]:
    """`instance.size-not-sold` where the size that the Instance names is not sold in the region of one of these."""
    need = Need(instance.vcpu, instance.memory_mib)
    for cluster in clusters:
        named = instance.sizes.get(cluster.provider)
        sold = catalogue.sizes_in(cluster.provider, cluster.region, instance.arch)
        if named is None or any(size.name == named for size in sold):
            continue
        fitting = [size.name for size in by_price(sold) if need.fits(size)]
        names = ", ".join(fitting[:_FEW]) + (f" and {len(fitting) - _FEW} more" if len(fitting) > _FEW else "")
        there = f"of those that are, {names} fit" if fitting else "and nothing that is would fit"
        message = f"`{named}` is not sold in `{cluster.region}`, where `{cluster.name}` is; {there}."
        fix = f"write `{cluster.provider}: {fitting[0]}`, or " if fitting else ""
        yield Refusal(
            f"{path}.sizes.{cluster.provider}",
            "instance.size-not-sold",
            message,
            f"{fix}write `clusters` without `{cluster.name}`",
        )


@cache
def app_minimum(app: App) -> Need:
    """What a Machine of that App must have at least."""
    table = tomllib.loads(files("hdinfra.model").joinpath("apps.toml").read_text(encoding="utf-8"))
    return Need(table[app]["vcpu"], table[app]["memory_mib"])


def _minimum(instance: InstanceSpec, path: str) -> Iterator[Refusal]:
    least = app_minimum(instance.app)
    asked: Mapping[str, tuple[int, int]] = {
        "vcpu": (instance.vcpu, least.vcpu),
        "memory_mib": (instance.memory_mib, least.memory_mib),
    }
    for key, (found, limit) in asked.items():
        if found < limit:
            message = f"`{instance.name}` asks for {key} {found:,}; a Machine of App `{instance.app}` needs {limit:,}."
            yield Refusal(f"{path}.{key}", "instance.app-minimum", message, f"write `{key}: {limit}`")


def _named(instance: InstanceSpec, path: str, named: tuple[Provider, str], catalogue: Catalogue) -> Iterator[Refusal]:
    provider, name = named
    sizes = {size.name: size for size in catalogue.sizes.get(provider, ())}
    if name not in sizes:
        nearest = get_close_matches(name, sorted(sizes), n=3, cutoff=0.0)
        message = f"`{name}` is no size of `{provider}` that we know; the nearest are {', '.join(nearest)}."
        yield Refusal(path, "instance.size-unknown", message, f"write `{provider}: {nearest[0]}`, or drop it")
        return
    size, least = sizes[name], app_minimum(instance.app)
    if size.arch not in (instance.arch, "native"):
        message = f"`{name}` runs {size.arch} programs, and `{instance.name}` has `arch: {instance.arch}`."
        fix = f"write `arch: {size.arch}`, or name a size of {instance.arch}"
        yield Refusal(path, "instance.arch", message, fix)
    if not least.fits(size):
        message = (
            f"`{name}` has {size.vcpu} vCPU and {size.memory_mib:,} MiB; a Machine of App `{instance.app}` needs "
            f"{least.vcpu} and {least.memory_mib:,}."
        )
        yield Refusal(path, "instance.app-minimum", message, "name a larger size, or drop it")
