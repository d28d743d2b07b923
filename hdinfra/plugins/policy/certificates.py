"""The resource `hdpolicy:index:Certificates`: the certificates of all sites of an edge, had, renewed and delivered."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from hdinfra.plugins.kind import Call, Difference, InitFailedError, PluginError, Values
from hdinfra.plugins.policy.api import Api, Endpoint
from hdinfra.plugins.policy.delivery import Delivered, Delivery
from hdinfra.plugins.policy.issuing import ACME, LOCAL, SUPPLIED, Issuing, SiteCertificate
from hdinfra.plugins.policy.names import ENDPOINTS, PEM, SCOPE, SIGNING_KEY, ZONE
from hdinfra.plugins.policy.plane import ControlPlane
from hdinfra.plugins.policy.watch import Pace
from hdinfra.plugins.shapes import Failure, Many, Number, Record, Table, Text
from hdinfra.plugins.values import UNKNOWN, holds_unknown
from hdinfra.protocol.seal import ProtocolError

_LOOK_SECONDS = 2  # a preview is not held up by a control plane that is gone
_HOST = Text(r"[a-z0-9.-]{1,253}", "a host's name")
_NEEDS: Mapping[str, tuple[str, ...]] = {
    LOCAL: ("issuerCertificate", "issuerKey"),
    ACME: ("issuerKey", "directory", "contact"),
    SUPPLIED: (),
}


class CertificatesKind:
    """One for all sites, so that a thousand sites are no thousand resources. A renewal is an update of this one."""

    inputs = Record(
        {
            "zone": ZONE,
            "scope": SCOPE,
            "generations": Table(Text()),
            "hosts": Many(_HOST),
            "supplied": Table(Record({"certificate": Text(), "key": Text()})),
            "issuer": Text("|".join(_NEEDS), f"one of {', '.join(_NEEDS)}"),
            "days": Number(1, 397),
            "issuerCertificate": Text(),
            "issuerKey": Text(),
            "directory": Text(),
            "contact": Text(),
            "endpoints": ENDPOINTS,
            "root": PEM,
            "signingKey": SIGNING_KEY,
            "adminToken": Text(r"[\x21-\x7e]{20,200}", "a token"),
        }
    )
    outputs: ClassVar[Mapping[str, str]] = {
        "certificates": "object",
        "endsAt": "object",
        "numbers": "object",
        "recipients": "object",
        "shown": "boolean",
    }
    secret_outputs = frozenset({"certificates"})

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def check(self, inputs: Values) -> Iterable[Failure]:
        """What the issuer needs."""
        for name in _NEEDS.get(inputs["issuer"], ()) if isinstance(inputs["issuer"], str) else ():
            if not inputs[name]:
                yield Failure(name, f"is empty, and the issuer `{inputs['issuer']}` needs it")

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """What stays is known."""
        if state is None or _due(inputs, state):
            return {**dict.fromkeys(self.outputs, UNKNOWN), "shown": True}
        return {**_kept(state), "shown": True}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Has them all made, and shown."""
        resource_id = f"{inputs['zone']}/{inputs['scope']}-certificates"
        return resource_id, self._bring(call, resource_id, inputs, {})

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """The state is all there is."""
        return _kept(state)

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """All in place, but for another zone or edge; what ends soon is an update as well."""
        replaces = changed & {"zone", "scope"}
        updates = set(changed - replaces)
        if _due(inputs, state):
            updates.add("endsAt")
        if not state.get("shown"):
            updates.add("shown")
        return Difference(updates=frozenset(updates), replaces=replaces)

    def look(self, call: Call, inputs: Values, state: Values, changed: frozenset[str]) -> frozenset[str]:
        """Which sites get another certificate and why; and API machines that know otherwise."""
        due = _due(inputs, state)
        for host, why in due.items():
            call.remark(f"certificate of {host}: made anew, as {why}")
        if holds_unknown({name: inputs[name] for name in ("endpoints", "root", "adminToken", "signingKey")}):
            return frozenset()
        plane = _plane(inputs, _LOOK_SECONDS)
        try:
            told = Delivery(plane, call, self._pace, ()).numbers()
        except (PluginError, ProtocolError):
            return frozenset()
        finally:
            plane.close()
        if told == (state.get("numbers") or {}):
            return frozenset()
        call.remark("the API machines know other certificates than the stack: they are sealed again")
        return frozenset({"numbers"})

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Renews what is due, seals for edges that were made anew, takes away what has no site any more."""
        return self._bring(call, resource_id, inputs, state)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Nothing to undo: edges show what they have until they are removed."""

    def _bring(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        issued = _issue(call, inputs, state)
        plane = _plane(inputs, 5)
        try:
            delivered = self._deliver(call, plane, inputs, state, issued.certificates)
        except (PluginError, ProtocolError) as error:
            # What was issued must not be lost: an ACME server gives only so many a week.
            made = _outputs(issued.certificates, state.get("numbers") or {}, state.get("recipients") or {}, shown=False)
            raise InitFailedError(resource_id, made, [*issued.failures, str(error)]) from error
        finally:
            plane.close()
        reasons = [*issued.failures, *(f"`{n}` does not show them: {why}" for n, why in delivered.lagging.items())]
        made = _outputs(issued.certificates, delivered.numbers, delivered.recipients, shown=not reasons)
        for name in delivered.silent:
            call.warn(f"machine {name} has not been heard of; it takes its certificates when it is back")
        if reasons:
            raise InitFailedError(resource_id, made, reasons)
        return made

    def _deliver(
        self,
        call: Call,
        plane: ControlPlane,
        inputs: Values,
        state: Values,
        certificates: Mapping[str, SiteCertificate],
    ) -> Delivered:
        delivery = Delivery(plane, call, self._pace, inputs["generations"])
        recipients = delivery.recipients()
        known, before = delivery.numbers(), _held(state)
        same_edges = recipients == state.get("recipients") and inputs["generations"] == state.get("generations")
        told = state.get("numbers") or {}
        texts = {host: _text(certificates.get(host)) for host in known.keys() | certificates.keys()}
        fresh = {
            host: text
            for host, text in texts.items()
            if not (same_edges and told.get(host) == known.get(host) and text == _text(before.get(host)))
        }
        numbers = delivery.send(fresh, recipients, inputs["signingKey"]) if fresh else known
        return delivery.shown(numbers, recipients)


@dataclass(frozen=True, slots=True)
class _Issued:
    certificates: Mapping[str, SiteCertificate]
    failures: tuple[str, ...]


def _issue(call: Call, inputs: Values, state: Values) -> _Issued:
    """One that cannot be had leaves its site with the one it has, and the others go on."""
    issuing, held = Issuing(inputs), _held(state)
    found, failures = dict[str, SiteCertificate](), []
    for host in issuing.hosts:
        before = held.get(host)
        if before is not None:
            found[host] = before
        if issuing.due(host, before):
            call.check_cancelled()
            call.progress(f"having {host} certified")
            try:
                found[host] = issuing.made(host)
            except PluginError as error:
                failures.append(f"no certificate for `{host}`: {error}")
    return _Issued(found, tuple(failures))


def _due(inputs: Values, state: Values) -> dict[str, str]:
    names = ("hosts", "supplied", "issuer", "days", "issuerCertificate", "issuerKey", "directory")
    if holds_unknown({name: inputs[name] for name in names}):
        return {}
    issuing, held = Issuing(inputs), _held(state)
    return {host: why for host in issuing.hosts if (why := issuing.due(host, held.get(host)))}


def _held(state: Values) -> dict[str, SiteCertificate]:
    return {host: SiteCertificate(**told) for host, told in (state.get("certificates") or {}).items()}


def _text(one: SiteCertificate | None) -> str:
    return json.dumps({"certificate": one.certificate, "key": one.key}) if one else ""


def _plane(inputs: Values, timeout: float) -> ControlPlane:
    endpoints = [Endpoint.of(endpoint) for endpoint in inputs["endpoints"]]
    apis = [Api(endpoint, inputs["root"], inputs["adminToken"], timeout) for endpoint in endpoints]
    return ControlPlane(apis, inputs["zone"], inputs["signingKey"])


def _outputs(
    certificates: Mapping[str, SiteCertificate],
    numbers: Mapping[str, int],
    recipients: Mapping[str, str],
    *,
    shown: bool,
) -> Values:
    return {
        "certificates": {host: asdict(one) for host, one in certificates.items()},
        "endsAt": {host: _day(one.ends_at) for host, one in certificates.items()},
        "numbers": dict(numbers),
        "recipients": dict(recipients),
        "shown": shown,
    }


def _kept(state: Values) -> dict[str, Any]:
    return {name: state[name] for name in CertificatesKind.outputs if name in state}


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
