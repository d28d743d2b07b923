"""The resource `hdpolicy:index:Authority`: one API machine that may certify the others."""

import hmac
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, ClassVar

from hdinfra.plugins.kind import Call, Difference, PluginError, Values
from hdinfra.plugins.policy.api import Api, ApiRefusedError, ApiUnreachableError, Endpoint, UnverifiedApi
from hdinfra.plugins.policy.names import ENDPOINT, MACHINE, PEM, SIGNING_KEY, ZONE
from hdinfra.plugins.policy.watch import Pace
from hdinfra.plugins.shapes import Failure, Record, Text
from hdinfra.plugins.values import UNKNOWN
from hdinfra.protocol import certificate, token
from hdinfra.protocol.entry import endorse
from hdinfra.protocol.seal import ProtocolError, canonical, public_of

RENEW_SECONDS = 60 * 86_400
"""Left of an authority's life when an `up` renews it."""
_PATH = "/v1/bootstrap"
_ROLE = "control"
_ANEW = "fix: make the machine anew (`pulumi up --target-replace` with its URN) and run `hdinfra up` again"


class AuthorityKind:
    """The machine proves by its enrolment token, which never travels, that the request is its own."""

    inputs = Record(
        {
            "zone": ZONE,
            "machine": MACHINE,
            "generation": Text(),
            "endpoint": ENDPOINT,
            "root": PEM,
            "rootKey": PEM,
            "signingKey": SIGNING_KEY,
        }
    )
    outputs: ClassVar[Mapping[str, str]] = {
        "certificate": "string",
        "endsAt": "number",
        "request": "string",
        "entriesKey": "string",
    }

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def check(self, inputs: Values) -> Iterable[Failure]:
        """Nothing beyond the shapes."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """A new certificate is not known before; one that only is looked at again stays."""
        return dict.fromkeys(self.outputs, UNKNOWN) if state is None or _old(state) else _kept(state)

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Certifies the machine as soon as it asks."""
        return f"{inputs['zone']}/{inputs['machine']}", self._certify(call, inputs, {})

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """Nothing to ask: whether it still holds is seen by everybody who connects."""
        return _kept(state)

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """Another machine is another authority; one that ends soon is renewed."""
        replaces = changed & {"zone", "machine"}
        return Difference(updates=changed - replaces | ({"endsAt"} if _old(state) else set()), replaces=replaces)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Certifies a machine that was made anew, and renews what ends soon."""
        if state.get("generation") == inputs["generation"] and _old(state):
            return self._renew(call, inputs, state)
        return self._certify(call, inputs, _kept(state))

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Gone with its machine."""

    def _certify(self, call: Call, inputs: Values, known: Values) -> Values:
        endpoint = Endpoint.of(inputs["endpoint"])
        call.progress(f"waiting for {endpoint.name} to ask for its authority")
        asked = self._asked(call, UnverifiedApi(endpoint))
        if asked is None:
            return self._certified_already(call, endpoint, inputs, known)
        check_asked(asked, inputs["zone"], inputs["machine"], inputs["signingKey"], time.time())
        return self._hand_over(call, inputs, str(asked["csr"]), str(asked["key"]))

    def _renew(self, call: Call, inputs: Values, state: Values) -> Values:
        if not state.get("request"):
            raise PluginError(f"the authority of `{inputs['machine']}` ends soon and its request is lost.\n{_ANEW}")
        return self._hand_over(call, inputs, state["request"], state["entriesKey"])

    def _hand_over(self, call: Call, inputs: Values, request: str, entries_key: str) -> Values:
        machine = inputs["machine"]
        made = certificate.issue_authority(inputs["root"], inputs["rootKey"], request, machine, time.time())
        body = {"certificate": made, "endorsement": endorse(inputs["zone"], machine, entries_key, inputs["signingKey"])}
        endpoint = Endpoint.of(inputs["endpoint"])
        self._put(call, UnverifiedApi(endpoint), body)
        self._verified(call, endpoint, inputs["root"])
        return _told(made, request, entries_key)

    def _certified_already(self, call: Call, endpoint: Endpoint, inputs: Values, known: Values) -> Values:
        # Killed after the hand-over and before the state was written, or made anew in name only.
        found = self._verified(call, endpoint, inputs["root"])
        if known.get("certificate") and certificate.key_id(known["certificate"]) == certificate.key_id(found):
            return _told(found, known["request"], known["entriesKey"])
        return _told(found, "", "")

    def _asked(self, call: Call, api: Api) -> dict[str, Any] | None:
        """What the machine asks for; None when it was certified before."""
        found: list[dict[str, Any] | None] = []

        def asked() -> None:
            try:
                found.append(api.get(_PATH))
            except ApiRefusedError as refused:
                if refused.code != "bootstrap.done":
                    raise
                found.append(None)

        self._until_reached(call, api, asked)
        return found[-1]

    def _put(self, call: Call, api: Api, body: Mapping[str, Any]) -> None:
        self._until_reached(call, api, lambda: api.put(_PATH, body))

    def _verified(self, call: Call, endpoint: Endpoint, root: str) -> str:
        """The authority that the machine shows by now, on a connection that the stack's root vouches for."""
        api, found = Api(endpoint, root, ""), list[str]()
        self._until_reached(call, api, lambda: found.append(api.authority()))
        return found[-1]

    def _until_reached(self, call: Call, api: Api, deed: Any) -> None:
        words: list[str] = []

        def reached() -> bool:
            try:
                deed()
            except ApiUnreachableError as error:
                words[:] = [str(error)]
                return False
            return True

        try:
            if call.wait_for(reached, within=self._pace.answer, every=self._pace.retry):
                return
        finally:
            api.close()
        raise ApiUnreachableError(
            f"the API machine `{api.endpoint.name}` gave no usable answer within {self._pace.answer:g} s: "
            f"{words[-1]}\nfix: look at `journalctl -u hdinfra-control -u nginx` on it, then run `hdinfra up` again"
        )


