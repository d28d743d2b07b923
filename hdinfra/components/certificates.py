"""Certificates for the sites of an edge: who issues them, and the one resource that has and delivers them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.control import ControlPlane
from hdinfra.model.plan import TlsPlan
from hdinfra.model.spec import Issuer
from hdinfra.plugins.policy import resources


@dataclass(frozen=True, slots=True)
class IssuerHandle:
    """`certificate` is what visitors have to believe where the issuer is the stack's own, `thumbprint` what edges
    answer an ACME server with; both are empty where there is none. `key` is secret."""

    plan: TlsPlan
    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    thumbprint: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class EdgeHandle:
    """For whom: the sites' hosts, the machines that show them, and the policy by which these know of them."""

    hosts: Sequence[str]
    machines: Mapping[str, MachineHandle]
    policy: pulumi.Resource


def declare_issuer(name: str, plan: TlsPlan, control: ControlPlane, parent: pulumi.Resource) -> IssuerHandle:
    """The issuer's own keys; `name` starts the names of all."""
    opts = pulumi.ResourceOptions(parent=parent, provider=control.provider)
    nothing = pulumi.Output.from_input("")
    match plan.issuer:
        case Issuer.LOCAL:
            authority = resources.SiteAuthority(f"{name}-authority", zone=control.zone, opts=opts)
            return IssuerHandle(plan, authority.certificate, authority.key, nothing)
        case Issuer.ACME:
            account = resources.AcmeAccount(f"{name}-acme-account", zone=control.zone, opts=opts)
            return IssuerHandle(plan, nothing, account.key, account.thumbprint)
        case Issuer.SUPPLIED:
            return IssuerHandle(plan, nothing, nothing, nothing)


def declare_certificates(
    name: str, issuer: IssuerHandle, edge: EdgeHandle, control: ControlPlane, parent: pulumi.Resource
) -> resources.Certificates:
    """All sites' certificates, which its machines show when the resource exists."""
    plan, keys = issuer.plan, control.keys
    acme = plan.acme
    return resources.Certificates(
        f"{name}-certificates",
        zone=control.zone,
        scope=name,
        generations={machine.plan.name: machine.generation for machine in edge.machines.values()},
        hosts=sorted(set(edge.hosts) - plan.supplied.keys()),
        supplied={
            host: {"certificate": one.certificate, "key": one.key} for host, one in sorted(plan.supplied.items())
        },
        issuer=plan.issuer.value,
        days=plan.days,
        issuer_certificate=issuer.certificate,
        issuer_key=issuer.key,
        directory=acme.directory if acme else "",
        contact=acme.contact if acme else "",
        endpoints=control.endpoints,
        root=keys.root,
        signing_key=keys.signing_key,
        admin_token=keys.admin_token,
        # An ACME server asks the edges, and these answer by their policy.
        opts=pulumi.ResourceOptions(parent=parent, provider=control.provider, depends_on=[edge.policy]),
    )
