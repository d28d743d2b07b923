"""Settings of a provider's account: checked before any resource, and never told."""

import json

import pulumi
import pytest

from hdinfra.clouds.accounts import check_settings, settings_of, token_of
from hdinfra.testing import Recorder

SECRET = "s3cr3t-of-shop"


def asked(settings: object, required: tuple[str, ...] = ("token",)) -> None:
    """Ask for the account `shop` in a program whose stack has these settings."""
    text = settings if isinstance(settings, str) else json.dumps(settings)
    Recorder(config={"hdinfra:account-shop": text})(lambda: settings_of("shop", ("token", "region"), required) and None)


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"token": SECRET, "tokne": SECRET}, "and its provider takes token, region; fix: pulumi config rm --path"),
        ({"region": SECRET}, "no `token`; fix: pulumi config set --secret --path 'hdinfra:account-shop.token'"),
        ({"token": "", "region": SECRET}, "no `token`; fix: pulumi config set --secret"),
        (SECRET, "is one text and no object of settings; fix: pulumi config rm 'hdinfra:account-shop'"),
        (f'"{SECRET}"', "is one text and no object of settings; fix: pulumi config rm 'hdinfra:account-shop'"),
    ],
    ids=["unknown", "missing", "empty", "no JSON", "one text"],
)
def test_a_slip_is_said_without_its_value(settings: object, fix: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        asked(settings)
    assert fix in str(refused.value)
    assert SECRET not in str(refused.value)


def test_an_account_without_settings_is_told_how_to_get_them() -> None:
    with pytest.raises(pulumi.RunError, match=r"pulumi config set --secret --path 'hdinfra:account-none\.token'"):
        Recorder()(lambda: token_of("none") and None)


def test_settings_are_secret() -> None:
    told: list[bool] = []

    def program() -> None:
        token = token_of("shop")
        assert token is not None
        secret = pulumi.Output.from_input(token).is_secret()
        pulumi.export("told", pulumi.Output.from_input(secret).apply(told.append))

    Recorder(config={"hdinfra:account-shop": json.dumps({"token": SECRET})})(program)
    assert told == [True]


def test_without_an_account_nothing_is_asked() -> None:
    assert (settings_of(None, ("token",), ("token",)), token_of(None)) == ({}, None)


def test_what_is_known_and_complete_passes() -> None:
    check_settings("shop", {"token": "x"}, known=("token", "region"), required=("token",))
