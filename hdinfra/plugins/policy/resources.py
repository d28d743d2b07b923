"""The policy path's SDK: what a program registers, and what `pulumi-resource-hdpolicy` realises."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

_TO_PYTHON = {
    "adminToken": "admin_token",
    "bakeSeconds": "bake_seconds",
    "issuerCertificate": "issuer_certificate",
    "issuerKey": "issuer_key",
    "endsAt": "ends_at",
    "entriesKey": "entries_key",
    "rootKey": "root_key",
    "signingKey": "signing_key",
    "tokenHash": "token_hash",
}
_TO_ENGINE = {ours: engines for engines, ours in _TO_PYTHON.items()}


class _Resource(pulumi.CustomResource):
    def translate_output_property(self, prop: str) -> str:
        """From the engine's camel case to ours."""
        return _TO_PYTHON.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        """From our names to the engine's camel case."""
        return _TO_ENGINE.get(prop, prop)


class Provider(pulumi.ProviderResource):
    """The policy path's provider; it has no configuration."""

    def __init__(self, resource_name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdpolicy", resource_name, {}, opts)


class Keys(_Resource):
    """What a stack signs and certifies with. Made once; of these only `signer`, `root` and `token_hash` are public."""

    signing_key: pulumi.Output[str]
    signer: pulumi.Output[str]
    root: pulumi.Output[str]
    root_key: pulumi.Output[str]
    admin_token: pulumi.Output[str]
    token_hash: pulumi.Output[str]

    def __init__(
        self, resource_name: str, *, zone: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        names = ("signing_key", "signer", "root", "root_key", "admin_token", "token_hash")
        super().__init__("hdpolicy:index:Keys", resource_name, {"zone": zone, **dict.fromkeys(names)}, opts)


class Authority(_Resource):
    """Lets one API machine certify machines. `generation` is any text that changes when it was made anew, `endpoint`
    {"name", "address", "port"}; `ends_at` in seconds since 1970."""

    certificate: pulumi.Output[str]
    ends_at: pulumi.Output[float]
    request: pulumi.Output[str]
    entries_key: pulumi.Output[str]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        zone: pulumi.Input[str],
        machine: pulumi.Input[str],
        generation: pulumi.Input[str],
        endpoint: pulumi.Input[Mapping[str, pulumi.Input[Any]]],
        root: pulumi.Input[str],
        root_key: pulumi.Input[str],
        signing_key: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "zone": zone,
            "machine": machine,
            "generation": generation,
            "endpoint": endpoint,
            "root": root,
            "root_key": pulumi.Output.secret(root_key),
            "signing_key": pulumi.Output.secret(signing_key),
            "certificate": None,
            "ends_at": None,
            "request": None,
            "entries_key": None,
        }
        super().__init__("hdpolicy:index:Authority", resource_name, props, opts)


class Policy(_Resource):
    """A scope's PolicyDocument, rolled out to its machines and waited for until they serve it.

    `members` are machines with their clusters, `generations` any text a machine that changes when it was made anew,
    `code` by role the bundle that shall run. `silent` names machines that were not heard of; `serving` is whether all
    serve release `number`.
    """

    number: pulumi.Output[int]
    digest: pulumi.Output[str]
    serving: pulumi.Output[bool]
    silent: pulumi.Output[Sequence[str]]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        zone: pulumi.Input[str],
        scope: pulumi.Input[str],
        members: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        generations: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        document: pulumi.Input[Mapping[str, Any]],
        bake_seconds: pulumi.Input[float],
        code: pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, pulumi.Input[str]]]]],
        endpoints: pulumi.Input[Sequence[pulumi.Input[Mapping[str, pulumi.Input[Any]]]]],
        root: pulumi.Input[str],
        signing_key: pulumi.Input[str],
        admin_token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "zone": zone,
            "scope": scope,
            "members": members,
            "generations": generations,
            "document": document,
            "bake_seconds": bake_seconds,
            "code": code,
            "endpoints": endpoints,
            "root": root,
            "signing_key": pulumi.Output.secret(signing_key),
            "admin_token": pulumi.Output.secret(admin_token),
            "number": None,
            "digest": None,
            "serving": None,
            "silent": None,
        }
        super().__init__("hdpolicy:index:Policy", resource_name, props, opts)


class SiteAuthority(_Resource):
    """A certificate authority of the stack's own. Made once; `key` is secret."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]

    def __init__(
        self, resource_name: str, *, zone: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"zone": zone, "certificate": None, "key": None}
        super().__init__("hdpolicy:index:SiteAuthority", resource_name, props, opts)


class AcmeAccount(_Resource):
    """The key of an account at an ACME server. Made once; `key` is secret, `thumbprint` is what edges answer with."""

    key: pulumi.Output[str]
    thumbprint: pulumi.Output[str]

    def __init__(
        self, resource_name: str, *, zone: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"zone": zone, "key": None, "thumbprint": None}
        super().__init__("hdpolicy:index:AcmeAccount", resource_name, props, opts)


class Certificates(_Resource):
    """The certificates of all sites of an edge: issued or supplied, renewed, sealed for the edges and waited for.

    `generations` are the edges with any text that changes when one was made anew. `issuer` is `local` (with its
    certificate and key), `acme` (with the account's key, a directory and a contact) or `supplied`; what the others
    need is left empty. `supplied` goes before the issuer. `certificates` is secret; `ends_at` is for people.
    """

    certificates: pulumi.Output[Mapping[str, Any]]
    ends_at: pulumi.Output[Mapping[str, str]]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        zone: pulumi.Input[str],
        scope: pulumi.Input[str],
        generations: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        hosts: pulumi.Input[Sequence[pulumi.Input[str]]],
        supplied: pulumi.Input[Mapping[str, Mapping[str, str]]],
        issuer: pulumi.Input[str],
        endpoints: pulumi.Input[Sequence[pulumi.Input[Mapping[str, pulumi.Input[Any]]]]],
        root: pulumi.Input[str],
        signing_key: pulumi.Input[str],
        admin_token: pulumi.Input[str],
        days: pulumi.Input[int] = 90,
        issuer_certificate: pulumi.Input[str] = "",
        issuer_key: pulumi.Input[str] = "",
        directory: pulumi.Input[str] = "",
        contact: pulumi.Input[str] = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "zone": zone,
            "scope": scope,
            "generations": generations,
            "hosts": hosts,
            "supplied": pulumi.Output.secret(supplied),
            "issuer": issuer,
            "days": days,
            "issuer_certificate": issuer_certificate,
            "issuer_key": pulumi.Output.secret(issuer_key),
            "directory": directory,
            "contact": contact,
            "endpoints": endpoints,
            "root": root,
            "signing_key": pulumi.Output.secret(signing_key),
            "admin_token": pulumi.Output.secret(admin_token),
            "certificates": None,
            "ends_at": None,
            "numbers": None,
            "recipients": None,
            "shown": None,
        }
        super().__init__("hdpolicy:index:Certificates", resource_name, props, opts)
