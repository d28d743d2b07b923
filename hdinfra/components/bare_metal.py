"""Servers of one's own as Machines of a Zone: installed by their BMCs, told who manages them, then watched."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.zone import Zone
from hdinfra.machine.apps.tunnel import token_file, with_tunnel
from hdinfra.machine.machine import File, Machine
from hdinfra.machine.metal import nut
from hdinfra.machine.metal.order import order
from hdinfra.machine.metal.profile import on_metal, profile_digest
from hdinfra.machine.roles import machine_of
from hdinfra.model.checks.server import server_remarks
from hdinfra.model.failover.cloudflare_spec import TunnelPlan
from hdinfra.model.plan import Addresses, MachinePlan, Size
from hdinfra.model.power import HostPower
from hdinfra.model.server import ServerPlan
from hdinfra.model.spec import Provider
from hdinfra.plugins.metal import resources
from hdinfra.protocol.token import LIFE_SECONDS

_SECRET_LENGTH = 32
_SIZE = Size("metal", vcpu=0, memory_mib=0, price_per_hour=0.0)
"""As it is bought: no plan chooses it, and nothing reads this."""


@dataclass(frozen=True, slots=True)
class VirtualMedia:
    """`image`: the folder of our installer's image (`hdinfra metal image`). `media`: how a BMC gets it, as
    `hdmetal:index:Server` takes it: {"serve": {"address", ...}}, or {"folder", "url"}."""

    image: str
    media: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pxe:
    """A PXE server of the user's own, which gives each server our installer and its order."""


@dataclass(frozen=True, slots=True)
class BareMetalProfileArgs:
    """`zone`: whose control plane its Machines ask; what they connect from is among its `control.admin_networks`.

    `wait_seconds`: for a machine's report, 60 to 86,400; real servers take minutes before they boot at all.
    """

    zone: Zone
    installer: VirtualMedia | Pxe
    wait_seconds: int = 3_600


