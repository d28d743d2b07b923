"""Accounts of a provider: what the stack's secret settings say of one, checked before any resource is declared."""

from collections.abc import Collection, Mapping

import pulumi


def account_settings(name: str | None) -> dict[str, pulumi.Output[str]] | None:
    """The stack's secret setting `hdinfra:account-<name>`: a provider's own argument names, and secret values.

    None without a name: then the environment's credentials are used. RunError names the command that sets it.
    """
    if name is None:
        return None
    settings = _settings(name)
    if settings is None:
        raise pulumi.RunError(
            f"account `{name}` has no settings; fix: pulumi config set --secret --path 'hdinfra:account-{name}.token' …"
        )
    # What is empty is as good as missing: a provider would say so in the middle of an `up`.
    return {argument: pulumi.Output.secret(value) for argument, value in settings.items() if value}


def _settings(name: str) -> Mapping[str, str] | None:
    try:
        settings = pulumi.Config("hdinfra").get_object(f"account-{name}")
    except pulumi.ConfigTypeError:  # its text has the value, which is secret
        settings = ()
    if settings is None or isinstance(settings, Mapping):
        return settings
    raise pulumi.RunError(
        f"account `{name}` is one text and no object of settings; fix: pulumi config rm 'hdinfra:account-{name}', "
        f"then pulumi config set --secret --path 'hdinfra:account-{name}.token' …"
    )


def check_settings(
    account: str | None, given: Collection[str], known: Collection[str], required: Collection[str] = ()
) -> None:
    """RunError for a setting that the provider does not know, a slip that would go unseen, or that it cannot do
    without. It takes the names alone, so that no value can be told."""
    path = f"hdinfra:account-{account}"
    for name in sorted(set(given) - set(known)):
        raise pulumi.RunError(
            f"account `{account}` has the setting `{name}`, and its provider takes {', '.join(known)}; "
            f"fix: pulumi config rm --path '{path}.{name}'"
        )
    for name in sorted(set(required) - set(given)):
        raise pulumi.RunError(
            f"account `{account}` has no `{name}`; fix: pulumi config set --secret --path '{path}.{name}' …"
        )


def settings_of(
    account: str | None, known: Collection[str], required: Collection[str] = (), pair: Collection[str] = ()
) -> dict[str, pulumi.Output[str]]:
    """Each setting of an account by its name, checked and still secret; empty without an account. `pair`: settings of
    which none is of use without the others."""
    settings = account_settings(account)
    if settings is None:
        return {}
    check_settings(account, settings, known, required)
    check_settings(account, settings, known, required=pair if set(pair) & set(settings) else ())
    return settings


def token_of(account: str | None) -> pulumi.Output[str] | None:
    """The token of an account that has no other setting; None without an account."""
    return settings_of(account, known=("token",), required=("token",)).get("token")
