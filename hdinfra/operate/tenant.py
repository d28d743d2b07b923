"""The spec's tenants, with what their plans give."""

from typing import Any

import hdinfra
from hdinfra.model.plans import load_allowances
from hdinfra.model.spec import TenantSpec
from hdinfra.operate.workspace import Workspace

Json = dict[str, Any]


def list_tenants(workspace: Workspace) -> list[Json]:
    """Every tenant of the spec, as `--json` gives it."""
    spec = hdinfra.load_spec(workspace.spec_file)
    return [
        {"instance": instance.name, **_tenant(tenant)} for instance in spec.instances for tenant in instance.tenants
    ]


def _tenant(tenant: TenantSpec) -> Json:
    allowance = load_allowances()[tenant.plan]
    return {
        "tenant": tenant.name,
        "plan": tenant.plan.value,
        "cpu": allowance.cpu,
        "memory_mib": allowance.memory_mib,
        "disk_gib": allowance.disk_gib,
        "backup_days": allowance.backup_days,
        "sites": [site.host for site in tenant.sites],
    }
