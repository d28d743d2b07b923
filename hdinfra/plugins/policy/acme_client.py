"""Certificates from an ACME server (RFC 8555). Hosts are proven over HTTP; the edges answer without being told."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hdinfra.plugins.kind import PluginError

if TYPE_CHECKING:
    from acme.client import ClientV2
    from josepy.jwk import JWKEC

_MISSING = 'certificates over ACME need the package `acme`.\nfix: pip install "hdinfra[acme]"'
_AGENT = "hdinfra"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose certificates: an account key (PEM, P-256) at the server of that directory. `seconds` for one order."""

    directory: str
    contact: str
    key: str
    seconds: float = 120


def certified(account: Account, host: str, key: str) -> str:
    """The certificate for that host and key (PEM), its issuers behind it; PluginError with the server's own words."""
    try:
        # Slow to import and of use to few.
        import requests  # noqa: PLC0415
        from acme import crypto_util, errors, messages  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise PluginError(_MISSING) from missing
    try:
        client, own = _client(account)
        order = client.new_order(crypto_util.make_csr(key.encode(), [host]))
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_PENDING:
                _answer(client, own, authorization, host)
        until = datetime.datetime.now() + datetime.timedelta(seconds=account.seconds)
        return str(client.poll_and_finalize(order, until).fullchain_pem)
    except errors.ValidationError as refused:
        raise PluginError(f"{account.directory} could not prove `{host}`: {_reasons(refused)}") from refused
    except errors.TimeoutError as late:
        message = f"{account.directory} did not certify `{host}` within {account.seconds:g} s"
        raise PluginError(message) from late
    except (errors.Error, messages.Error, requests.RequestException) as error:
        raise PluginError(f"{account.directory} does not certify `{host}`: {error}") from error


def _client(account: Account) -> "tuple[ClientV2, JWKEC]":
    from acme import client, errors, messages  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415
    from josepy.jwa import ES256  # noqa: PLC0415
    from josepy.jwk import JWKEC  # noqa: PLC0415
    from josepy.util import ComparableECKey  # noqa: PLC0415

    private = serialization.load_pem_private_key(account.key.encode(), None)
    if not isinstance(private, EllipticCurvePrivateKey):
        raise PluginError("the account's key is none on an elliptic curve")
    own = JWKEC(key=ComparableECKey(private))
    net = client.ClientNetwork(own, alg=ES256, user_agent=_AGENT)
    made = client.ClientV2(client.ClientV2.get_directory(account.directory, net), net)
    wanted = messages.NewRegistration.from_data(email=account.contact, terms_of_service_agreed=True)
    try:
        made.new_account(wanted)
    except errors.ConflictError as known:
        made.query_registration(messages.RegistrationResource(uri=known.location, body=messages.Registration()))
    return made, own


def _answer(client: "ClientV2", own: "JWKEC", authorization: object, host: str) -> None:
    from acme.challenges import HTTP01  # noqa: PLC0415

    challenges = authorization.body.challenges  # type: ignore[attr-defined]
    offered = next((one for one in challenges if isinstance(one.chall, HTTP01)), None)
    if offered is None:
        raise PluginError(f"the authority offers no proof over HTTP for `{host}`")
    client.answer_challenge(offered, offered.response(own))


def _reasons(refused: object) -> str:
    found = [
        str(one.error)
        for authorization in refused.failed_authzrs  # type: ignore[attr-defined]
        for one in authorization.body.challenges
        if one.error
    ]
    return "; ".join(found) or "it gives no reason"
