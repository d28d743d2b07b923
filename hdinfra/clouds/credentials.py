"""What leads to providers' credentials, looked for before the first resource: a run does not end half-way for that."""

import os
from collections.abc import Collection, Mapping, Sequence

import pulumi

from hdinfra.clouds.cloud import cloud_of
from hdinfra.model.plan import ZonePlan
from hdinfra.model.spec import Provider

Ways = Sequence[Sequence[str]]
"""Sets of variables of the environment; one that is complete is enough."""

CREDENTIALS: Mapping[Provider, Ways] = {
    Provider.LOCAL: (),
    Provider.AWS: (
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_PROFILE",),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
        ("AWS_EC2_METADATA_DISABLED",),  # set to false, it says that an instance's own role is to be used
    ),
    # An application's, or a person's after `az login`, of whom `az` alone knows. The last is a machine's on Azure.
    Provider.AZURE: (("ARM_SUBSCRIPTION_ID",), ("ARM_USE_MSI",)),
    Provider.DIGITALOCEAN: (("DIGITALOCEAN_TOKEN",), ("DIGITALOCEAN_ACCESS_TOKEN",)),
    Provider.GCP: (
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("GOOGLE_CREDENTIALS",),
        ("GOOGLE_CLOUD_KEYFILE_JSON",),
        ("GCLOUD_KEYFILE_JSON",),
        ("GOOGLE_OAUTH_ACCESS_TOKEN",),
    ),
    Provider.HETZNER: (("HCLOUD_TOKEN",),),
    Provider.IBM: (("IC_API_KEY",), ("IBMCLOUD_API_KEY",)),
    Provider.LINODE: (("LINODE_TOKEN",),),
}
"""What leads to a provider's credentials where no account brings them."""

AZURE_APPLICATION: Ways = (
    ("ARM_TENANT_ID", "ARM_CLIENT_SECRET"),
    ("ARM_TENANT_ID", "ARM_CLIENT_CERTIFICATE_PATH"),
    ("ARM_TENANT_ID", "ARM_USE_OIDC"),
    ("ARM_USE_MSI",),
)
"""What `ARM_CLIENT_ID` cannot prove alone. Without a proof the provider would ask `az`, which knows persons only."""

BUCKET_CREDENTIALS: Mapping[Provider, Ways] = {
    Provider.DIGITALOCEAN: (("SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY"),)
}
"""What a bucket wants besides. Linode's provider makes such keys by itself."""

_OWN: Mapping[Provider, frozenset[str]] = {
    Provider.AWS: frozenset({"access_key", "profile"}),
    Provider.GCP: frozenset({"credentials", "access_token"}),
}
"""Settings that bring an account's own credentials, where an account may lean on the environment's: a role that these
may take, a project that these may use. Elsewhere no account goes without."""
_OWN_BUCKET = frozenset({"spaces_access_id"})


def check_clouds(plan: ZonePlan) -> None:
    """RunError for the first extra, setting or variable that any cloud of the plan lacks, before any resource.

    A withdrawn Cluster's credentials are not asked for: they may be what is lost. Its settings still make a provider.
    """
    grounds = (*plan.clusters, *(plan.edge.places if plan.edge else ()))
    used = {(ground.provider, ground.account) for ground in grounds if ground.name not in plan.withdrawn}
    given = {
        (ground.provider, ground.account): cloud_of(ground.provider).given(ground.account)
        for ground in sorted(grounds, key=lambda ground: ground.name)
    }
    for provider, account in sorted(used, key=str):
        check_credentials(provider, account, given[provider, account])
    for ground in plan.clusters:
        if ground.name == plan.bundles.bucket:
            check_bucket(ground.provider, given[ground.provider, ground.account])


def check_credentials(provider: Provider, account: str | None, given: Collection[str] = ()) -> None:
    """RunError where nothing leads to credentials; `given`: names of the account's settings."""
    own = _OWN.get(provider)
    if account and (own is None or own & set(given)):
        return
    ways = CREDENTIALS[provider]
    if not _complete(ways):
        raise pulumi.RunError(
            f"provider `{provider}` finds no credentials; fix: {_export(ways)}, or name an `account` in the spec and "
            f"set it with `pulumi config set --secret`"
        )
    if provider is Provider.AZURE and _set("ARM_CLIENT_ID") and not _complete(AZURE_APPLICATION):
        raise pulumi.RunError(
            f"`ARM_CLIENT_ID` names an application, and nothing proves to `{provider}` that you are it; "
            f"fix: {_export(AZURE_APPLICATION)}, or unset ARM_CLIENT_ID to be who ran `az login`"
        )


def check_bucket(provider: Provider, given: Collection[str] = ()) -> None:
    """RunError where nothing leads to the keys that this provider's buckets want besides."""
    ways = BUCKET_CREDENTIALS.get(provider, ())
    if ways and not _OWN_BUCKET & set(given) and not _complete(ways):
        raise pulumi.RunError(
            f"the bucket for our code on `{provider}` finds no keys of its own; fix: {_export(ways)}, or name "
            f"another address by `bundles: {{url: …}}`"
        )


def _complete(ways: Ways) -> bool:
    return not ways or any(all(map(_set, names)) for names in ways)


def _set(name: str) -> bool:
    # What is empty is as good as missing, as in an account's settings.
    return bool(os.environ.get(name))


def _export(ways: Ways) -> str:
    return "export " + " ".join(f"{name}=…" for name in ways[0])