def check_asked(asked: Mapping[str, Any], zone: str, machine: str, signing_key: str, now: float) -> None:
    """PluginError unless the request comes from the machine that was given this token a quarter of an hour ago at
    most; `now` in seconds since 1970. Only the stack and that machine can make the token's text."""
    try:
        claimed = token.Token(**asked["token"])
        text = token.issue(claimed, signing_key)
        wanted = hmac.new(text.encode(), canonical({"csr": asked["csr"], "key": asked["key"]}).encode(), sha256)
        proof = str(asked["proof"])
    except (KeyError, TypeError):
        raise PluginError(
            f"`{machine}` asks for its authority in a way that is not known here: {asked!r:.200}"
        ) from None
    if not hmac.compare_digest(wanted.hexdigest().encode(), proof.encode()):
        raise PluginError(
            f"whoever answers for `{machine}` does not hold its enrolment token, so it gets no authority.\n"
            f"{_ANEW}; and find out who listens at its address"
        )
    if (claimed.machine, claimed.role) != (machine, _ROLE):
        raise PluginError(f"`{claimed.machine}` ({claimed.role}) answers where `{machine}` ({_ROLE}) should.\n{_ANEW}")
    try:
        token.read(text, public_of(signing_key), zone, now)
    except ProtocolError as refused:
        raise PluginError(f"`{machine}` cannot be certified: {refused}.\n{_ANEW}") from None


def _told(made: str, request: str, entries_key: str) -> Values:
    return {
        "certificate": made,
        "endsAt": certificate.ends_at(made),
        "request": request,
        "entriesKey": entries_key,
    }


def _kept(state: Values) -> Values:
    return {name: state[name] for name in AuthorityKind.outputs if name in state}


def _old(state: Values) -> bool:
    ends = state.get("endsAt")
    return isinstance(ends, int | float) and ends - time.time() < RENEW_SECONDS
