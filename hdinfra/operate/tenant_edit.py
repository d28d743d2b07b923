"""One tenant more or one less: the spec's text before and after. Pure."""

import yaml

from hdinfra.model.spec import HostingPlan
from hdinfra.operate.errors import SpecEditError
from hdinfra.operate.site_edit import Edit, instance_in, instances_in, text_of
from hdinfra.operate.yaml_splice import Plain, appended, items_of, removed, tree, with_scalar


def add_tenant(name: str, instance: str | None = None, plan: HostingPlan | None = None) -> Edit:
    """Adds it without sites. One that is there already keeps them and gets the plan; None leaves that as it is."""

    def edit(text: str) -> str:
        host = instance_in(tree(text), instance)
        for tenant in items_of(host, "tenants"):
            if isinstance(tenant, yaml.MappingNode) and text_of(tenant, "name") == name:
                return with_scalar(text, tenant, "plan", plan.value, after="name") if plan else text
        item: dict[str, Plain] = {"name": name}
        return appended(text, host, "tenants", item | ({"plan": plan.value} if plan else {}))

    return edit


def remove_tenant(name: str, instance: str | None = None, *, with_sites: bool = False) -> Edit:
    """Removes it; SpecEditError while it has sites, unless they go with it."""

    def edit(text: str) -> str:
        host, index, tenant = _place(tree(text), name, instance)
        sites = [text_of(site, "host") for site in items_of(tenant, "sites") if isinstance(site, yaml.MappingNode)]
        if sites and not with_sites:
            raise SpecEditError(
                f"`{name}` has {len(sites)} sites, which would stop answering: {', '.join(sites)[:200]}.",
                retry=f"hdinfra tenant remove {name} --with-sites, if that is meant",
            )
        return removed(text, host, "tenants", index)

    return edit


def _place(top: yaml.MappingNode, name: str, instance: str | None) -> tuple[yaml.MappingNode, int, yaml.MappingNode]:
    known, found = [], []
    for host in [instance_in(top, instance)] if instance else instances_in(top):
        for index, tenant in enumerate(items_of(host, "tenants")):
            if isinstance(tenant, yaml.MappingNode):
                known.append(text_of(tenant, "name"))
                found += [(host, index, tenant)] if known[-1] == name else []
    if len(found) == 1:
        return found[0]
    if found:
        owners = ", ".join(text_of(host, "name") for host, _, _ in found)
        raise SpecEditError(f"`{name}` is a tenant of several Instances.", retry=f"--instance with one of: {owners}")
    raise SpecEditError(f"There is no tenant `{name}` in this spec.", retry=f"one of: {', '.join(known) or 'none'}")