class BareMetalProfile(pulumi.ComponentResource):
    """What servers have in common, so that there is one place to change it: RAID1 for everything, two links as one,
    ESPs that are alike, security updates within a day (hdinfra.machine.metal.profile)."""

    args: BareMetalProfileArgs
    provider: resources.Provider

    def __init__(self, name: str, args: BareMetalProfileArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:BareMetalProfile", name, None, opts)
        self.args = args
        self.provider = resources.Provider(f"{name}-provider", pulumi.ResourceOptions(parent=self))
        self.register_outputs({"boot": _boot(args.installer)["boot"]})

    def described(
        self,
        plan: MachinePlan,
        server: ServerPlan,
        power: HostPower | None = None,
        tunnel: TunnelPlan | None = None,
    ) -> Machine:
        """The Machine of that plan on that server, at a site whose batteries are watched where it has part in that, and
        with its part in a tunnel where it has one."""
        machine = machine_of(self.args.zone.plan.zone, plan)
        machine = nut.on_ups(machine) if power else machine
        return on_metal(with_tunnel(machine, tunnel) if tunnel else machine, server)


@dataclass(frozen=True, slots=True)
class BmcAccess:
    """A server's management controller. It proves who it is by `fingerprint` (SHA-256 of its certificate, hex) or `ca`
    (PEM); without either, by an authority that this computer trusts. `system_id` where it has several systems."""

    address: pulumi.Input[str]
    username: pulumi.Input[str]
    password: pulumi.Input[str]
    fingerprint: str | None = None
    ca: str | None = None
    system_id: str | None = None


@dataclass(frozen=True, slots=True)
class BareMetalServerArgs:
    """`server`: a plan that no rule refuses (`hdinfra.model.checks.server.planned_server`, or an inventory's).

    `role`: of which App; one that Machines of the Zone have. `place`: what of the Zone's it counts as. `tenant`: whose
    it is alone. `model`, `serial`: what the BMC must say, beside the links' addresses. `reinstall`: any text. The
    first one is noted; only another than the one noted installs a server that runs anew, over the disks that were its
    own. `overwrite`: serial numbers of disks that an installation may overwrite whatever is on them, for one run; the
    installer refuses what it finds on any other. `on_delete` `wipe` erases every disk, and takes `confirm_wipe` with
    the server's name.

    `power`: its host's part of its site's ordered shutdown (hdinfra.model.hardware.power_plan), with `power_secret`, a
    random text of 32 characters at least that all hosts of the site have alike.

    `tunnel`: its part in a tunnel, with `tunnel_token` (`CloudflareFailover.tunnels[...].token`), which the server is
    told when it is installed; a later one is given to `tunnel-token` on it.
    """

    profile: BareMetalProfile
    server: ServerPlan
    role: str
    place: str
    bmc: BmcAccess
    power: HostPower | None = None
    power_secret: pulumi.Input[str] | None = None
    tunnel: TunnelPlan | None = None
    tunnel_token: pulumi.Input[str] | None = None
    tenant: str | None = None
    model: str | None = None
    serial: str | None = None
    reinstall: str | None = None
    overwrite: tuple[str, ...] = ()
    on_delete: Literal["leave", "power-off", "wipe"] = "leave"
    confirm_wipe: str | None = None


class BareMetalServer(pulumi.ComponentResource):
    """One server. It exists when its machine has reported its profile; `machine` is for policies, as any Cluster's.

    No input but the server's name makes it anew, and none but `reinstall` installs it anew.
    """

    server: resources.Server
    machine: MachineHandle
    profile_digest: str

    def __init__(self, name: str, args: BareMetalServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:BareMetalServer", name, None, opts)
        for remark in server_remarks(args.server):
            pulumi.warn(remark, self)
        plan = _machine_plan(args)
        told = _told(args, plan)
        described = args.profile.described(plan, args.server, args.power, args.tunnel)
        self.profile_digest = profile_digest(described)
        self.server = self._declare(name, args, described, told)
        own = args.server.network
        self.machine = MachineHandle(
            plan=plan,
            resource=self.server,
            native_id=self.server.id,
            generation=self.server.key,
            ipv4=pulumi.Output.from_input(str(own.ipv4.ip)),
            ipv6=pulumi.Output.from_input(str(own.ipv6.ip)),
        )
        self.register_outputs({"installed": self.server.installed, "failures": self.server.failures})

    def _declare(
        self, name: str, args: BareMetalServerArgs, described: Machine, told: pulumi.Output[tuple[File, ...]]
    ) -> resources.Server:
        control, enrolment = args.profile.args.zone.management
        installer = args.profile.args.installer
        ordered = told.apply(lambda files: base64.b64encode(order(described, files, args.server)).decode())
        return resources.Server(
            f"{name}-server",
            server=args.server.name,
            bmc=_given(args.bmc),
            profile=self.profile_digest,
            report={
                "machine": args.server.name,
                "endpoints": control.endpoints,
                "root": enrolment.keys.root,
                "admin_token": enrolment.keys.admin_token,
            },
            **_boot(installer),
            order=ordered if isinstance(installer, VirtualMedia) else None,
            expect=_expected(args),
            reinstall=args.reinstall,
            overwrite=sorted(args.overwrite) or None,
            on_delete=args.on_delete,
            confirm_wipe=args.confirm_wipe,
            wait_seconds=args.profile.args.wait_seconds,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.profile.provider,
                # Its first boot fetches code and asks the API.
                depends_on=[machine.resource for machine in control.machines.values()],
            ),
        )


def _machine_plan(args: BareMetalServerArgs) -> MachinePlan:
    own = args.server.network
    return MachinePlan(
        name=args.server.name,
        place=args.place,
        role=args.role,
        provider=Provider.LOCAL,  # nobody's: we are it ourselves
        region=args.place,
        operator=args.place,
        size=_SIZE,
        private=None,
        public=Addresses(own.ipv4.ip, own.ipv6.ip),
        tenant=args.tenant,
    )


def _told(args: BareMetalServerArgs, plan: MachinePlan) -> pulumi.Output[tuple[File, ...]]:
    _, enrolment = args.profile.args.zone.management
    if args.role not in enrolment.pins:
        raise pulumi.RunError(
            f"`{args.server.name}` shall be `{args.role}`, whose code zone `{enrolment.zone}` has not laid anywhere; "
            f"fix: write one of {', '.join(sorted(enrolment.pins))}"
        )
    # Servers boot for minutes, and many may wait their turn; nobody waits longer for one than this.
    files = enrolment.files(plan, LIFE_SECONDS + args.profile.args.wait_seconds)
    if args.power is None and args.tunnel is None:
        return files
    secrets = map(pulumi.Output.secret, (args.power_secret, args.tunnel_token))
    return pulumi.Output.all(files, *secrets).apply(
        lambda known: (*known[0], *(_on_ups(args, known[1]) if args.power else ()), *_in_tunnel(args, known[2]))
    )


def _in_tunnel(args: BareMetalServerArgs, token: str | None) -> tuple[File, ...]:
    if args.tunnel is None:
        return ()
    if not token:
        raise pulumi.RunError(
            f"`{args.server.name}` has part in the tunnel `{args.tunnel.tunnel}`, and no token; "
            f"fix: tunnel_token=edge.tunnels[{args.tunnel.tunnel!r}].token"
        )
    return (token_file(token),)


def _on_ups(args: BareMetalServerArgs, secret: str | None) -> tuple[File, ...]:
    if args.power is None or args.power.name != args.server.name:
        raise pulumi.RunError(f"`power` is of another host than `{args.server.name}`; fix: power=plan.host(that name)")
    if not secret or len(secret) < _SECRET_LENGTH:
        raise pulumi.RunError(
            f"`{args.server.name}` watches batteries, and the secret of its site has {len(secret or '')} characters; "
            f"fix: power_secret=config.require_secret(...), {_SECRET_LENGTH} random ones at least"
        )
    return nut.told(args.power, secret)


def _boot(installer: VirtualMedia | Pxe) -> dict[str, Any]:
    match installer:
        case VirtualMedia(image, media):
            return {"boot": "virtual-media", "image": image, "media": media}
        case Pxe():
            return {"boot": "pxe"}
        case _:
            assert_never(installer)


def _given(bmc: BmcAccess) -> dict[str, pulumi.Input[Any]]:
    told = {name: getattr(bmc, name) for name in BmcAccess.__slots__}
    return {name: value for name, value in told.items() if value is not None}


def _expected(args: BareMetalServerArgs) -> dict[str, Any]:
    """An address that is off by one must not install the neighbour."""
    said = {"model": args.model, "serial": args.serial, "macs": [link.mac for link in args.server.links]}
    return {name: value for name, value in said.items() if value is not None}
