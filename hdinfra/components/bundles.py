"""Where first boots fetch our code: a machine that plays a bucket, or an address that the user fills."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import Ground, MachineHandle, NetworkHandle, Scope, Store, cloud_of
from hdinfra.components.ground import Stand, declare_machine, furnished, lay_ground
from hdinfra.machine.bundle import Bundle, bundle_of, cache_folder, keep_bundle
from hdinfra.model.plan import BundlesPlan, MachinePlan
from hdinfra.plugins.policy import resources
from hdinfra.protocol.bundle import sign_bundle


@dataclass(frozen=True, slots=True)
class BundlesArgs:
    """`roles`: those that have an agent. `grounds`: of the Clusters by name, one of which may bring a bucket."""

    plan: BundlesPlan
    scope: Scope
    roles: tuple[str, ...]
    keys: resources.Keys
    grounds: Mapping[str, Ground]
    wan: NetworkHandle | None = None


class Bundles(pulumi.ComponentResource):
    """One archive a role. `pins` say where it lies, which it is and that the stack signed it."""

    store: MachineHandle | None
    pins: Mapping[str, pulumi.Output[dict[str, str]]]

    def __init__(self, name: str, args: BundlesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Bundles", name, None, opts)
        bundles = [bundle_of(role) for role in args.roles]
        self.store = None
        urls = {bundle.role: pulumi.Output.from_input(f"{args.plan.url}/{bundle.file_name}") for bundle in bundles}
        if args.plan.store:
            ground = _ground(name, args, args.plan.store, self)
            store = self.store = declare_machine(args.plan.store, ground, None, self, Stand())
            urls = {bundle.role: _filled(bundle, store, ground, self) for bundle in bundles}
        elif args.plan.bucket:
            ground = args.grounds[args.plan.bucket]
            bucket = ground.cloud.bucket(f"{ground.name}-bundles", ground, ground.options(self))
            urls = {bundle.role: _filled(bundle, bucket, ground, self) for bundle in bundles}
        self.pins = {bundle.role: _pin(bundle, urls[bundle.role], args.keys) for bundle in bundles}
        self.register_outputs({"bundles": {bundle.role: bundle.sha256 for bundle in bundles}})


def _ground(name: str, args: BundlesArgs, store: MachinePlan, parent: pulumi.Resource) -> Ground:
    bare = lay_ground(name, store.region, cloud_of(store.provider), args.scope, parent)
    return furnished(bare, (store,), (args.wan,) if args.wan else (), parent)


def _filled(bundle: Bundle, store: Store, ground: Ground, parent: pulumi.Resource) -> pulumi.Output[str]:
    path = keep_bundle(bundle, cache_folder())
    return ground.cloud.bundle(bundle, path, store, ground, ground.options(parent)).url


def _pin(bundle: Bundle, url: pulumi.Output[str], keys: resources.Keys) -> pulumi.Output[dict[str, str]]:
    # What the key signs is no secret, though the engine would call it one.
    signature = pulumi.Output.unsecret(
        # Under stock mocks the engine answers nothing, and nothing is signed.
        keys.signing_key.apply(lambda key: sign_bundle(bundle.role, bundle.sha256, key) if key else "")
    )
    return pulumi.Output.all(url, signature).apply(
        lambda known: {"url": known[0], "sha256": bundle.sha256, "signature": known[1]}
    )
