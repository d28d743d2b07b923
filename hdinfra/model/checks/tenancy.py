"""Whose an Instance is: exactly one tenant's where it is dedicated, and the same one's for as long as it runs."""

from collections.abc import Iterator

from hdinfra.model.held import Held
from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import InstanceSpec, ZoneSpec


def check_tenancy(spec: ZoneSpec, held: Held) -> Iterator[Refusal]:
    """`instance.one-tenant`, `instance.owner-kept`."""
    for index, instance in enumerate(spec.instances):
        path = f"instances[{index}]"
        if instance.tenancy == "dedicated" and len(instance.tenants) != 1:
            yield _one_tenant(instance, path)
            continue
        before = held.instances.get(instance.name)
        if before and before.tenant != instance.owner:
            yield _owner_kept(instance, path, before.tenant)


def _one_tenant(instance: InstanceSpec, path: str) -> Refusal:
    found = ", ".join(f"`{tenant.name}`" for tenant in instance.tenants) or "no tenant"
    message = f"`{instance.name}` is dedicated and has {found}; its Machines, keys and logs are for one tenant alone."
    fix = "write `tenants: [{name: NAME, sites: [...]}]` with the tenant whose it is"
    if instance.tenants:
        fix = "give each tenant an Instance of its own, or write `tenancy: shared`"
    return Refusal(f"{path}.tenants", "instance.one-tenant", message, fix)


def _owner_kept(instance: InstanceSpec, path: str, before: str | None) -> Refusal:
    was = f"are `{before}`'s alone" if before else "are shared by tenants"
    now = f"`{instance.owner}`'s alone" if instance.owner else "shared"
    message = (
        f"The Machines of `{instance.name}` {was}; to make them {now} all would be made anew at once, and until then "
        "one tenant's keys and logs would lie on another's Machines."
    )
    fix = f"add an Instance `{instance.name[:30]}2`, move the sites to it, then take `{instance.name}` away"
    return Refusal(f"{path}.tenancy", "instance.owner-kept", message, fix)
